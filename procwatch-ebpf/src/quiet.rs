//! Which processes have not run since they were last handed over.
//!
//! Most processes of most hosts sleep, and a process that has not run has moved none of its own
//! counters. CPU time and switches only grow, so their sum stands still exactly when all of them do:
//! one number tells that there is nothing to write, read and merge. Few members are looked at, for
//! what a pass costs is cache lines fetched from tasks that nobody else touches.
//!
//! What can change while a process sleeps is its parent, which is looked at, and its resident set when
//! pages are reclaimed, which is not: a pass over all threads brings it up to date.

use aya_ebpf::{macros::map, maps::HashMap};

use crate::kernel::{Signal, Task};

const BPF_F_NO_PREALLOC: u32 = 1;
/// Threads that are remembered. One that finds no room is handed over every time.
const THREADS_MAX: u32 = 262_144;

#[repr(C)]
struct LastSeen {
    start_time_ns: u64,
    activity: u64,
    gauges: u64,
}

#[map]
static LAST_SEEN: HashMap<u32, LastSeen> =
    HashMap::with_max_entries(THREADS_MAX, BPF_F_NO_PREALLOC);

/// True when the thread's process has not run, and has the same parent, since this was last asked.
///
/// Only ever true for processes of one thread: the account of several is the sum over all of them,
/// and a pass has to have them all.
#[inline(always)]
pub fn has_been_quiet(task: Task, signal: Signal, start_time_ns: u64) -> bool {
    if signal.threads() != 1 {
        return false;
    }
    let activity = task.activity().wrapping_add(signal.cpu_time_ns());
    let parent = task.real_parent().map_or(0, Task::tgid);
    let gauges = u64::from(parent) << 32 | u64::from(task.exit_state());
    let tid = task.tid();
    if let Some(last) = LAST_SEEN.get_ptr_mut(&tid) {
        // SAFETY: the entry is alive, and one pass runs at a time.
        unsafe {
            if (*last).start_time_ns == start_time_ns
                && (*last).activity == activity
                && (*last).gauges == gauges
            {
                return true;
            }
            (*last).start_time_ns = start_time_ns;
            (*last).activity = activity;
            (*last).gauges = gauges;
        }
    } else {
        let _ = LAST_SEEN.insert(
            tid,
            LastSeen {
                start_time_ns,
                activity,
                gauges,
            },
            0,
        );
    }
    false
}

/// Makes room once a thread is gone.
#[inline(always)]
pub fn forget(tid: u32) {
    let _ = LAST_SEEN.remove(tid);
}
