//! The ring buffer of what has happened, and the counters of what did not fit.
//!
//! Nobody is woken by a record: the agent comes by itself every few milliseconds.

use core::{ffi::c_void, ptr::read_volatile};

use aya_ebpf::{
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_ringbuf_reserve, bpf_ringbuf_submit},
    macros::map,
    maps::{PerCpuArray, RingBuf},
};
use procwatch_common::trace::{TraceHeader, TraceKind, TraceLoss};

const BPF_RB_NO_WAKEUP: u64 = 1;

/// The agent sets the size it wants before loading.
#[map]
static TRACE: RingBuf = RingBuf::with_byte_size(4096, 0);

#[map]
static TRACE_LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(TraceLoss::COUNT, 0);

/// Bits of [`procwatch_common::trace::options`]. Set by the agent before loading.
#[unsafe(no_mangle)]
static OPTIONS: u32 = 0;

#[inline(always)]
pub fn is_wanted(option: u32) -> bool {
    // SAFETY: a valid reference.
    unsafe { read_volatile(&raw const OPTIONS) & option != 0 }
}

/// Nanoseconds since boot, time asleep included.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}

#[inline(always)]
pub fn header(kind: TraceKind, time_ns: u64, tid: u32, tgid: u32, flags: u32) -> TraceHeader {
    TraceHeader {
        time_ns,
        tid,
        tgid,
        kind: kind as u32,
        flags,
    }
}

/// Reserves a record, lets `fill` write all of it in place, and submits it. False when there is no room: the loss is
/// counted.
#[inline(always)]
pub fn emit<T>(on_loss: TraceLoss, fill: impl FnOnce(*mut T)) -> bool {
    let is_sent = send(fill);
    if !is_sent {
        count_loss(on_loss);
    }
    is_sent
}

/// The same of what is kept elsewhere when there is no room: nothing is counted.
#[inline(always)]
pub fn send<T>(fill: impl FnOnce(*mut T)) -> bool {
    let map = (&raw const TRACE).cast_mut().cast::<c_void>();
    // SAFETY: the map is a ring buffer; the size is a constant.
    let record = unsafe { bpf_ringbuf_reserve(map, size_of::<T>() as u64, 0) };
    if record.is_null() {
        return false;
    }
    fill(record.cast());
    // SAFETY: reserved above and not submitted yet.
    unsafe { bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP) };
    true
}

#[inline(always)]
pub fn count_loss(kind: TraceLoss) {
    if let Some(count) = TRACE_LOSSES.get_ptr_mut(kind as u32) {
        // SAFETY: this CPU's slot, and programs do not migrate while they run.
        unsafe { *count += 1 };
    }
}
