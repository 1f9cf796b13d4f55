//! Alerts on their way to notifiers: what is kept of them over restarts, and by which calls.

use serde::{Deserialize, Serialize};

use super::alert::Alert;

/// Why nothing was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutboxError(pub String);

/// An alert that waits for a notifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// What it is kept under.
    pub row: u64,
    pub notifier: String,
    pub alert: Alert,
    /// Since when, nanoseconds since the epoch.
    pub queued_ns: u64,
    /// The message that it is part of. `None` until one is made.
    pub attempt: Option<Attempt>,
}

/// A message that is being sent: what stays the same however often that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// No other message has it; a receiver that gets it twice can tell by this.
    pub key: String,
    /// When the message was made, nanoseconds since the epoch.
    pub made_ns: u64,
    /// How often it was tried in vain.
    pub failures: u32,
    /// Not before this, nanoseconds since the epoch.
    pub next_ns: u64,
}

/// What became of a notifier's alerts since the recording began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Alerts that the receiver has taken.
    pub sent: u64,
    /// Alerts that it refused for good, and those that were given up after a day.
    pub refused: u64,
    /// Alerts that found no room.
    pub dropped: u64,
    /// Nanoseconds since the epoch. `None` before the first.
    pub last_sent_ns: Option<u64>,
    /// `None` when the last attempt went well, and before the first.
    pub last_error: Option<String>,
    /// When that was, nanoseconds since the epoch.
    pub last_error_ns: Option<u64>,
}

/// How a notifier is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub name: String,
    /// `email`, `webhook`, `command`, `journal`, `syslog` or `bell`.
    pub channel: String,
    pub tally: Tally,
    /// Alerts that wait.
    pub waiting: u64,
    /// Attempts in vain at the message that is next.
    pub failures: u32,
    /// When that is tried again, nanoseconds since the epoch. `None` when nothing waits for that.
    pub next_attempt_ns: Option<u64>,
    /// Why what waits would not outlive us. `None` when it would.
    pub not_kept: Option<String>,
}

/// Where what waits outlives us. Every call is done, or not at all.
pub trait Outbox: Send {
    /// All that waits, in the order in which it was added.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn waiting(&mut self) -> Result<Vec<Waiting>, OutboxError>;

    /// What became of the alerts of each notifier, by name.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn tallies(&mut self) -> Result<Vec<(String, Tally)>, OutboxError>;

    /// Returns what it is kept under.
    ///
    /// # Errors
    /// Why it is not kept.
    fn add(&mut self, notifier: &str, alert: &Alert, queued_ns: u64) -> Result<u64, OutboxError>;

    /// That these are sent as one message, and how that goes.
    ///
    /// # Errors
    /// Why that is not kept.
    fn attempted(&mut self, rows: &[u64], attempt: &Attempt) -> Result<(), OutboxError>;

    /// Forgets what no longer waits, and keeps what became of it.
    ///
    /// # Errors
    /// Why that is not kept.
    fn settle(&mut self, rows: &[u64], notifier: &str, tally: &Tally) -> Result<(), OutboxError>;
}
