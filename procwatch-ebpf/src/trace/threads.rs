//! Which threads are traced, and what each of them is in the middle of.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::map,
    maps::{Array, HashMap},
};
use procwatch_common::trace::{TraceLoss, TracedThread};

use crate::stream;

/// By tid. The agent puts in whom it is to trace; the programs add their children.
#[map]
static THREADS: HashMap<u32, TracedThread> = HashMap::with_max_entries(16_384, 0);

/// What a thread begins with, written by the agent.
#[map]
static NEW_THREAD: Array<TracedThread> = Array::with_max_entries(1, 0);

/// `None` for a thread that is not traced.
#[inline(always)]
pub fn get(tid: u32) -> Option<*mut TracedThread> {
    THREADS.get_ptr_mut(tid)
}

/// The thread on whose behalf the program runs, and its tid and tgid. `None` when it is not traced.
#[inline(always)]
pub fn current() -> Option<(*mut TracedThread, u32, u32)> {
    let id = bpf_get_current_pid_tgid();
    let tid = id as u32;
    Some((get(tid)?, tid, (id >> 32) as u32))
}

/// Traces a thread from now on. `None` when there is no room: the loss is counted.
#[inline(always)]
pub fn begin(tid: u32) -> Option<*mut TracedThread> {
    // SAFETY: an element of a map that nobody writes to by now.
    let new = unsafe { &*NEW_THREAD.get_ptr(0)? };
    if THREADS.insert(tid, new, 0).is_err() {
        stream::count_loss(TraceLoss::Thread);
        return None;
    }
    get(tid)
}

/// The same of a thread that goes by another number now.
#[inline(always)]
pub fn rename(old: u32, new: u32) {
    if let Some(thread) = get(old) {
        // SAFETY: alive; the thread that it is about is the one that runs.
        let _ = THREADS.insert(new, unsafe { &*thread }, 0);
        let _ = THREADS.remove(old);
    }
}

#[inline(always)]
pub fn end(tid: u32) {
    let _ = THREADS.remove(tid);
}
