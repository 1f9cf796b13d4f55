//! Where alerts lie until they are taken: a lane a notifier, and the outbox that outlives us.

use std::{sync::Arc, time::Duration};

use super::{
    backoff,
    channel::Notifier,
    failure::Failure,
    lane::{Due, Entry, Lane},
    letter::{Letter, with_numbers_alone},
};
use crate::model::{
    alert::Alert,
    delivery::{Health, Outbox, OutboxError},
};

/// What a receiver that took a message said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) said: String,
    /// What went wrong nevertheless, such as one of several recipients that is unknown.
    pub(super) remark: Option<String>,
}

impl From<String> for Taken {
    fn from(said: String) -> Self {
        Self { said, remark: None }
    }
}

pub(super) struct Desk {
    host: String,
    outbox: Box<dyn Outbox>,
    places: Vec<Place>,
    /// Why the last of what was to be kept was not.
    not_kept: Option<String>,
}

struct Place {
    notifier: Notifier,
    lane: Lane,
    /// What the outbox still has and should not.
    settled: Vec<u64>,
}

impl Desk {
    /// With what waits since before.
    pub(super) fn open(
        host: String,
        mut outbox: Box<dyn Outbox>,
        notifiers: &[Notifier],
        group_wait: Duration,
    ) -> Result<Self, OutboxError> {
        let places = places(&mut *outbox, notifiers, group_wait)?;
        let mut desk = Self {
            host,
            outbox,
            places,
            not_kept: None,
        };
        desk.settle_all();
        Ok(desk)
    }

    /// Other notifiers from now on. What waits for those of the same name goes on waiting; on an error everything is
    /// as it was.
    pub(super) fn set(
        &mut self,
        notifiers: &[Notifier],
        group_wait: Duration,
    ) -> Result<(), OutboxError> {
        self.settle_all();
        self.places = places(&mut *self.outbox, notifiers, group_wait)?;
        self.settle_all();
        Ok(())
    }

    /// Something of the outbox failed that no alert was lost by.
    pub(super) fn complain(&mut self, error: &OutboxError) {
        self.not_kept = Some(error.to_string());
    }

    fn settle_all(&mut self) {
        for index in 0..self.places.len() {
            self.settle(index, &[]);
        }
    }

    /// Takes in an alert for all that want it.
    pub(super) fn post(&mut self, alert: Alert, now_ns: u64) {
        let alert = Arc::new(with_numbers_alone(alert));
        for index in 0..self.places.len() {
            let place = &mut self.places[index];
            if !place.notifier.wants(&alert) {
                continue;
            }
            let row = match self.outbox.add(place.notifier.name(), &alert, now_ns) {
                Ok(row) => {
                    self.not_kept = None;
                    Some(row)
                }
                // It is sent all the same, unless we end before.
                Err(error) => {
                    self.not_kept = Some(error.to_string());
                    None
                }
            };
            let dropped = place.lane.push(Entry {
                row,
                alert: Arc::clone(&alert),
                queued_ns: now_ns,
            });
            if let Some(dropped) = dropped {
                self.settle(index, &[dropped]);
            }
        }
    }

    pub(super) fn due(&self, index: usize, now_ns: u64, is_ending: bool) -> Due {
        self.places[index].lane.due(now_ns, is_ending)
    }

    /// The message that is due for a notifier.
    pub(super) fn take(&mut self, index: usize, now_ns: u64) -> Option<Letter> {
        let place = &mut self.places[index];
        let is_new = place.lane.current.is_none();
        let current = place.lane.take(now_ns, || backoff::new_key(now_ns))?;
        let letter = Letter {
            host: self.host.clone(),
            key: current.attempt.key.clone(),
            made_ns: current.attempt.made_ns,
            alerts: current
                .entries
                .iter()
                .map(|entry| Arc::clone(&entry.alert))
                .collect(),
        };
        if is_new {
            self.keep_attempt(index);
        }
        Some(letter)
    }

    /// What became of the message that was taken.
    pub(super) fn delivered(&mut self, index: usize, now_ns: u64, result: Result<Taken, Failure>) {
        let lane = &mut self.places[index].lane;
        let finished = match result {
            Ok(taken) => lane.sent(now_ns, taken.remark),
            Err(failure) => lane.failed(now_ns, &failure, backoff::random()).1,
        };
        self.keep_attempt(index);
        self.settle(index, &finished);
    }

    pub(super) fn health(&self) -> Vec<Health> {
        let health = |place: &Place| {
            let (name, channel) = (place.notifier.name(), place.notifier.channel());
            place.lane.health(name, channel, self.not_kept.clone())
        };
        self.places.iter().map(health).collect()
    }

    fn keep_attempt(&mut self, index: usize) {
        let Some(current) = &self.places[index].lane.current else {
            return;
        };
        let rows: Vec<u64> = current
            .entries
            .iter()
            .filter_map(|entry| entry.row)
            .collect();
        if let Err(error) = self.outbox.attempted(&rows, &current.attempt) {
            self.not_kept = Some(error.to_string());
        }
    }

    /// What could not be forgotten is with the next.
    fn settle(&mut self, index: usize, finished: &[Entry]) {
        let place = &mut self.places[index];
        place
            .settled
            .extend(finished.iter().filter_map(|entry| entry.row));
        match self
            .outbox
            .settle(&place.settled, place.notifier.name(), &place.lane.tally)
        {
            Ok(()) => {
                place.settled.clear();
                self.not_kept = None;
            }
            Err(error) => self.not_kept = Some(error.to_string()),
        }
    }
}

/// A place for each notifier, with what waits for it in the outbox.
fn places(
    outbox: &mut dyn Outbox,
    notifiers: &[Notifier],
    group_wait: Duration,
) -> Result<Vec<Place>, OutboxError> {
    let mut tallies = outbox.tallies()?;
    let mut places: Vec<Place> = notifiers
        .iter()
        .map(|notifier| {
            let at = tallies.iter().position(|(name, _)| name == notifier.name());
            let tally = at.map(|at| tallies.swap_remove(at).1).unwrap_or_default();
            Place {
                lane: Lane::new(notifier.bounds(group_wait), tally),
                notifier: notifier.clone(),
                settled: Vec::new(),
            }
        })
        .collect();
    let mut nobodys: Vec<(String, u64)> = Vec::new();
    for waiting in outbox.waiting()? {
        let entry = Entry {
            row: Some(waiting.row),
            alert: Arc::new(waiting.alert),
            queued_ns: waiting.queued_ns,
        };
        let place = places
            .iter_mut()
            .find(|place| place.notifier.name() == waiting.notifier);
        match (place, waiting.attempt) {
            (Some(place), Some(attempt)) => place.lane.resume(attempt, entry),
            (Some(place), None) => {
                let dropped = place.lane.push(entry);
                place.settled.extend(dropped.and_then(|entry| entry.row));
            }
            (None, _) => nobodys.push((waiting.notifier, waiting.row)),
        }
    }
    // Its notifier is configured no more, and would be told of things long past if it were again.
    for (notifier, row) in nobodys {
        let mut tally = tallies
            .iter()
            .find(|(name, _)| *name == notifier)
            .map(|(_, tally)| tally.clone())
            .unwrap_or_default();
        tally.dropped += 1;
        outbox.settle(&[row], &notifier, &tally)?;
        tallies.retain(|(name, _)| *name != notifier);
        tallies.push((notifier, tally));
    }
    Ok(places)
}
