//! How long block I/O takes, from the queue to its end, by the process that queued it. What the kernel writes back
//! later is its own threads'.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::{btf_tracepoint, map},
    maps::HashMap,
    programs::BtfTracePointContext,
};
use procwatch_common::{
    COMM_LEN,
    latency::{Durations, LatencyLoss, ProcessBlock, TimedRequest},
    totals::RawProcessId,
};

use crate::{
    completion::Completion,
    durations::add_shared,
    kernel::{Bio, Task},
    losses,
    threads::now_ns,
};

/// By the address of the bio.
#[map]
static REQUESTS: HashMap<u64, TimedRequest> = HashMap::with_max_entries(16_384, 0);

#[map]
static BLOCKS: HashMap<RawProcessId, ProcessBlock> =
    HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// What a process begins with.
static NONE: ProcessBlock = ProcessBlock {
    comm: [0; COMM_LEN],
    durations: Durations::NONE,
};

#[btf_tracepoint(function = "block_bio_queue")]
pub fn pw_latency_bio(context: BtfTracePointContext) -> i32 {
    try_queue(Bio::argument(&context));
    0
}

#[inline(always)]
fn try_queue(bio: Option<Bio>) -> Option<()> {
    let bio = bio?;
    bio.request_disk()?;
    let task = Task::current()?;
    let process = task.process();
    if BLOCKS.get_ptr(&process).is_none() {
        // Of two threads at once one finds it made by the other.
        let _ = BLOCKS.insert(process, &NONE, 1);
        let Some(block) = BLOCKS.get_ptr_mut(process) else {
            losses::count(LatencyLoss::Process);
            return None;
        };
        // SAFETY: alive; whoever writes it writes the same.
        unsafe { task.leader()?.comm(&mut (*block).comm) };
    }
    let request = TimedRequest {
        queued_ns: now_ns(),
        process,
    };
    if REQUESTS.insert(bio.address(), &request, 0).is_err() {
        losses::count(LatencyLoss::Request);
    }
    Some(())
}

/// Most devices complete whole requests, and of their bios the kernel tells nothing.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn pw_latency_rq_d(context: BtfTracePointContext) -> i32 {
    let now_ns = now_ns();
    let is_whole = Completion::argument(&context).each_bio(|bio| {
        pw_latency_bio_over(bio, now_ns);
    });
    if !is_whole {
        losses::count(LatencyLoss::Request);
    }
    0
}

/// What ends without ever having become a request.
#[btf_tracepoint(function = "block_bio_complete")]
pub fn pw_latency_bio_d(context: BtfTracePointContext) -> i32 {
    if let Some(bio) = Bio::new(context.arg::<*const u8>(1)) {
        done(bio.address(), now_ns());
    }
    0
}

/// A function of its own to verifiers, who look at it once and not once for each part of a request.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn pw_latency_bio_over(bio: u64, now_ns: u64) -> u64 {
    u64::from(done(bio, now_ns).is_some())
}

#[inline(always)]
fn done(bio: u64, now_ns: u64) -> Option<()> {
    // SAFETY: nobody else has this bio now.
    let request = unsafe { *REQUESTS.get_ptr(bio)? };
    let _ = REQUESTS.remove(bio);
    let Some(block) = BLOCKS.get_ptr_mut(request.process) else {
        // It has ended, and what it left was taken.
        losses::count(LatencyLoss::Process);
        return None;
    };
    // SAFETY: alive; changed by this alone.
    unsafe {
        add_shared(
            &raw mut (*block).durations,
            now_ns.saturating_sub(request.queued_ns),
        );
    }
    Some(())
}
