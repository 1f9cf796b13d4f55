//! Block I/O: whose it is, and how long devices take over it.
//!
//! A bio is charged when it is handed to a device's queue, in the context of whoever issues it; the request
//! that it becomes part of is timed. Only devices with a request queue count: what stacks on them (dm, md)
//! hands the same bytes on. What a kernel thread writes back is its dirtier's: see [`crate::writeback`].

use core::arch::asm;

use aya_ebpf::{
    EbpfContext as _,
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, LruHashMap},
    programs::BtfTracePointContext,
};
use procwatch_common::{
    block::{BUCKETS, DEVICES_MAX, DeviceTotals, DirectionTotals, bucket},
    loss::LossKind,
    totals::RawProcessId,
};

use crate::{
    added_up,
    atomic::add_to,
    kernel::{
        Bio, CurrentProcess,
        bio::{Direction, direction_of},
        layout, probe,
    },
    quiet, ring, writeback,
};

const BPF_NOEXIST: u64 = 1;
/// Bios between their queueing and their completion, and some that were merged into others' requests.
const IN_FLIGHT_MAX: u32 = 16_384;

/// A bio on its way.
#[repr(C)]
#[derive(Clone, Copy)]
struct InFlight {
    /// Who is charged for its request; all zero for write-back.
    process: RawProcessId,
    queued_ns: u64,
    /// When a request was issued that it is the first part of; 0 before, and for other parts.
    issued_ns: u64,
    disk: u32,
    is_write: u32,
}

/// By the address of the bio. A request is known by its first; nothing tells when the others are done, so
/// that theirs give way to newer ones.
#[map]
static IN_FLIGHT: LruHashMap<u64, InFlight> = LruHashMap::with_max_entries(IN_FLIGHT_MAX, 0);

/// By the number of the disk.
#[map]
static DEVICES: HashMap<u32, DeviceTotals> = HashMap::with_max_entries(DEVICES_MAX, 0);

/// What a device begins with; never written to.
#[map]
static NEW_DEVICE: Array<DeviceTotals> = Array::with_max_entries(1, 0);

#[inline(always)]
fn device(disk: u32) -> Option<*mut DeviceTotals> {
    if let Some(device) = DEVICES.get_ptr_mut(disk) {
        return Some(device);
    }
    let _ = DEVICES.insert(disk, NEW_DEVICE.get(0)?, BPF_NOEXIST);
    DEVICES.get_ptr_mut(disk)
}

/// A bio is handed to a device's queue.
#[btf_tracepoint(function = "block_bio_queue")]
pub fn pw_bio_queue(context: BtfTracePointContext) -> i32 {
    try_bio_queue(Bio::argument(&context));
    0
}

#[inline(always)]
fn try_bio_queue(bio: Option<Bio>) -> Option<()> {
    let bio = bio?;
    let bytes = u64::from(bio.bytes());
    let Some(direction) = bio.direction().filter(|_| bytes > 0) else {
        // An older bio may have had this address.
        let _ = IN_FLIGHT.remove(bio.address());
        return None;
    };
    let disk = bio.request_disk()?;
    let current = CurrentProcess::get()?;
    let mut process = current.id;
    let is_charged = if direction == Direction::Write
        && current.is_kernel_thread
        && let Some(file) = bio.file()
    {
        process = RawProcessId::NONE;
        writeback::charge(file, bytes)
    } else {
        charge(&process, direction, bytes)
    };

    let Some(device) = device(disk) else {
        ring::count_loss(LossKind::Block);
        return None;
    };
    // SAFETY: alive, and changed by atomic operations only.
    unsafe {
        add_to(
            match direction {
                Direction::Read => &raw mut (*device).read.bytes,
                Direction::Write => &raw mut (*device).write.bytes,
            },
            bytes,
        );
        add_to(
            if is_charged {
                &raw mut (*device).attributed_bytes
            } else {
                &raw mut (*device).unattributed_bytes
            },
            bytes,
        );
    }
    let in_flight = InFlight {
        process,
        queued_ns: ring::now_ns(),
        issued_ns: 0,
        disk,
        is_write: u32::from(direction == Direction::Write),
    };
    if IN_FLIGHT.insert(bio.address(), in_flight, 0).is_err() {
        ring::count_loss(LossKind::Block);
    }
    Some(())
}

