//! The totals that a process or thread has run up since it started.

record! {
    /// Totals as the kernel keeps them. Every field only ever grows while its owner lives.
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
}

const _: () = assert!(size_of::<RawTotals>() == 11 * 8);

record! {
    /// A whole process's account, as closing records carry it.
    pub struct ProcessTotals {
        pub task: RawTotals,
        pub flows: FlowTotals,
        pub block: BlockTotals,
    }
}

const _: () = assert!(size_of::<ProcessTotals>() == 21 * 8);

// SAFETY: a repr(C) struct of u64 only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ProcessTotals {}

record! {
    /// What an application moved over sockets, as its calls told it. The kernel keeps no such account; the
    /// programs do, per thread, from the start of collection.
    pub struct FlowTotals {
        /// Bytes sent over inet and inet6 sockets of every protocol.
        pub net_sent_bytes: u64,
        pub net_received_bytes: u64,
        /// Bytes sent over Unix sockets.
        pub unix_sent_bytes: u64,
        pub unix_received_bytes: u64,
    }
}

const _: () = assert!(size_of::<FlowTotals>() == 4 * 8);

impl FlowTotals {
    pub const ZERO: Self = Self {
        net_sent_bytes: 0,
        net_received_bytes: 0,
        unix_sent_bytes: 0,
        unix_received_bytes: 0,
    };
}

record! {
    /// A process's requests to block devices, from the start of collection.
    pub struct BlockTotals {
        /// Bytes that the process's own threads handed to a device's queue.
        pub read_bytes: u64,
        pub write_bytes: u64,
        /// Bytes of page cache that the process dirtied and a kernel thread handed to a device's queue.
        pub writeback_bytes: u64,
        /// Requests of the process's own threads that were completed.
        pub requests: u64,
        /// Their time at the device, from issue to completion, summed.
        pub latency_ns: u64,
        /// Their time before that, from the queueing of the first part to the issue, summed.
        pub queue_ns: u64,
    }
}

const _: () = assert!(size_of::<BlockTotals>() == 6 * 8);

impl BlockTotals {
    pub const ZERO: Self = Self {
        read_bytes: 0,
        write_bytes: 0,
        writeback_bytes: 0,
        requests: 0,
        latency_ns: 0,
        queue_ns: 0,
    };
}

record! {
    /// What threads that have exited leave behind and the kernel does not add up per process:
    /// `signal_struct` has no sum of run-queue wait, none of what went over sockets, and, for I/O, one that
    /// reaped children are mixed into.
    pub struct DepartedTotals {
        /// How many threads these are. While it is 0, every thread's own counters are still its own.
        pub threads: u64,
        pub run_queue_wait_ns: u64,
        pub read_bytes: u64,
        pub write_bytes: u64,
        pub cancelled_write_bytes: u64,
        pub logical_read_bytes: u64,
        pub logical_write_bytes: u64,
        pub flows: FlowTotals,
    }
}

const _: () = assert!(size_of::<DepartedTotals>() == 11 * 8);

impl DepartedTotals {
    pub const ZERO: Self = Self {
        threads: 0,
        run_queue_wait_ns: 0,
        read_bytes: 0,
        write_bytes: 0,
        cancelled_write_bytes: 0,
        logical_read_bytes: 0,
        logical_write_bytes: 0,
        flows: FlowTotals::ZERO,
    };
}

record! {
    /// What the programs add up per process because the kernel does not.
    pub struct AddedUp {
        pub departed: DepartedTotals,
        pub block: BlockTotals,
    }
}

const _: () = assert!(size_of::<AddedUp>() == 17 * 8);

// SAFETY: a repr(C) struct of u64 only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for AddedUp {}

impl AddedUp {
    pub const ZERO: Self = Self {
        departed: DepartedTotals::ZERO,
        block: BlockTotals::ZERO,
    };
}

record! {
    /// Names a process for as long as the host is up: a pid alone comes back.
    pub struct RawProcessId {
        /// `start_boottime` of the thread group leader, nanoseconds since boot.
        pub start_time_ns: u64,
        pub tgid: u32,
        pub reserved: u32,
    }
}

const _: () = assert!(size_of::<RawProcessId>() == 16);

impl RawProcessId {
    pub const NONE: Self = Self {
        start_time_ns: 0,
        tgid: 0,
        reserved: 0,
    };
}

// SAFETY: a repr(C) struct of integers only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for RawProcessId {}
