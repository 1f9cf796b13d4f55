//! Which process: a pid alone is not a name, for pids come back.

use serde::{Deserialize, Serialize};

/// A process for as long as the host is up: its pid, and when it started.
///
/// Processes are ordered by pid, then by start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The thread group id: what user space calls the pid.
    pub pid: u32,
    /// Nanoseconds from boot (`CLOCK_BOOTTIME`) to the start of the process. Exact from eBPF; from
    /// /proc in steps of a clock tick, 10 ms.
    pub start_time_ns: u64,
}

impl ProcessId {
    pub const fn new(pid: u32, start_time_ns: u64) -> Self {
        Self { pid, start_time_ns }
    }
}

/// How a process ended, as `wait4` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitStatus(pub u32);

impl WaitStatus {
    /// What the process passed to `exit`; `None` when a signal ended it.
    pub const fn exit_code(self) -> Option<u8> {
        if self.0 & 0x7f == 0 {
            Some((self.0 >> 8) as u8)
        } else {
            None
        }
    }

    /// The signal that ended the process; `None` when it exited by itself.
    pub const fn signal(self) -> Option<u8> {
        match (self.0 & 0x7f) as u8 {
            0 => None,
            signal => Some(signal),
        }
    }

    pub const fn core_dumped(self) -> bool {
        self.0 & 0x80 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_and_a_signal_are_told_apart() {
        let exited = WaitStatus(3 << 8);
        assert_eq!((exited.exit_code(), exited.signal()), (Some(3), None));
        let killed = WaitStatus(9);
        assert_eq!((killed.exit_code(), killed.signal()), (None, Some(9)));
        let dumped = WaitStatus(0x80 | 6);
        assert_eq!((dumped.signal(), dumped.core_dumped()), (Some(6), true));
    }
}
