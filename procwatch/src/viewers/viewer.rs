//! The viewer's end: what a recorder sends, as if it had been collected here.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use hashbrown::HashSet;

use super::protocol::{
    FromViewer, Garbled, Greeting, LINE_MAX, MESSAGE_MAX, PROTOCOL, ToViewer, Welcome, encode, take,
};
use crate::{
    agent::{Events, Finished, Message, Plan},
    collector::{Answer, Now, Request, Status, act},
    model::{
        event::{Event, EventKind},
        identity::ProcessId,
        sample::{ProcessSample, Sample},
    },
};

/// How long a recorder may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);
const CHUNK: usize = 64 << 10;
/// How long the closing of accounts may take once it is time to end. After a storm the kernel takes seconds.
const SETTLE_NS: u64 = 3_000_000_000;

/// A recorder that has said who it is.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    incoming: Vec<u8>,
    pub welcome: Box<Welcome>,
}

/// Why a recorder cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no recorder.
    #[error("nobody answers there")]
    Nobody,
    #[error("only root and members of the group procwatch may look")]
    NotAllowed,
    #[error(
        "it is procwatch {version}, of protocol {protocol}, and this is {} of {PROTOCOL}: restart whichever is older",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion { protocol: u32, version: String },
    #[error("{0}")]
    Refused(String),
    /// It has ended in order.
    #[error("the recorder has ended")]
    Over,
    /// It went without a word.
    #[error("the recorder has let go of this viewer, which took too long, or was killed")]
    Dropped,
    #[error(transparent)]
    Garbled(#[from] Garbled),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Link {
    /// Finds out who answers on a socket.
    ///
    /// # Errors
    /// When nobody does, or it is somebody else or of another version.
    pub fn open(path: &Path) -> Result<Self, LinkError> {
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => LinkError::Nobody,
            io::ErrorKind::PermissionDenied => LinkError::NotAllowed,
            _ => error.into(),
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut incoming = Vec::new();
        let theirs = loop {
            if let Some(greeting) = Greeting::take(&mut incoming)? {
                break greeting;
            }
            read(&stream, &mut incoming, LINE_MAX)?;
        };
        if theirs.protocol != PROTOCOL {
            return Err(LinkError::OtherVersion {
                protocol: theirs.protocol,
                version: theirs.version,
            });
        }
        (&stream).write_all(Greeting::ours().line().as_bytes())?;
        let welcome = loop {
            match take(&mut incoming, MESSAGE_MAX)? {
                Some(ToViewer::Welcome(welcome)) => break welcome,
                Some(ToViewer::Refused(why)) => return Err(LinkError::Refused(why)),
                Some(_) => return Err(Garbled.into()),
                None => read(&stream, &mut incoming, CHUNK)?,
            }
        };
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            incoming,
            welcome,
        })
    }
}

