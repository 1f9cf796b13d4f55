//! `procwatch trace`: everything that some processes do, in order, and what it adds up to.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use super::{held::Held, output_file};
use crate::procfs::tasks;
use crate::{
    cli::{
        args::{CollectionArgs, TraceArgs, TraceFormat, TraceKind},
        json::write_json,
        notice::notice,
        terminal::Terminal,
        trace::{
            json, perfetto,
            text::{self, End, Style},
            timeline::Timeline,
        },
    },
    collector::Now,
    config::Config,
    confine::{Confinement, Needs},
    kernel::{Known, Tracer, TracerOptions},
    model::{escape::terminal, redact::Redactor},
    trace::{
        calls,
        field::{self, TraceRow},
        names::{Lookup, Names},
        record::{Record, What},
        summary::Summary,
    },
};

/// How long records wait at most before they are taken.
const TICK: Duration = Duration::from_millis(5);
/// Records that are taken before somebody looks whether it is to end.
const AT_ONCE: u64 = 100_000;
/// Between two looks for threads of whose end there was no room to tell.
const LOOK: Duration = Duration::from_millis(500);
/// Rounds in which threads are looked for that were born while others were: each finds fewer.
const ROUNDS_MAX: usize = 20;

pub(super) fn run(args: &TraceArgs, collection: &CollectionArgs, config: &Config) -> super::Result {
    let redactor = if collection.no_redact {
        None
    } else {
        config.redact.redactor().context("redact")?
    };
    if collection.no_ebpf {
        bail!("a trace cannot be had from /proc; leave out --no-ebpf");
    }
    let output: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(output_file::open_empty(path, "a trace")?),
        None => Box::new(io::stdout()),
    };
    let held = match args.command.is_empty() {
        true => None,
        false => Some(Held::fork(&args.command, args.output.is_none())?),
    };
    let confinement = Confinement::begin(Needs::WATCH);
    let tracer = Tracer::start(&TracerOptions {
        ring_buffer: collection.ring_buffer,
        stacks: args.stacks,
        faults: args.kind.contains(&TraceKind::Fault),
    })?;
    let mut trace = Trace {
        tracer,
        told: Told {
            args,
            redactor,
            out: io::BufWriter::with_capacity(256 * 1024, output),
            style: Style {
                is_coloured: args.output.is_none() && Terminal::of_stdout().is_coloured,
            },
            names: Names::default(),
            summary: Summary::default(),
            timeline: Timeline::default(),
            start: Now::read(),
        },
    };
    let threads = match &held {
        Some(held) => trace.begin_held(held)?,
        None => trace.begin_those_asked_for()?,
    };
    let _confined = confinement.collecting();
    trace.told.begin_file().context("writing the trace")?;
    notice(format_args!(
        "ready: tracing {threads} thread{}",
        if threads == 1 { "" } else { "s" }
    ));
    if let Some(held) = held {
        held.release()?;
    }
    trace.follow()?;
    trace.end()
}

/// Whoever lives can be asked what its descriptors are.
struct Proc;

impl Lookup for Proc {
    fn descriptor(&mut self, pid: u32, descriptor: i32) -> Option<String> {
        tasks::descriptor(pid, descriptor)
    }
}

struct Trace<'a> {
    tracer: Tracer,
    told: Told<'a>,
}

/// What is shown, and what it adds up to.
struct Told<'a> {
    args: &'a TraceArgs,
    redactor: Option<Redactor>,
    out: io::BufWriter<Box<dyn Write>>,
    style: Style,
    names: Names,
    summary: Summary,
    timeline: Timeline,
    start: Now,
}

