//! What the programs add up per process, because the kernel does not.
//!
//! `signal_struct` sums CPU time, switches and faults of ended threads, but has no sum of `run_delay`, and
//! mixes the I/O of reaped children into its `ioac`; nothing sums what went over sockets or to block
//! devices. Each thread that exits before its process does adds its own here. An entry is made when there
//! is something to add, and goes when the process is released.

use core::ptr::read_volatile;

use aya_ebpf::{macros::map, maps::HashMap};
use procwatch_common::{
    loss::LossKind,
    totals::{AddedUp, DepartedTotals, FlowTotals, RawProcessId, RawTotals},
};

use crate::{atomic::add_to, ring};

const BPF_NOEXIST: u64 = 1;
/// Processes that have moved data, or have threads that ended, at one time; the agent sets more where there
/// is memory for it. All of it is taken at once: an allocator can run dry in a storm, and bytes are lost then.
const PROCESSES_MAX: u32 = 8192;

#[map]
static ADDED_UP: HashMap<RawProcessId, AddedUp> = HashMap::with_max_entries(PROCESSES_MAX, 0);

/// What has been added up for a process. `None` when there was nothing.
#[inline(always)]
pub fn of(process: &RawProcessId) -> Option<*mut AddedUp> {
    ADDED_UP.get_ptr_mut(process)
}

/// The same, made now if need be. Only on behalf of the process itself: the entry of one that has been
/// released would stay.
#[inline(always)]
pub fn open(process: &RawProcessId) -> Option<*mut AddedUp> {
    if let Some(entry) = ADDED_UP.get_ptr_mut(process) {
        return Some(entry);
    }
    // Two threads may come at once: whoever comes second finds the entry of the first.
    let _ = ADDED_UP.insert(process, AddedUp::ZERO, BPF_NOEXIST);
    ADDED_UP.get_ptr_mut(process)
}

/// Adds what an exiting thread has run up.
pub fn add_departed(process: &RawProcessId, own: &RawTotals, flows: &FlowTotals) {
    let Some(entry) = open(process) else {
        ring::count_loss(LossKind::DepartedThread);
        return;
    };
    // SAFETY: the entry is alive; other CPUs touch it with the same atomic operations only.
    unsafe {
        let sums = &raw mut (*entry).departed;
        add_to(&raw mut (*sums).run_queue_wait_ns, own.run_queue_wait_ns);
        add_to(&raw mut (*sums).read_bytes, own.read_bytes);
        add_to(&raw mut (*sums).write_bytes, own.write_bytes);
        add_to(
            &raw mut (*sums).cancelled_write_bytes,
            own.cancelled_write_bytes,
        );
        add_to(&raw mut (*sums).logical_read_bytes, own.logical_read_bytes);
        add_to(
            &raw mut (*sums).logical_write_bytes,
            own.logical_write_bytes,
        );
    }
    add_flows(entry, flows);
    // SAFETY: as above. Last: whoever sees the thread counted finds its share in the sums.
    unsafe { add_to(&raw mut (*entry).departed.threads, 1) };
}

/// Adds flows whose thread is not counted as departed.
#[inline(always)]
pub fn add_flows(entry: *mut AddedUp, flows: &FlowTotals) {
    // SAFETY: the entry is alive; other CPUs touch it with the same atomic operations only.
    unsafe {
        let sums = &raw mut (*entry).departed.flows;
        add_to(&raw mut (*sums).net_sent_bytes, flows.net_sent_bytes);
        add_to(
            &raw mut (*sums).net_received_bytes,
            flows.net_received_bytes,
        );
        add_to(&raw mut (*sums).unix_sent_bytes, flows.unix_sent_bytes);
        add_to(
            &raw mut (*sums).unix_received_bytes,
            flows.unix_received_bytes,
        );
    }
}

/// The sums of departed threads, when there are any: then, and only then, what an exiting thread has run up
/// is in them or about to be.
#[inline(always)]
pub fn departed(entry: Option<*mut AddedUp>) -> Option<*const DepartedTotals> {
    let entry = entry?;
    // SAFETY: the verifier keeps the entry alive for the run of the program.
    let departed = unsafe { &raw const (*entry).departed };
    // SAFETY: as above.
    if unsafe { read_volatile(&raw const (*departed).threads) } == 0 {
        None
    } else {
        Some(departed)
    }
}

#[inline(always)]
pub fn forget(process: &RawProcessId) {
    let _ = ADDED_UP.remove(process);
}
