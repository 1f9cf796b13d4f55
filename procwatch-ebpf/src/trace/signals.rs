//! Signals to what is traced, and page faults.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_comm},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use procwatch_common::{
    COMM_LEN,
    trace::{TraceKind, TraceLoss, TracedFaultRecord, TracedSignalRecord},
};

use crate::{
    kernel::{Task, probe},
    stream, threads,
};

/// Below this, `info` is a mark and no address: 0 as if a process had sent it, 1 the kernel.
const MARKS: u64 = 4096;
const SI_USER: i32 = 0;
const SI_KERNEL: i32 = 0x80;
const SI_CODE_OFFSET: u32 = 8;
/// `struct k_sigaction` begins with the handler.
const HANDLER_OFFSET: u32 = 0;

#[inline(always)]
fn code_of(info: u64) -> i32 {
    if info >= MARKS {
        probe(info, SI_CODE_OFFSET)
    } else if info == 0 {
        SI_USER
    } else {
        SI_KERNEL
    }
}

#[btf_tracepoint(function = "signal_generate")]
pub fn pw_trace_signal(context: BtfTracePointContext) -> i32 {
    try_signal(&context);
    0
}

#[inline(always)]
fn try_signal(context: &BtfTracePointContext) -> Option<()> {
    let target = Task::new(context.arg::<*const u8>(2))?;
    let (tid, tgid) = (target.tid(), target.tgid());
    let sender = bpf_get_current_pid_tgid();
    if threads::get(tid).is_none() && threads::get(sender as u32).is_none() {
        return None;
    }
    let flags = if context.arg::<i32>(4) == 0 {
        0
    } else {
        TracedSignalRecord::WITHOUT_EFFECT
    };
    let (signal, code) = (context.arg::<u32>(0), code_of(context.arg::<u64>(1)));
    stream::emit(TraceLoss::Signal, |record: *mut TracedSignalRecord| {
        // SAFETY: reserved, and written whole.
        unsafe {
            record.write(TracedSignalRecord {
                header: stream::header(TraceKind::Signal, stream::now_ns(), tid, tgid, flags),
                signal,
                code,
                sender_tid: sender as u32,
                sender_tgid: (sender >> 32) as u32,
                sender_comm: [0; COMM_LEN],
                handler: 0,
            });
            bpf_get_current_comm((&raw mut (*record).sender_comm).cast(), COMM_LEN as u32);
        }
    });
    Some(())
}

#[btf_tracepoint(function = "signal_deliver")]
pub fn pw_trace_deliver(context: BtfTracePointContext) -> i32 {
    try_deliver(&context);
    0
}

#[inline(always)]
fn try_deliver(context: &BtfTracePointContext) -> Option<()> {
    let (_, tid, tgid) = threads::current()?;
    let (signal, code) = (context.arg::<u32>(0), code_of(context.arg::<u64>(1)));
    let handler = probe(context.arg::<u64>(2), HANDLER_OFFSET);
    stream::emit(TraceLoss::Signal, |record: *mut TracedSignalRecord| {
        // SAFETY: reserved, and written whole.
        unsafe {
            record.write(TracedSignalRecord {
                header: stream::header(
                    TraceKind::Signal,
                    stream::now_ns(),
                    tid,
                    tgid,
                    TracedSignalRecord::TAKEN,
                ),
                signal,
                code,
                sender_tid: 0,
                sender_tgid: 0,
                sender_comm: [0; COMM_LEN],
                handler,
            });
        }
    });
    Some(())
}

/// A page that user space touched is not there, or not so.
#[btf_tracepoint(function = "page_fault_user")]
pub fn pw_trace_fault(context: BtfTracePointContext) -> i32 {
    try_fault(&context);
    0
}

#[inline(always)]
fn try_fault(context: &BtfTracePointContext) -> Option<()> {
    let (_, tid, tgid) = threads::current()?;
    let (address, error_code) = (context.arg::<u64>(0), context.arg::<u64>(2));
    stream::emit(TraceLoss::Fault, |record: *mut TracedFaultRecord| {
        // SAFETY: reserved, and written whole.
        unsafe {
            record.write(TracedFaultRecord {
                header: stream::header(TraceKind::Fault, stream::now_ns(), tid, tgid, 0),
                address,
                error_code,
            });
        }
    });
    Some(())
}
