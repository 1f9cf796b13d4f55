//! What each thread has moved over sockets.
//!
//! A thread adds to its own entry only, so that two threads of a busy server never fight over a cache line;
//! the pass over tasks adds the threads up. The entry moves into the process's sums when the thread exits.
//!
//! It lies in the task's own storage. On kernels without that for tracing programs (before 5.13) the agent makes
//! the same map a hash table by tid before it loads the object.

use core::{ffi::c_void, ptr::null_mut};

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid,
    generated::{
        bpf_get_current_task_btf, bpf_map_delete_elem, bpf_map_lookup_elem, bpf_map_update_elem,
        bpf_task_storage_delete, bpf_task_storage_get,
    },
};
use procwatch_common::{loss::LossKind, totals::FlowTotals};

use crate::{
    kernel::{Task, layout},
    ring,
    task_storage::{BPF_LOCAL_STORAGE_GET_F_CREATE, TaskStorage},
};

const BPF_NOEXIST: u64 = 1;

#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "FLOWS")]
static FLOWS: TaskStorage<FlowTotals> = TaskStorage::NEW;

#[inline(always)]
fn map() -> *mut c_void {
    FLOWS.as_ptr()
}

#[inline(always)]
fn in_storage() -> bool {
    layout!(has_task_storage) == 1
}

/// Lets `add` count something for the calling thread.
#[inline(always)]
pub fn count(add: impl FnOnce(*mut FlowTotals)) {
    let entry = if in_storage() {
        // SAFETY: the helper has the task that runs for an argument; what is made begins as zeros.
        unsafe {
            bpf_task_storage_get(
                map(),
                bpf_get_current_task_btf(),
                null_mut(),
                BPF_LOCAL_STORAGE_GET_F_CREATE,
            )
        }
    } else {
        entry_of_tid(bpf_get_current_pid_tgid() as u32)
    };
    if entry.is_null() {
        ring::count_loss(LossKind::Flow);
        return;
    }
    add(entry.cast());
}

/// Makes the entry if there is none.
#[inline(always)]
fn entry_of_tid(tid: u32) -> *mut c_void {
    let key = (&raw const tid).cast_mut().cast();
    // SAFETY: where this runs, the map is a hash table with these keys and values.
    unsafe {
        let entry = bpf_map_lookup_elem(map(), key);
        if !entry.is_null() {
            return entry;
        }
        let mut none = FlowTotals::ZERO;
        let _ = bpf_map_update_elem(map(), key, (&raw mut none).cast(), BPF_NOEXIST);
        bpf_map_lookup_elem(map(), key)
    }
}

/// What a thread has moved. `None` when it has used no socket.
#[inline(always)]
pub fn of(task: Task) -> Option<*const FlowTotals> {
    let entry = if in_storage() {
        // SAFETY: the verifier knows it for a task.
        unsafe { bpf_task_storage_get(map(), task.as_ptr().cast_mut().cast(), null_mut(), 0) }
    } else {
        let tid = task.tid();
        // SAFETY: where this runs, the map is a hash table with such keys.
        unsafe { bpf_map_lookup_elem(map(), (&raw const tid).cast_mut().cast()) }
    };
    if entry.is_null() {
        None
    } else {
        Some(entry.cast_const().cast())
    }
}

/// The same, taken out: it goes into the sums of the thread's process. To be taken out before it is added
/// there: a pass that comes between misses it once, and never has it twice.
#[inline(always)]
pub fn take(task: Task) -> (FlowTotals, bool) {
    let Some(entry) = of(task) else {
        return (FlowTotals::ZERO, false);
    };
    // SAFETY: only the thread itself writes to it, and it is here.
    let flows = unsafe { *entry };
    if in_storage() {
        // SAFETY: the verifier knows it for a task.
        unsafe { bpf_task_storage_delete(map(), task.as_ptr().cast_mut().cast()) };
    } else {
        forget_tid(task.tid());
    }
    (flows, true)
}

/// What a thread had moved that had another tid until now, taken out; storage goes with the task.
#[inline(always)]
pub fn take_of_old_tid(tid: u32) -> (FlowTotals, bool) {
    if in_storage() {
        return (FlowTotals::ZERO, false);
    }
    // SAFETY: where this runs, the map is a hash table with such keys.
    let entry = unsafe { bpf_map_lookup_elem(map(), (&raw const tid).cast_mut().cast()) };
    if entry.is_null() {
        return (FlowTotals::ZERO, false);
    }
    // SAFETY: as above; only the thread itself writes to it, and it is here.
    let flows = unsafe { *entry.cast::<FlowTotals>() };
    forget_tid(tid);
    (flows, true)
}

/// To be called when a thread is born: what a hook saw of its tid's last holder after that one's exit is not
/// this one's.
#[inline(always)]
pub fn begin(task: Task) {
    if !in_storage() {
        forget_tid(task.tid());
    }
}

#[inline(always)]
fn forget_tid(tid: u32) {
    // SAFETY: where this runs, the map is a hash table with such keys.
    unsafe { bpf_map_delete_elem(map(), (&raw const tid).cast_mut().cast()) };
}
