//! Sums that several CPUs add to at once.

use core::arch::asm;

/// Adds to a sum that several CPUs add to.
///
/// # Safety
/// `sum` must point to an aligned u64 that only atomic operations change.
#[inline(always)]
pub unsafe fn add_to(sum: *mut u64, amount: u64) {
    if amount != 0 {
        // `AtomicU64::fetch_add` does not exist for this target; the instruction does (and, since
        // nothing is fetched, on every kernel).
        // SAFETY: the caller's promise.
        unsafe {
            asm!("lock *(u64 *)({sum} + 0) += {amount}", sum = in(reg) sum, amount = in(reg) amount);
        }
    }
}
