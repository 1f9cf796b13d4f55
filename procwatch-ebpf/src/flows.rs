//! What each thread has moved over sockets.
//!
//! A thread adds to its own entry only, so that two threads of a busy server never fight over a cache line;
//! the pass over tasks adds the threads up. The entry moves into the process's sums when the thread exits.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::map, maps::HashMap};
use procwatch_common::{loss::LossKind, totals::FlowTotals};

use crate::ring;

const BPF_NOEXIST: u64 = 1;
/// Living threads that have used a socket; the agent sets more where there is memory for it. All of it is
/// taken at once: an allocator can run dry in a storm, and bytes are lost then.
const THREADS_MAX: u32 = 8192;

/// By tid. A thread that is born finds no entry of its number's last holder: see [`forget`].
#[map]
static FLOWS: HashMap<u32, FlowTotals> = HashMap::with_max_entries(THREADS_MAX, 0);

/// Lets `add` count something for the calling thread.
#[inline(always)]
pub fn count(add: impl FnOnce(*mut FlowTotals)) {
    let tid = bpf_get_current_pid_tgid() as u32;
    let mut entry = FLOWS.get_ptr_mut(tid);
    if entry.is_none() {
        let _ = FLOWS.insert(tid, FlowTotals::ZERO, BPF_NOEXIST);
        entry = FLOWS.get_ptr_mut(tid);
    }
    match entry {
        Some(entry) => add(entry),
        None => ring::count_loss(LossKind::Flow),
    }
}

/// What a thread has moved. `None` when it has used no socket.
#[inline(always)]
pub fn of(tid: u32) -> Option<*const FlowTotals> {
    FLOWS.get_ptr(tid)
}

/// The same, taken out: it goes into the sums of the thread's process. To be taken out before it is added
/// there: a pass that comes between misses it once, and never has it twice.
#[inline(always)]
pub fn take(tid: u32) -> (FlowTotals, bool) {
    let Some(entry) = FLOWS.get_ptr(tid) else {
        return (FlowTotals::ZERO, false);
    };
    // SAFETY: only the thread itself writes to it, and it is here.
    let flows = unsafe { *entry };
    forget(tid);
    (flows, true)
}

/// To be called when a thread exits, changes its tid, or is born: what a hook saw of its number's last
/// holder after that one's exit is not this one's.
#[inline(always)]
pub fn forget(tid: u32) {
    let _ = FLOWS.remove(tid);
}
