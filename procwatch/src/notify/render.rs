//! Alerts in the words and formats of receivers: pure functions of a [`super::Letter`].
//!
//! Names of processes are an attacker's text. What people read has every name through [`harmless`] first, and then
//! through what its medium needs; JSON carries names as they are, for programs.

pub(super) mod alertmanager;
pub(super) mod chart;
mod html;
pub(super) mod json;
pub(super) mod line;
pub(super) mod mail;
pub(super) mod pagerduty;
mod plain;
pub(super) mod slack;

use crate::model::{
    alert::{Alert, AlertState, Figure, Severity, Subject},
    escape::{fit, terminal},
    units::{format_bytes, format_nanoseconds},
};

use super::letter::Letter;

/// Alerts of a message that are told in full to people; of the others there is a line each, and then their number.
const DETAILED_MAX: usize = 10;
const LISTED_MAX: usize = 100;

/// One line that acts on nothing, not longer than this.
pub(super) fn harmless(text: &str, width: usize) -> String {
    fit(&terminal(text), width)
}

/// What an alert is about, for grouping: the name that stays when processes come and go.
pub(super) fn program(alert: &Alert) -> String {
    match &alert.subject {
        Subject::Host => "host".to_owned(),
        Subject::Container(name) => name.clone(),
        Subject::Program(exe) => exe.rsplit('/').next().unwrap_or(exe).to_owned(),
        Subject::Process(id) => match &alert.culprit {
            Some(culprit) if culprit.id == *id => culprit.comm.clone(),
            _ => format!("process {}", id.pid),
        },
    }
}

/// The same with what tells it from others of its kind.
fn subject(alert: &Alert) -> String {
    let program = harmless(&program(alert), 64);
    match &alert.subject {
        Subject::Host => program,
        Subject::Container(_) => format!("container {program}"),
        Subject::Program(_) => format!("program {program}"),
        Subject::Process(id) if alert.culprit.as_ref().is_some_and(|who| who.id == *id) => {
            format!("{program} (pid {})", id.pid)
        }
        Subject::Process(_) => program,
    }
}

/// For a subject of mail, a notification, a line of a log.
pub(super) fn title(letter: &Letter) -> String {
    let firing = letter.count(AlertState::Firing);
    let host = harmless(&letter.host, 64);
    if let [alert] = letter.alerts.as_slice() {
        return format!(
            "[{}] {}: {}: {} on {host}",
            state(alert).to_uppercase(),
            alert.severity.name(),
            harmless(&alert.rule, 60),
            subject(alert)
        );
    }
    let resolved = letter.alerts.len() - firing;
    let counts = match (firing, resolved) {
        (_, 0) => format!("{firing} FIRING"),
        (0, _) => format!("{resolved} RESOLVED"),
        _ => format!("{firing} FIRING, {resolved} RESOLVED"),
    };
    let groups = letter.groups();
    let first = groups.first().map_or_else(String::new, |group| {
        format!(
            "{}: {}",
            harmless(group.rule, 60),
            harmless(&group.program, 40)
        )
    });
    let others = match groups.len().saturating_sub(1) {
        0 => String::new(),
        1 => " and 1 other".to_owned(),
        others => format!(" and {others} others"),
    };
    format!("[{counts}] {first}{others} on {host}")
}

/// One line about one alert.
pub(super) fn headline(alert: &Alert) -> String {
    format!(
        "{} {}: {}: {}",
        state(alert).to_uppercase(),
        alert.severity.name(),
        harmless(&alert.rule, 60),
        subject(alert)
    )
}

fn state(alert: &Alert) -> &'static str {
    alert.state.name()
}

