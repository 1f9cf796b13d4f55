//! How long threads wait for a CPU, have it, and are off it.
//!
//! All three are known when a thread leaves its CPU: it came when that CPU switched last, it was off it before that, and
//! by how much the kernel's sum of its waits has grown is how long it could have run and did not.

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use procwatch_common::latency::{Durations, MeasuredThread, ThreadKind};

use crate::{
    durations::add,
    kernel::Task,
    switch,
    threads::{self, now_ns},
};

/// When this CPU switched last. 0 before the first time.
#[map]
static SWITCHED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[btf_tracepoint(function = "sched_switch")]
pub fn pw_latency_swtch(context: BtfTracePointContext) -> i32 {
    try_switch(&context);
    0
}

#[inline(always)]
fn try_switch(context: &BtfTracePointContext) -> Option<()> {
    let now_ns = now_ns();
    let switched = SWITCHED.get_ptr_mut(0)?;
    // SAFETY: this CPU's slot.
    let came_ns = unsafe { *switched };
    // SAFETY: as above.
    unsafe { *switched = now_ns };
    let task = Task::new(context.arg::<*const u8>(1))?;
    // Idle CPUs are nobody's.
    if task.tid() == 0 {
        return None;
    }
    let thread = threads::get(task)?;
    let is_ready = switch::is_pushed(context) || switch::state(context, task) == 0;
    leaves(
        task,
        thread,
        came_ns,
        now_ns,
        if is_ready {
            MeasuredThread::IS_READY
        } else {
            0
        },
    );
    Some(())
}

/// The thread that runs is about to end.
#[inline(always)]
pub fn leaves_for_good(task: Task, thread: *mut MeasuredThread) {
    let now_ns = now_ns();
    let Some(switched) = SWITCHED.get_ptr(0) else {
        return;
    };
    // SAFETY: this CPU's slot, and it is this CPU that the thread is on.
    let came_ns = unsafe { *switched };
    leaves(task, thread, came_ns, now_ns, MeasuredThread::HAS_ENDED);
}

#[inline(always)]
fn leaves(task: Task, thread: *mut MeasuredThread, came_ns: u64, now_ns: u64, next_flags: u32) {
    let run_delay_ns = task.run_queue_wait_ns();
    // SAFETY: alive; a thread leaves one CPU at a time, and nobody else changes these.
    unsafe {
        let flags = (*thread).flags;
        if flags & MeasuredThread::IS_MEASURED == 0 || flags & MeasuredThread::HAS_ENDED != 0 {
            return;
        }
        let (left_ns, run_delay_before) = ((*thread).left_ns, (*thread).run_delay_ns);
        (*thread).left_ns = now_ns;
        (*thread).run_delay_ns = run_delay_ns;
        (*thread).flags = MeasuredThread::IS_MEASURED | next_flags;
        // It came before anybody looked, or before it was measured.
        if came_ns == 0 || came_ns < left_ns {
            return;
        }
        let kinds = (&raw mut (*thread).kinds).cast();
        let waited_ns = run_delay_ns.saturating_sub(run_delay_before);
        add(
            kind(kinds, ThreadKind::OnCpu),
            now_ns.saturating_sub(came_ns),
        );
        add(kind(kinds, ThreadKind::RunQueue), waited_ns);
        if flags & (MeasuredThread::IS_FIRST | MeasuredThread::IS_READY) == 0 {
            let off_ns = (came_ns - left_ns).saturating_sub(waited_ns);
            add(kind(kinds, ThreadKind::OffCpu), off_ns);
        }
    }
}

#[inline(always)]
unsafe fn kind(kinds: *mut Durations, kind: ThreadKind) -> *mut Durations {
    // SAFETY: there are as many as there are kinds.
    unsafe { kinds.add(kind as usize) }
}
