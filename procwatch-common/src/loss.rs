//! Counters of what the kernel programs could not hand over.
//!
//! One slot per kind in a per-CPU array. A slot only grows, and is never reset.

/// What was lost. The discriminant is the slot in the per-CPU array.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// A fork record found no room in the ring buffer.
    Fork = 0,
    /// An exec record found no room in the ring buffer.
    Exec = 1,
    /// An exit record found no room in the ring buffer.
    Exit = 2,
    /// A record of final totals found no room; the totals went to the lost account instead.
    FinalTotals = 3,
    /// The map of what is added up per process was full: some of a process's wait and I/O is missing.
    DepartedThread = 4,
    /// The map of threads' flows was full: bytes that a thread sent or received are in no account.
    Flow = 5,
    /// A connection could not be followed: its bytes are in its process's account, and in no other.
    Connection = 6,
    /// A record of a connect, accept or close found no room in the ring buffer.
    ConnectionRecord = 7,
    /// Block I/O that could not be followed or charged: it is in its device's account, and in no other.
    Block = 8,
    /// A record of an OOM kill found no room in the ring buffer.
    Oom = 9,
    /// A record of a fatal signal found no room in the ring buffer.
    Signal = 10,
}

impl LossKind {
    pub const ALL: [Self; 11] = [
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::FinalTotals,
        Self::DepartedThread,
        Self::Flow,
        Self::Connection,
        Self::ConnectionRecord,
        Self::Block,
        Self::Oom,
        Self::Signal,
    ];
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The name users see in `loss`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::FinalTotals => "final_totals",
            Self::DepartedThread => "departed_thread",
            Self::Flow => "flow",
            Self::Connection => "connection",
            Self::ConnectionRecord => "connection_record",
            Self::Block => "block",
            Self::Oom => "oom",
            Self::Signal => "signal",
        }
    }
}