/// Takes what there is, waiting for some.
fn read(mut stream: &UnixStream, incoming: &mut Vec<u8>, max: usize) -> Result<(), LinkError> {
    let mut bytes = vec![0; max];
    match stream.read(&mut bytes) {
        Ok(0) => Err(LinkError::Dropped),
        Ok(length) => {
            incoming.extend_from_slice(&bytes[..length]);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::from(io::ErrorKind::TimedOut).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks at what a recorder collects, by the plan of who looks.
pub struct Viewer {
    stream: tokio::net::UnixStream,
    incoming: Vec<u8>,
    outgoing: VecDeque<u8>,
    /// Messages that have come, and have not been asked for.
    ready: VecDeque<Message>,
    plan: Plan,
    status: Status,
    /// What was collected before is not ours to tell.
    since_boot_ns: u64,
    /// The last that came, whether or not it was passed on.
    last: Option<Arc<Sample>>,
    passed: Passed,
    ending: Ending,
}

/// Of the samples that were passed on.
#[derive(Debug, Default)]
struct Passed {
    count: u64,
    /// Of the last, nanoseconds since boot.
    boot_time_ns: u64,
    /// Those that ended in samples since that were left out: they are in no other.
    ended: Vec<ProcessSample>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    /// Nobody thinks of it.
    Not,
    /// When what has happened up to this time since boot has been told.
    After(u64),
    /// When the ends of these have been told, who had exited by then, or at a time since boot that is not waited
    /// beyond.
    AfterEndsOf(HashSet<ProcessId>, u64),
    /// With the answer to the last question.
    Asked,
    Ended,
}

impl Viewer {
    /// Begins to look.
    ///
    /// # Errors
    /// When the runtime cannot wait for the socket.
    pub fn start(link: Link, plan: Plan) -> io::Result<Self> {
        let status = link.welcome.status.clone();
        let mut viewer = Self {
            stream: tokio::net::UnixStream::from_std(link.stream)?,
            incoming: link.incoming,
            outgoing: VecDeque::new(),
            ready: VecDeque::new(),
            plan,
            status,
            since_boot_ns: Now::read().boot_ns,
            last: None,
            passed: Passed::default(),
            ending: Ending::Not,
        };
        viewer.say(FromViewer::Attach {
            events: plan.events != Events::Silent,
        });
        Ok(viewer)
    }

    /// The next message; `None` after the last. Can be dropped while it waits.
    ///
    /// # Errors
    /// When the recorder has gone, or what it tells makes no sense.
    pub async fn next(&mut self) -> Result<Option<Message>, LinkError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            if self.ending == Ending::Ended {
                return Ok(None);
            }
            self.write()?;
            if let Some(message) = take(&mut self.incoming, MESSAGE_MAX)? {
                self.hear(message)?;
                continue;
            }
            if self.outgoing.is_empty() {
                self.stream.readable().await?;
            } else {
                let both = tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE;
                self.stream.ready(both).await?;
            }
            let mut bytes = [0; CHUNK];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Err(LinkError::Dropped),
                Ok(length) => self.incoming.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What changes processes is done here, with the rights of whoever looks.
    pub fn ask(&mut self, request: Request) {
        let done = match request {
            Request::Signal(id, signal) => act(|hands| hands.signal(id, signal)),
            Request::Renice(id, niceness) => act(|hands| hands.renice(id, niceness)),
            // A recorder collects them anyway.
            Request::ConnectionEvents(_) => return,
            request => return self.say(FromViewer::Ask(request)),
        };
        self.ready.push_back(Message::Answer(Answer::Done(done)));
    }

    pub fn stop(&mut self) {
        match self.ending {
            Ending::Not if self.plan.events != Events::Silent => {
                self.ending = Ending::After(Now::read().boot_ns);
            }
            Ending::Not | Ending::After(_) | Ending::AfterEndsOf(..) => self.end(),
            Ending::Asked | Ending::Ended => {}
        }
    }

    /// Asks the last question, or says the last word.
    fn end(&mut self) {
        match (self.plan.last_question, &self.ending) {
            (_, Ending::Ended) => {}
            (Some(question), ending) if *ending != Ending::Asked => {
                self.ending = Ending::Asked;
                self.say(FromViewer::Ask(question));
            }
            _ => {
                self.ending = Ending::Ended;
                self.ready.push_back(Message::Finished(Box::new(Finished {
                    status: self.status.clone(),
                    confinement: crate::confine::Report::default(),
                })));
            }
        }
    }

    fn hear(&mut self, message: ToViewer) -> Result<(), LinkError> {
        match message {
            ToViewer::Sample(update) => {
                let before = self.last.as_deref();
                let sample = update.apply(before).map_err(|_| Garbled)?;
                self.sample(sample);
            }
            ToViewer::Events { batch, now } => self.events(batch, now),
            ToViewer::Answer(Answer::Ending(awaited)) => {
                if let Ending::After(stop_ns) = self.ending {
                    let awaited = awaited.into_iter().collect();
                    self.ending = Ending::AfterEndsOf(awaited, stop_ns);
                    self.end_if_all_is_told(Now::read().boot_ns);
                }
            }
            ToViewer::Answer(answer) => {
                self.ready.push_back(Message::Answer(answer));
                if self.ending == Ending::Asked {
                    self.end();
                }
            }
            ToViewer::Over => return Err(LinkError::Over),
            ToViewer::Welcome(_) | ToViewer::Refused(_) => return Err(Garbled.into()),
        }
        Ok(())
    }

    /// Those of the time that is looked at: what happens later is for others to tell.
    fn events(&mut self, batch: Vec<Event>, now: Now) {
        let until_ns = match self.ending {
            Ending::After(stop_ns) | Ending::AfterEndsOf(_, stop_ns) => stop_ns,
            _ => u64::MAX,
        };
        let time = self.since_boot_ns..=until_ns;
        let is_ours = |event: &Event| event.time_ns.is_none_or(|time_ns| time.contains(&time_ns));
        let batch: Vec<_> = batch.into_iter().filter(is_ours).collect();
        if let Ending::AfterEndsOf(awaited, _) = &mut self.ending {
            for event in &batch {
                if matches!(event.kind, EventKind::Exit(_)) {
                    awaited.remove(&event.id);
                }
            }
        }
        if !batch.is_empty() {
            self.ready.push_back(Message::Events { batch, now });
        }
        self.end_if_all_is_told(now.boot_ns);
    }

    fn end_if_all_is_told(&mut self, boot_ns: u64) {
        if let Ending::AfterEndsOf(awaited, stop_ns) = &self.ending
            && (awaited.is_empty() || boot_ns >= stop_ns.saturating_add(SETTLE_NS))
        {
            self.end();
        }
    }

    fn sample(&mut self, sample: Sample) {
        if self.last.is_none() {
            self.tell_of(&sample);
            self.ready
                .push_back(Message::Ready(Box::new(self.status.clone())));
        }
        self.tell_of(&sample);
        let boot_time_ns = sample.boot_time_ns;
        let sample = Arc::new(sample);
        self.last = Some(Arc::clone(&sample));
        let samples_max = self.plan.samples_max.unwrap_or(u64::MAX);
        if self.is_due(boot_time_ns) && self.passed.count < samples_max {
            let whole = self.passed.with_ended(sample);
            self.ready.push_back(Message::Sample(whole));
        } else {
            self.passed.leave_out(&sample);
        }
        match self.ending {
            Ending::Not if self.passed.count >= samples_max => self.end(),
            // What has happened by then has been told, but for ends whose accounts are open.
            Ending::After(stop_ns) if boot_time_ns >= stop_ns => {
                self.say(FromViewer::Ask(Request::Ending));
            }
            _ => self.end_if_all_is_told(boot_time_ns),
        }
    }

    /// What the recorder stands on goes with each sample.
    fn tell_of(&mut self, sample: &Sample) {
        self.status.loss = sample.loss;
        self.status.shed = sample.shed;
        self.status.sources = sample.sources.clone();
    }

    /// Whether the interval of the plan is over, or as good as.
    fn is_due(&self, boot_time_ns: u64) -> bool {
        let since_ns = boot_time_ns.saturating_sub(self.passed.boot_time_ns);
        let interval_ns = u64::try_from(self.plan.interval.as_nanos()).unwrap_or(u64::MAX);
        self.passed.count == 0 || since_ns >= interval_ns / 10 * 9
    }

    fn say(&mut self, message: FromViewer) {
        self.outgoing.extend(encode(&message));
    }

    fn write(&mut self) -> Result<(), LinkError> {
        while !self.outgoing.is_empty() {
            match self.stream.try_write(self.outgoing.make_contiguous()) {
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What it said before it went is still to be read.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.outgoing.clear();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Passed {
    fn leave_out(&mut self, sample: &Sample) {
        let ended = sample.processes.iter().filter(|one| one.state.has_gone());
        self.ended.extend(ended.cloned());
    }

    /// A sample with those that ended since the last that was passed on.
    fn with_ended(&mut self, sample: Arc<Sample>) -> Arc<Sample> {
        self.count += 1;
        self.boot_time_ns = sample.boot_time_ns;
        if self.ended.is_empty() {
            return sample;
        }
        let mut sample = Arc::unwrap_or_clone(sample);
        sample.processes.append(&mut self.ended);
        sample.processes.sort_by_key(|process| process.id);
        sample.processes.dedup_by_key(|process| process.id);
        Arc::new(sample)
    }
}
