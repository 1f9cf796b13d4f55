//! What is on its way to the listener, and what is dropped when that does not take it.
//!
//! The channel bounds how many messages there are, and this how much is in them: one message can be a batch of
//! thousands of events, or a sample of a hundred thousand processes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use super::{Events, Message};
use crate::{collector::Now, model::event::Event};

/// Messages in the channel.
const MESSAGES_MAX: usize = 64;
/// Places that a sample needs: for itself, and for the events that go before it.
const PLACES_TO_SAMPLE: usize = 2;
/// Samples in the channel: each takes the place of the one before.
const SAMPLES_MAX: usize = 2;
/// Events in the channel; a single batch may have more.
const EVENTS_MAX: usize = 16_384;
/// Events that wait for room in the channel.
const WAITING_MAX: usize = 65_536;

/// What is in the channel.
#[derive(Debug, Default)]
pub(super) struct Transit {
    events: AtomicUsize,
    samples: AtomicUsize,
}

impl Transit {
    fn sent(&self, message: &Message) {
        match message {
            Message::Events { batch, .. } => self.events.fetch_add(batch.len(), Ordering::Relaxed),
            Message::Sample(_) => self.samples.fetch_add(1, Ordering::Relaxed),
            Message::Ready(_) | Message::Answer(_) | Message::Finished(_) => 0,
        };
    }

    /// To be called with every message that is taken out of the channel.
    pub(super) fn taken(&self, message: &Message) {
        match message {
            Message::Events { batch, .. } => self.events.fetch_sub(batch.len(), Ordering::Relaxed),
            Message::Sample(_) => self.samples.fetch_sub(1, Ordering::Relaxed),
            Message::Ready(_) | Message::Answer(_) | Message::Finished(_) => 0,
        };
    }
}

/// The collecting thread's end of the channel.
pub(super) struct Outbox {
    sender: mpsc::Sender<Message>,
    transit: Arc<Transit>,
    waiting: Vec<Event>,
    is_wanted: bool,
}

impl Outbox {
    pub(super) fn new(events: Events) -> (Self, mpsc::Receiver<Message>) {
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let outbox = Self {
            sender,
            transit: Arc::default(),
            waiting: Vec::new(),
            is_wanted: events != Events::Silent,
        };
        (outbox, messages)
    }

    pub(super) fn transit(&self) -> Arc<Transit> {
        Arc::clone(&self.transit)
    }

    /// Nobody listens any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn has_room_for_sample(&self) -> bool {
        self.sender.capacity() >= PLACES_TO_SAMPLE
            && self.transit.samples.load(Ordering::Relaxed) < SAMPLES_MAX
    }

    pub(super) fn hold(&mut self, event: Event) {
        if self.is_wanted {
            self.waiting.push(event);
        }
    }

    /// Hands the events on when there is room, without waiting for it. Returns how many were dropped for want of
    /// room: the oldest of those that waited.
    pub(super) fn pass_on(&mut self) -> u64 {
        if self.waiting.is_empty() {
            return 0;
        }
        let in_channel = self.transit.events.load(Ordering::Relaxed);
        let has_room = in_channel == 0 || in_channel + self.waiting.len() <= EVENTS_MAX;
        match self.sender.try_reserve() {
            Ok(place) if has_room => {
                let message = events(std::mem::take(&mut self.waiting));
                self.transit.sent(&message);
                place.send(message);
                0
            }
            _ => {
                let dropped = self.waiting.len().saturating_sub(WAITING_MAX);
                self.waiting.drain(..dropped);
                dropped as u64
            }
        }
    }

    /// Hands over what still waits, however long that takes.
    pub(super) async fn send_rest(&mut self) {
        let batch = std::mem::take(&mut self.waiting);
        if !batch.is_empty() {
            self.send(events(batch)).await;
        }
    }

    /// A listener that has gone away is noticed by the caller's loop.
    pub(super) async fn send(&mut self, message: Message) {
        self.transit.sent(&message);
        let _ = self.sender.send(message).await;
    }
}

fn events(batch: Vec<Event>) -> Message {
    Message::Events {
        batch,
        now: Now::read(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::EventKind,
        facts::Facts,
        identity::ProcessId,
        sample::{HostSample, Losses, Sample, Source, SourceState, Sources},
        shed::Shed,
        totals::Totals,
    };

    fn event(number: usize) -> Event {
        Event {
            kind: EventKind::Fork,
            time_ns: Some(number as u64),
            id: ProcessId::new(1, 1),
            parent: None,
            facts: Arc::new(Facts::default()),
            source: Source::Ebpf,
        }
    }

    fn sample() -> Message {
        let source = SourceState::From(Source::Ebpf);
        Message::Sample(Arc::new(Sample {
            time_ns: 0,
            boot_time_ns: 0,
            began_ns: 0,
            host: HostSample::default(),
            cores: Vec::new(),
            devices: Vec::new(),
            interfaces: Vec::new(),
            processes: Vec::new(),
            nameless: Totals::ZERO,
            loss: Losses::default(),
            sources: Sources::all(&source),
            shed: Shed::NOTHING,
        }))
    }

    /// Takes all that is in the channel: the times of the events.
    fn take(outbox: &Outbox, messages: &mut mpsc::Receiver<Message>) -> Vec<u64> {
        let mut times = Vec::new();
        while let Ok(message) = messages.try_recv() {
            outbox.transit.taken(&message);
            if let Message::Events { batch, .. } = message {
                times.extend(batch.iter().filter_map(|event| event.time_ns));
            }
        }
        times
    }

    #[test]
    fn a_listener_that_takes_nothing_costs_no_more_than_the_bounds() {
        let (mut outbox, mut messages) = Outbox::new(Events::Live);
        let (mut next, mut dropped) = (0, 0);
        // Batches of every size, far more than there is room for.
        for size in (0..400).map(|round| round * 7 % 3000 + 1) {
            for _ in 0..size {
                outbox.hold(event(next));
                next += 1;
            }
            dropped += outbox.pass_on();
            let in_channel = outbox.transit.events.load(Ordering::Relaxed);
            assert!(in_channel <= EVENTS_MAX && outbox.waiting.len() <= WAITING_MAX);
        }
        assert!(dropped > 0, "there was too little to overflow");
        // Every event is taken, waits, or is counted as dropped; and the newest are still there.
        let mut taken = take(&outbox, &mut messages);
        assert_eq!(outbox.pass_on(), 0);
        taken.extend(take(&outbox, &mut messages));
        assert_eq!(taken.len() as u64 + dropped, next as u64);
        assert!(taken.is_sorted() && taken.last() == Some(&(next as u64 - 1)));
        assert_eq!(outbox.transit.events.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_batch_passes_however_large_it_is() {
        let (mut outbox, mut messages) = Outbox::new(Events::Live);
        for number in 0..EVENTS_MAX * 2 {
            outbox.hold(event(number));
        }
        assert_eq!(outbox.pass_on(), 0);
        assert_eq!(take(&outbox, &mut messages).len(), EVENTS_MAX * 2);
    }

    #[tokio::test]
    async fn samples_do_not_pile_up() {
        let (mut outbox, mut messages) = Outbox::new(Events::Silent);
        for _ in 0..SAMPLES_MAX {
            assert!(outbox.has_room_for_sample());
            outbox.send(sample()).await;
        }
        assert!(!outbox.has_room_for_sample());
        take(&outbox, &mut messages);
        assert!(outbox.has_room_for_sample());
    }
}
