//! Records of what ends processes from outside: the OOM killer, and fatal signals.

use crate::{COMM_LEN, lifecycle::RecordHeader, tasks::MemoryPages, totals::RawProcessId};

record! {
    /// The kernel chose a victim to free memory. The header's process is the victim.
    pub struct OomRecord {
        pub header: RecordHeader,
        /// Whose allocation could not be met.
        pub asker: RawProcessId,
        pub asker_cgroup_id: u64,
        pub memory: MemoryPages,
        /// `oom_score_adj` of the victim, as the bits of an `i32`.
        pub score_adjustment: u32,
        pub asker_comm: [u8; COMM_LEN],
        pub comm: [u8; COMM_LEN],
        pub flags: u32,
    }
}

const _: () = assert!(size_of::<OomRecord>() == 128);

impl OomRecord {
    /// This kernel names the victim's pid only; the rest of the victim's figures is unknown.
    pub const PID_ONLY: u32 = 1;
}

record! {
    /// A signal that ends its target, or may. The header's process is the target.
    pub struct SignalRecord {
        pub header: RecordHeader,
        /// All zero when the kernel sent it.
        pub sender: RawProcessId,
        pub signal: u32,
        /// `si_code`, as the bits of an `i32`.
        pub code: u32,
        pub sender_comm: [u8; COMM_LEN],
        pub comm: [u8; COMM_LEN],
        pub flags: u32,
        pub reserved: u32,
    }
}

const _: () = assert!(size_of::<SignalRecord>() == 96);

impl SignalRecord {
    /// The kernel has not yet told the target to end: it may have blocked the signal, be stopped, or be
    /// traced, or it dumps core first.
    pub const WAITS: u32 = 1;
}
