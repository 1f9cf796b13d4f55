//! `procwatch events`: what happens, as it happens.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
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
        json::{EventLine, LossCounts, rfc3339},
    },
    collector::{Freshness, Now, Start},
    model::{
        escape::terminal,
        event::{Event, EventKind},
        sample::TotalsAt,
        totals::Counter,
        units::{format_bytes, format_nanoseconds},
    },
};

/// How often every thread is looked at, to repair what a lost record has left behind. Without eBPF this
/// is also how often births and ends are looked for.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn run(args: &EventsArgs, start: Start) -> super::Result {
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
                TextFormat::Text => out.write_all(line(event, now).as_bytes())?,
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

/// One event as one line for people.
fn line(event: &Event, now: Now) -> String {
    let time = event.time_ns.map_or_else(
        || "time unknown".to_owned(),
        |boot_ns| rfc3339(now.wall_at(boot_ns)),
    );
    let pid = event.id.pid;
    let comm = terminal(&event.facts.comm);
    let mut line = format!("{time} {:<4} {pid:>7} {comm:<15} ", event.kind.name());
    let _ = match &event.kind {
        EventKind::Fork => write!(line, "by {}", event.parent.map_or(0, |parent| parent.pid)),
        EventKind::Exec => {
            let exe = event.facts.exe.as_deref().unwrap_or("(path unknown)");
            let command = event.facts.command_line();
            let cut = if event.facts.argv_truncated {
                " …"
            } else {
                ""
            };
            write!(line, "{}: {}{cut}", terminal(exe), terminal(&command))
        }
        EventKind::Exit(account) => {
            let ending = account.state.ending();
            let how = match ending.and_then(|ending| ending.status) {
                None => "how is unknown".to_owned(),
                Some(status) => match (status.exit_code(), status.signal()) {
                    (Some(code), _) => format!("code {code}"),
                    (None, signal) => format!(
                        "signal {}{}",
                        signal.unwrap_or(0),
                        if status.core_dumped() {
                            ", core dumped"
                        } else {
                            ""
                        }
                    ),
                },
            };
            let figure = |counter, text: fn(u64) -> String| {
                account
                    .totals
                    .get(counter)
                    .map_or_else(|| "-".to_owned(), text)
            };
            let quality = match ending.map(|ending| ending.totals) {
                Some(TotalsAt::Exit) => " (totals up to its exit)",
                Some(TotalsAt::LastSeen) => " (totals when last seen)",
                _ => "",
            };
            write!(
                line,
                "{how}  cpu {}  waited {}  read {}  wrote {}{quality}",
                figure(Counter::CpuTime, format_nanoseconds),
                figure(Counter::RunQueueWait, format_nanoseconds),
                figure(Counter::Read, format_bytes),
                figure(Counter::Write, format_bytes),
            )
        }
    };
    line
}
