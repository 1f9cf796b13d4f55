//! What the agent has turned off, to cost less.

use core::ptr::read_volatile;

use aya_ebpf::{macros::map, maps::Array};

#[map]
static SWITCHES: Array<u32> = Array::with_max_entries(1, 0);

/// Whether one of the bits of [`procwatch_common::switches::Switches`] is set.
#[inline(always)]
pub fn is_set(bit: u32) -> bool {
    match SWITCHES.get_ptr(0) {
        // SAFETY: an element of a map; the agent may write it meanwhile.
        Some(word) => (unsafe { read_volatile(word) }) & bit != 0,
        None => false,
    }
}
