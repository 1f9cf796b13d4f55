//! What the edges report: facts about processes, dated, not yet merged.
//!
//! Observations may be lost, late, doubled or out of order; [`super::ledger`] copes with all of it.

use serde::{Deserialize, Serialize};

use super::{
    connection::Connection,
    facts::kernel_text,
    identity::{ProcessId, WaitStatus},
    sample::MemoryKinds,
    totals::Totals,
};

/// One record from the kernel about the life of a process. Times are nanoseconds since boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    Forked(Forked),
    Executed(Executed),
    Exited(Exited),
    Closed(Closed),
    Connected(Box<ConnectionSeen>),
    Accepted(Box<ConnectionSeen>),
    Disconnected(Box<ConnectionSeen>),
    OomKilled(Box<OomKilled>),
    Signalled(Box<Signalled>),
}

/// A connection as it was at this time since boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSeen {
    pub time_ns: u64,
    pub connection: Connection,
}

/// The OOM killer chose a victim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomKilled {
    pub time_ns: u64,
    pub victim: Victim,
    /// Whose allocation could not be met.
    pub asker: ProcessId,
    pub asker_comm: Comm,
    /// In the unified hierarchy. 0 when the kernel has none.
    pub asker_cgroup_id: u64,
}

/// What the kernel told of the victim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Victim {
    /// Kernels before 6.9 name no more.
    Pid(u32),
    Process {
        id: ProcessId,
        comm: Comm,
        memory: MemoryKinds,
        oom_score_adj: i32,
    },
}

/// A signal was sent that ends its target, or may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalled {
    pub time_ns: u64,
    pub id: ProcessId,
    pub comm: Comm,
    pub signal: u32,
    /// `si_code`.
    pub code: i32,
    /// `None` when the kernel sent it.
    pub sender: Option<(ProcessId, Comm)>,
    /// The target has not been told to end: it may have blocked the signal, be stopped, or be traced.
    pub waits: bool,
}

/// A process was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forked {
    pub id: ProcessId,
    pub time_ns: u64,
    pub parent: ProcessId,
    pub owner: Owner,
    pub comm: Comm,
    pub is_kernel_thread: bool,
}

/// A process replaced its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    pub id: ProcessId,
    pub time_ns: u64,
    pub parent: ProcessId,
    pub owner: Owner,
    pub comm: Comm,
    /// `None` when the path is longer or deeper than what a record holds.
    pub exe: Option<Box<str>>,
    /// Each argument ended by a NUL. `None` when it could not be read.
    pub argv: Option<Box<str>>,
    pub argv_truncated: bool,
}

/// The last thread of a process is on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exited {
    pub id: ProcessId,
    pub time_ns: u64,
    pub parent: ProcessId,
    pub uid: u32,
    pub comm: Comm,
    /// As of this instant: the way out is still to come.
    pub totals: Totals,
    pub peak_rss_bytes: u64,
    pub status: WaitStatus,
}

/// A process was reaped; its account is closed and these totals are its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub id: ProcessId,
    pub time_ns: u64,
    pub comm: Comm,
    pub totals: Totals,
    pub peak_rss_bytes: u64,
    pub status: WaitStatus,
}

/// Whom a process belongs to, as ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    /// In the unified hierarchy. 0 when the kernel has none.
    pub cgroup_id: u64,
}

/// One thread at the instant a pass over all threads visited it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadSeen {
    pub id: ProcessId,
    /// `None` for those that have no parent.
    pub parent: Option<ProcessId>,
    pub owner: Owner,
    pub comm: Comm,
    pub is_leader: bool,
    pub is_kernel_thread: bool,
    pub activity: Activity,
    /// Set when every thread of the process has exited.
    pub exited: Option<WaitStatus>,
    /// Threads of the process that are not yet released.
    pub threads: u32,
    /// This thread's own.
    pub own: Totals,
    /// Of the process's threads that have ended. Known counters only add to the process.
    pub ended: Totals,
    pub memory: MemoryKinds,
    pub peak_rss_bytes: u64,
}

/// Which threads a pass hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassScope {
    /// Every thread: what is not in the pass is not there.
    All,
    /// Threads whose process has changed since the pass before: what is not in it is as it was.
    Active,
}

/// What a thread is doing, from the least to the most telling of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    Sleeping,
    Stopped,
    Uninterruptible,
    Running,
}

/// The kernel's name of a thread: at most 15 bytes, ended by a NUL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; 16];
        let len = name.len().min(15);
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self(bytes)
    }

    pub fn text(&self) -> String {
        kernel_text(self.0.split(|byte| *byte == 0).next().unwrap_or_default())
    }
}
