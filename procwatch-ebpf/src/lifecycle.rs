//! Fork, exec, exit and release of processes, on the tracepoints of the same names.
//!
//! One process begins once and ends once: records are written for processes, not for threads.

use core::ptr::read_volatile;

use aya_ebpf::{
    helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user},
    macros::{btf_tracepoint, map},
    maps::{HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use procwatch_common::{
    lifecycle::{ARGV_MAX, ExecRecord, ExitRecord, FinalRecord, ForkRecord, RecordKind},
    loss::LossKind,
    switches::Switches,
    totals::{
        AddedUp, BlockTotals, DepartedTotals, FlowTotals, ProcessTotals, RawProcessId, RawTotals,
    },
};

use crate::{
    added_up, exe_path, flows,
    kernel::{Signal, Task, layout},
    ring, switches,
};

#[inline(always)]
fn task_argument(context: &BtfTracePointContext, index: usize) -> Option<Task> {
    Task::new(context.arg::<*const u8>(index))
}

#[btf_tracepoint(function = "sched_process_fork")]
pub fn pw_fork(context: BtfTracePointContext) -> i32 {
    try_fork(&context);
    0
}

#[inline(always)]
fn try_fork(context: &BtfTracePointContext) -> Option<()> {
    let child = task_argument(context, 1)?;
    flows::begin(child);
    if !child.is_leader() {
        return None;
    }
    ring::emit(LossKind::Fork, |record: *mut ForkRecord| {
        // SAFETY: reserved, aligned to 8 bytes, and written whole.
        unsafe {
            record.write(ForkRecord {
                header: ring::header(RecordKind::Fork, child.process()),
                // Not the first argument: with CLONE_PARENT the parent is another process.
                parent: child.parent_process(),
                cgroup_id: child.cgroup_id(),
                uid: child.uid(),
                is_kernel_thread: u32::from(child.is_kernel_thread()),
                comm: [0; 16],
            });
            child.comm(&mut (*record).comm);
        }
    });
    Some(())
}

/// An exec record is put together here and then copied: most are far shorter than the longest.
#[repr(C)]
pub struct ExecScratch {
    record: ExecRecord,
    strings: [u8; exe_path::BUFFER + ARGV_MAX],
}

#[map]
static EXEC_SCRATCH: PerCpuArray<ExecScratch> = PerCpuArray::with_max_entries(1, 0);

#[map]
static EXE_PATH: PerCpuArray<exe_path::Path> = PerCpuArray::with_max_entries(1, 0);

#[btf_tracepoint(function = "sched_process_exec")]
pub fn pw_exec(context: BtfTracePointContext) -> i32 {
    try_exec(&context);
    0
}

#[inline(always)]
fn try_exec(context: &BtfTracePointContext) -> Option<()> {
    let task = task_argument(context, 0)?;
    adopt_flows(task, context.arg::<u32>(1));
    let mm = task.mm()?;
    let scratch = EXEC_SCRATCH.get_ptr_mut(0)?;
    // SAFETY: an element of a map; reborrowed as raw parts below.
    let (record, strings) = unsafe {
        (
            &raw mut (*scratch).record,
            (&raw mut (*scratch).strings).cast::<u8>(),
        )
    };

    let path = EXE_PATH.get_ptr_mut(0)?;
    // SAFETY: an element of a map, read back after the walk.
    let (mut exe_len, mut flags) = unsafe {
        exe_path::write(mm.exe_file(), path);
        let flags = read_volatile(&raw const (*path).flags) as u32;
        (read_volatile(&raw const (*path).len) as usize, flags)
    };
    if exe_len > exe_path::BUFFER {
        exe_len = 0;
    }
    // SAFETY: both are elements of maps, and at least BUFFER bytes long.
    unsafe {
        let source = (&raw const (*path).bytes).cast();
        bpf_probe_read_kernel(strings.cast(), exe_len as u32, source);
    }

    let argv_start = mm.arg_start();
    let mut argv_len = mm.arg_end().wrapping_sub(argv_start);
    if argv_len > ARGV_MAX as u64 {
        argv_len = ARGV_MAX as u64;
        flags |= ExecRecord::ARGV_TRUNCATED;
    }
    if switches::is_set(Switches::NO_COMMAND_LINES) {
        argv_len = 0;
        flags |= ExecRecord::ARGV_TRUNCATED;
    }
    // SAFETY: the helper checks the source; exe_len + ARGV_MAX is within `strings`.
    let error = unsafe {
        bpf_probe_read_user(
            strings.add(exe_len).cast(),
            argv_len as u32,
            argv_start as *const core::ffi::c_void,
        )
    };
    if error != 0 {
        flags |= ExecRecord::ARGV_UNREADABLE;
        argv_len = 0;
    }

    // SAFETY: an element of a map, written whole.
    unsafe {
        record.write(ExecRecord {
            header: ring::header(RecordKind::Exec, task.process()),
            parent: task.parent_process(),
            cgroup_id: task.cgroup_id(),
            uid: task.uid(),
            flags,
            exe_len: exe_len as u32,
            argv_len: argv_len as u32,
            comm: [0; 16],
        });
        task.comm(&mut (*record).comm);
    }
    let length = size_of::<ExecRecord>() as u64 + exe_len as u64 + argv_len;
    if length > size_of::<ExecScratch>() as u64 {
        return None;
    }
    ring::emit_bytes(LossKind::Exec, scratch.cast(), length);
    Some(())
}

/// A thread that is not the leader takes the leader's tid when it executes a program.
#[inline(always)]
fn adopt_flows(task: Task, old_tid: u32) {
    if old_tid == task.tid() {
        return;
    }
    let (moved, has_moved) = flows::take_of_old_tid(old_tid);
    if has_moved {
        match added_up::open(&task.process()) {
            Some(entry) => added_up::add_flows(entry, &moved),
            None => ring::count_loss(LossKind::Flow),
        }
    }
}

/// Fires for each thread.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn pw_exit(context: BtfTracePointContext) -> i32 {
    try_exit(&context);
    0
}

