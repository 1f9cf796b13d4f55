//! How long system calls take, by thread and by call. Attached only when asked for: it makes every call of the host
//! take the kernel's slower entry.

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use procwatch_common::latency::{Durations, ThreadKind};

use crate::{
    durations::add,
    kernel::{layout, probe},
    threads::{self, now_ns},
};

/// By number. The agent sets how many.
#[map]
static CALLS: PerCpuArray<Durations> = PerCpuArray::with_max_entries(1, 0);

#[btf_tracepoint(function = "sys_enter")]
pub fn pw_latency_enter(_context: BtfTracePointContext) -> i32 {
    if let Some(thread) = threads::current() {
        // SAFETY: alive, and the thread's own.
        unsafe { (*thread).entered_ns = now_ns() };
    }
    0
}

#[btf_tracepoint(function = "sys_exit")]
pub fn pw_latency_return(context: BtfTracePointContext) -> i32 {
    try_return(&context);
    0
}

#[inline(always)]
fn try_return(context: &BtfTracePointContext) -> Option<()> {
    let thread = threads::current()?;
    // SAFETY: alive, and the thread's own.
    let duration_ns = unsafe {
        let entered_ns = (*thread).entered_ns;
        if entered_ns == 0 {
            return None;
        }
        (*thread).entered_ns = 0;
        let duration_ns = now_ns().saturating_sub(entered_ns);
        let kinds: *mut Durations = (&raw mut (*thread).kinds).cast();
        add(kinds.add(ThreadKind::Syscall as usize), duration_ns);
        duration_ns
    };
    let number: u64 = probe(context.arg::<u64>(0), layout!(regs_number));
    let durations = CALLS.get_ptr_mut(u32::try_from(number).ok()?)?;
    // SAFETY: this CPU's, and the program is not interrupted by itself.
    unsafe { add(durations, duration_ns) };
    Some(())
}
