//! Collection on a thread of its own, and the channel to whoever shows it.
//!
//! The thread waits for whichever comes first: the next sample, a backlog in the ring buffer, or the
//! order to stop. It never waits for its listener: what a slow one does not take is dropped beyond a
//! bound, counted, and reported with the next sample.

mod outbox;
mod watchdog;

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

use self::{
    outbox::{Outbox, Transit},
    watchdog::Watchdog,
};
use crate::{
    collector::{Answer, Collector, Freshness, Now, OwnCost, Request, Start, Status},
    confine::{Confinement, Report},
    model::{event::Event, sample::Sample},
};

/// How often the ring buffer is drained for a listener who wants events as they happen.
const DRAIN_INTERVAL: Duration = Duration::from_millis(10);
/// The same while nothing happens: an idle host is not woken a hundred times a second.
const IDLE_DRAIN_INTERVAL: Duration = Duration::from_millis(100);
/// Samples are not put further apart than this to save cost, unless that was asked for.
const STRETCHED_INTERVAL_MAX: Duration = Duration::from_secs(60);
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
    /// What is asked when all else has been told: the answer comes right before [`Message::Finished`].
    pub last_question: Option<Request>,
}

/// Whether the listener wants events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// As they happen.
    Live,
    /// In batches, each before the sample that it belongs to: nobody is woken for them.
    WithSamples,
    /// The same, and at the end one more sample, when the last accounts are closed: none is missing.
    ToTheLast,
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
    Answer(Answer),
    /// Collection has ended. Nothing comes after this.
    Finished(Box<Finished>),
}

/// The last word of a collection.
#[derive(Debug)]
pub struct Finished {
    pub status: Status,
    /// What the collecting thread has given up.
    pub confinement: Report,
}