#[inline(always)]
fn try_exit(context: &BtfTracePointContext) -> Option<()> {
    let task = task_argument(context, 0)?;
    let signal = task.signal()?;
    let leader = task.leader()?;
    let is_last = if layout!(exit_has_group_dead) == 1 {
        context.arg::<u64>(1) & 1 == 1
    } else {
        signal.live() == 0
    };
    let process = task.process();
    let own = task.totals();
    let (moved, has_moved) = flows::take(task);
    // A process that never had another thread needs no entry: its leader's totals are its own. One whose
    // other threads are just on their way here must not be forgotten when they make the entry.
    if !is_last
        || signal.threads() > 1
        || has_moved
        || added_up::departed(added_up::of(&process)).is_some()
    {
        added_up::add_departed(&process, &own, &moved);
    }
    if !is_last {
        return None;
    }
    ring::emit(LossKind::Exit, |record: *mut ExitRecord| {
        let entry = added_up::of(&process);
        let mut totals = with_ended_threads(own, signal);
        if let Some(departed) = added_up::departed(entry) {
            // SAFETY: the entry is alive.
            replace_with_departed(&mut totals, unsafe { &*departed });
        }
        if leader != task {
            add_unreleased_leader(&mut totals, leader);
        }
        let peak_rss_pages = signal.peak_rss_pages();
        let high_water = task.mm().map_or(0, |mm| mm.hiwater_rss_pages());
        // SAFETY: reserved, aligned to 8 bytes, and written whole.
        unsafe {
            record.write(ExitRecord {
                header: ring::header(RecordKind::Exit, process),
                parent: leader.parent_process(),
                totals: ProcessTotals {
                    task: totals,
                    flows: FlowTotals::ZERO,
                    block: BlockTotals::ZERO,
                },
                peak_rss_pages: if high_water > peak_rss_pages {
                    high_water
                } else {
                    peak_rss_pages
                },
                wait_status: leader.wait_status(signal),
                uid: leader.uid(),
                comm: [0; 16],
            });
            leader.comm(&mut (*record).comm);
            write_flows_and_block(&raw mut (*record).totals, entry);
        }
    });
    Some(())
}

/// # Safety
/// The totals must be alive.
#[inline(always)]
unsafe fn write_flows_and_block(totals: *mut ProcessTotals, entry: Option<*mut AddedUp>) {
    if let Some(entry) = entry {
        // SAFETY: the caller's promise; the verifier keeps the entry alive for the run of the program.
        unsafe {
            (*totals).flows = (*entry).departed.flows;
            (*totals).block = (*entry).block;
        }
    }
}

/// Fires an RCU grace period after a task was reaped and has left its CPU for good; what its threads
/// shared is still there.
#[btf_tracepoint(function = "sched_process_free")]
pub fn pw_free(context: BtfTracePointContext) -> i32 {
    try_free(&context);
    0
}

/// Final records that found no room in the ring buffer. The agent looks here after each pass.
#[map]
static UNSENT: HashMap<RawProcessId, FinalRecord> =
    HashMap::with_max_entries(UNSENT_MAX, BPF_F_NO_PREALLOC);

