//! What the reading before told of a process, so that what cannot have changed is not read again.

use hashbrown::HashMap;

use super::figures::{Io, SchedStat, Status};
use crate::model::identity::ProcessId;

/// One process at its last reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier {
    pub start_ticks: u64,
    pub ppid: u32,
    /// Whom `ppid` meant. As long as that stays the same so does the parent: a process is only ever
    /// handed on to one of its ancestors, and those are older than any later holder of the pid.
    pub parent: Option<ProcessId>,
    pub argv_address: u64,
    pub schedstat: Option<SchedStat>,
    pub status: Status,
    pub io: Io,
    /// It had more than one thread then, or had had.
    pub had_threads: bool,
}

/// The last reading of each living process.
#[derive(Debug, Default)]
pub(super) struct EarlierReadings(HashMap<u32, Earlier>);

impl EarlierReadings {
    /// The last reading of the process that holds a pid and started then.
    pub(super) fn of(&self, pid: u32, start_ticks: u64) -> Option<Earlier> {
        let earlier = self.0.get(&pid).copied();
        earlier.filter(|earlier| earlier.start_ticks == start_ticks)
    }

    pub(super) fn set(&mut self, pid: u32, reading: Earlier) {
        self.0.insert(pid, reading);
    }

    pub(super) fn forget(&mut self, pid: u32) {
        self.0.remove(&pid);
    }

    /// Forgets all but these. `living` is sorted.
    pub(super) fn keep_only(&mut self, living: &[u32]) {
        self.0.retain(|pid, _| living.binary_search(pid).is_ok());
    }
}
