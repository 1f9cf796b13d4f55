//! A trace for people: a line a record, and the summary.

use std::fmt::Write as _;

use crate::{
    cli::histogram::bars,
    model::{
        device::Histogram,
        errno,
        escape::terminal,
        identity::WaitStatus,
        signal_name,
        units::{format_bytes, format_count, format_nanoseconds},
    },
    trace::{
        arguments, calls,
        cause::Cause,
        names::Names,
        record::{
            Block, Call, Disposition, Exec, Exit, OffCpu, Record, Signal, SignalStage, Waker, What,
        },
        split::Split,
        summary::{Moved, Summary},
    },
};

/// Off its CPU for less than this share of a call, it is not worth a word.
const WORTH_TELLING: u64 = 10;
/// Rows of a table of the summary.
const ROWS_MAX: usize = 15;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub is_coloured: bool,
}

impl Style {
    const RED: &str = "\x1b[31m";
    const DIM: &str = "\x1b[2m";
    const BOLD: &str = "\x1b[1m";

    fn paint(self, colour: &str, text: &str) -> String {
        if self.is_coloured {
            format!("{colour}{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The line, with its end, and the lines of its stack.
pub fn line(record: &Record, comm: &str, names: &Names, start_ns: u64, style: Style) -> String {
    let begun_ns = match &record.what {
        What::Call(call) => call.entered_ns.unwrap_or(record.time_ns),
        What::OffCpu(off) => off.since_ns,
        What::Block(block) => block.queued_ns,
        _ => record.time_ns,
    };
    let since_ns = begun_ns.saturating_sub(start_ns);
    let mut what = what(record, names);
    if what.contains(crate::model::escape::acts_on_a_terminal) {
        what = terminal(&what).into_owned();
    }
    let mut line = String::with_capacity(what.len() + 64);
    let time = format!(
        "{:>5}.{:06}",
        since_ns / 1_000_000_000,
        since_ns / 1000 % 1_000_000
    );
    let _ = write!(
        line,
        "{} {:<15} {:>7}  ",
        style.paint(Style::DIM, &time),
        terminal(comm),
        record.tid
    );
    let is_error = match &record.what {
        What::Call(call) => call.error().is_some(),
        What::Block(block) => block.has_failed,
        _ => false,
    };
    if is_error {
        line.push_str(&style.paint(Style::RED, &what));
    } else {
        line.push_str(&what);
    }
    line.push('\n');
    if let What::OffCpu(off) = &record.what {
        for function in &off.stack {
            let _ = writeln!(line, "{:>40}  {}", "", terminal(function));
        }
    }
    line
}

/// What a record tells, without when and of whom.
pub fn what(record: &Record, names: &Names) -> String {
    match &record.what {
        What::Call(call) => of_call(call, record.time_ns, names),
        What::OffCpu(off) => off_cpu(off, record.time_ns, names),
        What::Born(born) => {
            let kind = if record.pid == record.tid {
                "process"
            } else {
                "thread"
            };
            format!("+ {kind} born, of {}", born.parent_tid)
        }
        What::Exec(exec) => of_exec(exec),
        What::Exit(exit) => of_exit(exit),
        What::Signal(signal) => of_signal(signal, record.tid),
        What::Fault(fault) => {
            let wish = if fault.is_write { "write" } else { "read" };
            let reason = if fault.is_protection {
                "not allowed yet"
            } else {
                "not there"
            };
            format!("page fault: {wish} at {:#x}, {reason}", fault.address)
        }
        What::Block(block) => of_block(block, record.time_ns),
    }
}

fn of_call(call: &Call, returned_ns: u64, names: &Names) -> String {
    let mut out = calls::label(call.number);
    out.push('(');
    arguments::write(&mut out, call, |out, file, ends| {
        names.write(out, file, ends);
    });
    out.push_str(") = ");
    write_result(&mut out, call, names);
    match call.duration_ns(returned_ns) {
        Some(duration_ns) => {
            let _ = write!(out, "  {}", format_nanoseconds(duration_ns));
            let share = duration_ns / WORTH_TELLING;
            if call.blocked_ns > share && call.blocked_ns > 0 {
                let _ = write!(out, ", blocked {}", format_nanoseconds(call.blocked_ns));
            }
            if call.waited_ns > share && call.waited_ns > 0 {
                let _ = write!(out, ", {} for a CPU", format_nanoseconds(call.waited_ns));
            }
        }
        None => out.push_str("  begun before the trace"),
    }
    out
}

fn write_result(out: &mut String, call: &Call, names: &Names) {
    if let Some(error) = call.error() {
        let _ = write!(out, "-1 {}", errno::name(error));
        return;
    }
    let returns_address = ["mmap", "brk", "mremap"].contains(&calls::name(call.number));
    let _ = if returns_address {
        write!(out, "{:#x}", call.result)
    } else {
        write!(out, "{}", call.result)
    };
    let returns_descriptor =
        calls::shape(call.number).is_some_and(|shape| shape.returns_descriptor);
    if let Some(file) = call.file.filter(|_| returns_descriptor) {
        out.push('<');
        names.write(out, file, call.ends);
        out.push('>');
    }
}

fn off_cpu(off: &OffCpu, now_ns: u64, names: &Names) -> String {
    let cause = Cause::of(off);
    let (blocked_ns, waited_ns) = (
        off.ready_ns.saturating_sub(off.since_ns),
        now_ns.saturating_sub(off.ready_ns.max(off.since_ns)),
    );
    if cause == Cause::RunQueue {
        return format!("waited {} for a CPU", format_nanoseconds(waited_ns));
    }
    let mut out = format!(
        "off CPU {} {}",
        format_nanoseconds(blocked_ns),
        cause.words()
    );
    if let Some(call) = off.call {
        let _ = write!(out, " in {}", calls::label(call));
    }
    if let Some(file) = off.file {
        out.push_str(" of ");
        names.write(&mut out, file, None);
    }
    if let Some(waker) = &off.waker {
        let _ = write!(out, ", woken by {}", of_waker(waker));
    }
    let _ = write!(out, ", then {} for a CPU", format_nanoseconds(waited_ns));
    out
}

fn of_waker(waker: &Waker) -> String {
    if waker.tid == 0 {
        "an interrupt".to_owned()
    } else {
        format!("{} {}", waker.comm, waker.tid)
    }
}

fn of_exec(exec: &Exec) -> String {
    let cut = if exec.is_truncated { " …" } else { "" };
    format!("runs {:?}: {}{cut}", exec.path, exec.arguments.join(" "))
}

fn of_exit(exit: &Exit) -> String {
    let mut out = if exit.is_last {
        format!("- ended: {}", of_status(exit.status))
    } else {
        "- thread ended".to_owned()
    };
    let _ = write!(
        out,
        "; CPU {}, waited {} for one",
        format_nanoseconds(exit.cpu_time_ns),
        format_nanoseconds(exit.run_queue_wait_ns)
    );
    out
}

fn of_status(status: u32) -> String {
    let status = WaitStatus(status);
    match status.signal() {
        Some(signal) => format!("killed by {}", signal_name::name(u32::from(signal))),
        None => format!("exit code {}", status.exit_code().unwrap_or(0)),
    }
}

fn of_signal(signal: &Signal, tid: u32) -> String {
    let name = signal_name::name(signal.number);
    match &signal.stage {
        SignalStage::Sent { by, has_effect } => {
            let effect = if *has_effect { "" } else { ", without effect" };
            let sender = if by.tid == tid {
                "itself".to_owned()
            } else {
                of_waker(by)
            };
            format!("{name} sent by {sender}{effect}")
        }
        SignalStage::Taken(disposition) => {
            let how = match disposition {
                Disposition::Default => "by default",
                Disposition::Ignored => "and ignored",
                Disposition::Handled => "by a handler",
            };
            format!("{name} taken {how}")
        }
    }
}

fn of_block(block: &Block, now_ns: u64) -> String {
    let failed = if block.has_failed { ", failed" } else { "" };
    format!(
        "block {} of {} at {}:{} sector {}  {}{failed}",
        block.operation.name(),
        format_bytes(u64::from(block.bytes)),
        block.major,
        block.minor,
        block.sector,
        format_nanoseconds(now_ns.saturating_sub(block.queued_ns))
    )
}

/// What is known when a trace is over.
#[derive(Debug)]
pub struct End<'a> {
    pub summary: &'a Summary,
    pub names: &'a Names,
    /// Since boot.
    pub start_ns: u64,
    pub now_ns: u64,
    /// What there was no room for, by kind.
    pub losses: &'a [(&'static str, u64)],
    /// What this host does not let us tell, and why.
    pub missing: &'a [String],
}

/// The summary.
pub fn summary(end: &End<'_>, style: Style) -> String {
    let mut out = String::new();
    let heading = |out: &mut String, text: &str| {
        let _ = writeln!(out, "\n{}", style.paint(Style::BOLD, text));
    };
    let summary = end.summary;
    let _ = writeln!(
        out,
        "\n{} processes and {} threads in {}",
        summary.process_count(),
        summary.threads().len(),
        format_nanoseconds(end.now_ns.saturating_sub(end.start_ns))
    );
    heading(&mut out, "Where the time went, by thread");
    splits(&mut out, end);
    heading(&mut out, "System calls, by time");
    system_calls(&mut out, summary);
    let files: Vec<_> = summary
        .files()
        .into_iter()
        .map(|(file, moved)| {
            let mut name = String::new();
            end.names.write(&mut name, file, None);
            (name, moved)
        })
        .collect();
    if !files.is_empty() {
        heading(&mut out, "Files, by bytes");
        moved(&mut out, &files);
    }
    let peers: Vec<_> = summary
        .peers()
        .into_iter()
        .map(|(ends, moved)| {
            let remote = ends
                .remote
                .map_or_else(String::new, |remote| remote.to_string());
            (
                format!("{} {} -> {remote}", ends.protocol.name(), ends.local),
                moved,
            )
        })
        .collect();
    if !peers.is_empty() {
        heading(&mut out, "Connections, by bytes");
        moved(&mut out, &peers);
    }
    let slowest = summary.slowest();
    if !slowest.is_empty() {
        heading(&mut out, "Slowest single operations");
        for slow in slowest.into_iter().take(10) {
            let _ = writeln!(
                out,
                "{:>10}  {:>7}  {}",
                format_nanoseconds(slow.duration_ns),
                slow.tid,
                terminal(&slow.text)
            );
        }
    }
    heading(&mut out, "How long it took");
    latencies(&mut out, summary);
    others(&mut out, end);
    out
}

fn splits(out: &mut String, end: &End<'_>) {
    let summary = end.summary;
    let total = summary.total(end.now_ns);
    let causes: Vec<Cause> = Cause::ALL
        .into_iter()
        .filter(|cause| total.of(*cause) > 0)
        .collect();
    let _ = write!(out, "{:>7} {:<15} {:>10}", "TID", "COMM", "WALL");
    for cause in &causes {
        let _ = write!(out, " {:>10}", cause.name().to_uppercase());
    }
    out.push('\n');
    let mut row = |tid: &str, comm: &str, split: &Split| {
        let wall = split.wall_ns.max(1) as f64;
        let _ = write!(
            out,
            "{tid:>7} {comm:<15} {:>10}",
            format_nanoseconds(split.wall_ns)
        );
        for cause in &causes {
            let _ = match split.of(*cause) {
                0 => write!(out, " {:>10}", "-"),
                spent => write!(out, " {:>9.1}%", spent as f64 * 100.0 / wall),
            };
        }
        out.push('\n');
    };
    let mut threads: Vec<_> = summary.threads().iter().collect();
    // Those that lived longest say most.
    threads.sort_by_key(|thread| std::cmp::Reverse(thread.split(end.now_ns).wall_ns));
    let left_out = threads.len().saturating_sub(ROWS_MAX);
    for thread in threads.into_iter().take(ROWS_MAX) {
        row(
            &thread.tid.to_string(),
            &terminal(&thread.comm),
            &thread.split(end.now_ns),
        );
    }
    row("all", "", &total);
    if left_out > 0 {
        let _ = writeln!(out, "  and {left_out} more; --format json has every thread");
    }
}

fn system_calls(out: &mut String, summary: &Summary) {
    let _ = writeln!(
        out,
        "{:<20} {:>9} {:>8} {:>10} {:>10} {:>10} {:>10}",
        "CALL", "COUNT", "ERRORS", "TIME", "BLOCKED", "MEAN", "LONGEST"
    );
    let calls = summary.calls();
    let left_out = calls.len().saturating_sub(2 * ROWS_MAX);
    for (number, sums) in calls.iter().take(2 * ROWS_MAX) {
        let _ = writeln!(
            out,
            "{:<20} {:>9} {:>8} {:>10} {:>10} {:>10} {:>10}",
            calls::label(*number),
            sums.count,
            sums.errors,
            format_nanoseconds(sums.time_ns),
            format_nanoseconds(sums.blocked_ns),
            format_nanoseconds(sums.time_ns / sums.count.max(1)),
            format_nanoseconds(sums.longest_ns)
        );
    }
    let (count, errors, time_ns) =
        calls
            .iter()
            .fold((0, 0, 0), |(count, errors, time), (_, one)| {
                (count + one.count, errors + one.errors, time + one.time_ns)
            });
    let _ = writeln!(
        out,
        "{:<20} {count:>9} {errors:>8} {:>10}",
        "all",
        format_nanoseconds(time_ns)
    );
    if left_out > 0 {
        let _ = writeln!(out, "  and {left_out} more; --format json has every call");
    }
}

fn moved(out: &mut String, rows: &[(String, Moved)]) {
    let _ = writeln!(
        out,
        "{:>10} {:>10} {:>9} {:>10}  NAME",
        "READ", "WRITTEN", "CALLS", "TIME"
    );
    for (name, moved) in rows.iter().take(ROWS_MAX) {
        let _ = writeln!(
            out,
            "{:>10} {:>10} {:>9} {:>10}  {}",
            format_bytes(moved.read_bytes),
            format_bytes(moved.written_bytes),
            moved.calls,
            format_nanoseconds(moved.time_ns),
            terminal(name)
        );
    }
    if let Some(left_out) = rows.len().checked_sub(ROWS_MAX + 1) {
        let _ = writeln!(out, "  and {} more; --format json has all", left_out + 1);
    }
}

fn latencies(out: &mut String, summary: &Summary) {
    let _ = writeln!(
        out,
        "{:<20} {:>9} {:>10} {:>10}  1 ns … 1 min, by powers of two",
        "KIND", "COUNT", "MEDIAN", "99 %"
    );
    let mut row = |name: &str, histogram: &Histogram| {
        let (Some(median), Some(p99)) = (histogram.median_ns(), histogram.p99_ns()) else {
            return;
        };
        let _ = writeln!(
            out,
            "{name:<20} {:>9} {:>10} {:>10}  {}",
            format_count(histogram.count()),
            format_nanoseconds(median),
            format_nanoseconds(p99),
            bars(histogram)
        );
    };
    row("wait for a CPU", &summary.run_queue_waits.buckets());
    let mut requests: Vec<_> = summary.requests.iter().collect();
    requests.sort_unstable_by_key(|(operation, _)| **operation);
    for (operation, requests) in requests {
        row(
            &format!("block {}", operation.name()),
            &requests.latencies.buckets(),
        );
    }
    for (number, sums) in summary.calls().into_iter().take(ROWS_MAX) {
        row(&calls::label(number), &sums.latencies.buckets());
    }
}

fn others(out: &mut String, end: &End<'_>) {
    let summary = end.summary;
    let _ = writeln!(
        out,
        "\nBirths {}, programs {}, ends {}; page faults {} minor, {} major (of who has ended)",
        summary.births, summary.execs, summary.ends, summary.minor_faults, summary.major_faults
    );
    let mut taken: Vec<_> = summary.signals_taken.iter().collect();
    taken.sort_unstable();
    if !taken.is_empty() {
        let names: Vec<_> = taken
            .iter()
            .map(|(number, count)| format!("{} {count}", signal_name::name(**number)))
            .collect();
        let _ = writeln!(out, "Signals taken: {}", names.join(", "));
    }
    if summary.other_files.calls > 0 {
        let _ = writeln!(
            out,
            "Too many files and connections to tell all apart: {} calls about others",
            summary.other_files.calls
        );
    }
    if summary.threads_left_out > 0 {
        let _ = writeln!(
            out,
            "Too many threads to tell all apart: the time of {} is not in the table",
            summary.threads_left_out
        );
    }
    for ended in summary.failed.iter().take(ROWS_MAX) {
        let _ = writeln!(
            out,
            "{} {} ended: {}",
            terminal(&ended.comm),
            ended.pid,
            of_status(ended.status)
        );
    }
    for missing in end.missing {
        let _ = writeln!(out, "Not told here: {}", terminal(missing));
    }
    let lost: Vec<_> = end
        .losses
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let _ = if lost.is_empty() {
        writeln!(out, "Nothing was lost.")
    } else {
        writeln!(
            out,
            "Lost: {}. What is lost of syscall and off_cpu is in the sums all the same; --ring-buffer gives more room.",
            lost.join(", ")
        )
    };
}
