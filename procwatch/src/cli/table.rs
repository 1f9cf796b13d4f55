//! The table for people: a summary of the host, then a line per process, cut to the width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::model::{
    escape::{fit, fit_before, terminal},
    field::Field,
    sample::State,
    shown::{how_it_ended, percent, shown},
    snapshot::{ProcessView, Snapshot},
    totals::Counter,
    units::{format_bytes, format_nanoseconds},
};

/// One process and how deep it stands below the first of its line.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub view: ProcessView<'a>,
    pub depth: usize,
}

/// A column of figures. The command line comes after all of them.
struct Column {
    heading: &'static str,
    field: Field,
    width: usize,
}

const COLUMNS: &[Column] = &[
    Column {
        heading: "PID",
        field: Field::Pid,
        width: 7,
    },
    Column {
        heading: "USER",
        field: Field::User,
        width: 9,
    },
    Column {
        heading: "S",
        field: Field::State,
        width: 1,
    },
    Column {
        heading: "CPU%",
        field: Field::CpuPct,
        width: 6,
    },
    Column {
        heading: "WAIT%",
        field: Field::Rate(Counter::RunQueueWait),
        width: 6,
    },
    Column {
        heading: "CPU TIME",
        field: Field::Total(Counter::CpuTime),
        width: 10,
    },
    Column {
        heading: "RSS",
        field: Field::Rss,
        width: 6,
    },
    Column {
        heading: "READ/s",
        field: Field::Rate(Counter::Read),
        width: 6,
    },
    Column {
        heading: "WRITE/s",
        field: Field::Rate(Counter::Write),
        width: 7,
    },
    Column {
        heading: "THR",
        field: Field::Threads,
        width: 4,
    },
];

/// After those above, where the screen is at least [`WIDE`].
const WIDE_COLUMNS: &[Column] = &[
    Column {
        heading: "SENT/s",
        field: Field::Rate(Counter::NetSent),
        width: 6,
    },
    Column {
        heading: "RECV/s",
        field: Field::Rate(Counter::NetReceived),
        width: 6,
    },
];

/// Columns of a screen that still has room for commands beside all figures.
const WIDE: usize = 100;
/// Devices that are named above the table.
const DEVICES_MAX: usize = 4;

/// Writes the table. `degraded` tells why the figures are from /proc alone.
pub fn render(
    snapshot: &Snapshot,
    rows: &[Row<'_>],
    sort: Field,
    degraded: Option<&str>,
    width: usize,
) -> String {
    let mut out = String::new();
    for line in summary(snapshot, degraded) {
        out.push_str(&fit(&line, width));
        out.push('\n');
    }
    out.push('\n');
    // A field that has no column of its own and is sorted by is shown all the same.
    let wide = if width >= WIDE { WIDE_COLUMNS } else { &[] };
    let mut shown_anyway = COLUMNS.iter().chain(wide);
    let extra = (!shown_anyway.any(|column| column.field == sort)).then(|| Column {
        heading: sort.name(),
        field: sort,
        width: sort.name().len().max(8),
    });
    let columns: Vec<&Column> = COLUMNS.iter().chain(wide).chain(&extra).collect();
    let mut heading = String::new();
    for column in &columns {
        align(&mut heading, column, column.heading);
    }
    heading.push_str("COMMAND");
    out.push_str(&fit(&heading, width));
    out.push('\n');
    for row in rows {
        let mut line = String::new();
        for column in &columns {
            align(&mut line, column, &shown(column.field, &row.view));
        }
        for _ in 0..row.depth {
            line.push_str("  ");
        }
        let ending = match row.view.process.state {
            State::Exited(ending) => format!(" ({})", how_it_ended(ending)),
            _ => String::new(),
        };
        let command = row.view.process.facts.command_line();
        let room = width.saturating_sub(line.width());
        line.push_str(&fit_before(&terminal(&command), &ending, room));
        out.push_str(&fit(&line, width));
        out.push('\n');
    }
    out
}

fn align(line: &mut String, column: &Column, text: &str) {
    let width = column.width;
    match column.field {
        Field::User | Field::State => {
            let text = fit(text, width);
            let _ = write!(line, "{text:<width$} ");
        }
        _ => {
            let _ = write!(line, "{text:>width$} ");
        }
    }
}

/// The devices that moved most in the interval: what, and how long the median request and one of a hundred
/// took them. `None` when none did anything.
fn devices(snapshot: &Snapshot) -> Option<String> {
    let busy = snapshot.busy_devices();
    let texts = busy.iter().take(DEVICES_MAX).map(|device| {
        let mut text = device.name.as_deref().map_or_else(
            || device.number.to_string(),
            |name| terminal(name).into_owned(),
        );
        for (verb, direction) in [("reads", &device.read), ("writes", &device.write)] {
            let Some(bytes) = snapshot
                .per_second(direction.bytes)
                .filter(|bytes| *bytes > 0)
            else {
                continue;
            };
            let _ = write!(text, " {verb} {}/s", format_bytes(bytes));
            let latencies = &direction.latencies;
            if let (Some(median), Some(tail)) = (latencies.median_ns(), latencies.p99_ns()) {
                let (median, tail) = (format_nanoseconds(median), format_nanoseconds(tail));
                let _ = write!(text, " in {median} (p99 {tail})");
            }
        }
        text
    });
    let texts: Vec<_> = texts.collect();
    (!texts.is_empty()).then(|| format!("Disks   {}", texts.join("   ")))
}

/// Where the CPUs' time went.
fn cpu(snapshot: &Snapshot) -> String {
    let share = snapshot.cpu_shares();
    let processes = percent(share.processes_pct);
    let cpus = snapshot.sample.host.cpu.map(|cpu| cpu.cpus);
    match (cpus, share.busy_pct, share.unattributed_pct) {
        (Some(cpus), Some(busy), Some(unattributed)) => format!(
            "{}% of {}% busy: {processes}% by processes, {}% by none",
            percent(busy),
            cpus * 100,
            percent(unattributed)
        ),
        _ => format!("{processes}% by processes; this /proc does not tell the host's"),
    }
}

/// The lines above the table's heading.
pub fn summary(snapshot: &Snapshot, degraded: Option<&str>) -> Vec<String> {
    let sample = &snapshot.sample;
    let ended = sample
        .processes
        .iter()
        .filter(|p| matches!(p.state, State::Exited(_)))
        .count();
    let living = sample.processes.len() - ended;
    let mut lines = vec![format!(
        "procwatch   {living} processes, {ended} ended   CPU {}",
        cpu(snapshot)
    )];
    let mut memory = String::new();
    if let (Some(total), Some(available)) = (
        sample.host.memory_total_bytes,
        sample.host.memory_available_bytes,
    ) {
        let _ = write!(
            memory,
            "Memory {} available of {}   ",
            format_bytes(available),
            format_bytes(total)
        );
    }
    let _ = write!(
        memory,
        "Interval {}",
        format_nanoseconds(snapshot.interval_ns)
    );
    let lost = sample.loss.total();
    if lost > 0 {
        let kinds: Vec<_> = sample
            .loss
            .entries()
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        let _ = write!(memory, "   LOST: {}", kinds.join(", "));
    }
    lines.push(memory);
    if !sample.shed.is_nothing() {
        let names = sample.shed.names().join(", ");
        lines.push(format!("Left out to stay within limits: {names}"));
    }
    lines.extend(devices(snapshot));
    if let Some(why) = degraded {
        lines.push(format!(
            "From /proc alone, in steps of 10 ms, blind between samples: {why}"
        ));
    }
    lines
}
