//! Records of fork, exec, exit and the release of a process, as they stand in the ring buffer.

use crate::{
    COMM_LEN,
    totals::{ProcessTotals, RawProcessId},
};

/// Bytes of command line that an exec record carries at most.
pub const ARGV_MAX: usize = 4096;
/// Bytes of executable path that an exec record carries at most, separators included.
pub const EXE_MAX: usize = 1024;
/// Path components that an exec record carries at most.
pub const EXE_COMPONENTS_MAX: usize = 48;
/// The longest path component that Linux file systems allow (`NAME_MAX`), and its terminating NUL.
pub const COMPONENT_MAX: usize = 256;

/// What a record is. The discriminant stands in [`RecordHeader::kind`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    Fork = 1,
    Exec = 2,
    Exit = 3,
    Final = 4,
    Connect = 5,
    Accept = 6,
    Close = 7,
    Oom = 8,
    Signal = 9,
}

record! {
    /// Every record starts with this.
    pub struct RecordHeader {
        /// `CLOCK_BOOTTIME`, nanoseconds.
        pub time_ns: u64,
        pub process: RawProcessId,
        /// A [`RecordKind`].
        pub kind: u32,
        pub reserved: u32,
    }
}

const _: () = assert!(size_of::<RecordHeader>() == 32);

record! {
    /// A process was created. Threads of an existing process yield no record.
    pub struct ForkRecord {
        pub header: RecordHeader,
        pub parent: RawProcessId,
        pub cgroup_id: u64,
        pub uid: u32,
        pub is_kernel_thread: u32,
        pub comm: [u8; COMM_LEN],
    }
}

const _: () = assert!(size_of::<ForkRecord>() == 80);

record! {
    /// A process replaced its program. Followed by `exe_len` bytes of path components, each ended by a
    /// NUL, from the file name up to the root, and then `argv_len` bytes of NUL-ended arguments.
    pub struct ExecRecord {
        pub header: RecordHeader,
        pub parent: RawProcessId,
        pub cgroup_id: u64,
        pub uid: u32,
        pub flags: u32,
        pub exe_len: u32,
        pub argv_len: u32,
        pub comm: [u8; COMM_LEN],
    }
}

const _: () = assert!(size_of::<ExecRecord>() == 88);

impl ExecRecord {
    /// The command line was longer than [`ARGV_MAX`].
    pub const ARGV_TRUNCATED: u32 = 1;
    /// The command line's pages could not be read.
    pub const ARGV_UNREADABLE: u32 = 2;
    /// The path was longer or deeper than the limits above.
    pub const EXE_TRUNCATED: u32 = 4;
    /// The file has no name any more, or never had one.
    pub const EXE_DELETED: u32 = 8;
}

record! {
    /// The last thread of a process is exiting. The totals are those of this instant: the process still
    /// has to run its way out, and the kernel brings the CPU time of a running thread up to date only
    /// at ticks and switches. [`FinalRecord`] has the exact ones.
    pub struct ExitRecord {
        pub header: RecordHeader,
        pub parent: RawProcessId,
        pub totals: ProcessTotals,
        pub peak_rss_pages: u64,
        /// As `wait4` reports it.
        pub wait_status: u32,
        pub uid: u32,
        pub comm: [u8; COMM_LEN],
    }
}

const _: () = assert!(size_of::<ExitRecord>() == 248);

record! {
    /// A process was reaped and its account is closed: nothing can be added to these totals any more.
    pub struct FinalRecord {
        pub header: RecordHeader,
        pub totals: ProcessTotals,
        pub peak_rss_pages: u64,
        /// As `wait4` reports it.
        pub wait_status: u32,
        pub reserved: u32,
        pub comm: [u8; COMM_LEN],
    }
}

const _: () = assert!(size_of::<FinalRecord>() == 232);

// SAFETY: a repr(C) struct of integers only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for FinalRecord {}
