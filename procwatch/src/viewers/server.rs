//! The recorder's end: one thread that writes to all viewers, and waits for none.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::Errno,
    net::sockopt::socket_peercred,
};

use super::{
    place::Place,
    protocol::{FromViewer, Greeting, PROTOCOL, REQUEST_MAX, ToViewer, Welcome, encode, take},
};
use crate::{
    agent::{Asker, Message},
    collector::{Answer, Request},
    model::{sample::Sample, update::Update},
};

/// More are refused.
const VIEWERS_MAX: usize = 64;
/// What may wait for a viewer beyond the whole sample that it begins with: some minutes of a busy host.
const WAITING_MAX: usize = 8 << 20;
/// Questions that are put to the collection and not answered yet, of those who have left too: fewer than the agent's
/// channel holds messages, so that no answer waits there for room.
const QUESTIONS_MAX: usize = 16;
/// News on its way to the thread.
const NEWS_MAX: usize = 256;

/// Serves viewers until it is dropped.
pub struct Server {
    news: Option<SyncSender<News>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads know of.
struct Shared {
    /// Wakes the serving thread.
    bell: OwnedFd,
    viewers: AtomicUsize,
    /// How many of them want events.
    listeners: AtomicUsize,
    /// The serving thread has fallen behind: its viewers have missed something, and have to go.
    is_overrun: AtomicBool,
    /// Answers that have been given.
    answers: AtomicU64,
    /// The last two samples, for a viewer to begin with: rates take two.
    latest: Mutex<[Option<Arc<Sample>>; 2]>,
}

/// What the serving thread is told.
enum News {
    Sample(Arc<Sample>),
    /// Encoded.
    Events(Arc<[u8]>),
    /// With how many there have been before it: one that found no room must not be taken for the next.
    Answer(u64, Answer),
}

impl Shared {
    fn ring(&self) {
        // The only failure is that it has rung four billion times and nobody came.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}

impl Server {
    /// Begins to serve.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(place: Place, welcome: &Welcome, asker: Asker) -> io::Result<Self> {
        let (news, heard) = sync_channel(NEWS_MAX);
        let shared = Arc::new(Shared {
            bell: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            viewers: AtomicUsize::new(0),
            listeners: AtomicUsize::new(0),
            is_overrun: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            latest: Mutex::default(),
        });
        let desk = Desk {
            greeting: Greeting::ours().line().into_bytes().into(),
            welcome: encode(&ToViewer::Welcome(Box::new(welcome.clone()))).into(),
            place,
            shared: Arc::clone(&shared),
            asker,
            viewers: Vec::new(),
            asked: VecDeque::new(),
            questions: 0,
            next_number: 0,
            last: None,
        };
        let thread = std::thread::Builder::new()
            .name("viewers".to_owned())
            .spawn(move || desk.serve(&heard))?;
        Ok(Self {
            news: Some(news),
            shared,
            thread: Some(thread),
        })
    }

    /// How many look on.
    fn viewers(&self) -> usize {
        self.shared.viewers.load(Ordering::Relaxed)
    }

    /// Hands on what was collected.
    pub fn tell(&self, message: &Message) {
        match message {
            Message::Sample(sample) => {
                let latest = self.shared.latest.lock();
                let mut latest = latest.unwrap_or_else(PoisonError::into_inner);
                latest.rotate_right(1);
                latest[0] = Some(Arc::clone(sample));
                drop(latest);
                if self.viewers() > 0 {
                    self.send(News::Sample(Arc::clone(sample)));
                }
            }
            Message::Events { batch, now } if self.shared.listeners.load(Ordering::Relaxed) > 0 => {
                let message = ToViewer::Events {
                    batch: batch.clone(),
                    now: *now,
                };
                self.send(News::Events(encode(&message).into()));
            }
            Message::Ready(_)
            | Message::Events { .. }
            | Message::Answer(_)
            | Message::Finished(_) => {}
        }
    }

    /// Hands on the answer to what a viewer has asked.
    pub fn answer(&self, answer: Answer) {
        let number = self.shared.answers.fetch_add(1, Ordering::Relaxed);
        self.send(News::Answer(number, answer));
    }

    fn send(&self, news: News) {
        let sent = self.news.as_ref().map(|sender| sender.try_send(news));
        if let Some(Err(TrySendError::Full(_))) = sent {
            self.shared.is_overrun.store(true, Ordering::Relaxed);
        }
        self.shared.ring();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.news = None;
        self.shared.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The serving thread's own.
struct Desk {
    greeting: Arc<[u8]>,
    welcome: Arc<[u8]>,
    place: Place,
    shared: Arc<Shared>,
    asker: Asker,
    viewers: Vec<Seat>,
    /// Questions by their number, and whose they are. Answers come in the order of asking.
    asked: VecDeque<(u64, u64)>,
    /// How many have been put.
    questions: u64,
    next_number: u64,
    /// The sample that all viewers know.
    last: Option<Arc<Sample>>,
}

/// One viewer.
struct Seat {
    number: u64,
    stream: UnixStream,
    /// `None` where the kernel does not tell.
    uid: Option<u32>,
    stage: Stage,
    incoming: Vec<u8>,
    outgoing: VecDeque<Arc<[u8]>>,
    /// Bytes in `outgoing`, and how many of its first message are written.
    waiting: usize,
    written: usize,
    /// Bytes that it may take its time for: what it began with.
    allowed: usize,
    /// It has asked something that was not answered yet.
    has_asked: bool,
    /// What it has said waits until fewer questions are open.
    is_put_off: bool,
    is_leaving: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not said who it is.
    Stranger,
    /// It has, and wants nothing yet.
    Guest,
    Attached {
        events: bool,
    },
}

impl Desk {
    fn serve(mut self, heard: &Receiver<News>) {
        loop {
            let Ok(ready) = self.wait() else {
                return;
            };
            if ready.bell {
                let mut count = [0; 8];
                let _ = rustix::io::read(&self.shared.bell, &mut count);
            }
            loop {
                match heard.try_recv() {
                    Ok(news) => self.hear(news),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return self.say_farewell(),
                }
            }
            if self.shared.is_overrun.swap(false, Ordering::Relaxed) {
                self.viewers.clear();
                self.asked.clear();
            }
            if ready.listener {
                self.seat_newcomers();
            }
            for at in 0..self.viewers.len() {
                if ready.readable.contains(&at) || self.viewers[at].has_more() {
                    self.listen_to(at);
                }
                self.viewers[at].write();
            }
            self.viewers.retain(|seat| !seat.is_leaving);
            self.count();
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Result<Ready, Errno> {
        let mut fds = vec![
            PollFd::new(&self.shared.bell, PollFlags::IN),
            PollFd::new(&self.place.listener, PollFlags::IN),
        ];
        for seat in &self.viewers {
            let mut wanted = PollFlags::empty();
            // One that has asked is not listened to before it has its answer, nor one that takes none.
            if !seat.has_asked && !seat.is_put_off {
                wanted |= PollFlags::IN;
            }
            if !seat.outgoing.is_empty() {
                wanted |= PollFlags::OUT;
            }
            fds.push(PollFd::new(&seat.stream, wanted));
        }
        while let Err(errno) = poll(&mut fds, None) {
            if errno != Errno::INTR {
                return Err(errno);
            }
        }
        let has = |at: usize| !fds[at].revents().is_empty();
        Ok(Ready {
            bell: has(0),
            listener: has(1),
            readable: (0..self.viewers.len()).filter(|at| has(at + 2)).collect(),
        })
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Sample(sample) => {
                let last = self.last.replace(Arc::clone(&sample));
                // One that was the latest already when the first viewer came.
                let is_known = last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &sample));
                if self.has_attached() && !is_known {
                    let update = match last {
                        Some(last) => Update::between(&last, &sample),
                        None => Update::whole(&sample),
                    };
                    let message = encode(&ToViewer::Sample(Box::new(update))).into();
                    self.send_where(&message, |stage| matches!(stage, Stage::Attached { .. }));
                }
            }
            News::Events(events) => {
                self.send_where(&events, |stage| stage == Stage::Attached { events: true });
            }
            News::Answer(question, answer) => {
                let mut whose = None;
                while let Some((_, number)) =
                    self.asked.pop_front_if(|(asked, _)| *asked <= question)
                {
                    whose = Some(number);
                }
                // There is room for the next question.
                self.viewers
                    .iter_mut()
                    .for_each(|seat| seat.is_put_off = false);
                // It may have left.
                let mut seats = self.viewers.iter_mut();
                if let Some(seat) = seats.find(|seat| Some(seat.number) == whose) {
                    seat.has_asked = false;
                    let message: Arc<[u8]> = encode(&ToViewer::Answer(answer)).into();
                    seat.allowed += message.len();
                    seat.send(&message);
                }
            }
        }
    }

    fn has_attached(&self) -> bool {
        let mut stages = self.viewers.iter().map(|seat| seat.stage);
        stages.any(|stage| matches!(stage, Stage::Attached { .. }))
    }

    fn send_where(&mut self, message: &Arc<[u8]>, is_meant: impl Fn(Stage) -> bool) {
        for seat in self.viewers.iter_mut().filter(|seat| is_meant(seat.stage)) {
            seat.send(message);
        }
    }

    fn seat_newcomers(&mut self) {
        while let Ok((stream, _)) = self.place.listener.accept() {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            self.next_number += 1;
            let credentials = socket_peercred(stream.as_fd()).ok();
            let mut seat = Seat {
                number: self.next_number,
                uid: credentials.map(|peer| peer.uid.as_raw()),
                stream,
                stage: Stage::Stranger,
                incoming: Vec::new(),
                outgoing: VecDeque::new(),
                waiting: 0,
                written: 0,
                allowed: 0,
                has_asked: false,
                is_put_off: false,
                is_leaving: false,
            };
            seat.send(&self.greeting);
            if self.viewers.len() >= VIEWERS_MAX {
                let why = format!("{VIEWERS_MAX} viewers look on already");
                seat.send(&encode(&ToViewer::Refused(why)).into());
                seat.write();
                continue;
            }
            self.viewers.push(seat);
            // In this order: a sample that is not sent here because nobody looks on is the latest by then.
            self.count();
            if self.last.is_none() {
                let latest = self.shared.latest.lock();
                let latest = latest.unwrap_or_else(PoisonError::into_inner);
                self.last.clone_from(&latest[0]);
            }
        }
    }

    fn listen_to(&mut self, at: usize) {
        let seat = &mut self.viewers[at];
        if seat.read().is_err() {
            seat.is_leaving = true;
            return;
        }
        while !seat.has_asked && !seat.is_leaving {
            if seat.stage == Stage::Stranger {
                match Greeting::take(&mut seat.incoming) {
                    Ok(None) => return,
                    Ok(Some(greeting)) if greeting.protocol == PROTOCOL => {
                        seat.stage = Stage::Guest;
                        seat.send(&self.welcome);
                    }
                    // It has our line, and says what is wrong.
                    Ok(Some(_)) | Err(_) => seat.is_leaving = true,
                }
                continue;
            }
            seat.is_put_off = self.asked.len() >= QUESTIONS_MAX;
            if seat.is_put_off {
                return;
            }
            match take(&mut seat.incoming, REQUEST_MAX) {
                Ok(None) => return,
                Ok(Some(FromViewer::Attach { events })) if seat.stage == Stage::Guest => {
                    seat.stage = Stage::Attached { events };
                    let latest = self.shared.latest.lock();
                    let latest = latest.unwrap_or_else(PoisonError::into_inner).clone();
                    if let Some(last) = &self.last {
                        seat.begin(last, latest);
                    }
                }
                Ok(Some(FromViewer::Ask(request))) => match seat.may_ask(request) {
                    Ok(request) => {
                        seat.has_asked = true;
                        self.asked.push_back((self.questions, seat.number));
                        self.questions += 1;
                        self.asker.ask(request);
                    }
                    Err(why) => {
                        let answer = ToViewer::Answer(Answer::Done(Err(why)));
                        seat.send(&encode(&answer).into());
                    }
                },
                Ok(Some(FromViewer::Attach { .. })) | Err(_) => seat.is_leaving = true,
            }
        }
    }

    /// Tells the other thread who is there.
    fn count(&mut self) {
        let listeners = self.viewers.iter();
        let listeners = listeners
            .filter(|seat| seat.stage == Stage::Attached { events: true })
            .count();
        self.shared
            .viewers
            .store(self.viewers.len(), Ordering::Relaxed);
        self.shared.listeners.store(listeners, Ordering::Relaxed);
        self.asker.urge(listeners > 0);
        if self.viewers.is_empty() {
            self.last = None;
        }
    }

    fn say_farewell(&mut self) {
        let over: Arc<[u8]> = encode(&ToViewer::Over).into();
        for seat in &mut self.viewers {
            seat.send(&over);
            seat.write();
        }
    }
}

/// What [`Desk::wait`] has found.
struct Ready {
    bell: bool,
    listener: bool,
    /// Viewers, by their position, that have said something or left.
    readable: Vec<usize>,
}

impl Seat {
    /// Something it has said is still to be dealt with.
    fn has_more(&self) -> bool {
        !self.has_asked && !self.is_put_off && !self.incoming.is_empty()
    }

    fn send(&mut self, message: &Arc<[u8]>) {
        self.waiting += message.len();
        self.outgoing.push_back(Arc::clone(message));
        if self.waiting > WAITING_MAX + self.allowed {
            self.is_leaving = true;
        }
    }

    /// The sample that updates build on, and the one before it where that is known.
    fn begin(&mut self, base: &Arc<Sample>, latest: [Option<Arc<Sample>>; 2]) {
        let before = match latest {
            [Some(last), before] if Arc::ptr_eq(base, &last) => before,
            _ => None,
        };
        let updates = match before {
            Some(before) => vec![Update::whole(&before), Update::between(&before, base)],
            None => vec![Update::whole(base)],
        };
        for update in updates {
            let message: Arc<[u8]> = encode(&ToViewer::Sample(Box::new(update))).into();
            self.allowed += message.len();
            self.send(&message);
        }
    }

    /// What is asked on the viewer's behalf.
    fn may_ask(&self, request: Request) -> Result<Request, String> {
        if request.is_deed() {
            return Err("a recorder only looks: processes are changed by who wants it".to_owned());
        }
        Ok(if self.uid == Some(0) {
            request
        } else {
            request.discreet()
        })
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; REQUEST_MAX];
        // More is not taken before this has been dealt with.
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.incoming.extend_from_slice(&bytes[..length]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// As much as the socket takes.
    fn write(&mut self) {
        while let Some(message) = self.outgoing.front() {
            match self.stream.write(&message[self.written..]) {
                Ok(length) => {
                    self.written += length;
                    self.waiting -= length;
                    if self.written == message.len() {
                        self.written = 0;
                        self.outgoing.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.is_leaving = true;
                    return;
                }
            }
        }
        self.allowed = 0;
    }
}
