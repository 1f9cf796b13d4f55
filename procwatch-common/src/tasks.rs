//! What the task iterator writes for each thread.

use crate::{
    COMM_LEN,
    totals::{AddedUp, FlowTotals, RawProcessId, RawTotals},
};

record! {
    /// One thread at the instant the iterator visited it.
    ///
    /// A process's account is the sum over its threads of `own`, plus `ended` and `added_up` from the
    /// thread that was visited *first*: a thread that ends while the pass runs is then missed until the
    /// next pass, and never counted twice.
    pub struct ThreadRecord {
        pub process: RawProcessId,
        pub parent: RawProcessId,
        pub tid: u32,
        pub flags: u32,
        pub uid: u32,
        /// Threads of the process that are not yet released.
        pub threads: u32,
        pub cgroup_id: u64,
        /// This thread's own totals; wait and I/O are zero when `added_up` has them already.
        pub own: RawTotals,
        /// What this thread has moved over sockets; zero when `added_up` has it already.
        pub own_flows: FlowTotals,
        /// 0 for kernel threads and zombies.
        pub memory: MemoryPages,
        /// The highest so far, but for what is resident now.
        pub peak_rss_pages: u64,
        /// The process's threads that were released: CPU time, switches and faults.
        pub ended: EndedTotals,
        /// What the kernel does not add up, for the whole process.
        pub added_up: AddedUp,
        pub comm: [u8; COMM_LEN],
        /// As `wait4` would report it; meaningful with [`Self::EXITED`].
        pub wait_status: u32,
        pub reserved: u32,
    }
}

const _: () = assert!(size_of::<ThreadRecord>() == 416);

impl ThreadRecord {
    /// The thread is its group's leader: `tid` equals the tgid.
    pub const LEADER: u32 = 1;
    /// Every thread of the process has exited, and it waits to be reaped.
    pub const EXITED: u32 = 1 << 1;
    pub const KERNEL_THREAD: u32 = 1 << 2;
    /// On a CPU at this instant, or waiting for one.
    pub const RUNNABLE: u32 = 1 << 3;
    /// Waiting uninterruptibly.
    pub const UNINTERRUPTIBLE: u32 = 1 << 4;
    /// Stopped by a signal or a tracer.
    pub const STOPPED: u32 = 1 << 5;
}

record! {
    /// Pages of an address space, by kind, as in `/proc/PID/status`. A sum over parts that are read one after the
    /// other can be below zero for a moment.
    pub struct MemoryPages {
        /// Resident and backed by files.
        pub file: i64,
        /// Resident and anonymous.
        pub anon: i64,
        /// Swapped out.
        pub swapped: i64,
        /// Resident and of shared memory.
        pub shmem: i64,
    }
}

const _: () = assert!(size_of::<MemoryPages>() == 32);

impl MemoryPages {
    pub const ZERO: Self = Self {
        file: 0,
        anon: 0,
        swapped: 0,
        shmem: 0,
    };
}

record! {
    /// The sums that `signal_struct` keeps of threads that were released.
    pub struct EndedTotals {
        pub cpu_time_ns: u64,
        pub voluntary_switches: u64,
        pub involuntary_switches: u64,
        pub minor_faults: u64,
        pub major_faults: u64,
    }
}

const _: () = assert!(size_of::<EndedTotals>() == 40);
