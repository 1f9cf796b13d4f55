//! Telling others of alerts: by mail, web hooks, a command, the host's logs, a terminal's bell.
//!
//! Owns a thread of its own with a queue a notifier: whoever hands over an alert never waits. What waits is kept
//! by a [`crate::model::delivery::Outbox`], so that a restart neither forgets nor repeats; a message keeps its key
//! however often it is sent, by which a receiver can tell what it has had already. Deliberately decides nothing
//! about alerts, and shows no secret: not in health, not in errors.

mod backoff;
mod channel;
mod credential;
mod desk;
mod dispatch;
mod failure;
mod lane;
mod letter;
mod made_up;
mod render;

pub use self::{
    channel::Notifier,
    dispatch::{Notifying, Plan, StartError},
    failure::Failure,
    letter::Letter,
};

use std::sync::Arc;

use crate::model::alert::Alert;

/// An alert for people: a line about it, and its details by name. Harmless on a terminal.
pub fn in_full(alert: &Alert) -> (String, Vec<(&'static str, String)>) {
    (render::headline(alert), render::details(alert))
}

/// An alert for programs, as web hooks have it.
pub fn as_json(alert: &Alert, host: &str) -> serde_json::Value {
    render::json::alert(alert, &letter::name_of(host, alert))
}

/// Sends an alert that is made up through one notifier, at once and past its queue, and says what became of it:
/// what the receiver said, or why it has not taken it.
///
/// # Errors
/// Why it was not taken, with the remedy where there is one.
pub fn try_out(notifier: &Notifier, host: &str, now_ns: u64) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::temporary(format!("no thread can wait for it: {error}")))?;
    let letter = Letter {
        host: host.to_owned(),
        key: backoff::new_key(now_ns),
        made_ns: now_ns,
        alerts: vec![Arc::new(made_up::alert(now_ns))],
    };
    let said = runtime.block_on(notifier.deliver(&letter));
    // A look-up of a name that hangs is nobody's to wait for.
    runtime.shutdown_background();
    said.map(|taken| match taken.remark {
        None => taken.said,
        Some(remark) => format!("{}; {remark}", taken.said),
    })
}
