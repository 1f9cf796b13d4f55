//! `procwatch status`: what works here, what does not and why.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;

use super::listen::{Then, listen};
use crate::{
    agent::{Events, Plan},
    cli::{
        args::{StatusArgs, TextFormat},
        json::{LossCounts, SourceGroups},
    },
    collector::{Freshness, OwnCost, Probe, ProbeState, Start, Status},
    model::units::{format_bytes, format_nanoseconds},
};

pub(super) fn run(args: &StatusArgs, start: Start) -> super::Result {
    let plan = Plan {
        interval: Duration::from_secs(1),
        samples_max: Some(1),
        events: Events::Silent,
        freshness: Freshness::Full,
    };
    let finished = listen(start, plan, None, |_| Ok(Then::GoOn))?;
    let status = &finished.status;
    let cost = OwnCost::read();
    let text = match args.format {
        TextFormat::Text => text(status, cost),
        TextFormat::Json => json(status, cost) + "\n",
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("writing to standard output")?;
    let is_whole = status.probes.iter().all(|(_, state)| state.is_measuring());
    let is_degraded = status.degraded.is_some() || status.loss.total() > 0 || !is_whole;
    Ok(ExitCode::from(u8::from(is_degraded)))
}

/// The hooks in use, or those that were wanted.
fn hooks(probe: &Probe, state: &ProbeState) -> String {
    match state {
        ProbeState::Fallback { hooks, .. } => hooks.clone(),
        _ => probe.hooks(),
    }
}

fn text(status: &Status, cost: OwnCost) -> String {
    let mut out = format!(
        "{:<16} {:<32} {:<12} NEEDED FOR\n",
        "PROGRAM", "HOOK", "STATE"
    );
    for (probe, state) in &status.probes {
        let _ = writeln!(
            out,
            "{:<16} {:<32} {:<12} {}",
            probe.program,
            hooks(probe, state),
            state.name(),
            probe.needed_for
        );
    }
    match &status.degraded {
        Some(why) => {
            let _ = writeln!(out, "\nOn /proc alone: {why}");
        }
        None => {
            for (probe, state) in &status.probes {
                if let Some(reason) = state.reason() {
                    let _ = writeln!(out, "\n{}: {}: {reason}", probe.program, state.name());
                }
            }
        }
    }
    out.push_str("\nFIGURES    SOURCE\n");
    for (group, state) in status.sources.entries() {
        let _ = writeln!(out, "{group:<10} {state}");
    }
    let lost: Vec<_> = status
        .loss
        .entries()
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let _ = writeln!(out, "\nLost: {}", lost.join(", "));
    let _ = writeln!(
        out,
        "Own cost: {} of CPU and {} resident, of that most at start",
        format_nanoseconds(cost.cpu_time_ns),
        format_bytes(cost.rss_bytes)
    );
    out
}

fn json(status: &Status, cost: OwnCost) -> String {
    let probes: Vec<_> = status
        .probes
        .iter()
        .map(|(probe, state)| {
            json!({
                "program": probe.program,
                "hook": hooks(probe, state),
                "needed_for": probe.needed_for,
                "state": state.name(),
                "reason": state.reason(),
            })
        })
        .collect();
    json!({
        "degraded": status.degraded,
        "hooks": probes,
        "sources": SourceGroups(&status.sources),
        "loss": LossCounts(&status.loss),
        "own_cost": { "cpu_time_ns": cost.cpu_time_ns, "rss_bytes": cost.rss_bytes },
    })
    .to_string()
}
