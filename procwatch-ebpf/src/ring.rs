//! The ring buffer of lifecycle records, and the counters of what did not fit.
//!
//! A consumer that is woken for each record costs the traced workload more than the record does.
//! Records are therefore submitted silently; the agent drains on its own clock, and is woken only
//! when the backlog passes a mark.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::generated::{
        bpf_ktime_get_boot_ns, bpf_ringbuf_output, bpf_ringbuf_query, bpf_ringbuf_reserve,
        bpf_ringbuf_submit,
    },
    macros::map,
    maps::{PerCpuArray, RingBuf},
};
use procwatch_common::{
    lifecycle::{RecordHeader, RecordKind},
    loss::LossKind,
    totals::RawProcessId,
};

use crate::kernel::layout;

const BPF_RB_NO_WAKEUP: u64 = 1;
const BPF_RB_FORCE_WAKEUP: u64 = 2;
const BPF_RB_AVAIL_DATA: u64 = 0;

/// The agent sets the size it wants before loading.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

#[map]
static LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(LossKind::COUNT, 0);

/// The most bytes that have waited at once, as each CPU has seen it.
#[map]
static RING_PEAK: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Nanoseconds since boot, time asleep included.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// What every record begins with.
#[inline(always)]
pub fn header(kind: RecordKind, process: RawProcessId) -> RecordHeader {
    RecordHeader {
        time_ns: now_ns(),
        process,
        kind: kind as u32,
        reserved: 0,
    }
}

#[inline(always)]
fn events() -> *mut c_void {
    (&raw const EVENTS).cast_mut().cast()
}

/// Wakes the agent in a window past the mark: wide enough that records reserved at the same time on
/// other CPUs cannot all step over it, narrow enough that a late agent is not woken again and again.
#[inline(always)]
fn wakeup_flags() -> u64 {
    let mark = u64::from(layout!(wakeup_backlog));
    // SAFETY: the map is a ring buffer.
    let backlog = unsafe { bpf_ringbuf_query(events(), BPF_RB_AVAIL_DATA) };
    note_peak(backlog);
    if backlog >= mark && backlog < 2 * mark {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    }
}

#[inline(always)]
fn note_peak(backlog: u64) {
    if let Some(peak) = RING_PEAK.get_ptr_mut(0) {
        // SAFETY: this CPU's slot, and programs do not migrate while they run.
        unsafe {
            if backlog > *peak {
                *peak = backlog;
            }
        }
    }
}

/// Reserves a record, lets `fill` write it in place, and submits it. False when there is no room:
/// the loss is counted.
#[inline(always)]
pub fn emit<T>(on_loss: LossKind, fill: impl FnOnce(*mut T)) -> bool {
    // SAFETY: the map is a ring buffer; the size is a constant.
    let record = unsafe { bpf_ringbuf_reserve(events(), size_of::<T>() as u64, 0) };
    if record.is_null() {
        count_loss(on_loss);
        return false;
    }
    fill(record.cast());
    // SAFETY: reserved above and not submitted yet.
    unsafe { bpf_ringbuf_submit(record, wakeup_flags()) };
    true
}

/// Copies a record of variable length. False when there is no room: the loss is counted.
#[inline(always)]
pub fn emit_bytes(on_loss: LossKind, record: *const u8, length: u64) -> bool {
    let is_sent = send(record, length);
    if !is_sent {
        count_loss(on_loss);
    }
    is_sent
}

/// Copies a record. False when there is no room: what becomes of it is the caller's affair.
#[inline(always)]
pub fn send(record: *const u8, length: u64) -> bool {
    // SAFETY: the verifier has checked that `length` bytes can be read at `record`.
    let error =
        unsafe { bpf_ringbuf_output(events(), record.cast_mut().cast(), length, wakeup_flags()) };
    error == 0
}

#[inline(always)]
pub fn count_loss(kind: LossKind) {
    if let Some(count) = LOSSES.get_ptr_mut(kind as u32) {
        // SAFETY: this CPU's slot, and programs do not migrate while they run.
        unsafe { *count += 1 };
    }
}
