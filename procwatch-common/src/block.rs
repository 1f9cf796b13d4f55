//! What the programs add up per block device.

use crate::buckets;

/// Buckets of a latency histogram: 16 to each doubling, so that a bucket is at most 6.25 % wide.
pub const BUCKETS_PER_DOUBLING: usize = 1 << BUCKET_BITS;
pub const BUCKET_BITS: u32 = 4;
/// From 0 to 2^36 ns, which is over a minute; whatever takes longer is in the last bucket.
pub const BUCKETS: usize = (36 - BUCKET_BITS as usize + 1) * BUCKETS_PER_DOUBLING;

/// Block devices that are told apart.
pub const DEVICES_MAX: u32 = 128;

/// A device's requests in one direction.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DirectionTotals {
    /// Bytes handed to the queue.
    pub bytes: u64,
    /// Requests completed.
    pub requests: u64,
    /// From issue to completion, summed, nanoseconds.
    pub latency_ns: u64,
    /// From queueing to issue, summed, nanoseconds.
    pub queue_ns: u64,
    /// How many requests took how long from issue to completion.
    pub latencies: [u64; BUCKETS],
}

/// A device, since the start of collection. Only devices with a request queue: what stacks on them (dm,
/// md) would count every byte twice.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DeviceTotals {
    pub read: DirectionTotals,
    pub write: DirectionTotals,
    /// Of the bytes, those that were charged to a process: by issue, or as write-back of its pages.
    pub attributed_bytes: u64,
    /// Bytes written back by kernel threads of which it is not known who had dirtied them, or who is not
    /// there any more.
    pub unattributed_bytes: u64,
}

// SAFETY: a repr(C) struct of u64 only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for DeviceTotals {}

/// The bucket of a duration.
#[inline(always)]
pub const fn bucket(duration_ns: u64) -> usize {
    buckets::bucket(duration_ns, BUCKET_BITS, BUCKETS)
}

/// The shortest duration of a bucket, nanoseconds.
pub const fn bucket_start_ns(bucket: usize) -> u64 {
    buckets::start(bucket, BUCKET_BITS)
}
