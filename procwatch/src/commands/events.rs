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

use super::listen::{Then, listen};
use crate::{
    agent::{Events, Message, Plan},
    cli::{
        args::{EventsArgs, Kind, TextFormat},
        event_line,
        json::{EventLine, LossCounts},
    },
    collector::{Freshness, Start},
    model::event::EventKind,
};

/// How often every thread is looked at, to repair what a lost record has left behind. Without eBPF this
/// is also how often births and ends are looked for.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn run(args: &EventsArgs, mut start: Start) -> super::Result {
    let of_connections = [Kind::Connect, Kind::Accept, Kind::Close];
    start.kernel.connections =
        args.kind.is_empty() || args.kind.iter().any(|kind| of_connections.contains(kind));
    let plan = Plan {
        interval: REPAIR_INTERVAL,
        samples_max: None,
        events: Events::Live,
        freshness: Freshness::Economical,
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
    let finished = listen(start, plan, args.duration, |message| {
        let Message::Events { batch, now } = message else {
            return Ok(Then::GoOn);
        };
        for event in batch.iter().filter(|event| wanted(&event.kind)) {
            *counts.entry(event.kind.name()).or_default() += 1;
            match args.format {
                TextFormat::Json => serde_json::to_writer(&mut out, &EventLine { event, now })?,
                TextFormat::Text => out.write_all(event_line::text(event, now).as_bytes())?,
            }
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(Then::GoOn)
    })?;
    let loss = finished.status.loss;
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
