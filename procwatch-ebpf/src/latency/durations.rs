//! Adding a duration to a histogram.

use core::arch::asm;

use procwatch_common::latency::{BUCKETS, Durations, bucket};

use crate::atomic::add_to;

/// Adds to what nobody else adds to.
///
/// # Safety
/// `durations` must be alive.
#[inline(always)]
pub unsafe fn add(durations: *mut Durations, duration_ns: u64) {
    // SAFETY: the caller's promise; the place is within the counts.
    unsafe {
        (*durations).total_ns += duration_ns;
        if (*durations).longest_ns < duration_ns {
            (*durations).longest_ns = duration_ns;
        }
        let count = count(durations, duration_ns);
        if *count != u32::MAX {
            *count += 1;
        }
    }
}

/// Adds to what several CPUs add to.
///
/// # Safety
/// `durations` must be alive, and changed by this alone.
#[inline(always)]
pub unsafe fn add_shared(durations: *mut Durations, duration_ns: u64) {
    // SAFETY: the caller's promise; the place is within the counts.
    unsafe {
        add_to(&raw mut (*durations).total_ns, duration_ns);
        // Of two at once the longer may be lost.
        if (*durations).longest_ns < duration_ns {
            (*durations).longest_ns = duration_ns;
        }
        let count = count(durations, duration_ns);
        asm!("lock *(u32 *)({count} + 0) += {one}", count = in(reg) count, one = in(reg) 1u64);
    }
}

#[inline(always)]
unsafe fn count(durations: *mut Durations, duration_ns: u64) -> *mut u32 {
    let mut place = bucket(duration_ns);
    // The verifier does not follow how a bucket is found, and the compiler is not to leave out the check.
    // SAFETY: no instruction.
    unsafe { asm!("/* {place} */", place = inout(reg) place) };
    let place = if place < BUCKETS { place } else { BUCKETS - 1 };
    // SAFETY: within the array.
    unsafe { (&raw mut (*durations).counts).cast::<u32>().add(place) }
}
