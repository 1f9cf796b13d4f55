//! Where each CPU's copy of a per-CPU variable lies.
//!
//! From 6.2 on a resident-set counter is a shared value plus a part per CPU, and up to
//! 2 × CPUs (at least 32) pages per CPU are not in the shared value. To add them up, the distance
//! from a per-CPU cookie to its address on each CPU is needed, which kernels do not export. It is the
//! same for all per-CPU memory, so it is measured on a map of our own: the address of an element on
//! a CPU, less the cookie that the map holds for the element.

use core::{
    ffi::c_void,
    ptr::{read_volatile, write_volatile},
};

use aya_ebpf::{
    helpers::generated::{bpf_map_lookup_percpu_elem, bpf_probe_read_kernel},
    macros::map,
    maps::{Array, PerCpuArray},
};
use procwatch_common::layout::{ABSENT, CPUS_MAX};

use crate::kernel::layout;

#[map]
static ANCHOR: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// A pointer that is stored in a map and loaded again is a plain number to the verifier.
#[map]
static ADDRESS: Array<u64> = Array::with_max_entries(1, 0);

static mut BASES: [u64; CPUS_MAX] = [0; CPUS_MAX];

/// True when per-CPU parts exist on this kernel and can be added up.
#[inline(always)]
pub fn is_known() -> bool {
    layout!(rss_counter_percpu) != ABSENT
        && layout!(cpus) != 0
        && layout!(bpf_array_pptrs) != ABSENT
}

/// What to add to a per-CPU cookie for its address on a CPU.
#[inline(always)]
pub fn base(cpu: usize) -> u64 {
    // SAFETY: callers stay below `CPUS_MAX`, which the verifier checks.
    unsafe { read_volatile((&raw const BASES).cast::<u64>().add(cpu)) }
}

/// Runs for the first task of one pass, before any base is used.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn pw_per_cpu(_context: *mut c_void) -> i32 {
    if !is_known() {
        return 0;
    }
    let Some(address) = ADDRESS.get_ptr_mut(0) else {
        return 0;
    };
    let map = (&raw const ANCHOR).cast_mut().cast::<c_void>();
    let Some(array) = as_number(address, map) else {
        return 0;
    };
    let mut cookie = 0u64;
    // SAFETY: the helper checks the source.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut cookie).cast(),
            8,
            (array + u64::from(layout!(bpf_array_pptrs))) as *const c_void,
        );
    }
    for cpu in 0..layout!(cpus) {
        let key = 0u32;
        // SAFETY: the map is a per-CPU array.
        let element = unsafe { bpf_map_lookup_percpu_elem(map, (&raw const key).cast(), cpu) };
        if element.is_null() {
            continue;
        }
        let Some(element) = as_number(address, element) else {
            return 0;
        };
        if (cpu as usize) < CPUS_MAX {
            // SAFETY: in bounds.
            unsafe {
                write_volatile(
                    (&raw mut BASES).cast::<u64>().add(cpu as usize),
                    element.wrapping_sub(cookie),
                );
            }
        }
    }
    0
}

#[inline(always)]
fn as_number(scratch: *mut u64, pointer: *mut c_void) -> Option<u64> {
    // SAFETY: `scratch` is an element of a map.
    unsafe {
        write_volatile(scratch.cast::<*mut c_void>(), pointer);
        Some(read_volatile(scratch))
    }
}
