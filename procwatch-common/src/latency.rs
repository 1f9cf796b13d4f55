//! What `procwatch latency` and the programs that it attaches agree on.

use crate::{COMM_LEN, buckets, totals::RawProcessId};

/// Buckets to each doubling: one is at most a quarter wider than its start.
const BUCKET_BITS: u32 = 2;
/// Buckets begin at multiples of 2 to this power, nanoseconds; no wait for a CPU is shorter than what its telling takes.
const UNIT_BITS: u32 = 7;
/// From 0 to 2^36 ns, which is over a minute; whatever takes longer is in the last bucket.
pub const BUCKETS: usize = (36 - UNIT_BITS as usize - BUCKET_BITS as usize + 1) << BUCKET_BITS;

/// The bucket of a duration.
#[inline(always)]
pub const fn bucket(duration_ns: u64) -> usize {
    buckets::bucket(duration_ns >> UNIT_BITS, BUCKET_BITS, BUCKETS)
}

/// The shortest duration of a bucket, nanoseconds.
pub const fn bucket_start_ns(bucket: usize) -> u64 {
    buckets::start(bucket, BUCKET_BITS) << UNIT_BITS
}

/// What a thread's time is told apart into. The discriminant is the place in [`LatencyRecord::kinds`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadKind {
    /// Ready to run, without a CPU.
    RunQueue = 0,
    /// From one switch to the next.
    OnCpu = 1,
    /// Asleep, blocked or stopped; what it then waited for a CPU is not in it.
    OffCpu = 2,
    /// From the entry of a system call to its return.
    Syscall = 3,
}

impl ThreadKind {
    pub const COUNT: usize = 4;
}

/// What was lost. The discriminant is the slot in the per-CPU array.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyLoss {
    /// There was no memory for a thread: nothing is told of it.
    Thread = 0,
    /// What an ended thread had added up found no room in the ring buffer.
    Ended = 1,
    /// The map of block I/O under way was full, or a request was merged of too many parts: some are not timed.
    Request = 2,
    /// The map of processes' block I/O was full, or what an ended process had in it was taken before its last request
    /// was over.
    Process = 3,
}

impl LatencyLoss {
    pub const ALL: [Self; 4] = [Self::Thread, Self::Ended, Self::Request, Self::Process];
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The name users see in `loss`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Ended => "ended_thread",
            Self::Request => "block_request",
            Self::Process => "block_process",
        }
    }
}

/// How often something took how long.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct Durations {
    /// Of all together.
    pub total_ns: u64,
    pub longest_ns: u64,
    /// Times, by [`bucket`]. One that is full stays at its largest.
    pub counts: [u32; BUCKETS],
}

impl Durations {
    pub const NONE: Self = Self {
        total_ns: 0,
        longest_ns: 0,
        counts: [0; BUCKETS],
    };
}

/// A thread while it is measured. Kept with the task; begins as zeros.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MeasuredThread {
    /// When it left its CPU, monotonic; at first, when it began to be measured: 0 for one that was born since.
    pub left_ns: u64,
    /// The kernel's own sum of its waits when it left.
    pub run_delay_ns: u64,
    /// When it entered the call that it is in. 0 for none, and for one whose entry nobody saw.
    pub entered_ns: u64,
    /// Bits below. Written last when an entry is made: with none of them nothing is counted.
    pub flags: u32,
    pub reserved: u32,
    pub kinds: [Durations; ThreadKind::COUNT],
}

impl MeasuredThread {
    pub const IS_MEASURED: u32 = 1 << 0;
    /// It has not left a CPU since it began to be measured.
    pub const IS_FIRST: u32 = 1 << 1;
    /// It was pushed off, or gave way: it was ready all the time.
    pub const IS_READY: u32 = 1 << 2;
    /// It has been handed over.
    pub const HAS_ENDED: u32 = 1 << 3;
}

record! {
    /// Whose durations follow.
    pub struct LatencyHeader {
        pub process: RawProcessId,
        pub tid: u32,
        /// Bits below.
        pub flags: u32,
        /// Of the process's leader.
        pub comm: [u8; COMM_LEN],
    }
}

impl LatencyHeader {
    /// It has ended, and was the last of its process.
    pub const IS_LAST: u32 = 1 << 0;
    pub const IS_KERNEL_THREAD: u32 = 1 << 1;
}

/// What a thread has added up: when it ends, and whenever the agent asks.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct LatencyRecord {
    pub header: LatencyHeader,
    pub kinds: [Durations; ThreadKind::COUNT],
}

/// Block I/O that a process has queued and that is not over yet.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TimedRequest {
    pub queued_ns: u64,
    pub process: RawProcessId,
}

/// The block I/O that a process has queued.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ProcessBlock {
    pub comm: [u8; COMM_LEN],
    pub durations: Durations,
}

const _: () = assert!(size_of::<MeasuredThread>() <= 1920);
// No padding behind the counts.
const _: () = assert!(size_of::<Durations>() == 16 + 4 * BUCKETS);

// SAFETY: repr(C) structs of integers without padding: every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Durations {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ProcessBlock {}
