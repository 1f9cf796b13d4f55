//! How many pages of each kind an address space has in memory.

use core::{ffi::c_void, ptr::read_volatile};

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use procwatch_common::{
    layout::{ABSENT, CPUS_MAX},
    tasks::MemoryPages,
};

use crate::{
    kernel::{Mm, layout, probe},
    per_cpu,
};

/// The shared value of an `rss_stat` counter. Negative values do occur.
#[inline(always)]
fn rss_count(mm: Mm, counter: u32) -> i64 {
    let offset =
        layout!(mm_rss_stat) + counter * layout!(rss_counter_size) + layout!(rss_counter_count);
    if layout!(rss_counter_percpu) == ABSENT {
        // Before 6.2 these are `atomic_long_t`, of which verifiers of that age know no member.
        return probe(mm.as_ptr() as u64, offset);
    }
    // SAFETY: the verifier has checked the offset against the structure's BTF.
    unsafe { read_volatile(mm.as_ptr().byte_add(offset as usize).cast::<i64>()) }
}

/// The per-CPU cookie of an `rss_stat` counter.
#[inline(always)]
fn rss_percpu(mm: Mm, counter: u32) -> u64 {
    let offset =
        layout!(mm_rss_stat) + counter * layout!(rss_counter_size) + layout!(rss_counter_percpu);
    // SAFETY: the verifier has checked the offset against the structure's BTF.
    unsafe { read_volatile(mm.as_ptr().byte_add(offset as usize).cast::<u64>()) }
}

/// The pages of each kind, as in `/proc/PID/status`.
#[inline(always)]
pub fn pages(mm: Mm) -> MemoryPages {
    let mut file = rss_count(mm, FILE_PAGES);
    let mut anon = rss_count(mm, ANONYMOUS_PAGES);
    let mut swapped = rss_count(mm, SWAPPED_PAGES);
    let mut shmem = rss_count(mm, SHARED_PAGES);
    if per_cpu::is_known() {
        let file_parts = rss_percpu(mm, FILE_PAGES);
        let anon_parts = rss_percpu(mm, ANONYMOUS_PAGES);
        let swapped_parts = rss_percpu(mm, SWAPPED_PAGES);
        let shmem_parts = rss_percpu(mm, SHARED_PAGES);
        for cpu in 0..layout!(cpus) as usize {
            if cpu >= CPUS_MAX {
                break;
            }
            let base = per_cpu::base(cpu);
            file += per_cpu_part(file_parts.wrapping_add(base));
            anon += per_cpu_part(anon_parts.wrapping_add(base));
            swapped += per_cpu_part(swapped_parts.wrapping_add(base));
            shmem += per_cpu_part(shmem_parts.wrapping_add(base));
        }
    }
    MemoryPages {
        file,
        anon,
        swapped,
        shmem,
    }
}

const FILE_PAGES: u32 = 0;
const ANONYMOUS_PAGES: u32 = 1;
const SWAPPED_PAGES: u32 = 2;
const SHARED_PAGES: u32 = 3;

#[inline(always)]
fn per_cpu_part(address: u64) -> i64 {
    let mut part = 0i32;
    // SAFETY: the helper checks the source.
    unsafe { bpf_probe_read_kernel((&raw mut part).cast(), 4, address as *const c_void) };
    i64::from(part)
}
