//! Prometheus Alertmanager's API v2: a list of alerts, each known by its labels.

use serde_json::{Value, json};

use super::{details, figure_in_words, harmless, program, time};
use crate::{
    model::alert::{Alert, Subject},
    notify::letter::Letter,
};

/// Whoever sends an alert to Alertmanager once says until when it holds at most; its end comes by itself.
const HOLDS_NS: u64 = 24 * 3600 * 1_000_000_000;

pub(in crate::notify) fn document(letter: &Letter) -> Value {
    letter.alerts.iter().map(|one| alert(letter, one)).collect()
}

fn alert(letter: &Letter, alert: &Alert) -> Value {
    let mut labels = json!({
        "alertname": alert.rule,
        "instance": letter.host,
        "severity": alert.severity.name(),
        "subject": kind(&alert.subject),
        "program": harmless(&program(alert), 128),
    });
    if let Subject::Process(id) = &alert.subject {
        labels["pid"] = Value::String(id.pid.to_string());
    }
    let told = details(alert);
    let mut annotations = json!({
        "summary": harmless(&alert.summary, 400),
        "description": told
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect::<Vec<_>>()
            .join("\n"),
        "replay": harmless(&alert.replay, 400),
        "alert_id": letter.name_of(alert),
    });
    if let Some(figure) = &alert.figure {
        annotations["figure"] = Value::String(figure_in_words(figure));
    }
    let starts = alert.fired_ns.unwrap_or(alert.began_ns);
    let ends = alert.resolved_ns.unwrap_or(starts.saturating_add(HOLDS_NS));
    json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": time(starts),
        "endsAt": time(ends.max(starts)),
    })
}

const fn kind(subject: &Subject) -> &'static str {
    match subject {
        Subject::Host => "host",
        Subject::Process(_) => "process",
        Subject::Program(_) => "program",
        Subject::Container(_) => "container",
    }
}
