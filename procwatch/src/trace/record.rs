//! What happened, once it was over.

use core::net::{IpAddr, SocketAddr};

/// The larger half of `MAX_ERRNO`: results from here to -1 are errors.
const ERRORS_FROM: i64 = -4095;

/// One thing that a traced thread did, or that was done to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Since boot, time asleep included: when it was over.
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Call(Box<Call>),
    OffCpu(Box<OffCpu>),
    Born(Born),
    Exec(Box<Exec>),
    Exit(Box<Exit>),
    Signal(Box<Signal>),
    Fault(Fault),
    Block(Box<Block>),
}

/// A system call that has returned.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub number: u32,
    /// `None` when it was entered before it was traced.
    pub entered_ns: Option<u64>,
    pub result: i64,
    pub arguments: [u64; 6],
    /// Of the first descriptor among its arguments, or of the one that it returned. `None` for none.
    pub file: Option<FileId>,
    /// Of the second descriptor among its arguments.
    pub second_file: Option<FileId>,
    /// Of the socket among its descriptors. `None` for none, and for sockets that are not of the internet.
    pub ends: Option<Ends>,
    /// Its paths, in order; or the socket's address.
    pub texts: [Option<Box<str>>; 2],
    /// Of that time: asleep or blocked.
    pub blocked_ns: u64,
    /// And ready to run, without a CPU.
    pub waited_ns: u64,
}

impl Call {
    /// From its entry to its return. `None` when it was entered before it was traced.
    pub fn duration_ns(&self, returned_ns: u64) -> Option<u64> {
        self.entered_ns
            .map(|entered| returned_ns.saturating_sub(entered))
    }

    /// The error that it ended with, as a positive number. `None` for success.
    pub fn error(&self) -> Option<u32> {
        (ERRORS_FROM..0)
            .contains(&self.result)
            .then_some(self.result.unsigned_abs() as u32)
    }
}

/// Names a file, socket or pipe for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    pub device: u32,
    pub inode: u64,
    pub kind: FileKind,
}

/// By `S_IFMT` of its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    Regular,
    Directory,
    Symlink,
    Block,
    Character,
    Pipe,
    Socket,
    /// An epoll, eventfd, timerfd and the like, all of which share one inode.
    Anonymous,
}

impl FileKind {
    pub const fn of_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::Regular,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            0o060_000 => Self::Block,
            0o020_000 => Self::Character,
            0o010_000 => Self::Pipe,
            0o140_000 => Self::Socket,
            _ => Self::Anonymous,
        }
    }
}

/// Both ends of a socket of the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ends {
    pub protocol: Protocol,
    pub local: SocketAddr,
    /// `None` when it is not connected.
    pub remote: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Other(u16),
}

impl Protocol {
    pub fn name(self) -> String {
        match self {
            Self::Tcp => "tcp".to_owned(),
            Self::Udp => "udp".to_owned(),
            Self::Other(number) => format!("protocol {number}"),
        }
    }
}

impl Ends {
    pub fn new(protocol: u16, local: (IpAddr, u16), remote: (IpAddr, u16)) -> Self {
        Self {
            protocol: match protocol {
                6 => Protocol::Tcp,
                17 => Protocol::Udp,
                other => Protocol::Other(other),
            },
            local: local.into(),
            remote: (remote.1 != 0).then(|| remote.into()),
        }
    }
}

/// A time off the CPU, which has ended: the record's time is when.
#[derive(Clone, Debug, PartialEq)]
pub struct OffCpu {
    pub since_ns: u64,
    /// When it could have run again. [`Self::since_ns`] for a thread that was pushed off its CPU.
    pub ready_ns: u64,
    /// What ran where it was woken: an interrupt goes by the name of what it interrupts. `None` when nobody was seen
    /// waking it, and when it was ready all the time.
    pub waker: Option<Waker>,
    pub sleep: Sleep,
    /// The call that it was in. `None` outside of calls.
    pub call: Option<u32>,
    /// Of the descriptor that the call was about.
    pub file: Option<FileId>,
    /// Function by function from the innermost; empty when nobody asked.
    pub stack: Vec<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waker {
    pub pid: u32,
    pub tid: u32,
    pub comm: Box<str>,
}

/// How a thread left its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// It did not: it was pushed off, or is just born.
    Ready,
    /// A signal would have ended it.
    Interruptible,
    Uninterruptible,
    /// In the kernel's own account it waits for a device.
    ForDevice,
    /// By a signal, or a debugger.
    Stopped,
}

/// A thread was born; the record names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Born {
    pub parent_pid: u32,
    pub parent_tid: u32,
    pub comm: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The thread that called it, which has become the leader.
    pub old_tid: u32,
    pub comm: Box<str>,
    pub path: Box<str>,
    pub arguments: Vec<Box<str>>,
    pub is_truncated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// As `wait4` tells it.
    pub status: u32,
    /// It was the last thread of its process.
    pub is_last: bool,
    pub cpu_time_ns: u64,
    pub run_queue_wait_ns: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    /// Of its time off the CPU, what no record told.
    pub lost_blocked_ns: u64,
    pub lost_waited_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    pub number: u32,
    /// `si_code`.
    pub code: i32,
    pub stage: SignalStage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalStage {
    /// What ran then; the kernel sends in the name of whoever it interrupts.
    Sent {
        by: Waker,
        has_effect: bool,
    },
    Taken(Disposition),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Default,
    Ignored,
    Handled,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub address: u64,
    /// It wanted to write.
    pub is_write: bool,
    /// The page was there, and did not allow it.
    pub is_protection: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub queued_ns: u64,
    /// Of 512 bytes.
    pub sector: u64,
    pub bytes: u32,
    pub operation: Operation,
    pub major: u32,
    pub minor: u32,
    pub has_failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Read,
    Write,
    Flush,
    Discard,
    Other,
}

impl Operation {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Discard => "discard",
            Self::Other => "other",
        }
    }
}
