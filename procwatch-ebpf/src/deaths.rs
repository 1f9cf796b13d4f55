//! Deaths from outside: the OOM killer's victims, and signals that end their target.

use aya_ebpf::{
    helpers::generated::{bpf_get_current_cgroup_id, bpf_get_current_comm},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use procwatch_common::{
    COMM_LEN,
    deaths::{OomRecord, SignalRecord},
    lifecycle::RecordKind,
    loss::LossKind,
    tasks::MemoryPages,
    totals::RawProcessId,
};

use crate::{
    kernel::{CurrentProcess, Task, layout, probe},
    resident, ring,
};

const SIGKILL: u32 = 9;
const SIGCHLD: u32 = 17;
const SIGCONT: u32 = 18;
/// SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
const STOPS: core::ops::RangeInclusive<u32> = 19..=22;
const SIGURG: u32 = 23;
const SIGWINCH: u32 = 28;
/// `result` of a signal that was neither ignored nor already there.
const DELIVERED: i32 = 0;
/// Below this, `info` is a mark and no address: the kernel sends without particulars.
const MARKS: u64 = 4096;
/// From `kill`, `sigqueue` and `tgkill`: sent by the process that runs. Anything else is the kernel's, though
/// somebody may have asked for it, as for a timer.
const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TKILL: i32 = -6;
const SI_KERNEL: i32 = 0x80;
const SI_CODE_OFFSET: u32 = 8;

#[inline(always)]
fn current_comm(into: &mut [u8; COMM_LEN]) {
    // SAFETY: the destination has this length.
    unsafe { bpf_get_current_comm(into.as_mut_ptr().cast(), COMM_LEN as u32) };
}

/// The OOM killer has chosen, on behalf of whoever could not get memory.
#[btf_tracepoint(function = "mark_victim")]
pub fn pw_oom(context: BtfTracePointContext) -> i32 {
    try_oom(&context);
    0
}

#[inline(always)]
fn try_oom(context: &BtfTracePointContext) -> Option<()> {
    let asker = CurrentProcess::get()?;
    // Before 6.9 the tracepoint passes a pid.
    if layout!(mark_victim_passes_task) == 0 {
        let pid = context.arg::<u32>(0);
        ring::emit(LossKind::Oom, |record: *mut OomRecord| {
            let process = RawProcessId {
                tgid: pid,
                ..RawProcessId::NONE
            };
            // SAFETY: reserved, aligned to 8 bytes, and written whole.
            unsafe { write_oom(record, asker, process, None) };
        });
        return None;
    }
    let victim = Task::new(context.arg::<*const u8>(0))?;
    ring::emit(LossKind::Oom, |record: *mut OomRecord| {
        // SAFETY: as above.
        unsafe { write_oom(record, asker, victim.process(), Some(victim)) };
    });
    None
}

/// # Safety
/// There must be room for the record.
#[inline(always)]
unsafe fn write_oom(
    record: *mut OomRecord,
    asker: CurrentProcess,
    process: RawProcessId,
    victim: Option<Task>,
) {
    let mut score_adjustment = 0;
    let mut memory = MemoryPages::ZERO;
    let mut flags = OomRecord::PID_ONLY;
    if let Some(victim) = victim {
        flags = 0;
        if let Some(mm) = victim.mm() {
            memory = resident::pages(mm);
        }
        if let Some(signal) = victim.signal() {
            score_adjustment = signal.oom_score_adjustment();
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        record.write(OomRecord {
            header: ring::header(RecordKind::Oom, process),
            asker: asker.id,
            asker_cgroup_id: bpf_get_current_cgroup_id(),
            memory,
            score_adjustment,
            asker_comm: [0; 16],
            comm: [0; 16],
            flags,
        });
        current_comm(&mut (*record).asker_comm);
        if let Some(victim) = victim {
            victim.comm(&mut (*record).comm);
        }
    }
}

/// A signal was sent, and the kernel has decided what becomes of it.
#[btf_tracepoint(function = "signal_generate")]
pub fn pw_signal(context: BtfTracePointContext) -> i32 {
    try_signal(&context);
    0
}

#[inline(always)]
fn try_signal(context: &BtfTracePointContext) -> Option<()> {
    let signal = context.arg::<u32>(0);
    if signal == SIGCHLD || context.arg::<i32>(4) != DELIVERED {
        return None;
    }
    let target = Task::new(context.arg::<*const u8>(2))?;
    let shared = target.signal()?;
    // Where no core is dumped, and nothing holds the signal up, the kernel has already told every thread to
    // end.
    let is_ending = shared.ending_signal() == signal || signal == SIGKILL;
    if !is_ending && !may_end(target, signal) {
        return None;
    }
    let flags = if is_ending { 0 } else { SignalRecord::WAITS };
    let info = context.arg::<u64>(1);
    let code = if info < MARKS {
        // 0: as if a process had sent it; 1: the kernel.
        if info == 0 { SI_USER } else { SI_KERNEL }
    } else {
        probe::<i32>(info, SI_CODE_OFFSET)
    };
    let sender = if code != SI_USER && code != SI_QUEUE && code != SI_TKILL {
        None
    } else {
        CurrentProcess::get()
    };
    ring::emit(LossKind::Signal, |record: *mut SignalRecord| {
        // SAFETY: reserved, aligned to 8 bytes, and written whole.
        unsafe {
            record.write(SignalRecord {
                header: ring::header(RecordKind::Signal, target.process()),
                sender: sender.map_or(RawProcessId::NONE, |sender| sender.id),
                signal,
                code: code as u32,
                sender_comm: [0; 16],
                comm: [0; 16],
                flags,
                reserved: 0,
            });
            target.comm(&mut (*record).comm);
            if sender.is_some() {
                current_comm(&mut (*record).sender_comm);
            }
        }
    });
    None
}

/// Whether the signal ends the process if a thread takes it as things are. What handles a blocked one may
/// change until then.
#[inline(always)]
fn may_end(target: Task, signal: u32) -> bool {
    let is_harmless =
        signal == SIGCONT || signal == SIGURG || signal == SIGWINCH || STOPS.contains(&signal);
    !is_harmless && (target.has_blocked(signal) || target.has_default_action(signal))
}