#[inline(always)]
fn charge(process: &RawProcessId, direction: Direction, bytes: u64) -> bool {
    let Some(entry) = added_up::open(process) else {
        ring::count_loss(LossKind::Block);
        return false;
    };
    // SAFETY: alive, and changed by atomic operations only.
    unsafe {
        add_to(
            match direction {
                Direction::Read => &raw mut (*entry).block.read_bytes,
                Direction::Write => &raw mut (*entry).block.write_bytes,
            },
            bytes,
        );
    }
    true
}

/// The first bio of a request, by which the request is known while it is under way.
#[inline(always)]
fn first_bio(request: u64) -> u64 {
    probe(request, layout!(request_bio))
}

/// The request that a tracepoint passes: first, and after a queue before 5.11.
#[inline(always)]
fn request_argument(context: &BtfTracePointContext) -> u64 {
    let context = context.as_ptr();
    let request: u64;
    // As above.
    if layout!(rq_issue_request_argument) == 1 {
        // SAFETY: the verifier has checked that there are two arguments.
        unsafe {
            asm!("{request} = *(u64 *)({context} + 8)", request = out(reg) request, context = in(reg) context)
        };
    } else {
        // SAFETY: there is always one.
        unsafe {
            asm!("{request} = *(u64 *)({context} + 0)", request = out(reg) request, context = in(reg) context)
        };
    }
    request
}

/// Whether a request reads or writes, and is not a command of another kind.
#[inline(always)]
fn moves_data(request: u64) -> bool {
    direction_of(probe(request, layout!(request_flags))).is_some()
}

/// A device takes no more than so much at once: what it takes is split off, and the rest comes again.
#[btf_tracepoint(function = "block_split")]
pub fn pw_bio_split(context: BtfTracePointContext) -> i32 {
    if let Some(split) = Bio::argument(&context)
        && let Some(rest) = IN_FLIGHT.get_ptr(split.parent())
    {
        // SAFETY: alive, and not issued yet.
        let in_flight = unsafe { *rest };
        let _ = IN_FLIGHT.insert(split.address(), in_flight, 0);
    }
    0
}

/// A request is handed to the device.
#[btf_tracepoint(function = "block_rq_issue")]
pub fn pw_rq_issue(context: BtfTracePointContext) -> i32 {
    let request = request_argument(&context);
    if moves_data(request)
        && let Some(bio) = IN_FLIGHT.get_ptr_mut(first_bio(request))
    {
        // SAFETY: alive; a request is issued by one CPU at a time.
        unsafe { (*bio).issued_ns = ring::now_ns() };
    }
    0
}

/// The device is done with a request, or with a part of it.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn pw_rq_complete(context: BtfTracePointContext) -> i32 {
    try_rq_complete(context.arg::<u64>(0));
    0
}

#[inline(always)]
fn try_rq_complete(request: u64) -> Option<()> {
    let entry = IN_FLIGHT.get_ptr_mut(first_bio(request))?;
    // SAFETY: alive; a request is completed by one CPU at a time.
    let bio = unsafe { *entry };
    if bio.issued_ns == 0 {
        return None;
    }
    // What is completed in parts was timed with its first.
    let _ = IN_FLIGHT.remove(first_bio(request));
    let latency_ns = ring::now_ns().saturating_sub(bio.issued_ns);
    let queue_ns = bio.issued_ns.saturating_sub(bio.queued_ns);
    if let Some(device) = DEVICES.get_ptr_mut(bio.disk) {
        // SAFETY: alive.
        let totals = unsafe {
            if bio.is_write == 1 {
                &raw mut (*device).write
            } else {
                &raw mut (*device).read
            }
        };
        count_request(totals, latency_ns, queue_ns);
    }
    // Not opened here: the process may have been released.
    let entry = added_up::of(&bio.process)?;
    // SAFETY: alive, and changed by atomic operations only.
    unsafe {
        add_to(&raw mut (*entry).block.requests, 1);
        add_to(&raw mut (*entry).block.latency_ns, latency_ns);
        add_to(&raw mut (*entry).block.queue_ns, queue_ns);
    }
    quiet::disturb(&bio.process);
    Some(())
}

#[inline(always)]
fn count_request(totals: *mut DirectionTotals, latency_ns: u64, queue_ns: u64) {
    let bucket = bucket(latency_ns);
    if bucket >= BUCKETS {
        return;
    }
    // SAFETY: alive, and changed by atomic operations only; the bucket is one of the histogram's.
    unsafe {
        add_to(&raw mut (*totals).requests, 1);
        add_to(&raw mut (*totals).latency_ns, latency_ns);
        add_to(&raw mut (*totals).queue_ns, queue_ns);
        let latencies = (&raw mut (*totals).latencies).cast::<u64>();
        add_to(latencies.add(bucket), 1);
    }
}
