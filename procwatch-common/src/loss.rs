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
    /// The map of departed threads' totals was full: some of a process's wait and I/O is missing.
    DepartedThread = 4,
}

impl LossKind {
    pub const ALL: [Self; 5] = [
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::FinalTotals,
        Self::DepartedThread,
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
        }
    }
}
