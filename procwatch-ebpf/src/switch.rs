//! What `sched_switch` tells.

use core::arch::asm;

use aya_ebpf::{EbpfContext as _, programs::BtfTracePointContext};

use crate::kernel::{Task, layout};

/// Whether the task was pushed off its CPU.
#[inline(always)]
pub fn is_pushed(context: &BtfTracePointContext) -> bool {
    context.arg::<u64>(0) & 0xff != 0
}

/// The state in which the task leaves its CPU.
#[inline(always)]
pub fn state(context: &BtfTracePointContext, task: Task) -> u32 {
    if layout!(switch_passes_state) == 1 {
        passed_state(context)
    } else {
        task.state()
    }
}

/// The state as it was when it was decided to switch; by now somebody may be waking the task.
#[inline(always)]
fn passed_state(context: &BtfTracePointContext) -> u32 {
    let context = context.as_ptr();
    let state: u64;
    // Not as the other arguments: a context is only to be read at fixed offsets, and only where there is one.
    // SAFETY: the layout says that there are four arguments.
    unsafe {
        asm!("{state} = *(u64 *)({context} + 24)", state = out(reg) state, context = in(reg) context)
    };
    state as u32
}
