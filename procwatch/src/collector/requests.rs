//! What a face asks for beyond samples, and does to processes on its user's behalf.
//!
//! On the collecting thread, which has the rights; a face has none.

use rustix::process::{
    Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, setpriority_process,
};

use serde::{Deserialize, Serialize};

use super::{Collector, Now, OwnCost, Status, Usage};
use crate::{
    confine::Report,
    model::{
        connection::Connection, delivery::Health, family::Member, identity::ProcessId,
        inspection::Inspection,
    },
    procfs::{Environment, ProcRoot},
};

/// What a face wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The list of connections.
    Connections,
    /// Whether connects, accepts and closes are told from now on.
    ConnectionEvents(bool),
    Inspect(ProcessId, Environment),
    /// Everybody that lives or is remembered.
    Family,
    /// Who has exited, and whose account is not closed yet: their ends are still to be told.
    Ending,
    /// What is attached, and what that costs.
    Standing,
    /// Send a signal, by its number.
    Signal(ProcessId, i32),
    /// Set the niceness of all its threads.
    Renice(ProcessId, i32),
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    Connections(Result<Vec<Connection>, String>),
    Inspection(Box<Inspection>),
    Family(Vec<Member>),
    Ending(Vec<ProcessId>),
    Standing(Box<Standing>),
    /// What was done, or why it was not.
    Done(Result<String, String>),
}

/// How collection stands at an instant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing {
    pub now: Now,
    pub status: Status,
    /// What the collecting thread has given up.
    pub confinement: Report,
    pub own: OwnCost,
    /// `None` without eBPF.
    pub usage: Option<Usage>,
    /// Of a recorder: how those are doing who tell others of alerts.
    pub notifiers: Vec<Health>,
}

impl Request {
    /// The same without what is a secret of the process's user.
    #[must_use]
    pub const fn discreet(self) -> Self {
        match self {
            Self::Inspect(id, _) => Self::Inspect(id, Environment::LeftOut),
            other => other,
        }
    }

    /// Whether it changes something for others than who asks.
    pub const fn is_deed(self) -> bool {
        matches!(
            self,
            Self::ConnectionEvents(_) | Self::Signal(..) | Self::Renice(..)
        )
    }
}

impl Collector {
    /// `None` for what has no answer.
    pub fn answer(&mut self, request: Request) -> Option<Answer> {
        Some(match request {
            Request::Connections => {
                Answer::Connections(self.connections().map_err(|error| error.to_string()))
            }
            Request::ConnectionEvents(is_wanted) => {
                self.wanted.connection_events = is_wanted;
                self.switch();
                return None;
            }
            Request::Inspect(id, environment) => {
                Answer::Inspection(Box::new(self.proc.inspect(id, environment)))
            }
            Request::Family => Answer::Family(self.tree().members(|id| self.process(id))),
            Request::Ending => Answer::Ending(self.ledger.pending_ends().into_iter().collect()),
            Request::Standing => Answer::Standing(Box::new(Standing {
                now: Now::read(),
                status: self.status(),
                // Whose thread this is knows.
                confinement: Report::default(),
                own: OwnCost::read(),
                usage: self.usage(),
                // Whose they are knows.
                notifiers: Vec::new(),
            })),
            Request::Signal(id, signal) => Answer::Done(Hands(&self.proc).signal(id, signal)),
            Request::Renice(id, niceness) => Answer::Done(Hands(&self.proc).renice(id, niceness)),
        })
    }
}

/// What is done to processes, with the rights of who does it.
pub struct Hands<'a>(&'a ProcRoot);

/// Does something to processes of this host without a collection.
///
/// # Errors
/// When it could not be done, and why.
pub fn act<T>(deed: impl FnOnce(&Hands<'_>) -> Result<T, String>) -> Result<T, String> {
    let proc = ProcRoot::new("/proc").map_err(|error| error.to_string())?;
    deed(&Hands(&proc))
}

impl Hands<'_> {
    /// To this very process, and not to a later holder of its pid. What was done, or why it was not.
    ///
    /// # Errors
    /// When the process has ended, or may not be sent that.
    pub fn signal(&self, id: ProcessId, signal: i32) -> Result<String, String> {
        let failed = |why: String| format!("{} was sent no signal: {why}", id.pid);
        let pid = Pid::from_raw(id.pid.cast_signed()).ok_or_else(|| failed("no pid".to_owned()))?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty())
            .map_err(|errno| failed(std::io::Error::from(errno).to_string()))?;
        // The descriptor holds on to whoever has the pid now; who that is shows its start.
        if !self.0.is_alive(id) {
            return Err(failed("it has ended".to_owned()));
        }
        let number =
            Signal::from_named_raw(signal).ok_or_else(|| failed(format!("no signal {signal}")))?;
        pidfd_send_signal(descriptor, number)
            .map_err(|errno| failed(std::io::Error::from(errno).to_string()))?;
        Ok(format!("{} was sent signal {signal}", id.pid))
    }

    /// Of all its threads.
    ///
    /// # Errors
    /// When the process has ended, or the niceness may not be set.
    pub fn renice(&self, id: ProcessId, niceness: i32) -> Result<String, String> {
        let tids = self.0.tids(id);
        if tids.is_empty() {
            return Err(format!("{} has ended", id.pid));
        }
        for tid in tids {
            // A thread that has ended meanwhile needs none.
            let Some(tid) = Pid::from_raw(tid.cast_signed()) else {
                continue;
            };
            match setpriority_process(Some(tid), niceness) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(errno) => {
                    let why = std::io::Error::from(errno);
                    return Err(format!("{} keeps its niceness: {why}", id.pid));
                }
            }
        }
        Ok(format!("{} has niceness {niceness} now", id.pid))
    }
}
