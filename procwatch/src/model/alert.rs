//! What was found to be wrong, with all that somebody needs who is woken by it.

use serde::{Deserialize, Serialize};

use super::identity::ProcessId;

/// One finding, from its first sign to its end. Text in it is as processes chose it, and hostile: every face
/// escapes what its medium needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The number in the recording that keeps it.
    pub id: u64,
    /// The rule's name, as it is configured.
    pub rule: String,
    pub severity: Severity,
    pub state: AlertState,
    pub subject: Subject,
    /// When what the rule asks for began to hold, nanoseconds since the epoch.
    pub began_ns: u64,
    /// When it had held for long enough. `None` while pending.
    pub fired_ns: Option<u64>,
    /// When it held no more. `None` until then.
    pub resolved_ns: Option<u64>,
    /// One sentence.
    pub summary: String,
    /// What was measured. `None` of what is no figure, such as a daemon that is gone.
    pub figure: Option<Figure>,
    /// Who is behind it, as far as is known.
    pub culprit: Option<Culprit>,
    /// Who had most of the same figure at that time, the first first.
    pub top: Vec<Share>,
    /// The figure over the time before: nanoseconds since the epoch, and value.
    pub curve: Vec<(u64, f64)>,
    /// The command line that shows that moment.
    pub replay: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It holds, and not yet for long enough.
    Pending,
    Firing,
    Resolved,
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    Host,
    Process(ProcessId),
    /// The same executable across restarts.
    Program(String),
    Container(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// By the field's name, its unit as suffix.
    pub name: String,
    pub value: f64,
    /// What is usual. `None` where nothing is known of that.
    pub baseline: Option<f64>,
    /// What must not be passed. `None` where there is none.
    pub limit: Option<f64>,
    /// Until the limit is reached at this rate, nanoseconds. `None` where that is no question.
    pub time_until_ns: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprit {
    pub id: ProcessId,
    pub comm: String,
    pub command_line: String,
    pub exe: Option<String>,
    pub user: Option<String>,
    pub container: Option<String>,
    pub cgroup: Option<String>,
    /// Names with pids, the first ancestor first.
    pub ancestry: Vec<String>,
}

/// One process's part of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub id: ProcessId,
    pub comm: String,
    pub value: f64,
}

impl Subject {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Process(_) => "process",
            Self::Program(_) => "program",
            Self::Container(_) => "container",
        }
    }
}

impl Alert {
    /// What it is about, the same across restarts of a program.
    pub fn program(&self) -> &str {
        match (&self.subject, &self.culprit) {
            (Subject::Host, _) => "",
            (Subject::Program(name) | Subject::Container(name), _) => name,
            (Subject::Process(_), Some(culprit)) => culprit.exe.as_deref().unwrap_or(&culprit.comm),
            (Subject::Process(_), None) => "",
        }
    }
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl AlertState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}
