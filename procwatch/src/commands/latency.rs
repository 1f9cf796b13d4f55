//! `procwatch latency`: how long everybody waits, runs, is off the CPU, and waits for devices and the kernel.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use super::output_file;
use crate::{
    cli::{
        args::{CollectionArgs, LatencyArgs, LatencyKind, TextFormat},
        json::{rfc3339, write_json},
        latency::{self as face, Measurement, Order},
        notice::notice,
    },
    collector::Now,
    confine::{Confinement, Needs},
    kernel::LatencyMeter,
    latency::{BlockIo, Latencies, Row, Who},
};

/// Between two looks at who has ended.
const TICK: Duration = Duration::from_millis(100);
/// Between two looks for the block I/O of processes that have ended: the map of it is to have room for others.
const REAP: Duration = Duration::from_secs(5);

pub(super) fn run(args: &LatencyArgs, collection: &CollectionArgs) -> super::Result {
    if collection.no_ebpf {
        bail!("latencies cannot be had from /proc; leave out --no-ebpf");
    }
    if args.sort == LatencyKind::Syscall && !args.syscalls {
        bail!("--sort syscall needs --syscalls");
    }
    let output: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(output_file::open_empty(path, "what is measured")?),
        None => Box::new(io::stdout()),
    };
    let confinement = Confinement::begin(Needs::WATCH);
    let mut meter = LatencyMeter::start(args.syscalls, collection.ring_buffer)?;
    let _confined = confinement.collecting();
    let begun = Now::read();
    notice(format_args!("ready: measuring the host"));
    let mut measuring = Measuring {
        args,
        out: io::BufWriter::new(output),
        latencies: Latencies::default(),
        since_ns: begun.boot_ns,
    };
    measuring.follow(&mut meter)?;
    Ok(ExitCode::SUCCESS)
}

struct Measuring<'a> {
    args: &'a LatencyArgs,
    out: io::BufWriter<Box<dyn Write>>,
    latencies: Latencies,
    /// When this span began.
    since_ns: u64,
}

impl Measuring<'_> {
    /// Until somebody says stop, or the time is up.
    fn follow(&mut self, meter: &mut LatencyMeter) -> super::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime could not be started")?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
            let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
            let begun = Instant::now();
            let end = self.args.duration.map(|span| begun + span);
            let mut next = self.args.interval.map(|span| begun + span);
            let mut reap = begun + REAP;
            loop {
                let wake = [Some(Instant::now() + TICK), end, next];
                let wake = wake.into_iter().flatten().min();
                tokio::select! {
                    biased;
                    _ = interrupt.recv() => break,
                    _ = terminate.recv() => break,
                    () = tokio::time::sleep_until(wake.unwrap_or(begun)) => {}
                }
                let now = Instant::now();
                if end.is_some_and(|end| now >= end) {
                    break;
                }
                match (&mut next, self.args.interval) {
                    (Some(due), Some(span)) if now >= *due => {
                        // A pass that took too long is not made up for.
                        while *due <= now {
                            *due += span;
                        }
                        self.tell(meter)?;
                    }
                    _ => meter.drain(|thread| self.latencies.end(&thread)),
                }
                if now >= reap {
                    take_blocks(&mut self.latencies, meter)?;
                    reap = now + REAP;
                }
            }
            self.tell(meter)
        })
    }

    /// What the span has brought.
    fn tell(&mut self, meter: &mut LatencyMeter) -> super::Result<()> {
        let latencies = &mut self.latencies;
        meter.drain(|thread| latencies.end(&thread));
        let mut living = Vec::new();
        meter
            .living(|thread| living.push(thread))
            .context("reading what threads have added up")?;
        let now = Now::read();
        // Who has ended meanwhile is not to count twice.
        meter.drain(|ended| {
            living.retain(|thread| (thread.process, thread.tid) != (ended.process, ended.tid));
            latencies.end(&ended);
        });
        let losses = meter.losses().context("reading what was lost")?;
        let blocks = take_blocks(latencies, meter)?;
        let calls = meter.calls().context("reading system calls")?;
        let table = latencies.table(&living, &blocks, calls);
        if self.args.interval.is_some() {
            latencies.restart(&table);
        }
        let measurement = Measurement {
            table: &table,
            span_ns: now.boot_ns.saturating_sub(self.since_ns),
            time: &rfc3339(now.wall_ns),
            losses: &losses,
            no_block: meter.no_block(),
        };
        self.since_ns = now.boot_ns;
        let args = self.args;
        let is_wanted = |row: &Row| is_wanted(args, row);
        match args.format {
            TextFormat::Text => {
                let order = Order {
                    by: args.sort.kind(),
                    limit: args.limit,
                };
                let text = face::text(&measurement, order, is_wanted);
                self.out.write_all(text.as_bytes())
            }
            TextFormat::Json => write_json(&mut self.out, &face::json(&measurement, is_wanted))
                .and_then(|()| self.out.write_all(b"\n")),
        }
        .and_then(|()| self.out.flush())
        .context("writing what was measured")
    }
}

/// The block I/O of who lives; what the dead have left is added up, and its room freed.
fn take_blocks(latencies: &mut Latencies, meter: &mut LatencyMeter) -> super::Result<Vec<BlockIo>> {
    let mut blocks = meter.blocks().context("reading who has done block I/O")?;
    let taken = latencies.take_blocks(&blocks);
    for process in &taken {
        meter.forget_block(*process);
    }
    blocks.retain(|io| !taken.contains(&io.process));
    Ok(blocks)
}

fn is_wanted(args: &LatencyArgs, row: &Row) -> bool {
    if args.pid.is_empty() && args.name.is_empty() {
        return true;
    }
    let has_pid = match row.who {
        Who::Process(id) => args.pid.contains(&id.pid),
        Who::Ended(_) => false,
    };
    has_pid || args.name.iter().any(|name| **name == *row.comm)
}
