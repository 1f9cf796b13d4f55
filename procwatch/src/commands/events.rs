//! `procwatch events`: what happens, as it happens.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::ValueEnum as _;
use serde_json::json;

use super::{listen::listen, source::Source};
use crate::{
    agent::{Events, Message, Plan},
    cli::{
        args::{EventsArgs, Kind, TextFormat},
        event_line,
        json::{EventLine, LossCounts, rfc3339, write_json},
    },
    collector::Freshness,
    model::{event::EventKind, sample::Losses, shed::Shed},
};

/// How often every thread is looked at, to repair what a lost record has left behind. Without eBPF this
/// is also how often births and ends are looked for.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn run(args: &EventsArgs, source: Source) -> super::Result {
    let of_connections = [Kind::Connect, Kind::Accept, Kind::Close];
    let source = source.with(|start| {
        start.kernel.connections =
            args.kind.is_empty() || args.kind.iter().any(|kind| of_connections.contains(kind));
    });
    let plan = Plan {
        interval: REPAIR_INTERVAL,
        samples_max: None,
        events: Events::Live,
        freshness: Freshness::Economical,
        last_question: None,
    };
    let wanted = |kind: &EventKind| {
        args.kind.is_empty() || args.kind.iter().any(|wanted| wanted.name() == kind.name())
    };
    let mut counts: BTreeMap<&str, u64> = Kind::value_variants()
        .iter()
        .filter(|kind| args.kind.is_empty() || args.kind.contains(kind))
        .map(|kind| (kind.name(), 0))
        .collect();
    let mut out = io::BufWriter::with_capacity(256 * 1024, io::stdout());
    let mut shed = Shed::NOTHING;
    let mut lost_before = Losses::default();
    let finished = listen(source, plan, args.duration, |message, _, _| {
        let (batch, now) = match message {
            Message::Ready(status) => {
                lost_before = status.loss;
                return Ok(());
            }
            Message::Events { batch, now } => (batch, now),
            Message::Sample(sample) if sample.shed != shed => {
                shed = sample.shed;
                write_shed(&mut out, args.format, sample.time_ns, shed)?;
                out.flush()?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        for event in batch.iter().filter(|event| wanted(&event.kind)) {
            *counts.entry(event.kind.name()).or_default() += 1;
            match args.format {
                TextFormat::Json => write_json(&mut out, &EventLine { event, now })?,
                TextFormat::Text => out.write_all(event_line::text(event, now).as_bytes())?,
            }
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(())
    })?;
    let loss = finished.status.loss.since(&lost_before);
    match args.format {
        TextFormat::Json => {
            let summary = json!({"type": "summary", "events": counts, "loss": LossCounts(&loss)});
            writeln!(out, "{summary}")
        }
        TextFormat::Text => {
            let seen: Vec<_> = counts
                .iter()
                .map(|(kind, count)| format!("{kind} {count}"))
                .collect();
            let lost: Vec<_> = loss
                .entries()
                .iter()
                .map(|(kind, count)| format!("{kind} {count}"))
                .collect();
            writeln!(
                out,
                "events: {}\nlost: {}",
                seen.join(", "),
                lost.join(", ")
            )
        }
    }
    .and_then(|()| out.flush())
    .context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// From here on something is missing, or nothing any more.
fn write_shed(
    out: &mut impl io::Write,
    format: TextFormat,
    time_ns: u64,
    shed: Shed,
) -> io::Result<()> {
    let (time, names) = (rfc3339(time_ns), shed.names());
    match format {
        TextFormat::Json => {
            let line = json!({"type": "shed", "time": time, "left_out": names});
            writeln!(out, "{line}")
        }
        TextFormat::Text if names.is_empty() => {
            writeln!(out, "{time} nothing is left out any more")
        }
        TextFormat::Text => writeln!(
            out,
            "{time} left out from now on, to stay within limits: {}",
            names.join(", ")
        ),
    }
}