/// All that is known of an alert, as names and values that are harmless, in the order in which they are read.
pub(super) fn details(alert: &Alert) -> Vec<(&'static str, String)> {
    let mut details = vec![("what", harmless(&alert.summary, 400))];
    if let Some(figure) = &alert.figure {
        details.push(("figure", figure_in_words(figure)));
    }
    if let Some(culprit) = &alert.culprit {
        let mut who = format!("{}, pid {}", harmless(&culprit.comm, 64), culprit.id.pid);
        for (what, name) in [("user", &culprit.user), ("container", &culprit.container)] {
            if let Some(name) = name {
                who.push_str(&format!(", {what} {}", harmless(name, 80)));
            }
        }
        details.push(("culprit", who));
        if !culprit.command_line.is_empty() {
            details.push(("command", harmless(&culprit.command_line, 300)));
        }
        if let Some(cgroup) = &culprit.cgroup {
            details.push(("cgroup", harmless(cgroup, 200)));
        }
        if !culprit.ancestry.is_empty() {
            let names: Vec<String> = culprit
                .ancestry
                .iter()
                .take(20)
                .map(|name| harmless(name, 64))
                .collect();
            details.push(("ancestry", names.join(" > ")));
        }
    }
    if !alert.top.is_empty() {
        let name = alert
            .figure
            .as_ref()
            .map_or("", |figure| figure.name.as_str());
        let shares = alert.top.iter().take(10).map(|share| {
            let comm = harmless(&share.comm, 32);
            format!("{comm} ({}) {}", share.id.pid, value(name, share.value))
        });
        details.push(("top", shares.collect::<Vec<_>>().join(", ")));
    }
    details.push(("began", time(alert.began_ns)));
    for (what, at) in [("fired", alert.fired_ns), ("resolved", alert.resolved_ns)] {
        if let Some(at) = at {
            details.push((what, time(at)));
        }
    }
    if !alert.replay.is_empty() {
        details.push(("replay", harmless(&alert.replay, 400)));
    }
    details
}

fn figure_in_words(figure: &Figure) -> String {
    let name = harmless(&figure.name, 64);
    let mut aside = Vec::new();
    if let Some(baseline) = figure.baseline {
        aside.push(format!("usually {}", value(&figure.name, baseline)));
    }
    if let Some(limit) = figure.limit {
        aside.push(format!("limit {}", value(&figure.name, limit)));
    }
    if let Some(ns) = figure.time_until_ns {
        aside.push(format!(
            "reached in {} at this rate",
            format_nanoseconds(ns)
        ));
    }
    let shown = value(&figure.name, figure.value);
    match aside.as_slice() {
        [] => format!("{name} {shown}"),
        aside => format!("{name} {shown} ({})", aside.join(", ")),
    }
}

/// A figure's value with its unit, by the suffix of its name.
pub(super) fn value(name: &str, value: f64) -> String {
    let (quantity, per_second) = match name.strip_suffix("_per_sec") {
        Some(total) => (total, "/s"),
        None => (name, ""),
    };
    let rounded = value.round();
    // Saturates, which is far beyond any figure.
    let whole = rounded as u64;
    let text = match quantity {
        _ if rounded < 0.0 || !rounded.is_finite() => format!("{value:.1}"),
        _ if quantity.ends_with("_bytes") => format_bytes(whole),
        _ if quantity.ends_with("_ns") => format_nanoseconds(whole),
        _ if quantity.ends_with("_pct") => format!("{value:.1}%"),
        _ if (value - rounded).abs() < 0.005 => format!("{rounded:.0}"),
        _ => format!("{value:.2}"),
    };
    format!("{text}{per_second}")
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn time(ns: u64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{ns} ns"),
    }
}

/// Of syslog and journal: RFC 5424, table 2.
pub(super) const fn priority(alert: &Alert) -> u8 {
    const CRITICAL: u8 = 2;
    const WARNING: u8 = 4;
    const NOTICE: u8 = 5;
    const INFORMATIONAL: u8 = 6;
    match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => NOTICE,
        (_, Severity::Critical) => CRITICAL,
        (_, Severity::Warning) => WARNING,
        (_, Severity::Info) => INFORMATIONAL,
    }
}

#[cfg(test)]
mod tests;
