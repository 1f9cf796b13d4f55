//! What happened, once it is settled: births, programs, ends.

use std::sync::Arc;

use super::{
    facts::Facts,
    identity::ProcessId,
    sample::{ProcessSample, Source},
};

/// Something that happened to a process.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A process was created.
    Fork,
    /// It replaced its program.
    Exec,
    /// It ended; this is its last account. Told when the account is closed, which is when its parent
    /// has taken note and the kernel has let go of it, or when it is found waiting for that.
    Exit(Box<ProcessSample>),
}

impl EventKind {
    /// The name in `type`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit(_) => "exit",
        }
    }
}