const BPF_F_NO_PREALLOC: u32 = 1;
const UNSENT_MAX: u32 = 16_384;

/// Totals of processes whose final record found no room there either: their names are lost, what they
/// cost is not.
#[map]
static LOST_TOTALS: PerCpuArray<ProcessTotals> = PerCpuArray::with_max_entries(1, 0);

/// A closing record is put together here: it would fill half of the stack.
#[map]
static FINAL_SCRATCH: PerCpuArray<FinalRecord> = PerCpuArray::with_max_entries(1, 0);

#[inline(always)]
fn try_free(context: &BtfTracePointContext) -> Option<()> {
    let leader = task_argument(context, 0)?;
    // A leader whose place was taken by another thread's exec carries that thread's old tid.
    if !leader.is_leader() {
        return None;
    }
    let signal = leader.signal()?;
    let process = leader.process();
    let entry = added_up::of(&process);
    // The leader was released last, so the kernel's sums already have it.
    let mut totals = RawTotals {
        cpu_time_ns: signal.cpu_time_ns(),
        voluntary_switches: signal.voluntary_switches(),
        involuntary_switches: signal.involuntary_switches(),
        minor_faults: signal.minor_faults(),
        major_faults: signal.major_faults(),
        ..leader.totals()
    };
    if let Some(departed) = added_up::departed(entry) {
        // SAFETY: the entry is alive.
        replace_with_departed(&mut totals, unsafe { &*departed });
    }
    let record = FINAL_SCRATCH.get_ptr_mut(0)?;
    // SAFETY: this CPU's element, written whole; programs do not migrate while they run.
    unsafe {
        record.write(FinalRecord {
            header: ring::header(RecordKind::Final, process),
            totals: ProcessTotals {
                task: totals,
                flows: FlowTotals::ZERO,
                block: BlockTotals::ZERO,
            },
            peak_rss_pages: signal.peak_rss_pages(),
            wait_status: leader.wait_status(signal),
            reserved: 0,
            comm: [0; 16],
        });
        leader.comm(&mut (*record).comm);
        write_flows_and_block(&raw mut (*record).totals, entry);
    }
    if entry.is_some() {
        added_up::forget(&process);
    }
    // SAFETY: as above.
    let record = unsafe { &*record };
    let bytes = (&raw const *record).cast();
    if ring::send(bytes, size_of::<FinalRecord>() as u64)
        || UNSENT.insert(&process, record, 0).is_ok()
    {
        return None;
    }
    ring::count_loss(LossKind::FinalTotals);
    let lost = LOST_TOTALS.get_ptr_mut(0)?;
    // SAFETY: this CPU's element; both consist of u64 only.
    unsafe {
        let (sums, added) = (lost.cast::<u64>(), (&raw const record.totals).cast::<u64>());
        for counter in 0..size_of::<ProcessTotals>() / 8 {
            *sums.add(counter) += *added.add(counter);
        }
    }
    Some(())
}

#[inline(always)]
fn with_ended_threads(own: RawTotals, signal: Signal) -> RawTotals {
    RawTotals {
        cpu_time_ns: own.cpu_time_ns + signal.cpu_time_ns(),
        voluntary_switches: own.voluntary_switches + signal.voluntary_switches(),
        involuntary_switches: own.involuntary_switches + signal.involuntary_switches(),
        minor_faults: own.minor_faults + signal.minor_faults(),
        major_faults: own.major_faults + signal.major_faults(),
        ..own
    }
}

/// A leader that exited before the last thread waits to be reaped: the kernel's sums lack it.
#[inline(always)]
fn add_unreleased_leader(totals: &mut RawTotals, leader: Task) {
    let own = leader.totals();
    totals.cpu_time_ns += own.cpu_time_ns;
    totals.voluntary_switches += own.voluntary_switches;
    totals.involuntary_switches += own.involuntary_switches;
    totals.minor_faults += own.minor_faults;
    totals.major_faults += own.major_faults;
}

#[inline(always)]
fn replace_with_departed(totals: &mut RawTotals, departed: &DepartedTotals) {
    totals.run_queue_wait_ns = departed.run_queue_wait_ns;
    totals.read_bytes = departed.read_bytes;
    totals.write_bytes = departed.write_bytes;
    totals.cancelled_write_bytes = departed.cancelled_write_bytes;
    totals.logical_read_bytes = departed.logical_read_bytes;
    totals.logical_write_bytes = departed.logical_write_bytes;
}
