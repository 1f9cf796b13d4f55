//! What `procwatch trace` and the programs that it attaches agree on.
//!
//! A record tells of something that is over: a call that has returned, a time off the CPU that has ended, a request
//! that the device has answered. What is still under way stands in [`TracedThread`].

use crate::{COMM_LEN, connections::Ends, totals::RawTotals};

/// Bytes of a path or a socket address that a record carries at most, a terminating NUL included.
pub const TEXT_MAX: usize = 256;
/// Bytes of command line that an exec record carries at most.
pub const TRACED_ARGV_MAX: usize = 512;
/// [`TEXT_MAX`] bytes.
pub type Text = [[u8; 32]; TEXT_MAX / 32];
/// Numbers of system calls that have a [shape](shape).
pub const SYSCALLS_MAX: u32 = 512;
/// In place of the number of a system call: there is none under way.
pub const NO_SYSCALL: u32 = u32::MAX;

/// What a record is. The discriminant stands in [`TraceHeader::kind`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKind {
    Syscall = 1,
    OffCpu = 2,
    Fork = 3,
    Exec = 4,
    Exit = 5,
    Signal = 6,
    Fault = 7,
    Block = 8,
}

/// What was lost. The discriminant is the slot in the per-CPU array.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceLoss {
    /// The record of a call found no room; it is in the overflow's sums all the same.
    Syscall = 0,
    /// The record of a time off the CPU found no room; it is in its thread's sums all the same.
    OffCpu = 1,
    Fork = 2,
    Exec = 3,
    /// The end of a thread found no room in the stream, nor in the map that it is kept in then.
    Exit = 4,
    Signal = 5,
    Fault = 6,
    Block = 7,
    /// The map of threads was full: a thread goes on untraced.
    Thread = 8,
    /// The map of block I/O under way was full, or a request was merged of too many parts: some go untold.
    Request = 9,
    /// The map of what found no room elsewhere was full too: calls that are in no sum.
    Overflow = 10,
}

impl TraceLoss {
    pub const ALL: [Self; 11] = [
        Self::Syscall,
        Self::OffCpu,
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::Signal,
        Self::Fault,
        Self::Block,
        Self::Thread,
        Self::Request,
        Self::Overflow,
    ];
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The name users see in `loss`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::OffCpu => "off_cpu",
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Fault => "fault",
            Self::Block => "block",
            Self::Thread => "thread",
            Self::Request => "request",
            Self::Overflow => "overflow",
        }
    }
}

/// What of a call's arguments is worth fetching, packed into a word a number of a system call: three bits an
/// argument, which say its place counted from 1, and 0 for none.
pub mod shape {
    /// A descriptor.
    pub const FD: u32 = 0;
    /// A path.
    pub const PATH: u32 = 3;
    /// A second path.
    pub const PATH_2: u32 = 6;
    /// A socket's address, whose length stands in the argument after it.
    pub const ADDRESS: u32 = 9;
    /// A second descriptor.
    pub const FD_2: u32 = 12;
    /// The call returns a descriptor.
    pub const RETURNS_FD: u32 = 1 << 16;
    /// The memory that the path lies in is gone when the call returns, and the descriptor after a close.
    pub const AT_ENTRY: u32 = 1 << 17;

    /// An argument of a shape, counted from 1; 0 for none.
    pub const fn argument(shape: u32, what: u32) -> u32 {
        shape >> what & 7
    }
}

/// What to fetch beyond what is always told. Bits of the programs' `OPTIONS`.
pub mod options {
    /// The stacks of threads that block.
    pub const STACKS: u32 = 1;
}

record! {
    /// Every record starts with this.
    pub struct TraceHeader {
        /// `CLOCK_BOOTTIME`, nanoseconds: when what is told was over.
        pub time_ns: u64,
        pub tid: u32,
        pub tgid: u32,
        /// A [`TraceKind`].
        pub kind: u32,
        /// By kind.
        pub flags: u32,
    }
}

const _: () = assert!(size_of::<TraceHeader>() == 24);

record! {
    /// What a descriptor stands for; all zero for none.
    pub struct FileRef {
        pub inode: u64,
        /// As `MAJOR << 20 | MINOR`.
        pub device: u32,
        /// `i_mode`: what kind of file it is.
        pub mode: u32,
    }
}

const _: () = assert!(size_of::<FileRef>() == 16);

record! {
    /// A call has returned. [`Ends`] or one or two texts of [`TEXT_MAX`] bytes follow, by its flags.
    pub struct SyscallRecord {
        pub header: TraceHeader,
        /// When it was entered; 0 when that was before it was traced.
        pub entered_ns: u64,
        pub result: i64,
        pub arguments: [u64; 6],
        /// Of the first descriptor among its arguments, or of the one that it returned.
        pub file: FileRef,
        pub second_file: FileRef,
        /// Asleep or blocked, nanoseconds.
        pub blocked_ns: u64,
        /// Waiting for a CPU, nanoseconds.
        pub waited_ns: u64,
        pub number: u32,
        pub reserved: u32,
    }
}

const _: () = assert!(size_of::<SyscallRecord>() == 144);

impl SyscallRecord {
    pub const HAS_ENDS: u32 = 1;
    pub const HAS_TEXT: u32 = 1 << 1;
    pub const HAS_TEXTS: u32 = 1 << 2;
    /// The text is a `struct sockaddr`.
    pub const IS_ADDRESS: u32 = 1 << 3;
}

record! {
    pub struct SyscallWithEnds {
        pub call: SyscallRecord,
        pub ends: Ends,
    }
}

