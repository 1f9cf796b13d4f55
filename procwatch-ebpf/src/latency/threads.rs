//! What each thread has added up, and handing it over.
//!
//! An entry is made when a thread is born, or by the pass that the agent begins with: never at a switch, where the
//! kernel holds a lock under which memory is not to be asked for.

use core::ptr::{null_mut, write_volatile};

use aya_ebpf::{
    helpers::generated::{
        bpf_get_current_task_btf, bpf_ktime_get_ns, bpf_probe_read_kernel, bpf_ringbuf_reserve,
        bpf_ringbuf_submit, bpf_seq_write, bpf_task_storage_get,
    },
    macros::{btf_tracepoint, map},
    maps::RingBuf,
    programs::BtfTracePointContext,
};
use procwatch_common::{
    COMM_LEN,
    latency::{LatencyHeader, LatencyLoss, LatencyRecord, MeasuredThread},
};

use crate::{
    kernel::{Task, TaskIterContext},
    losses, scheduling,
    task_storage::{BPF_LOCAL_STORAGE_GET_F_CREATE, TaskStorage},
};

const BPF_RB_NO_WAKEUP: u64 = 1;
const BEGINS: u32 = MeasuredThread::IS_MEASURED | MeasuredThread::IS_FIRST;

#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "MEASURED")]
static MEASURED: TaskStorage<MeasuredThread> = TaskStorage::NEW;

/// Threads that have ended. The agent sets the size it wants before loading.
#[map]
static ENDED: RingBuf = RingBuf::with_byte_size(4096, 0);

/// Nanoseconds of the monotonic clock.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// `None` when it is not measured.
#[inline(always)]
pub fn get(task: Task) -> Option<*mut MeasuredThread> {
    storage(task, 0)
}

/// The same of the thread on whose behalf the program runs.
#[inline(always)]
pub fn current() -> Option<*mut MeasuredThread> {
    // SAFETY: the helper has the task that runs for an argument.
    let entry = unsafe {
        bpf_task_storage_get(MEASURED.as_ptr(), bpf_get_current_task_btf(), null_mut(), 0)
    };
    if entry.is_null() {
        None
    } else {
        Some(entry.cast())
    }
}

#[inline(always)]
fn storage(task: Task, flags: u64) -> Option<*mut MeasuredThread> {
    // SAFETY: the verifier knows it for a task; what is made begins as zeros.
    let entry = unsafe {
        bpf_task_storage_get(
            MEASURED.as_ptr(),
            task.as_ptr().cast_mut().cast(),
            null_mut(),
            flags,
        )
    };
    if entry.is_null() {
        None
    } else {
        Some(entry.cast())
    }
}

#[btf_tracepoint(function = "sched_process_fork")]
pub fn pw_latency_fork(context: BtfTracePointContext) -> i32 {
    let Some(child) = Task::new(context.arg::<*const u8>(1)) else {
        return 0;
    };
    match storage(child, BPF_LOCAL_STORAGE_GET_F_CREATE) {
        // SAFETY: alive, and it does not run yet.
        Some(thread) => unsafe { (*thread).flags = BEGINS },
        None => losses::count(LatencyLoss::Thread),
    }
    0
}

#[btf_tracepoint(function = "sched_process_exit")]
pub fn pw_latency_end(context: BtfTracePointContext) -> i32 {
    if let Some(task) = Task::new(context.arg::<*const u8>(0)) {
        end(task);
    }
    0
}

#[inline(always)]
fn end(task: Task) -> Option<()> {
    let thread = get(task)?;
    scheduling::leaves_for_good(task, thread);
    let mut flags = 0;
    if task.signal().is_some_and(|signal| signal.live() == 0) {
        flags |= LatencyHeader::IS_LAST;
    }
    let header = header(task, flags);
    // SAFETY: the map is a ring buffer; the record is reserved, and written whole; the entry is alive.
    unsafe {
        let record = bpf_ringbuf_reserve(
            (&raw const ENDED).cast_mut().cast(),
            size_of::<LatencyRecord>() as u64,
            0,
        );
        if record.is_null() {
            losses::count(LatencyLoss::Ended);
            return None;
        }
        let record: *mut LatencyRecord = record.cast();
        (&raw mut (*record).header).write(header);
        bpf_probe_read_kernel(
            (&raw mut (*record).kinds).cast(),
            size_of_val(&(*record).kinds) as u32,
            (&raw const (*thread).kinds).cast(),
        );
        bpf_ringbuf_submit(record.cast(), BPF_RB_NO_WAKEUP);
    }
    Some(())
}

#[inline(always)]
fn header(task: Task, mut flags: u32) -> LatencyHeader {
    if task.is_kernel_thread() {
        flags |= LatencyHeader::IS_KERNEL_THREAD;
    }
    let mut header = LatencyHeader {
        process: task.process(),
        tid: task.tid(),
        flags,
        comm: [0; COMM_LEN],
    };
    if let Some(leader) = task.leader() {
        leader.comm(&mut header.comm);
    }
    header
}

/// Begins to measure every thread that is not measured yet.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn pw_latency_know(context: *const TaskIterContext) -> i32 {
    // SAFETY: the kernel passes this structure to iterator programs.
    if let Some(task) = unsafe { TaskIterContext::task(context) }
        && get(task).is_none()
    {
        begin(task);
    }
    0
}

#[inline(always)]
fn begin(task: Task) {
    match storage(task, BPF_LOCAL_STORAGE_GET_F_CREATE) {
        // SAFETY: alive, and until it has flags it is left alone.
        Some(thread) => unsafe {
            write_volatile(&raw mut (*thread).left_ns, now_ns());
            write_volatile(&raw mut (*thread).run_delay_ns, task.run_queue_wait_ns());
            write_volatile(&raw mut (*thread).flags, BEGINS);
        },
        None => losses::count(LatencyLoss::Thread),
    }
}

/// Hands over what every thread has added up that has not ended.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn pw_latency_read(context: *const TaskIterContext) -> i32 {
    try_read(context);
    0
}

#[inline(always)]
fn try_read(context: *const TaskIterContext) -> Option<()> {
    // SAFETY: the kernel passes this structure to iterator programs.
    let task = unsafe { TaskIterContext::task(context) }?;
    let thread = get(task)?;
    let header = header(task, 0);
    // SAFETY: alive; the entry is written to meanwhile, one figure at a time.
    unsafe {
        if (*thread).flags & MeasuredThread::HAS_ENDED != 0 {
            return None;
        }
        let sequence = TaskIterContext::sequence(context);
        // Both fit, or the kernel asks again for the whole with more room.
        bpf_seq_write(
            sequence,
            (&raw const header).cast_mut().cast(),
            size_of::<LatencyHeader>() as u32,
        );
        bpf_seq_write(
            sequence,
            (&raw const (*thread).kinds).cast_mut().cast(),
            size_of_val(&(*thread).kinds) as u32,
        );
    }
    Some(())
}
