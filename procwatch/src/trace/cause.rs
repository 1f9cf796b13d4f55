//! Why a thread did not run.

use super::{
    calls,
    record::{FileKind, OffCpu, Sleep},
};

/// What a thread spends its time on. Ready without a CPU is [`Cause::RunQueue`]; the others but the first are what it
/// waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    Running,
    RunQueue,
    Disk,
    Network,
    Lock,
    Pipe,
    Sleep,
    /// For one of several descriptors, of whatever kind.
    Poll,
    Child,
    Signal,
    Terminal,
    Stopped,
    /// Records of it were lost.
    Unknown,
    Other,
}

impl Cause {
    pub const ALL: [Self; 14] = [
        Self::Running,
        Self::RunQueue,
        Self::Disk,
        Self::Network,
        Self::Lock,
        Self::Pipe,
        Self::Sleep,
        Self::Poll,
        Self::Child,
        Self::Signal,
        Self::Terminal,
        Self::Stopped,
        Self::Unknown,
        Self::Other,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::RunQueue => "run_queue",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Lock => "lock",
            Self::Pipe => "pipe",
            Self::Sleep => "sleep",
            Self::Poll => "poll",
            Self::Child => "child",
            Self::Signal => "signal",
            Self::Terminal => "terminal",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
            Self::Other => "other",
        }
    }

    /// For a reader.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::RunQueue => "waiting for a CPU",
            Self::Disk => "on a disk",
            Self::Network => "on the network",
            Self::Lock => "on a lock",
            Self::Pipe => "on a pipe",
            Self::Sleep => "sleeping",
            Self::Poll => "polling",
            Self::Child => "for a child",
            Self::Signal => "for a signal",
            Self::Terminal => "on a terminal",
            Self::Stopped => "stopped",
            Self::Unknown => "not recorded",
            Self::Other => "otherwise",
        }
    }

    /// What a time off the CPU was spent on until the thread was woken.
    pub fn of(off: &OffCpu) -> Self {
        let call = off.call.map(calls::name).unwrap_or_default();
        match off.sleep {
            Sleep::Ready => return Self::RunQueue,
            Sleep::Stopped => return Self::Stopped,
            Sleep::ForDevice => return Self::Disk,
            // Whoever starts a child that borrows its memory waits for it so.
            Sleep::Uninterruptible if ["clone", "clone3", "vfork"].contains(&call) => {
                return Self::Child;
            }
            // The call says more than the state.
            Sleep::Uninterruptible if call.starts_with("futex") => return Self::Lock,
            Sleep::Uninterruptible => return Self::Disk,
            Sleep::Interruptible => {}
        }
        match call {
            "nanosleep" | "clock_nanosleep" => Self::Sleep,
            "futex" | "futex_wait" | "futex_waitv" | "flock" | "fcntl" | "semop" | "semtimedop" => {
                Self::Lock
            }
            "poll" | "ppoll" | "select" | "pselect6" | "epoll_wait" | "epoll_pwait"
            | "epoll_pwait2" | "io_uring_enter" | "io_getevents" | "io_pgetevents" => Self::Poll,
            "wait4" | "waitid" | "vfork" => Self::Child,
            "pause" | "rt_sigsuspend" | "rt_sigtimedwait" => Self::Signal,
            "fsync" | "fdatasync" | "sync" | "syncfs" | "msync" | "sync_file_range" => Self::Disk,
            "accept" | "accept4" | "connect" => Self::Network,
            "msgrcv" | "msgsnd" | "mq_timedreceive" | "mq_timedsend" => Self::Pipe,
            // It sleeps until it is through, or until a signal.
            "restart_syscall" => Self::Sleep,
            _ => match off.file.map(|file| file.kind) {
                Some(FileKind::Socket) => Self::Network,
                Some(FileKind::Pipe) => Self::Pipe,
                Some(FileKind::Character) => Self::Terminal,
                Some(FileKind::Regular | FileKind::Directory | FileKind::Block) => Self::Disk,
                Some(FileKind::Anonymous) => Self::Poll,
                Some(FileKind::Symlink) | None => Self::Other,
            },
        }
    }
}