/// Why collection broke off.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("the collecting thread could not be started")]
    Start(#[source] io::Error),
    #[error("collection broke off")]
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
    /// Set while somebody wants events as they happen, whatever the plan says.
    is_urged: Arc<AtomicBool>,
    messages: mpsc::Receiver<Message>,
    transit: Arc<Transit>,
    /// The thread answers in the order of asking.
    requests: mpsc::UnboundedSender<Request>,
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
        let is_urged = Arc::new(AtomicBool::new(false));
        let urge = Arc::clone(&is_urged);
        let (outbox, messages) = Outbox::new(plan.events);
        let transit = outbox.transit();
        let (requests, asked) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(AgentError::Start)?;
                runtime
                    .block_on(collect(start, plan, stopped, &hurry, &urge, asked, outbox))
                    .map_err(AgentError::Collect)
            })
            .map_err(AgentError::Start)?;
        Ok(Self {
            stop: Some(stop),
            is_impatient,
            is_urged,
            messages,
            transit,
            requests,
            thread: Some(thread),
        })
    }

    /// The next message; `None` after the last.
    pub async fn next(&mut self) -> Option<Message> {
        let message = self.messages.recv().await?;
        self.transit.taken(&message);
        Some(message)
    }

    /// What asks, and urges, from another thread.
    pub fn asker(&self) -> Asker {
        Asker {
            requests: self.requests.clone(),
            is_urged: Arc::clone(&self.is_urged),
        }
    }

    /// Asks for something; the answer comes as a message. Nothing comes once collection has ended.
    pub fn ask(&self, request: Request) {
        let _ = self.requests.send(request);
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

/// Asks a running collection. What it asks after the end has no answer.
#[derive(Clone, Debug)]
pub struct Asker {
    requests: mpsc::UnboundedSender<Request>,
    is_urged: Arc<AtomicBool>,
}

impl Asker {
    /// The answer comes as a message; answers come in the order of asking.
    pub fn ask(&self, request: Request) {
        let _ = self.requests.send(request);
    }

    /// Whether events are wanted as they happen, from the next sample on.
    pub fn urge(&self, is_wanted: bool) {
        self.is_urged.store(is_wanted, Ordering::Relaxed);
    }
}

async fn collect(
    start: Start,
    plan: Plan,
    mut stopped: oneshot::Receiver<()>,
    hurry: &AtomicBool,
    urge: &AtomicBool,
    mut asked: mpsc::UnboundedReceiver<Request>,
    mut outbox: Outbox,
) -> io::Result<()> {
    let (niceness, limits) = (start.niceness, start.limits);
    let confinement = start.confinement.clone();
    let mut collector = Collector::start(start)?;
    // What lives already is on the books before anyone is told that we watch.
    // Without the right to it, the priority stays as it is.
    let _ = rustix::process::setpriority_process(None, niceness);
    let confinement = confinement.collecting();
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
    let mut ticks = every(plan.interval);
    let mut watchdog = Watchdog::new(limits);
    let mut drain_interval = IDLE_DRAIN_INTERVAL;
    let mut samples = 1;
    while plan.samples_max.is_none_or(|max| samples < max) && !outbox.is_closed() {
        let is_live = plan.events == Events::Live || urge.load(Ordering::Relaxed);
        let drain_timer = async {
            if is_live && wakeups.is_some() {
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
                if !outbox.has_room_for_sample() {
                    collector.drain(&mut |event| outbox.hold(event));
                    collector.count_output_loss(outbox.pass_on());
                    continue;
                }
                samples += 1;
                let is_last = plan.samples_max == Some(samples);
                let freshness = if is_last { Freshness::Full } else { plan.freshness };
                let sample = collector.sample(freshness, &mut |event| outbox.hold(event))?;
                collector.count_output_loss(outbox.pass_on());
                let boot_time_ns = sample.boot_time_ns;
                outbox.send(Message::Sample(Arc::new(sample))).await;
                if let Some(shed) = watchdog.judge(boot_time_ns, OwnCost::read()) {
                    collector.shed(shed);
                    let stretched = plan.interval.saturating_mul(shed.stretch);
                    ticks = every(stretched.min(STRETCHED_INTERVAL_MAX).max(plan.interval));
                }
            }
            Some(request) = asked.recv() => {
                // What has happened by now is part of the answer, and told before it.
                collector.drain(&mut |event| outbox.hold(event));
                collector.count_output_loss(outbox.pass_on());
                if let Some(answer) = answer(&mut collector, &confinement, request) {
                    outbox.send(Message::Answer(answer)).await;
                }
            }
            woken = wakeup => {
                woken?;
                collector.drain(&mut |event| outbox.hold(event));
                collector.count_output_loss(outbox.pass_on());
            }
            () = drain_timer => {
                let records = collector.drain(&mut |event| outbox.hold(event));
                drain_interval = if records > 0 { DRAIN_INTERVAL } else { IDLE_DRAIN_INTERVAL };
                collector.count_output_loss(outbox.pass_on());
            }
        }
    }

    let mut ended = Vec::new();
    if matches!(plan.events, Events::Live | Events::ToTheLast) {
        let is_impatient = || hurry.load(Ordering::Relaxed);
        ended = collector.settle(SETTLE_TIME, &is_impatient, &mut |event| outbox.hold(event))?;
    }
    if plan.events == Events::ToTheLast {
        let mut last = collector.sample(Freshness::Full, &mut |event| outbox.hold(event))?;
        // Their rows were in samples that only settled things.
        last.processes.append(&mut ended);
        last.processes.sort_by_key(|process| process.id);
        last.processes.dedup_by_key(|process| process.id);
        outbox.send_rest().await;
        outbox.send(Message::Sample(Arc::new(last))).await;
    }
    outbox.send_rest().await;
    if let Some(answer) = plan
        .last_question
        .and_then(|question| answer(&mut collector, &confinement, question))
    {
        outbox.send(Message::Answer(answer)).await;
    }
    outbox
        .send(Message::Finished(Box::new(Finished {
            status: collector.status(),
            confinement: confinement.report().clone(),
        })))
        .await;
    Ok(())
}

fn answer(
    collector: &mut Collector,
    confinement: &Confinement,
    request: Request,
) -> Option<Answer> {
    let mut answer = collector.answer(request)?;
    if let Answer::Standing(standing) = &mut answer {
        standing.confinement = confinement.report().clone();
    }
    Some(answer)
}

/// Ticks from one interval on; what is missed is not made up for.
fn every(interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
