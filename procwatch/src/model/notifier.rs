//! Who is told of alerts, by which way, as it is configured.

use std::{path::PathBuf, time::Duration};

use super::{alert::Severity, secret::Secret};

/// One receiver of alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifier {
    /// Its key in the configuration, below `alerts`: `email`, or `webhooks.ops`. No other has it.
    pub name: String,
    pub channel: Channel,
    /// Alerts below it are not for this one.
    pub min_severity: Severity,
    /// Whether it is told of the end too.
    pub sends_resolved: bool,
    /// For one attempt as a whole.
    pub timeout: Duration,
    /// Alerts that may wait; the oldest goes first.
    pub queue: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    Email(Email),
    Webhook(Webhook),
    Command(Command),
    Journal,
    Syslog,
    Bell(Bell),
}

impl Channel {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::Command(_) => "command",
            Self::Journal => "journal",
            Self::Syslog => "syslog",
            Self::Bell(_) => "bell",
        }
    }
}

/// Where a secret is read from: never a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    File(PathBuf),
    /// By the variable's name.
    Environment(String),
    /// As it stands in the configuration, whose reader is asked to keep it to itself.
    Written(Secret),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// `None` where the server asks for no name and password.
    pub login: Option<Login>,
    pub from: String,
    pub to: Vec<String>,
    /// What the server's certificate has to lead to. `None` for those that the host trusts.
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: SecretSource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    /// Asked for in the open; a server that does not offer it gets no mail.
    StartTls,
    /// From the first byte.
    Tls,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub dialect: Dialect,
    /// `None` for the dialect's own: only PagerDuty has one.
    pub url: Option<SecretSource>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<SecretSource>,
    /// PagerDuty's integration key.
    pub routing_key: Option<SecretSource>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Of our own: all that an alert carries.
    Json,
    /// Incoming web hooks of Slack, and of Mattermost and Rocket.Chat.
    Slack,
    /// Events API v2.
    PagerDuty,
    /// Prometheus Alertmanager, API v2.
    Alertmanager,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program, by an absolute path, and its arguments. No shell reads them.
    pub argv: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bell {
    /// The terminal. `None` for that of standard error.
    pub terminal: Option<PathBuf>,
}
