//! Collection on a thread of its own, and the channel to whoever shows it.
//!
//! The thread waits for whichever comes first: the next sample, a backlog in the ring buffer, or the
//! order to stop. It never waits for its listener: what a slow one does not take is dropped beyond a
//! bound, counted, and reported with the next sample.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    collector::{Collector, Freshness, Now, Start, Status},
    model::{event::Event, sample::Sample},
};

/// Batches of events on their way to the listener.
const BATCHES_MAX: usize = 64;
/// Places that a sample needs: for itself, and for the events that go before it.
const PLACES_TO_SAMPLE: usize = 2;
/// Events that wait for room in the channel.
const WAITING_MAX: usize = 65_536;
/// How often the ring buffer is drained for a listener who wants events as they happen.
const DRAIN_INTERVAL: Duration = Duration::from_millis(10);
/// The same while nothing happens: an idle host is not woken a hundred times a second.
const IDLE_DRAIN_INTERVAL: Duration = Duration::from_millis(100);
/// How long the last closing records may take to arrive once it is time to stop.
const SETTLE_TIME: Duration = Duration::from_secs(3);

/// What to collect.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// From one sample to the next. Without eBPF this is also how often events are looked for.
    pub interval: Duration,
    /// Stop after this many samples.
    pub samples_max: Option<u64>,
    pub events: Events,
    /// When the next sample is to look at every thread again.
    pub freshness: Freshness,
}

/// Whether the listener wants events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// As they happen.
    Live,
    /// Not at all: they only go into the accounts.
    Silent,
}

/// From the collecting thread to its listener.
#[derive(Debug)]
pub enum Message {
    /// Every hook that can be is attached; the accounts are open.
    Ready(Box<Status>),
    Events {
        batch: Vec<Event>,
        now: Now,
    },
    Sample(Arc<Sample>),
    /// Collection has ended. Nothing comes after this.
    Finished(Box<Finished>),
}

/// The last word of a collection.
#[derive(Debug)]
pub struct Finished {
    pub status: Status,
    pub collector: Collector,
}

/// Why collection broke off.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("the collecting thread could not be started: {0}")]
    Start(#[source] io::Error),
    #[error("collection broke off: {0}")]
    Collect(#[source] io::Error),
    #[error("the collecting thread panicked; please report this")]
    Panicked,
}

/// A running collection. Dropping it stops the collection as well.
pub struct Agent {
    /// The thread holds the other end and stops when this one is used or dropped.
    stop: Option<oneshot::Sender<()>>,
    /// Set to end at once, without waiting for the last closing records.
    is_impatient: Arc<AtomicBool>,
    messages: mpsc::Receiver<Message>,
    thread: Option<JoinHandle<Result<(), AgentError>>>,
}

impl Agent {
    /// Starts to collect.
    ///
    /// # Errors
    /// When the thread cannot be started. What the host refuses is told by the status instead.
    pub fn start(start: Start, plan: Plan) -> Result<Self, AgentError> {
        let (stop, stopped) = oneshot::channel();
        let is_impatient = Arc::new(AtomicBool::new(false));
        let hurry = Arc::clone(&is_impatient);
        let (sender, messages) = mpsc::channel(BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(AgentError::Start)?;
                runtime
                    .block_on(collect(start, plan, stopped, &hurry, sender))
                    .map_err(AgentError::Collect)
            })
            .map_err(AgentError::Start)?;
        Ok(Self {
            stop: Some(stop),
            is_impatient,
            messages,
            thread: Some(thread),
        })
    }

    /// The next message; `None` after the last.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// Orders the collection to end. The messages that are still to come end with
    /// [`Message::Finished`]. The second time, the last closing records are not waited for.
    pub fn stop(&mut self) {
        match self.stop.take() {
            Some(stop) => {
                let _ = stop.send(());
            }
            None => self.is_impatient.store(true, Ordering::Relaxed),
        }
    }

    /// Waits for the thread.
    ///
    /// # Errors
    /// When collection broke off.
    pub fn join(mut self) -> Result<(), AgentError> {
        self.stop();
        self.is_impatient.store(true, Ordering::Relaxed);
        self.messages.close();
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| AgentError::Panicked)?,
            None => Ok(()),
        }
    }
}

