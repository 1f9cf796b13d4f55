//! `[alerts]`: who is told of alerts, and how.
//!
//! A channel has one table, such as `[alerts.email]`, and any number of named ones, such as
//! `[alerts.emails.night]`. Secrets are named by their files or variables; reading those is for whoever sends.

mod channels;
mod email;
mod maintenance;
mod rules;
mod webhook;

use std::time::Duration;

use self::channels::{bell, command, journal, syslog};
use super::{
    ConfigError,
    table::{Field, Table, out_of_range},
};
use crate::model::{
    alert::Severity,
    mute::Maintenance,
    notifier::{Channel, Notifier, SecretSource},
    rule::{Detector, Rule},
    units::parse_duration,
};

const QUEUE: usize = 1000;
const QUEUE_MAX: i64 = 100_000;
const TIMEOUT: Duration = Duration::from_secs(30);
const GROUP_WAIT_MAX: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    /// Those that are written down, then the detectors that are not switched off.
    pub rules: Vec<Rule>,
    pub maintenance: Vec<Maintenance>,
    /// How long an alert waits for others that are to go with it.
    pub group_wait: Option<Duration>,
    /// In the order in which they are written.
    pub notifiers: Vec<Notifier>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            rules: Detector::ALL.map(Detector::rule).to_vec(),
            maintenance: Vec::new(),
            group_wait: None,
            notifiers: Vec::new(),
        }
    }
}

type Read = fn(&mut Table) -> Result<Channel, ConfigError>;

/// The key of the one, the key of the named ones, and what reads either.
const CHANNELS: &[(&str, &str, Read)] = &[
    ("email", "emails", email::read),
    ("webhook", "webhooks", webhook::read),
    ("command", "commands", command),
    ("journal", "journals", journal),
    ("syslog", "syslogs", syslog),
    ("bell", "bells", bell),
];

pub(super) fn read(table: &mut Table) -> Result<Alerts, ConfigError> {
    let mut alerts = Alerts::default();
    if let Some(field) = table.take("group_wait") {
        alerts.group_wait = Some(field.text("5s", group_wait)?);
    }
    alerts.rules = rules::read(table)?;
    alerts.maintenance = maintenance::read(table, &alerts.rules)?;
    for (one, named, channel) in CHANNELS {
        if let Some(field) = table.take(one) {
            alerts
                .notifiers
                .extend(notifier((*one).to_owned(), field, *channel)?);
        }
        let Some(field) = table.take(named) else {
            continue;
        };
        for (name, field) in field.table()?.into_fields() {
            if !is_name(&name) {
                return Err(field.wrong(
                    "no name of a notifier; write one of letters, digits, - and _, of 1 to 40",
                ));
            }
            alerts
                .notifiers
                .extend(notifier(format!("{named}.{name}"), field, *channel)?);
        }
    }
    Ok(alerts)
}

/// `None` when it is switched off.
fn notifier(name: String, field: Field, channel: Read) -> Result<Option<Notifier>, ConfigError> {
    let mut table = field.table()?;
    let is_enabled = table.take("enabled").map(|field| field.boolean());
    let min_severity = table.take("min_severity");
    let resolved = table.take("resolved").map(|field| field.boolean());
    let timeout = table.take("timeout");
    let queue = table.take("queue").map(|field| field.whole(1..=QUEUE_MAX));
    let notifier = Notifier {
        name,
        channel: channel(&mut table)?,
        min_severity: min_severity
            .map(|field| field.text("warning", severity))
            .transpose()?
            .unwrap_or(Severity::Info),
        sends_resolved: resolved.transpose()?.unwrap_or(true),
        timeout: timeout
            .map(|field| field.text("30s", attempt_time))
            .transpose()?
            .unwrap_or(TIMEOUT),
        queue: queue
            .transpose()?
            .map_or(QUEUE, |queue| usize::try_from(queue).unwrap_or(QUEUE)),
    };
    table.finish()?;
    Ok(is_enabled.transpose()?.unwrap_or(true).then_some(notifier))
}

fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn severity(text: &str) -> Result<Severity, String> {
    [Severity::Info, Severity::Warning, Severity::Critical]
        .into_iter()
        .find(|severity| severity.name() == text)
        .ok_or_else(|| "write info, warning or critical".to_owned())
}

fn group_wait(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if duration <= GROUP_WAIT_MAX {
        Ok(duration)
    } else {
        Err(out_of_range(text, "write at most 1h"))
    }
}

fn attempt_time(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_secs(600)).contains(&duration) {
        Ok(duration)
    } else {
        Err(out_of_range(text, "write a time from 1s to 10m"))
    }
}

/// Of two keys, `password_file` and `password_env` say, at most one.
fn secret(
    file: Option<Field>,
    variable: Option<Field>,
) -> Result<Option<SecretSource>, ConfigError> {
    match (file, variable) {
        (Some(_), Some(variable)) => {
            Err(variable.wrong("there is a file for it as well; take one of them out"))
        }
        (Some(file), None) => file
            .text("/etc/procwatch/secret", super::history::absolute)
            .map(|path| Some(SecretSource::File(path))),
        (None, Some(variable)) => variable
            .text("PROCWATCH_SECRET", variable_name)
            .map(|name| Some(SecretSource::Environment(name))),
        (None, None) => Ok(None),
    }
}

fn variable_name(text: &str) -> Result<String, &'static str> {
    let is_name = !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(
            "that is no name of a variable; write the name, such as SMTP_PASSWORD, and not the secret",
        )
    }
}

#[cfg(test)]
mod tests;
