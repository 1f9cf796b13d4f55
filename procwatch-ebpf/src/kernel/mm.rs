//! Address spaces.

use core::{ffi::c_void, ptr::read_volatile};

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use procwatch_common::{
    layout::{ABSENT, CPUS_MAX},
    tasks::MemoryPages,
};

use super::{layout, member, probe};
use crate::per_cpu;

/// A `struct mm_struct`: an address space.
#[derive(Clone, Copy)]
pub struct Mm(*const u8);

impl Mm {
    /// `None` for a null pointer.
    #[inline(always)]
    pub fn new(mm: *const u8) -> Option<Self> {
        if mm.is_null() { None } else { Some(Self(mm)) }
    }

    #[inline(always)]
    pub fn hiwater_rss_pages(self) -> u64 {
        member!(self.0, mm_hiwater_rss, u64)
    }

    #[inline(always)]
    pub fn arg_start(self) -> u64 {
        member!(self.0, mm_arg_start, u64)
    }

    #[inline(always)]
    pub fn arg_end(self) -> u64 {
        member!(self.0, mm_arg_end, u64)
    }

    /// The address of the `struct file` that was executed; 0 when it is gone.
    #[inline(always)]
    pub fn exe_file(self) -> u64 {
        member!(self.0, mm_exe_file, u64)
    }

    /// The shared value of an `rss_stat` counter. Negative values do occur.
    #[inline(always)]
    fn rss_count(self, counter: u32) -> i64 {
        let offset =
            layout!(mm_rss_stat) + counter * layout!(rss_counter_size) + layout!(rss_counter_count);
        if layout!(rss_counter_percpu) == ABSENT {
            // Before 6.2 these are `atomic_long_t`, of which verifiers of that age know no member.
            return probe(self.0 as u64, offset);
        }
        // SAFETY: the verifier has checked the offset against the structure's BTF.
        unsafe { read_volatile(self.0.byte_add(offset as usize).cast::<i64>()) }
    }

    /// The per-CPU cookie of an `rss_stat` counter.
    #[inline(always)]
    fn rss_percpu(self, counter: u32) -> u64 {
        let offset = layout!(mm_rss_stat)
            + counter * layout!(rss_counter_size)
            + layout!(rss_counter_percpu);
        // SAFETY: the verifier has checked the offset against the structure's BTF.
        unsafe { read_volatile(self.0.byte_add(offset as usize).cast::<u64>()) }
    }

    /// The pages of each kind, as in `/proc/PID/status`.
    #[inline(always)]
    pub fn pages(self) -> MemoryPages {
        let mut file = self.rss_count(FILE_PAGES);
        let mut anon = self.rss_count(ANONYMOUS_PAGES);
        let mut swapped = self.rss_count(SWAPPED_PAGES);
        let mut shmem = self.rss_count(SHARED_PAGES);
        if per_cpu::is_known() {
            let file_parts = self.rss_percpu(FILE_PAGES);
            let anon_parts = self.rss_percpu(ANONYMOUS_PAGES);
            let swapped_parts = self.rss_percpu(SWAPPED_PAGES);
            let shmem_parts = self.rss_percpu(SHARED_PAGES);
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