async fn collect(
    start: Start,
    plan: Plan,
    mut stopped: oneshot::Receiver<()>,
    hurry: &AtomicBool,
    sender: mpsc::Sender<Message>,
) -> io::Result<()> {
    let mut collector = Collector::start(start)?;
    let mut outbox = Outbox {
        sender,
        waiting: Vec::new(),
        is_wanted: plan.events == Events::Live,
    };
    // What lives already is on the books before anyone is told that we watch.
    prefer_this_thread();
    let first = collector.sample(Freshness::Full, &mut |event| outbox.hold(event))?;
    outbox
        .send(Message::Ready(Box::new(collector.status())))
        .await;
    outbox.send(Message::Sample(Arc::new(first))).await;

    // A second descriptor of the ring buffer, so that waiting does not borrow the collector.
    let wakeups = collector
        .wakeup_fd()?
        // SAFETY: an OwnedFd is open for as long as it exists, and always the same.
        .map(|fd| unsafe { AsyncFd::register(fd) })
        .transpose()?;
    let mut ticks = tokio::time::interval_at(Instant::now() + plan.interval, plan.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drain_interval = IDLE_DRAIN_INTERVAL;
    let mut samples = 1;
    while plan.samples_max.is_none_or(|max| samples < max) && !outbox.sender.is_closed() {
        let drain_timer = async {
            if plan.events == Events::Live && wakeups.is_some() {
                tokio::time::sleep(drain_interval).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let wakeup = async {
            match &wakeups {
                Some(fd) => fd.readable().await.map(|mut ready| ready.clear_ready()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            _ = ticks.tick() => {
                // A listener that is behind gets the next sample instead: what ended meanwhile is in it.
                if outbox.sender.capacity() < PLACES_TO_SAMPLE {
                    collector.drain(&mut |event| outbox.hold(event));
                    outbox.pass_on(&mut collector);
                    continue;
                }
                samples += 1;
                let is_last = plan.samples_max == Some(samples);
                let freshness = if is_last { Freshness::Full } else { plan.freshness };
                let sample = collector.sample(freshness, &mut |event| outbox.hold(event))?;
                outbox.pass_on(&mut collector);
                outbox.send(Message::Sample(Arc::new(sample))).await;
            }
            woken = wakeup => {
                woken?;
                collector.drain(&mut |event| outbox.hold(event));
                outbox.pass_on(&mut collector);
            }
            () = drain_timer => {
                let records = collector.drain(&mut |event| outbox.hold(event));
                drain_interval = if records > 0 { DRAIN_INTERVAL } else { IDLE_DRAIN_INTERVAL };
                outbox.pass_on(&mut collector);
            }
        }
    }

    if plan.events == Events::Live {
        let is_impatient = || hurry.load(Ordering::Relaxed);
        collector.settle(SETTLE_TIME, &is_impatient, &mut |event| outbox.hold(event))?;
    }
    let batch = std::mem::take(&mut outbox.waiting);
    if !batch.is_empty() {
        outbox
            .send(Message::Events {
                batch,
                now: Now::read(),
            })
            .await;
    }
    let status = collector.status();
    outbox
        .send(Message::Finished(Box::new(Finished { status, collector })))
        .await;
    Ok(())
}

/// A host that is short of CPU is when figures are wanted, and records are lost if nobody takes them.
fn prefer_this_thread() {
    const NICENESS: i32 = -10;
    // Without the right to it, it stays as it is.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// What is on its way to the listener.
struct Outbox {
    sender: mpsc::Sender<Message>,
    waiting: Vec<Event>,
    is_wanted: bool,
}

impl Outbox {
    fn hold(&mut self, event: Event) {
        if self.is_wanted {
            self.waiting.push(event);
        }
    }

    /// Hands the events on when there is room, without waiting for it.
    fn pass_on(&mut self, collector: &mut Collector) {
        if self.waiting.is_empty() {
            return;
        }
        match self.sender.try_reserve() {
            Ok(place) => {
                let batch = std::mem::take(&mut self.waiting);
                place.send(Message::Events {
                    batch,
                    now: Now::read(),
                });
            }
            Err(_) if self.waiting.len() > WAITING_MAX => {
                let dropped = self.waiting.len() - WAITING_MAX;
                self.waiting.drain(..dropped);
                collector.count_output_loss(dropped as u64);
            }
            Err(_) => {}
        }
    }

    /// A listener that has gone away is noticed by the caller's loop.
    async fn send(&mut self, message: Message) {
        let _ = self.sender.send(message).await;
    }
}
