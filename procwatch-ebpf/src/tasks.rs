//! The task iterator: every thread's totals, in one pass over the kernel's own table.

use aya_ebpf::{helpers::generated::bpf_seq_write, macros::map, maps::PerCpuArray};
use procwatch_common::{
    tasks::{EndedTotals, MemoryPages, ThreadRecord},
    totals::{AddedUp, FlowTotals, RawTotals},
};

use crate::{
    added_up, flows,
    kernel::{EXIT_DEAD, Task, TaskIterContext},
    quiet::LastSeen,
    resident,
};

#[map]
static THREAD_SCRATCH: PerCpuArray<ThreadRecord> = PerCpuArray::with_max_entries(1, 0);

/// Hands over every thread.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn pw_tasks(context: *const TaskIterContext) -> i32 {
    try_tasks(context, Which::All);
    0
}

/// Hands over the threads that have done anything since they were last handed over.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn pw_active_tasks(context: *const TaskIterContext) -> i32 {
    try_tasks(context, Which::Active);
    0
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Active,
}

#[inline(always)]
fn try_tasks(context: *const TaskIterContext, which: Which) -> Option<()> {
    // SAFETY: the kernel passes this structure to iterator programs.
    let task = unsafe { TaskIterContext::task(context) }?;
    let signal = task.signal()?;
    let process = task.process();
    let seen = LastSeen::of(task, signal, process.start_time_ns);
    if which == Which::Active && seen.is_quiet() {
        return None;
    }
    let record = THREAD_SCRATCH.get_ptr_mut(0)?;

    // The order matters: the sums first, then whether the thread is on its way into them, and its
    // own totals last. A thread that ends in between is missed for one pass, never counted twice.
    let ended = EndedTotals {
        cpu_time_ns: signal.cpu_time_ns(),
        voluntary_switches: signal.voluntary_switches(),
        involuntary_switches: signal.involuntary_switches(),
        minor_faults: signal.minor_faults(),
        major_faults: signal.major_faults(),
    };
    let added_up = added_up::of(&process);
    if task.exit_state() & EXIT_DEAD != 0 {
        return None;
    }
    let mut own = task.totals();
    if added_up::departed(added_up).is_some() && task.is_exiting() {
        own = without_departed(own);
    }

    let mut flags = state_flags(task);
    let mut memory = MemoryPages::ZERO;
    let mut peak_rss_pages = 0;
    let mut wait_status = 0;
    let is_leader = task.is_leader();
    if is_leader {
        flags |= ThreadRecord::LEADER;
        peak_rss_pages = signal.peak_rss_pages();
        if signal.live() == 0 && task.exit_state() != 0 {
            flags |= ThreadRecord::EXITED;
            wait_status = task.wait_status(signal);
        }
    }
    if task.is_kernel_thread() {
        flags |= ThreadRecord::KERNEL_THREAD;
    } else if (is_leader || task.leader().is_none_or(Task::is_exiting))
        && let Some(mm) = task.mm()
    {
        // Threads share one address space; a leader that has left has given it up.
        memory = resident::pages(mm);
        let high_water = mm.hiwater_rss_pages();
        if high_water > peak_rss_pages {
            peak_rss_pages = high_water;
        }
    }

    // SAFETY: an element of a map, written whole.
    unsafe {
        record.write(ThreadRecord {
            process,
            parent: task.parent_process(),
            tid: task.tid(),
            flags,
            uid: task.uid(),
            threads: signal.threads(),
            cgroup_id: task.cgroup_id(),
            own,
            own_flows: FlowTotals::ZERO,
            memory,
            peak_rss_pages,
            ended,
            added_up: AddedUp::ZERO,
            comm: [0; 16],
            wait_status,
            reserved: 0,
        });
        if let Some(added_up) = added_up {
            (*record).added_up = *added_up;
        }
        // After the sums, which they move into when the thread exits.
        if let Some(flows) = flows::of(task) {
            (*record).own_flows = *flows;
        }
        task.comm(&mut (*record).comm);
        let sequence = TaskIterContext::sequence(context);
        let error = bpf_seq_write(sequence, record.cast(), size_of::<ThreadRecord>() as u32);
        if error == 0 {
            seen.remember();
        }
    }
    Some(())
}

/// An exiting thread has added these to the departed ones, or is about to.
#[inline(always)]
fn without_departed(own: RawTotals) -> RawTotals {
    RawTotals {
        run_queue_wait_ns: 0,
        read_bytes: 0,
        write_bytes: 0,
        cancelled_write_bytes: 0,
        logical_read_bytes: 0,
        logical_write_bytes: 0,
        ..own
    }
}

#[inline(always)]
fn state_flags(task: Task) -> u32 {
    const UNINTERRUPTIBLE: u32 = 0x2;
    const STOPPED_OR_TRACED: u32 = 0x4 | 0x8;
    const NOT_IN_LOAD: u32 = 0x400;
    let state = task.state();
    if state == 0 {
        ThreadRecord::RUNNABLE
    } else if state & STOPPED_OR_TRACED != 0 {
        ThreadRecord::STOPPED
    } else if state & UNINTERRUPTIBLE != 0 && state & NOT_IN_LOAD == 0 {
        ThreadRecord::UNINTERRUPTIBLE
    } else {
        0
    }
}
