//! Which processes have not run since they were last handed over.
//!
//! Most processes of most hosts sleep, and a process that has not run has moved none of its own
//! counters. CPU time and switches only grow, so their sum stands still exactly when all of them do:
//! one number tells that there is nothing to write, read and merge. Few members are looked at, for
//! what a pass costs is cache lines fetched from tasks that nobody else touches.
//!
//! What is charged to a process while it sleeps, as write-back is, [disturbs](disturb) it. What else can
//! change meanwhile is its parent, which is looked at, and its cgroup, and its resident
//! set when pages are reclaimed, which are not: a pass over all threads brings them up to date.

use aya_ebpf::{macros::map, maps::Array};
use procwatch_common::totals::RawProcessId;

use crate::kernel::{Signal, Task};

/// Threads that are remembered, by the last bits of their tid: a pass visits tids in order, and so walks
/// along this array instead of jumping about in a hash table. Two threads that share a place drive each
/// other out, and are handed over every time.
const PLACES: u32 = 65_536;

#[repr(C)]
pub struct LastSeen {
    start_time_ns: u64,
    activity: u64,
    parent: u32,
    tid: u32,
}

#[map]
static LAST_SEEN: Array<LastSeen> = Array::with_max_entries(PLACES, 0);

impl LastSeen {
    /// What is to be remembered of a thread: nothing, which tid 0 stands for, of one of several of its
    /// process. The account of several is the sum over all of them, and a pass has to have them all. A second
    /// thread, or an end, takes the first to have run.
    ///
    /// No `Option`: verifiers before 6.8 lose track of which of its fields are set.
    #[inline(always)]
    pub fn of(task: Task, signal: Signal, start_time_ns: u64) -> Self {
        Self {
            start_time_ns,
            activity: task.activity(),
            parent: task.real_parent().map_or(0, Task::tgid),
            tid: if signal.threads() == 1 { task.tid() } else { 0 },
        }
    }

    /// True when the process has not run, and has the same parent, since it was last handed over.
    #[inline(always)]
    pub fn is_quiet(&self) -> bool {
        if self.tid == 0 {
            return false;
        }
        let Some(last) = LAST_SEEN.get(self.tid % PLACES) else {
            return false;
        };
        last.tid == self.tid
            && last.start_time_ns == self.start_time_ns
            && last.activity == self.activity
            && last.parent == self.parent
    }

    /// To be called once the thread has been handed over, and not before: when the reader's buffer is
    /// full, the kernel takes the record back and runs the program for the same thread again.
    #[inline(always)]
    pub fn remember(self) {
        if self.tid == 0 {
            return;
        }
        if let Some(last) = LAST_SEEN.get_ptr_mut(self.tid % PLACES) {
            // SAFETY: an element of an array, and one pass runs at a time.
            unsafe { last.write(self) };
        }
    }
}

/// Has a process handed over by the next pass, though it has not run: something was charged to it while it
/// slept.
#[inline(always)]
pub fn disturb(process: &RawProcessId) {
    if let Some(last) = LAST_SEEN.get_ptr_mut(process.tgid % PLACES) {
        // SAFETY: an element of an array. Should a pass just remember this very process, it is handed over
        // by the next pass over all threads.
        unsafe {
            if (*last).tid == process.tgid {
                (*last).tid = 0;
            }
        }
    }
}
