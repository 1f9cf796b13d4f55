//! What happened, once it is settled: births, programs, ends; connections; deaths from outside.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    connection::Connection,
    facts::Facts,
    identity::ProcessId,
    sample::{MemoryKinds, ProcessSample, Source},
};

/// Something that happened to a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub kind: EventKind,
    /// Nanoseconds since boot. `None` when it was inferred, and when it happened is not known.
    pub time_ns: Option<u64>,
    pub id: ProcessId,
    pub parent: Option<ProcessId>,
    pub facts: Arc<Facts>,
    pub source: Source,
}

/// What kind of thing happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum EventKind {
    /// A process was created.
    Fork,
    /// It replaced its program.
    Exec,
    /// It ended; this is its last account. Told when the account is closed, which is when its parent
    /// has taken note and the kernel has let go of it, or when it is found waiting for that.
    Exit(Box<ProcessSample>),
    /// It has connected, or failed to.
    Connect(Box<Connection>),
    /// It has accepted a connection, as far as shows: it was the first to use it.
    Accept(Box<Connection>),
    /// The kernel has let go of a connection of its.
    Close(Box<Connection>),
    /// It was chosen to die for want of memory.
    Oom(Box<OomKill>),
    /// It was sent a signal that ends it.
    Signal(Box<FatalSignal>),
}

/// Another process, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    pub id: ProcessId,
    pub comm: Box<str>,
    pub cgroup: Option<Arc<str>>,
}

/// What the OOM killer went by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKill {
    /// The victim's. `None` before Linux 6.9, which does not say.
    pub memory: Option<MemoryKinds>,
    /// From -1000 to 1000. `None` as above.
    pub oom_score_adj: Option<i32>,
    /// Whose allocation could not be met; its cgroup is the one that had reached its limit, or is below it.
    pub asked_by: Party,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FatalSignal {
    pub signal: u32,
    /// `si_code`: 0 from `kill`, above 0 from the kernel, below 0 from `sigqueue`, `tgkill` and timers. `None`
    /// when no sending was seen: the kernel, or a tracer, had the process end as if by this signal, or the
    /// record was lost.
    pub code: Option<i32>,
    /// `None` when the kernel sent it, and when no sending was seen.
    pub sender: Option<Party>,
}

impl EventKind {
    /// The name in `type`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit(_) => "exit",
            Self::Connect(_) => "connect",
            Self::Accept(_) => "accept",
            Self::Close(_) => "close",
            Self::Oom(_) => "oom",
            Self::Signal(_) => "signal",
        }
    }
}
