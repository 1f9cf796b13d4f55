//! The queue of one notifier: what waits, what is being sent, and what became of the rest. Time is an argument, and
//! nothing is written here.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    backoff,
    failure::{Failure, FailureKind},
};
use crate::model::{
    alert::Alert,
    delivery::{Attempt, Health, Tally},
};

/// After so long in vain a message would tell of yesterday.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);

/// How a notifier's alerts become messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Alerts that may wait, besides those of the message that is being sent.
    pub(super) queue: usize,
    /// Alerts in a message.
    pub(super) batch: usize,
    /// How long the first waits for others.
    pub(super) group_wait: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What it is kept under. `None` when it could not be.
    pub(super) row: Option<u64>,
    pub(super) alert: Arc<Alert>,
    pub(super) queued_ns: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) attempt: Attempt,
    pub(super) entries: Vec<Entry>,
}

/// When there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    /// Nanoseconds since the epoch.
    At(u64),
    /// When the next alert comes.
    Never,
}

/// What a failure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    TryAgain,
    GivenUp,
}

#[derive(Debug)]
pub(super) struct Lane {
    bounds: Bounds,
    waiting: VecDeque<Entry>,
    pub(super) current: Option<Current>,
    pub(super) tally: Tally,
}

impl Lane {
    pub(super) fn new(bounds: Bounds, tally: Tally) -> Self {
        Self {
            bounds,
            waiting: VecDeque::new(),
            current: None,
            tally,
        }
    }

    /// Takes an alert in. Returns the one that has to go for it.
    pub(super) fn push(&mut self, entry: Entry) -> Option<Entry> {
        self.waiting.push_back(entry);
        if self.waiting.len() <= self.bounds.queue {
            return None;
        }
        self.tally.dropped += 1;
        self.waiting.pop_front()
    }

    /// What was being sent when we were last stopped goes on with the same key.
    pub(super) fn resume(&mut self, attempt: Attempt, entry: Entry) {
        match &mut self.current {
            Some(current) if current.attempt.key == attempt.key => current.entries.push(entry),
            Some(_) => drop(self.push(entry)),
            None => {
                self.current = Some(Current {
                    attempt,
                    entries: vec![entry],
                });
            }
        }
    }

    /// The clock may have been set: nothing waits longer than it could have waited from now on.
    pub(super) fn due(&self, now_ns: u64, is_ending: bool) -> Due {
        let at = match (&self.current, self.waiting.front()) {
            (Some(current), _) => current
                .attempt
                .next_ns
                .min(now_ns.saturating_add(nanoseconds(backoff::LONGEST))),
            (None, Some(_)) if is_ending || self.waiting.len() >= self.bounds.batch => now_ns,
            (None, Some(first)) => {
                let wait_ns = nanoseconds(self.bounds.group_wait);
                first.queued_ns.min(now_ns).saturating_add(wait_ns)
            }
            (None, None) => return Due::Never,
        };
        if at <= now_ns { Due::Now } else { Due::At(at) }
    }

    /// The message that is due: the one that was tried before, or a new one of what waits. `None` when nothing does.
    pub(super) fn take(&mut self, now_ns: u64, key: impl FnOnce() -> String) -> Option<&Current> {
        if self.current.is_none() && !self.waiting.is_empty() {
            let count = self.waiting.len().min(self.bounds.batch);
            self.current = Some(Current {
                attempt: Attempt {
                    key: key(),
                    made_ns: now_ns,
                    failures: 0,
                    next_ns: now_ns,
                },
                entries: self.waiting.drain(..count).collect(),
            });
        }
        self.current.as_ref()
    }

    /// The message was taken. Returns what it was made of.
    pub(super) fn sent(&mut self, now_ns: u64, remark: Option<String>) -> Vec<Entry> {
        let entries = self
            .current
            .take()
            .map_or_else(Vec::new, |current| current.entries);
        self.tally.sent += entries.len() as u64;
        self.tally.last_sent_ns = Some(now_ns);
        self.tally.last_error_ns = remark.as_ref().map(|_| now_ns);
        self.tally.last_error = remark;
        entries
    }

    /// The message was not taken; given up, it is gone with what [`Self::current`] held.
    pub(super) fn failed(
        &mut self,
        now_ns: u64,
        failure: &Failure,
        random: u64,
    ) -> (After, Vec<Entry>) {
        self.tally.last_error_ns = Some(now_ns);
        self.tally.last_error = Some(failure.why().to_owned());
        let Some(current) = &mut self.current else {
            return (After::TryAgain, Vec::new());
        };
        let is_old = now_ns.saturating_sub(current.attempt.made_ns) > nanoseconds(GIVE_UP);
        match failure.kind {
            FailureKind::Temporary(asked) if !is_old => {
                let attempt = &mut current.attempt;
                attempt.failures = attempt.failures.saturating_add(1);
                let wait = backoff::wait(attempt.failures, random)
                    .max(asked.unwrap_or_default())
                    .min(backoff::LONGEST);
                attempt.next_ns = now_ns.saturating_add(nanoseconds(wait));
                (After::TryAgain, Vec::new())
            }
            kind => {
                if kind != FailureKind::Refused {
                    self.tally.last_error = Some(format!("given up after a day: {failure}"));
                }
                let entries = self
                    .current
                    .take()
                    .map_or_else(Vec::new, |current| current.entries);
                self.tally.refused += entries.len() as u64;
                (After::GivenUp, entries)
            }
        }
    }

    pub(super) fn health(
        &self,
        name: &str,
        channel: &'static str,
        not_kept: Option<String>,
    ) -> Health {
        let in_message = self
            .current
            .as_ref()
            .map_or(0, |current| current.entries.len());
        let attempt = self.current.as_ref().map(|current| &current.attempt);
        let failures = attempt.map_or(0, |attempt| attempt.failures);
        Health {
            name: name.to_owned(),
            channel: channel.to_owned(),
            tally: self.tally.clone(),
            waiting: (in_message + self.waiting.len()) as u64,
            failures,
            next_attempt_ns: attempt
                .filter(|_| failures > 0)
                .map(|attempt| attempt.next_ns),
            not_kept,
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