record! {
    /// A thread runs again. The header's time is when.
    pub struct OffCpuRecord {
        pub header: TraceHeader,
        /// Since when it did not run.
        pub off_ns: u64,
        /// When it became runnable; 0 when nobody saw that. Not before `off_ns` means that it waited all the time.
        pub woken_ns: u64,
        /// What ran where it was woken. An interrupt goes by the name of what it interrupts.
        pub waker_tid: u32,
        pub waker_tgid: u32,
        pub waker_comm: [u8; COMM_LEN],
        /// `task_struct.__state`; 0 when it was pushed off the CPU, and did not leave it.
        pub state: u32,
        /// The call it was in, or [`NO_SYSCALL`].
        pub number: u32,
        /// Of the descriptor that the call was about.
        pub file: FileRef,
        /// Ids in the map of stacks; negative for none.
        pub user_stack: i32,
        pub kernel_stack: i32,
    }
}

const _: () = assert!(size_of::<OffCpuRecord>() == 96);

impl OffCpuRecord {
    /// It waited for a device: `task_struct.in_iowait`.
    pub const IN_IOWAIT: u32 = 1;
    /// It has not run since it was born.
    pub const NEWBORN: u32 = 1 << 1;
}

record! {
    /// A thread was born; the header names it.
    pub struct TracedForkRecord {
        pub header: TraceHeader,
        pub parent_tid: u32,
        pub parent_tgid: u32,
        pub comm: [u8; COMM_LEN],
    }
}

record! {
    /// A process runs another program; its other threads are gone.
    pub struct TracedExecRecord {
        pub header: TraceHeader,
        /// Of the thread that called exec, before it became the leader.
        pub old_tid: u32,
        pub argv_len: u32,
        pub comm: [u8; COMM_LEN],
        pub path: Text,
        pub argv: [[u8; 32]; TRACED_ARGV_MAX / 32],
    }
}

impl TracedExecRecord {
    pub const ARGV_TRUNCATED: u32 = 1;
}

record! {
    /// A thread is on its way out.
    pub struct TracedExitRecord {
        pub header: TraceHeader,
        /// As `wait4` tells it.
        pub status: u32,
        /// The call it was in, or [`NO_SYSCALL`].
        pub number: u32,
        /// The thread's own, up to here.
        pub totals: RawTotals,
        /// Of records that found no room.
        pub lost_blocked_ns: u64,
        pub lost_waited_ns: u64,
    }
}

impl TracedExitRecord {
    /// It was the last of its process.
    pub const LAST: u32 = 1;
}

record! {
    /// A signal was sent, or is taken. The header names who gets it.
    pub struct TracedSignalRecord {
        pub header: TraceHeader,
        pub signal: u32,
        /// `si_code`.
        pub code: i32,
        pub sender_tid: u32,
        pub sender_tgid: u32,
        pub sender_comm: [u8; COMM_LEN],
        /// Of a signal that is taken: 0 by default, 1 ignored, else the handler's address.
        pub handler: u64,
    }
}

impl TracedSignalRecord {
    /// It is taken; else it was sent.
    pub const TAKEN: u32 = 1;
    /// It was ignored, or there already.
    pub const WITHOUT_EFFECT: u32 = 1 << 1;
}

record! {
    /// A page was not there.
    pub struct TracedFaultRecord {
        pub header: TraceHeader,
        pub address: u64,
        pub error_code: u64,
    }
}

record! {
    /// Block I/O is done.
    pub struct TracedBlockRecord {
        pub header: TraceHeader,
        pub queued_ns: u64,
        /// Of 512 bytes.
        pub sector: u64,
        pub bytes: u32,
        /// `REQ_OP_*` and flags.
        pub operation: u32,
        /// As `MAJOR << 20 | MINOR`.
        pub disk: u32,
        /// `blk_status_t`; 0 for success.
        pub status: u32,
    }
}

record! {
    /// What is known of a thread that is traced, by tid.
    pub struct TracedThread {
        pub tgid: u32,
        pub flags: u32,
        /// The call it is in, or [`NO_SYSCALL`].
        pub number: u32,
        /// As in [`OffCpuRecord`], while it is off its CPU.
        pub state: u32,
        /// Traced since.
        pub since_ns: u64,
        /// When it entered the call; 0 when that was before it was traced.
        pub entered_ns: u64,
        pub arguments: [u64; 6],
        pub file: FileRef,
        pub second_file: FileRef,
        /// Off its CPU since; 0 while it runs.
        pub off_ns: u64,
        pub woken_ns: u64,
        pub waker_tid: u32,
        pub waker_tgid: u32,
        pub waker_comm: [u8; COMM_LEN],
        pub user_stack: i32,
        pub kernel_stack: i32,
        /// Of the call that it is in.
        pub blocked_ns: u64,
        pub waited_ns: u64,
        /// Of records that found no room.
        pub lost_blocked_ns: u64,
        pub lost_waited_ns: u64,
        /// The path that a call was entered with whose memory is gone at its end.
        pub text: Text,
    }
}

impl TracedThread {
    /// It was there before it was traced: whether it runs is not known before it leaves its CPU or gets one.
    pub const UNSEEN: u32 = 1;
    /// It was in a call before it was traced.
    pub const IN_UNSEEN_CALL: u32 = 1 << 1;
    /// It waits for a device, while it is off its CPU.
    pub const IN_IOWAIT: u32 = 1 << 2;
    /// It has not run since it was born.
    pub const NEWBORN: u32 = 1 << 3;
}

// SAFETY: a repr(C) struct without padding, of which every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for TracedThread {}

record! {
    /// Whose calls found no room, and which.
    pub struct OverflowKey {
        pub tgid: u32,
        pub number: u32,
    }
}

// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for OverflowKey {}

record! {
    /// Calls of one number by one process whose records found no room.
    pub struct Overflow {
        pub calls: u64,
        pub errors: u64,
        pub time_ns: u64,
    }
}

// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Overflow {}
