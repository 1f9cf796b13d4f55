//! The totals that a process or thread has run up since it started.

/// Totals as the kernel keeps them. Every field only ever grows while its owner lives.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct RawTotals {
    /// Nanoseconds on a CPU (`se.sum_exec_runtime`, `signal->sum_sched_runtime`).
    pub cpu_time_ns: u64,
    /// Nanoseconds runnable but waiting for a CPU (`sched_info.run_delay`).
    pub run_queue_wait_ns: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    /// Bytes fetched from storage (`ioac.read_bytes`).
    pub read_bytes: u64,
    /// Bytes of page cache dirtied, or written directly (`ioac.write_bytes`).
    pub write_bytes: u64,
    /// Dirtied bytes whose write-back was cancelled by a truncation.
    pub cancelled_write_bytes: u64,
    /// Bytes moved by read-like system calls (`ioac.rchar`).
    pub logical_read_bytes: u64,
    /// Bytes moved by write-like system calls (`ioac.wchar`).
    pub logical_write_bytes: u64,
}

const _: () = assert!(size_of::<RawTotals>() == 11 * 8);

// SAFETY: a repr(C) struct of u64 only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for RawTotals {}

/// The part of [`RawTotals`] that the kernel does not add up for threads that have ended
/// (`signal_struct` has no such sum, or, for I/O, one that reaped children are mixed into).
/// The kernel programs add it up themselves, at each thread's exit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct DepartedTotals {
    pub run_queue_wait_ns: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub cancelled_write_bytes: u64,
    pub logical_read_bytes: u64,
    pub logical_write_bytes: u64,
}

const _: () = assert!(size_of::<DepartedTotals>() == 6 * 8);

impl DepartedTotals {
    pub const ZERO: Self = Self {
        run_queue_wait_ns: 0,
        read_bytes: 0,
        write_bytes: 0,
        cancelled_write_bytes: 0,
        logical_read_bytes: 0,
        logical_write_bytes: 0,
    };
}

/// Names a process for as long as the host is up: a pid alone comes back.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct RawProcessId {
    /// `start_boottime` of the thread group leader, nanoseconds since boot.
    pub start_time_ns: u64,
    pub tgid: u32,
    pub reserved: u32,
}

const _: () = assert!(size_of::<RawProcessId>() == 16);

// SAFETY: a repr(C) struct of integers only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for RawProcessId {}
