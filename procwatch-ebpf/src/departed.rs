//! What the kernel does not add up for threads that have ended: run-queue wait, and I/O.
//!
//! `signal_struct` sums CPU time, switches and faults of ended threads, but has no sum of
//! `run_delay`, and mixes the I/O of reaped children into its `ioac`. Each thread that exits before
//! its process does adds its own here; the entry goes when the process is released.

use core::arch::asm;

use aya_ebpf::{macros::map, maps::HashMap};
use procwatch_common::{
    loss::LossKind,
    totals::{DepartedTotals, RawProcessId, RawTotals},
};

use crate::ring;

const BPF_F_NO_PREALLOC: u32 = 1;
const BPF_NOEXIST: u64 = 1;
/// Multi-threaded processes with threads that have ended, at one time.
const PROCESSES_MAX: u32 = 65_536;

#[map]
static DEPARTED: HashMap<RawProcessId, DepartedTotals> =
    HashMap::with_max_entries(PROCESSES_MAX, BPF_F_NO_PREALLOC);

#[inline(always)]
pub fn of(process: &RawProcessId) -> Option<&'static DepartedTotals> {
    DEPARTED.get_ptr(process).map(|entry| {
        // SAFETY: the verifier keeps the value alive for the run of the program.
        unsafe { &*entry }
    })
}

/// Adds what an exiting thread has run up.
pub fn add(process: &RawProcessId, own: &RawTotals) {
    if DEPARTED.get_ptr(process).is_none() {
        // Two threads may exit at once: whoever comes second finds the entry of the first.
        let _ = DEPARTED.insert(process, DepartedTotals::ZERO, BPF_NOEXIST);
    }
    let Some(entry) = DEPARTED.get_ptr_mut(process) else {
        ring::count_loss(LossKind::DepartedThread);
        return;
    };
    // SAFETY: the entry is alive; other CPUs touch it with the same atomic operations only.
    unsafe {
        add_to(&raw mut (*entry).run_queue_wait_ns, own.run_queue_wait_ns);
        add_to(&raw mut (*entry).read_bytes, own.read_bytes);
        add_to(&raw mut (*entry).write_bytes, own.write_bytes);
        add_to(
            &raw mut (*entry).cancelled_write_bytes,
            own.cancelled_write_bytes,
        );
        add_to(&raw mut (*entry).logical_read_bytes, own.logical_read_bytes);
        add_to(
            &raw mut (*entry).logical_write_bytes,
            own.logical_write_bytes,
        );
    }
}

/// # Safety
/// `sum` must point to an aligned u64 that only atomic operations change.
#[inline(always)]
unsafe fn add_to(sum: *mut u64, amount: u64) {
    if amount != 0 {
        // `AtomicU64::fetch_add` does not exist for this target; the instruction does (and, since
        // nothing is fetched, on every kernel).
        // SAFETY: the caller's promise.
        unsafe {
            asm!("lock *(u64 *)({sum} + 0) += {amount}", sum = in(reg) sum, amount = in(reg) amount);
        }
    }
}

#[inline(always)]
pub fn forget(process: &RawProcessId) {
    let _ = DEPARTED.remove(process);
}
