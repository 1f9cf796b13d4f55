//! The status of collection, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::json::{LossCounts, SourceGroups};
use crate::{
    collector::{Cost, Probe, ProbeState, RunsIn, Standing, Status, Usage},
    confine::{Outcome, Report},
    model::escape::terminal,
    model::units::{format_bytes, format_count, format_nanoseconds},
    viewers::Welcome,
};

/// Wider hooks are cut off for people: a fallback can have five of them.
const HOOK_WIDTH: usize = 30;

pub fn text(
    standing: &Standing,
    cost: &Cost,
    confinement: &Report,
    recorder: Option<&Welcome>,
) -> String {
    let status = &standing.status;
    let mut out = String::new();
    if let Some(recorder) = recorder {
        let _ = writeln!(
            out,
            "Of the recorder, process {}, which writes {} every {}\n",
            recorder.pid,
            terminal(&recorder.recording),
            format_nanoseconds(recorder.interval_ns)
        );
    }
    hooks(&mut out, status);
    out.push_str("\nFIGURES    SOURCE\n");
    for (group, state) in status.sources.entries() {
        let _ = writeln!(out, "{group:<10} {state}");
    }
    own_cost(&mut out, status, cost, recorder.is_some());
    notifiers(&mut out, standing);
    confined(&mut out, confinement);
    if let Some(usage) = &cost.usage {
        kernel_side(&mut out, usage);
    }
    out
}

/// How those are doing who tell others of alerts.
fn notifiers(out: &mut String, standing: &Standing) {
    if standing.notifiers.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{:<20} {:>7} {:>7} {:>7} {:>7}  STATE",
        "NOTIFIER", "SENT", "WAITING", "REFUSED", "DROPPED"
    );
    let now_ns = standing.now.wall_ns;
    for one in &standing.notifiers {
        let tally = &one.tally;
        let _ = write!(
            out,
            "{:<20} {:>7} {:>7} {:>7} {:>7}  ",
            one.name, tally.sent, one.waiting, tally.refused, tally.dropped
        );
        let last = tally.last_error.as_deref().map(terminal);
        let state = match (&last, one.next_attempt_ns) {
            (Some(why), Some(next_ns)) => format!(
                "failed {} times, again in {}: {why}",
                one.failures,
                format_nanoseconds(next_ns.saturating_sub(now_ns))
            ),
            (Some(why), None) => format!("the last time: {why}"),
            (None, _) if tally.sent == 0 => "nothing to tell so far".to_owned(),
            (None, _) => "well".to_owned(),
        };
        let _ = writeln!(out, "{state}");
        if let Some(why) = &one.not_kept {
            let _ = writeln!(
                out,
                "{:<20} what waits would not outlive a restart: {}",
                "",
                terminal(why)
            );
        }
    }
}

fn hooks(out: &mut String, status: &Status) {
    let mut row = |program: &str, hook: &str, kernels: &str, state: &str, needed_for: &str| {
        let _ = writeln!(
            out,
            "{program:<16} {hook:<HOOK_WIDTH$} {kernels:<11} {state:<11} {needed_for}"
        );
    };
    row("PROGRAM", "HOOK", "KERNELS", "STATE", "NEEDED FOR");
    for (probe, state) in &status.probes {
        let (hooks, kernels) = probe.hooks(state);
        let hooks = match hooks.split_once(", ") {
            Some((first, rest)) => format!("{first} +{}", rest.split(", ").count()),
            None => hooks,
        };
        row(
            probe.program,
            &hooks,
            kernels,
            state.name(),
            probe.needed_for,
        );
    }
    if let Some(why) = &status.degraded {
        let _ = writeln!(out, "\nOn /proc alone: {why}");
        return;
    }
    for (program, state, told) in reasons(status) {
        let _ = writeln!(out, "\n{program}: {state}: {told}");
    }
}

