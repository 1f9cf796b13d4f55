//! Births, programs and ends; and that the children of what is traced are traced too, from their first instruction.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user},
    macros::{btf_tracepoint, map},
    maps::HashMap,
    programs::BtfTracePointContext,
};
use procwatch_common::trace::{
    NO_SYSCALL, TEXT_MAX, TRACED_ARGV_MAX, TraceKind, TraceLoss, TracedExecRecord,
    TracedExitRecord, TracedForkRecord, TracedThread,
};

use crate::{
    kernel::{Task, layout, probe},
    stream, threads,
};

/// Ends that found no room in the stream, by tid: without them a trace would wait for ever, and not know what of the
/// thread's time no record told.
#[map]
static ENDS: HashMap<u32, TracedExitRecord> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

#[btf_tracepoint(function = "sched_process_fork")]
pub fn pw_trace_fork(context: BtfTracePointContext) -> i32 {
    try_fork(&context);
    0
}

#[inline(always)]
fn try_fork(context: &BtfTracePointContext) -> Option<()> {
    let (_, parent_tid, parent_tgid) = threads::current()?;
    let child = Task::new(context.arg::<*const u8>(1))?;
    let (tid, tgid) = (child.tid(), child.tgid());
    let thread = threads::begin(tid)?;
    let now_ns = stream::now_ns();
    // SAFETY: alive, and the child does not run yet.
    unsafe {
        (*thread).tgid = tgid;
        (*thread).flags = TracedThread::NEWBORN;
        (*thread).number = NO_SYSCALL;
        (*thread).since_ns = now_ns;
        // It is ready to run from here on.
        (*thread).off_ns = now_ns;
    }
    stream::emit(TraceLoss::Fork, |record: *mut TracedForkRecord| {
        // SAFETY: reserved, and written whole.
        unsafe {
            record.write(TracedForkRecord {
                header: stream::header(TraceKind::Fork, now_ns, tid, tgid, 0),
                parent_tid,
                parent_tgid,
                comm: [0; 16],
            });
            child.comm(&mut (*record).comm);
        }
    });
    Some(())
}

#[btf_tracepoint(function = "sched_process_exec")]
pub fn pw_trace_exec(context: BtfTracePointContext) -> i32 {
    try_exec(&context);
    0
}

#[inline(always)]
fn try_exec(context: &BtfTracePointContext) -> Option<()> {
    let task = Task::new(context.arg::<*const u8>(0))?;
    let (tid, old_tid) = (task.tid(), context.arg::<u32>(1));
    if tid != old_tid {
        threads::rename(old_tid, tid);
    }
    threads::get(tid)?;
    let mm = task.mm()?;
    let argv_start = mm.arg_start();
    let mut argv_len = mm.arg_end().wrapping_sub(argv_start);
    let mut flags = 0;
    if argv_len > TRACED_ARGV_MAX as u64 {
        argv_len = TRACED_ARGV_MAX as u64;
        flags = TracedExecRecord::ARGV_TRUNCATED;
    }
    let path: u64 = probe(context.arg::<u64>(2), layout!(binprm_filename));
    let tgid = task.tgid();
    stream::emit(TraceLoss::Exec, |record: *mut TracedExecRecord| {
        // SAFETY: reserved; what is not written of texts is cut off by their NUL or their length.
        unsafe {
            (*record).header = stream::header(TraceKind::Exec, stream::now_ns(), tid, tgid, flags);
            (*record).old_tid = old_tid;
            task.comm(&mut (*record).comm);
            let text = (&raw mut (*record).path).cast::<u8>();
            *text = 0;
            bpf_probe_read_kernel_str(text.cast(), TEXT_MAX as u32, path as *const c_void);
            let argv = (&raw mut (*record).argv).cast::<u8>();
            let error =
                bpf_probe_read_user(argv.cast(), argv_len as u32, argv_start as *const c_void);
            (*record).argv_len = if error == 0 { argv_len as u32 } else { 0 };
        }
    });
    Some(())
}

#[btf_tracepoint(function = "sched_process_exit")]
pub fn pw_trace_end(context: BtfTracePointContext) -> i32 {
    try_end(&context);
    0
}

#[inline(always)]
fn try_end(context: &BtfTracePointContext) -> Option<()> {
    let task = Task::new(context.arg::<*const u8>(0))?;
    let tid = task.tid();
    let thread = threads::get(tid)?;
    let signal = task.signal()?;
    let totals = task.totals();
    let status = task.wait_status(signal);
    let flags = if signal.live() == 0 {
        TracedExitRecord::LAST
    } else {
        0
    };
    let tgid = task.tgid();
    // SAFETY: the thread's entry is alive.
    let end = unsafe {
        TracedExitRecord {
            header: stream::header(TraceKind::Exit, stream::now_ns(), tid, tgid, flags),
            status,
            number: (*thread).number,
            totals,
            lost_blocked_ns: (*thread).lost_blocked_ns,
            lost_waited_ns: (*thread).lost_waited_ns,
        }
    };
    // SAFETY: reserved, and written whole.
    let is_sent = stream::send(|record: *mut TracedExitRecord| unsafe { record.write(end) });
    if !is_sent && ENDS.insert(tid, end, 0).is_err() {
        stream::count_loss(TraceLoss::Exit);
    }
    threads::end(tid);
    Some(())
}