impl Trace<'_> {
    /// The program that waits to begin.
    fn begin_held(&mut self, held: &Held) -> super::Result<usize> {
        let now_ns = Now::read().boot_ns;
        // It is about to wait for a word, if it does not yet.
        let known = Known {
            pid: held.pid,
            tid: held.pid,
            sleep: None,
            call: None,
            tells_unseen_call: false,
        };
        self.tracer
            .trace(&known, now_ns)
            .context("naming the program to the kernel")?;
        self.told
            .summary
            .begin(held.pid, held.pid, "procwatch", now_ns);
        Ok(1)
    }

    /// Every thread of those that were asked for, and of their descendants.
    fn begin_those_asked_for(&mut self) -> super::Result<usize> {
        let roots = self.roots()?;
        let mut count = 0;
        for _ in 0..ROUNDS_MAX {
            let mut found = 0;
            for pid in tasks::with_descendants(&roots).context("reading /proc")? {
                for task in tasks::threads(pid) {
                    if self.tracer.is_traced(task.tid) {
                        continue;
                    }
                    let now_ns = Now::read().boot_ns;
                    let known = Known {
                        pid,
                        tid: task.tid,
                        sleep: task.sleep,
                        call: task.call,
                        tells_unseen_call: true,
                    };
                    self.tracer
                        .trace(&known, now_ns)
                        .context("naming a thread to the kernel")?;
                    self.told.summary.begin(pid, task.tid, &task.comm, now_ns);
                    found += 1;
                }
            }
            count += found;
            // Whoever is born from now on is born of one that is traced.
            if found == 0 {
                break;
            }
        }
        if count == 0 {
            bail!("none of the processes to trace is there any more");
        }
        Ok(count)
    }

    fn roots(&self) -> super::Result<BTreeSet<u32>> {
        let args = self.told.args;
        let mut roots = BTreeSet::new();
        for pid in &args.pid {
            if tasks::threads(*pid).is_empty() {
                bail!("there is no process {pid}");
            }
            roots.insert(*pid);
        }
        for name in &args.name {
            let named = tasks::named(name).context("reading /proc")?;
            if named.is_empty() {
                bail!(
                    "no process is called {}",
                    crate::model::escape::quoted(name)
                );
            }
            roots.extend(named);
        }
        if let Some(directory) = &args.cgroup {
            let shown = terminal(&directory.display().to_string()).into_owned();
            let found = tasks::in_cgroup(directory)
                .with_context(|| format!("{shown} cannot be read as a cgroup"))?;
            if found.is_empty() {
                bail!("there is no process in {shown}");
            }
            roots.extend(found);
        }
        if roots.is_empty() {
            bail!("nothing to trace; say --pid, --name or --cgroup, or a command after --");
        }
        if roots.contains(&std::process::id()) {
            bail!("procwatch does not trace itself: what it writes would be traced too");
        }
        Ok(roots)
    }

    /// Until somebody says stop, the time is up, or all that is traced has ended.
    fn follow(&mut self) -> super::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime could not be started")?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
            let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
            let deadline = self
                .told
                .args
                .duration
                .map(|span| tokio::time::Instant::now() + span);
            let mut looked = tokio::time::Instant::now();
            loop {
                let pause = if self.drain()? == AT_ONCE {
                    Duration::ZERO
                } else {
                    TICK
                };
                if pause == TICK && looked.elapsed() >= LOOK {
                    self.end_untold()?;
                    looked = tokio::time::Instant::now();
                }
                if self.told.summary.living() == 0 {
                    return Ok(());
                }
                if deadline.is_some_and(|end| tokio::time::Instant::now() >= end) {
                    return Ok(());
                }
                tokio::select! {
                    biased;
                    _ = interrupt.recv() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
            }
        })
    }

    /// Ends those of whose end there was no room to tell in its turn, or at all.
    fn end_untold(&mut self) -> super::Result<()> {
        let mut late = Vec::new();
        self.tracer
            .drain_ends(|record| late.push(record))
            .context("reading who has ended")?;
        if !late.is_empty() {
            // What these threads did before may wait in the stream still.
            while self.drain()? == AT_ONCE {}
        }
        let now = Now::read();
        for record in late {
            self.told.tell(record, now).context("writing the trace")?;
        }
        let living = self.told.summary.living_tids().into_iter();
        let gone: Vec<u32> = living.filter(|tid| !self.tracer.is_traced(*tid)).collect();
        // What told of their ends is in the stream by now, unless the hook was skipped or no map had room.
        if !gone.is_empty() && self.drain()? < AT_ONCE {
            let now_ns = Now::read().boot_ns;
            for tid in gone {
                self.told.summary.end_untold(tid, now_ns);
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> super::Result<u64> {
        let now = Now::read();
        let mut result = Ok(());
        let Self { tracer, told } = self;
        let taken = tracer.drain(AT_ONCE, |record| {
            if result.is_ok() {
                result = told.tell(record, now);
            }
        });
        result
            .and_then(|()| told.out.flush())
            .context("writing the trace")?;
        Ok(taken)
    }

    fn end(mut self) -> super::Result {
        // What lives goes on; what it does from now on is of no interest.
        let now_ns = Now::read().boot_ns;
        let left = self.tracer.left().context("reading who is traced still")?;
        while self.drain()? == AT_ONCE {}
        self.end_untold()?;
        let Self { tracer, mut told } = self;
        for left in left {
            told.summary
                .add_lost(left.tid, left.lost_blocked_ns, left.lost_waited_ns);
            if let Some(off) = &left.off {
                told.summary.is_off(left.tid, off, now_ns);
            }
        }
        for untold in tracer.untold().context("reading what was not told")? {
            told.summary
                .add_overflow(untold.number, untold.calls, untold.errors, untold.time_ns);
        }
        let losses = tracer.losses().context("reading what was lost")?;
        let missing: Vec<String> = tracer
            .missing()
            .iter()
            .map(|(tells, why)| format!("{tells:?}: {why}").to_lowercase())
            .collect();
        told.finish(now_ns, &losses, &missing)
            .context("writing the trace")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Told<'_> {
    /// What stands before the first record.
    fn begin_file(&mut self) -> io::Result<()> {
        match self.args.format {
            TraceFormat::Text | TraceFormat::Json => Ok(()),
            TraceFormat::Html => {
                let title = self.title();
                self.timeline.begin(&mut self.out, &title)
            }
            TraceFormat::Perfetto => {
                perfetto::begin(&mut self.out)?;
                for thread in self.summary.threads() {
                    perfetto::write_name(&mut self.out, thread.pid, thread.tid, &thread.comm)?;
                }
                Ok(())
            }
        }
    }

    /// What is traced, as it was asked for. Of a command the name alone: its arguments may be secrets.
    fn title(&self) -> String {
        let args = self.args;
        let mut asked: Vec<String> = args.pid.iter().map(|pid| format!("pid {pid}")).collect();
        asked.extend(args.name.iter().map(|name| terminal(name).into_owned()));
        asked.extend(
            args.cgroup
                .iter()
                .map(|cgroup| terminal(&cgroup.display().to_string()).into_owned()),
        );
        asked.extend(
            args.command
                .first()
                .map(|command| terminal(&command.to_string_lossy()).into_owned()),
        );
        format!("What {} did", asked.join(", "))
    }

    /// Shows a record, if it is wanted, and adds it up.
    fn tell(&mut self, mut record: Record, now: Now) -> io::Result<()> {
        redact(&mut record, self.redactor.as_ref());
        if let What::Call(call) = &record.what {
            self.names.learn(record.pid, call, &mut Proc);
        }
        // Before its end is in the sums, for it has no name afterwards.
        let comm = match &record.what {
            What::Born(born) => &born.comm,
            _ => self.summary.comm(record.tid),
        };
        if is_wanted(self.args, &record, comm, &self.names) {
            let (out, names, start_ns) = (&mut self.out, &self.names, self.start.boot_ns);
            match self.args.format {
                TraceFormat::Text => {
                    let line = text::line(&record, comm, names, start_ns, self.style);
                    out.write_all(line.as_bytes())
                }
                TraceFormat::Perfetto => perfetto::write(out, &record, comm, names, start_ns),
                TraceFormat::Html => self.timeline.write(out, &record, names, start_ns),
                TraceFormat::Json => {
                    let wall_ns = now.wall_at(record.time_ns);
                    write_json(&mut *out, &json::line(&record, comm, names, wall_ns))
                        .and_then(|()| out.write_all(b"\n"))
                }
            }?;
        }
        self.summary.add(&record, &self.names);
        Ok(())
    }

    /// What stands behind the last record.
    fn finish(
        &mut self,
        now_ns: u64,
        losses: &[(&'static str, u64)],
        missing: &[String],
    ) -> io::Result<()> {
        let end = End {
            summary: &self.summary,
            names: &self.names,
            start_ns: self.start.boot_ns,
            now_ns,
            losses,
            missing,
        };
        match self.args.format {
            TraceFormat::Text => self
                .out
                .write_all(text::summary(&end, self.style).as_bytes()),
            TraceFormat::Html => self.timeline.finish(&mut self.out, &end),
            TraceFormat::Perfetto => perfetto::finish(&mut self.out, &end),
            TraceFormat::Json => write_json(&mut self.out, &json::summary(&end))
                .and_then(|()| self.out.write_all(b"\n")),
        }?;
        self.out.flush()
    }
}

/// Takes secrets out of a command line.
fn redact(record: &mut Record, redactor: Option<&Redactor>) {
    let (What::Exec(exec), Some(redactor)) = (&mut record.what, redactor) else {
        return;
    };
    let mut argv = String::new();
    for argument in &exec.arguments {
        argv.push_str(argument);
        argv.push('\0');
    }
    if let Some(redacted) = redactor.argv(&argv, exec.is_truncated) {
        exec.arguments = redacted.split_terminator('\0').map(Into::into).collect();
    }
}

fn is_wanted(args: &TraceArgs, record: &Record, comm: &str, names: &Names) -> bool {
    if args.summary {
        return false;
    }
    let kind = json::kind(record);
    let is_of_kind = if args.kind.is_empty() {
        // With stacks it is asked for where threads block; on a track they take up no line.
        let shows_off_cpu =
            args.stacks || matches!(args.format, TraceFormat::Html | TraceFormat::Perfetto);
        kind != "fault" && (kind != "off_cpu" || shows_off_cpu)
    } else {
        args.kind.iter().any(|wanted| wanted.name() == kind)
    };
    let is_slow = args.slower.is_none_or(|least| {
        field::duration_ns(record).is_some_and(|duration| u128::from(duration) >= least.as_nanos())
    });
    let is_call_wanted = match &record.what {
        What::Call(call) => {
            let name = calls::name(call.number);
            (args.syscall.is_empty() || args.syscall.iter().any(|wanted| wanted == name))
                && (!args.errors || call.error().is_some())
        }
        _ => args.syscall.is_empty() && !args.errors,
    };
    let matches = || {
        let row = TraceRow {
            record,
            kind,
            comm,
            names,
        };
        args.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(&row))
    };
    is_of_kind && is_slow && is_call_wanted && matches()
}
