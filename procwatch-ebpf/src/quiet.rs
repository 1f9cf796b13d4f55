//! Which processes have not run since they were last handed over.
//!
//! Most processes of most hosts sleep, and a process that has not run has moved none of its own
//! counters. CPU time and switches only grow, so their sum stands still exactly when all of them do:
//! one number tells that there is nothing to write, read and merge. Few members are looked at, for
//! what a pass costs is cache lines fetched from tasks that nobody else touches.
//!
//! What can change while a process sleeps is its parent, which is looked at, and its resident set when
//! pages are reclaimed, which is not: a pass over all threads brings it up to date.

use aya_ebpf::{macros::map, maps::Array};

use crate::kernel::{Signal, Task};

/// Threads that are remembered, by the last bits of their tid: a pass visits tids in order, and so walks
/// along this array instead of jumping about in a hash table. Two threads that share a place drive each
/// other out, and are handed over every time.
const PLACES: u32 = 65_536;

#[repr(C)]
struct LastSeen {
    start_time_ns: u64,
    activity: u64,
    parent: u32,
    tid: u32,
}

#[map]
static LAST_SEEN: Array<LastSeen> = Array::with_max_entries(PLACES, 0);

/// True when the thread's process has not run, and has the same parent, since this was last asked.
///
/// Only ever true for processes of one thread: the account of several is the sum over all of them, and a
/// pass has to have them all. A second thread, or an end, takes the first to have run.
#[inline(always)]
pub fn has_been_quiet(task: Task, signal: Signal, start_time_ns: u64) -> bool {
    if signal.threads() != 1 {
        return false;
    }
    let now = LastSeen {
        start_time_ns,
        activity: task.activity(),
        parent: task.real_parent().map_or(0, Task::tgid),
        tid: task.tid(),
    };
    let Some(last) = LAST_SEEN.get_ptr_mut(now.tid % PLACES) else {
        return false;
    };
    // SAFETY: an element of an array, and one pass runs at a time.
    unsafe {
        let is_quiet = (*last).tid == now.tid
            && (*last).start_time_ns == now.start_time_ns
            && (*last).activity == now.activity
            && (*last).parent == now.parent;
        if !is_quiet {
            last.write(now);
        }
        is_quiet
    }
}
