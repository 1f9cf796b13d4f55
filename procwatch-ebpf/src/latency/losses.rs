//! The counters of what is missing.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use procwatch_common::latency::LatencyLoss;

#[map]
static LATENCY_LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(LatencyLoss::COUNT, 0);

#[inline(always)]
pub fn count(kind: LatencyLoss) {
    if let Some(count) = LATENCY_LOSSES.get_ptr_mut(kind as u32) {
        // SAFETY: this CPU's slot, and programs do not migrate while they run.
        unsafe { *count += 1 };
    }
}
