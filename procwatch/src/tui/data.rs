//! What was collected, as far as the screen can show it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use crate::{
    collector::{Answer, Now},
    model::{
        connection::Connection, event::Event, inspection::Inspection, lineage::Lineage,
        sample::Sample, snapshot::Snapshot, timeline::Timeline,
    },
};

/// Events that are kept: minutes of a busy host.
const EVENTS_MAX: usize = 5_000;

/// An event with the time of day at which it happened. `None` when that is not known.
#[derive(Clone, Debug)]
pub struct Told {
    pub wall_ns: Option<u64>,
    pub event: Event,
}

/// A recording that is shown in place of what happens now.
#[derive(Clone, Debug)]
pub struct Recording {
    /// From when to when it reaches, nanoseconds since the epoch.
    pub from_ns: u64,
    pub to_ns: u64,
    pub is_playing: bool,
    /// How many times faster than things happened.
    pub speed: u32,
    /// Of those that are shown.
    pub lineage: Lineage,
}

#[derive(Debug)]
pub struct Data {
    pub timeline: Timeline,
    previous: Option<Arc<Sample>>,
    /// The process whose samples these are, where that is a recorder.
    pub recorder: Option<u32>,
    /// Why collection is from /proc alone.
    pub degraded: Option<String>,
    /// The last list of connections, or why there is none. `None` before the first.
    pub connections: Option<Result<Vec<Connection>, String>>,
    pub inspection: Inspection,
    /// The oldest first.
    pub events: VecDeque<Told>,
    /// From one sample to the next, as it was asked for.
    pub interval: Duration,
    /// The clocks when the screen was last brought up to date.
    pub now: Now,
    pub zone: TimeZone,
    /// What became of the last thing that the user wanted done.
    pub done: Option<Result<String, String>>,
    /// `None` of what happens now.
    pub recording: Option<Recording>,
}

impl Data {
    pub fn new(interval: Duration, now: Now, zone: TimeZone) -> Self {
        Self {
            timeline: Timeline::default(),
            previous: None,
            recorder: None,
            degraded: None,
            connections: None,
            inspection: Inspection::default(),
            events: VecDeque::new(),
            interval,
            now,
            zone,
            done: None,
            recording: None,
        }
    }

    pub fn sample(&mut self, sample: Arc<Sample>) {
        if let Some(previous) = &self.previous {
            let snapshot = Snapshot::derive(previous, Arc::clone(&sample));
            self.timeline.push(snapshot);
        }
        self.previous = Some(sample);
    }

    /// Takes what went before out, for a sample of another time to be the first.
    pub fn forget_samples(&mut self) {
        self.timeline = Timeline::default();
        self.previous = None;
        self.events.clear();
    }

    pub fn events(&mut self, batch: Vec<Event>, now: Now) {
        let told = batch.into_iter().map(|event| Told {
            wall_ns: event.time_ns.map(|boot_ns| now.wall_at(boot_ns)),
            event,
        });
        self.events.extend(told);
        let too_many = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..too_many);
    }

    /// Takes events of the past, each with its time of day.
    pub fn past_events(&mut self, events: Vec<(u64, Event)>) {
        let told = events.into_iter().map(|(wall_ns, event)| Told {
            wall_ns: Some(wall_ns),
            event,
        });
        self.events.extend(told);
        let too_many = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..too_many);
    }

    pub fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Connections(connections) => self.connections = Some(connections),
            Answer::Inspection(inspection) => self.inspection = *inspection,
            Answer::Done(done) => self.done = Some(done),
            // Of other commands.
            Answer::Family(_) | Answer::Ending(_) | Answer::Standing(_) => {}
        }
    }
}
