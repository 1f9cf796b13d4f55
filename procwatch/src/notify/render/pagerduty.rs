//! PagerDuty's Events API v2: an event an alert, whose `dedup_key` joins its end to its beginning.

use serde_json::{Map, Value, json};

use super::{details, harmless, program, subject, time};
use crate::{
    model::{
        alert::{Alert, AlertState, Severity},
        secret::Secret,
    },
    notify::letter::Letter,
};

/// The longest that it takes, in characters.
const SUMMARY_WIDTH: usize = 1024;

pub(in crate::notify) fn document(letter: &Letter, alert: &Alert, routing_key: &Secret) -> Value {
    let dedup_key = letter.name_of(alert);
    if alert.state == AlertState::Resolved {
        return json!({
            "routing_key": routing_key.reveal(),
            "event_action": "resolve",
            "dedup_key": dedup_key,
        });
    }
    let custom: Map<String, Value> = details(alert)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    json!({
        "routing_key": routing_key.reveal(),
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "procwatch",
        "payload": {
            "summary": harmless(
                &format!("{}: {}: {}", alert.rule, subject(alert), alert.summary),
                SUMMARY_WIDTH,
            ),
            "source": letter.host,
            "severity": severity(alert.severity),
            "timestamp": time(alert.fired_ns.unwrap_or(alert.began_ns)),
            "component": harmless(&program(alert), 64),
            "class": alert.rule,
            "custom_details": custom,
        },
    })
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}