/// What each hook that is not active came to, the same for several told once.
fn reasons(status: &Status) -> Vec<(String, &'static str, String)> {
    let mut reasons: Vec<(String, &'static str, String)> = Vec::new();
    for (probe, state) in &status.probes {
        let Some(reason) = state.reason() else {
            continue;
        };
        let told = match state {
            ProbeState::Fallback { .. } => format!("missed: {reason}"),
            _ => reason.to_owned(),
        };
        match reasons
            .iter_mut()
            .find(|(_, name, before)| *name == state.name() && *before == told)
        {
            Some((programs, ..)) => {
                programs.push_str(", ");
                programs.push_str(probe.program);
            }
            None => reasons.push((probe.program.to_owned(), state.name(), told)),
        }
    }
    reasons
}

fn own_cost(out: &mut String, status: &Status, cost: &Cost, is_recorder: bool) {
    let lost: Vec<_> = status
        .loss
        .entries()
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let shed = status.shed.names();
    let list = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    let _ = writeln!(out, "\nLost       {}", list(&lost));
    let _ = writeln!(out, "Left out   {}", list(&shed));
    let _ = writeln!(
        out,
        "Own cost   {:.2}% of a core over {}, {} resident",
        cost.cpu_pct,
        format_nanoseconds(cost.span_ns),
        format_bytes(cost.own.rss_bytes)
    );
    let Some(usage) = &cost.usage else {
        return;
    };
    let _ = match usage.others_cpu_pct() {
        Some(percent) => write!(
            out,
            "Programs   {percent:.2}% of a core, in the time of whoever comes by"
        ),
        None if is_recorder => write!(
            out,
            "Programs   not counted by a recorder, for counting costs; --standalone counts its own"
        ),
        None => write!(
            out,
            "Programs   not counted: that takes CAP_SYS_ADMIN, and Linux 5.8"
        ),
    };
    let _ = writeln!(
        out,
        "; {} with their maps",
        format_bytes(usage.memory_bytes())
    );
    let ring = usage.ring_buffer;
    let _ = writeln!(
        out,
        "Ring       {}, at most {} of it in use",
        format_bytes(ring.size_bytes),
        format_bytes(ring.peak_bytes)
    );
}

/// The measures by their names in JSON.
fn measures(report: &Report) -> [(&'static str, &Outcome); 4] {
    [
        ("capabilities", &report.capabilities),
        ("no_new_privs", &report.no_new_privs),
        ("seccomp", &report.system_calls),
        ("landlock", &report.file_access),
    ]
}

fn confined(out: &mut String, report: &Report) {
    let list = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(" "),
    };
    let told: Vec<_> = measures(report)
        .into_iter()
        .map(|(name, outcome)| match outcome.why() {
            None => format!("{name} {}", outcome.name()),
            Some(why) => format!("{name} {} ({})", outcome.name(), terminal(why)),
        })
        .collect();
    let _ = writeln!(out, "Confined   {}", told.join(", "));
    let _ = writeln!(
        out,
        "Kept       {} to collect, {} elsewhere",
        list(&report.collecting),
        list(&report.showing)
    );
}

fn confinement_json(report: &Report) -> Value {
    let mut all: serde_json::Map<_, _> = measures(report)
        .into_iter()
        .map(|(name, outcome)| {
            let told = json!({ "state": outcome.name(), "reason": outcome.why() });
            (name.to_owned(), told)
        })
        .collect();
    all["capabilities"]["collecting"] = json!(report.collecting);
    all["capabilities"]["elsewhere"] = json!(report.showing);
    Value::Object(all)
}

fn kernel_side(out: &mut String, usage: &Usage) {
    let _ = writeln!(out, "\n{:<16} {:>10} {:>10}", "PROGRAM", "RUNS", "NS A RUN");
    for program in &usage.programs {
        if let (Some(runs @ 1..), Some(run_time_ns)) = (program.runs, program.run_time_ns) {
            let _ = writeln!(
                out,
                "{:<16} {runs:>10} {:>10}",
                program.program,
                run_time_ns / runs
            );
        }
    }
    let _ = writeln!(
        out,
        "\n{:<16} {:>10} {:>10} {:>10}",
        "MAP", "ENTRIES", "OF", "MEMORY"
    );
    let shown =
        |figure: Option<u64>, show: fn(u64) -> String| figure.map_or_else(|| "-".to_owned(), show);
    // Those of one entry are scratch space of programs.
    for map in usage.maps.iter().filter(|map| map.entries_max != Some(1)) {
        let _ = writeln!(
            out,
            "{:<16} {:>10} {:>10} {:>10}",
            map.map,
            shown(map.entries, format_count),
            shown(map.entries_max, format_count),
            shown(map.memory_bytes, format_bytes)
        );
    }
}

/// One object, without a line end.
pub fn json(
    standing: &Standing,
    cost: &Cost,
    confinement: &Report,
    recorder: Option<&Welcome>,
) -> String {
    let status = &standing.status;
    let probes: Vec<_> = status
        .probes
        .iter()
        .map(|(probe, state)| hook(probe, state))
        .collect();
    json!({
        "recorder": recorder.map(|one| {
            json!({
                "pid": one.pid,
                "recording": one.recording,
                "interval_ns": one.interval_ns,
            })
        }),
        "degraded": status.degraded,
        "hooks": probes,
        "sources": SourceGroups(&status.sources),
        "loss": LossCounts(&status.loss),
        "shed": status.shed.names(),
        "notifiers": standing.notifiers,
        "confinement": confinement_json(confinement),
        "own_cost": {
            "cpu_time_ns": cost.own.cpu_time_ns,
            "rss_bytes": cost.own.rss_bytes,
            "interval_ns": cost.span_ns,
            "cpu_pct": cost.cpu_pct,
            "kernel": cost.usage.as_ref().map(kernel_cost),
        },
    })
    .to_string()
}

fn hook(probe: &Probe, state: &ProbeState) -> Value {
    let (hooks, kernels) = probe.hooks(state);
    let ways: Vec<_> = probe
        .ways
        .iter()
        .map(|way| json!({ "hook": way.hooks(), "kernels": way.kernels, "loses": way.loses }))
        .collect();
    json!({
        "program": probe.program,
        "figures": probe.figures,
        "hook": hooks,
        "kernels": kernels,
        "needed_for": probe.needed_for,
        "state": state.name(),
        "reason": state.reason(),
        "ways": ways,
    })
}

fn kernel_cost(usage: &Usage) -> Value {
    let programs: Vec<_> = usage
        .programs
        .iter()
        .map(|one| {
            json!({
                "program": one.program,
                "is_pass": one.runs_in == RunsIn::OurTime,
                "runs": one.runs,
                "run_time_ns": one.run_time_ns,
                "memory_bytes": one.memory_bytes,
            })
        })
        .collect();
    let maps: Vec<_> = usage
        .maps
        .iter()
        .map(|one| {
            json!({
                "map": one.map,
                "entries": one.entries,
                "entries_max": one.entries_max,
                "memory_bytes": one.memory_bytes,
            })
        })
        .collect();
    json!({
        "cpu_pct": usage.others_cpu_pct(),
        "memory_bytes": usage.memory_bytes(),
        "ring_buffer": {
            "size_bytes": usage.ring_buffer.size_bytes,
            "peak_bytes": usage.ring_buffer.peak_bytes,
        },
        "programs": programs,
        "maps": maps,
    })
}
