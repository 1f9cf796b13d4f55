//! Block I/O that traced threads hand to a device, from the queue to its end.
//!
//! By bio, so that what is merged into another's request is told as well. What the kernel writes back later is its own
//! threads' I/O, and not told.

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::HashMap,
    programs::BtfTracePointContext,
};
use procwatch_common::trace::{TraceKind, TraceLoss, TracedBlockRecord};

use crate::{completion::Completion, kernel::Bio, stream, threads};

/// By the address of the bio.
#[map]
static REQUESTS: HashMap<u64, TracedBlockRecord> = HashMap::with_max_entries(16_384, 0);

#[btf_tracepoint(function = "block_bio_queue")]
pub fn pw_trace_bio(context: BtfTracePointContext) -> i32 {
    try_queue(Bio::argument(&context));
    0
}

#[inline(always)]
fn try_queue(bio: Option<Bio>) -> Option<()> {
    let (_, tid, tgid) = threads::current()?;
    let bio = bio?;
    let disk = bio.request_disk()?;
    let queued_ns = stream::now_ns();
    let record = TracedBlockRecord {
        header: stream::header(TraceKind::Block, 0, tid, tgid, 0),
        queued_ns,
        sector: bio.sector(),
        bytes: bio.bytes(),
        operation: bio.operation(),
        disk,
        status: 0,
    };
    if REQUESTS.insert(bio.address(), record, 0).is_err() {
        stream::count_loss(TraceLoss::Request);
    }
    Some(())
}

/// Most devices complete whole requests, and of their bios the kernel tells nothing.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn pw_trace_rq_done(context: BtfTracePointContext) -> i32 {
    let completion = Completion::argument(&context);
    let now_ns = stream::now_ns();
    let status = u32::from(completion.has_failed);
    let mut is_ours = false;
    let is_whole = completion.each_bio(|bio| {
        is_ours |= pw_trace_bio_over(bio, now_ns, status) != 0;
    });
    if !is_whole && is_ours {
        stream::count_loss(TraceLoss::Request);
    }
    0
}

/// What ends without ever having become a request.
#[btf_tracepoint(function = "block_bio_complete")]
pub fn pw_trace_bio_done(context: BtfTracePointContext) -> i32 {
    if let Some(bio) = Bio::new(context.arg::<*const u8>(1)) {
        done(bio.address(), stream::now_ns(), u32::from(bio.status()));
    }
    0
}

/// A function of its own to verifiers, who look at it once and not once for each part of a request.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn pw_trace_bio_over(bio: u64, now_ns: u64, status: u32) -> u64 {
    u64::from(done(bio, now_ns, status).is_some())
}

#[inline(always)]
fn done(bio: u64, now_ns: u64, status: u32) -> Option<()> {
    let request = REQUESTS.get_ptr(bio)?;
    stream::emit(TraceLoss::Block, |record: *mut TracedBlockRecord| {
        // SAFETY: reserved, and written whole; the entry is alive.
        unsafe {
            record.write(*request);
            (*record).header.time_ns = now_ns;
            (*record).status = status;
        }
    });
    let _ = REQUESTS.remove(bio);
    Some(())
}
