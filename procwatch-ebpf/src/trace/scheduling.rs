//! When traced threads do not run, and who lets them run again.
//!
//! One record for each time off the CPU, when it is over: why it began, when it was woken and by whom, and when it ran
//! again. Nothing is told of the time on the CPU: it is what lies between.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_current_comm, bpf_get_stackid},
    },
    macros::{btf_tracepoint, map},
    maps::StackTrace,
    programs::BtfTracePointContext,
};
use procwatch_common::{
    COMM_LEN,
    layout::ABSENT,
    trace::{OffCpuRecord, TraceKind, TraceLoss, TracedThread, options},
};

use crate::{
    kernel::{Task, layout, probe},
    stream, switch, threads,
};

const BPF_F_USER_STACK: u64 = 1 << 8;
/// In place of the id of a stack.
const NO_STACK: i32 = -1;

#[map]
static STACKS: StackTrace = StackTrace::with_max_entries(16_384, 0);

#[btf_tracepoint(function = "sched_switch")]
pub fn pw_trace_switch(context: BtfTracePointContext) -> i32 {
    if let Some(previous) = Task::new(context.arg::<*const u8>(1)) {
        leaves(&context, previous);
    }
    if let Some(next) = Task::new(context.arg::<*const u8>(2)) {
        runs(next);
    }
    0
}

#[inline(always)]
fn leaves(context: &BtfTracePointContext, task: Task) -> Option<()> {
    let thread = threads::get(task.tid())?;
    let is_pushed = switch::is_pushed(context);
    let state = switch::state(context, task);
    let (mut user_stack, mut kernel_stack) = (NO_STACK, NO_STACK);
    if stream::is_wanted(options::STACKS) && !is_pushed && state != 0 {
        let map = (&raw const STACKS).cast_mut().cast();
        // SAFETY: the map is one of stacks; the task that leaves is the one that runs.
        unsafe {
            user_stack = bpf_get_stackid(context.as_ptr(), map, BPF_F_USER_STACK) as i32;
            kernel_stack = bpf_get_stackid(context.as_ptr(), map, 0) as i32;
        }
    }
    let is_waiting_for_device = layout!(task_in_iowait_bit) != ABSENT && {
        let bit = layout!(task_in_iowait_bit);
        probe::<u8>(task.as_ptr() as u64, bit / 8) >> (bit % 8) & 1 == 1
    };
    // SAFETY: alive; a thread leaves one CPU at a time.
    unsafe {
        let mut flags = (*thread).flags;
        flags &= !(TracedThread::UNSEEN | TracedThread::NEWBORN | TracedThread::IN_IOWAIT);
        if is_waiting_for_device {
            flags |= TracedThread::IN_IOWAIT;
        }
        (*thread).flags = flags;
        (*thread).state = if is_pushed { 0 } else { state };
        (*thread).woken_ns = 0;
        (*thread).waker_tid = 0;
        (*thread).waker_tgid = 0;
        (*thread).waker_comm = [0; COMM_LEN];
        (*thread).user_stack = user_stack;
        (*thread).kernel_stack = kernel_stack;
        (*thread).off_ns = stream::now_ns();
    }
    Some(())
}

#[inline(always)]
fn runs(task: Task) -> Option<()> {
    let tid = task.tid();
    let thread = threads::get(tid)?;
    let now_ns = stream::now_ns();
    // SAFETY: alive; a thread comes to one CPU at a time.
    unsafe {
        let mut off_ns = (*thread).off_ns;
        if off_ns == 0 {
            if (*thread).flags & TracedThread::UNSEEN == 0 {
                return None;
            }
            // It was ready to run when it began to be traced.
            off_ns = (*thread).since_ns;
        }
        let (state, woken_ns) = ((*thread).state, (*thread).woken_ns);
        // Nobody has been seen waking what was pushed off: it was ready all the time.
        let ready_ns = if state == 0 {
            off_ns
        } else if woken_ns == 0 {
            now_ns
        } else {
            woken_ns
        };
        let (blocked_ns, waited_ns) = (
            ready_ns.saturating_sub(off_ns),
            now_ns.saturating_sub(ready_ns),
        );
        (*thread).blocked_ns += blocked_ns;
        (*thread).waited_ns += waited_ns;
        let mut flags = 0;
        if (*thread).flags & TracedThread::IN_IOWAIT != 0 {
            flags |= OffCpuRecord::IN_IOWAIT;
        }
        if (*thread).flags & TracedThread::NEWBORN != 0 {
            flags |= OffCpuRecord::NEWBORN;
        }
        let tgid = (*thread).tgid;
        let is_sent = stream::emit(TraceLoss::OffCpu, |record: *mut OffCpuRecord| {
            record.write(OffCpuRecord {
                header: stream::header(TraceKind::OffCpu, now_ns, tid, tgid, flags),
                off_ns,
                woken_ns: ready_ns,
                waker_tid: (*thread).waker_tid,
                waker_tgid: (*thread).waker_tgid,
                waker_comm: (*thread).waker_comm,
                state,
                number: (*thread).number,
                file: (*thread).file,
                user_stack: (*thread).user_stack,
                kernel_stack: (*thread).kernel_stack,
            });
        });
        if !is_sent {
            (*thread).lost_blocked_ns += blocked_ns;
            (*thread).lost_waited_ns += waited_ns;
        }
        (*thread).off_ns = 0;
        (*thread).flags &= !(TracedThread::UNSEEN | TracedThread::NEWBORN);
    }
    Some(())
}

/// Somebody wakes a thread. In the context of who does, which `sched_wakeup` is not.
#[btf_tracepoint(function = "sched_waking")]
pub fn pw_trace_waking(context: BtfTracePointContext) -> i32 {
    try_waking(&context);
    0
}

#[inline(always)]
fn try_waking(context: &BtfTracePointContext) -> Option<()> {
    let task = Task::new(context.arg::<*const u8>(0))?;
    let thread = threads::get(task.tid())?;
    let waker = bpf_get_current_pid_tgid();
    // SAFETY: alive; one waker at a time gets through.
    unsafe {
        // It has not left its CPU yet, and will not; or is awake already.
        if (*thread).off_ns == 0 || (*thread).woken_ns != 0 || (*thread).state == 0 {
            return None;
        }
        (*thread).waker_tid = waker as u32;
        (*thread).waker_tgid = (waker >> 32) as u32;
        bpf_get_current_comm((&raw mut (*thread).waker_comm).cast(), COMM_LEN as u32);
        (*thread).woken_ns = stream::now_ns();
    }
    Some(())
}
