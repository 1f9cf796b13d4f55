//! One dated observation of the whole host: raw, and all that anything else is derived from.

use std::sync::Arc;

use super::{
    device::DeviceSample,
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    totals::Totals,
};

/// Every process and the host at one instant, and the processes that ended since the sample before.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Nanoseconds since the epoch.
    pub time_ns: u64,
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`): what intervals are measured with.
    pub boot_time_ns: u64,
    /// When the look at the processes began, nanoseconds since boot: who is missing from the sample and
    /// started later may have been there when it was dated.
    pub began_ns: u64,
    pub host: HostSample,
    /// Block devices with a request queue that have been used since collection began, by number.
    pub devices: Vec<DeviceSample>,
    /// Those of our own network namespace.
    pub interfaces: Vec<InterfaceSample>,
    /// Ordered by [`ProcessId`].
    pub processes: Vec<ProcessSample>,
    /// What processes cost whose end was seen but whose name was lost, since collection began.
    pub nameless: Totals,
    pub loss: Losses,
    pub sources: Sources,
}

/// The host's own figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostSample {
    /// CPUs that are online.
    pub cpus: u32,
    /// Nanoseconds that CPUs have been idle since boot, summed over them (`idle` and `iowait` of
    /// /proc/stat, in steps of 10 ms a CPU).
    pub cpu_idle_ns: u64,
    /// Nanoseconds taken by the hypervisor, summed over CPUs.
    pub cpu_steal_ns: u64,
    pub memory_total_bytes: Option<u64>,
    pub memory_available_bytes: Option<u64>,
}

/// One process at the instant of a sample.
#[derive(Clone, Debug)]
pub struct ProcessSample {
    pub id: ProcessId,
    /// The parent now: after the first parent's end another one. `None` for those that have none.
    pub parent: Option<ProcessId>,
    pub facts: Arc<Facts>,
    /// Since the process started, over all its threads, living and dead, without its children.
    pub totals: Totals,
    /// Resident memory. `None` for kernel threads, and once the process has ended.
    pub rss_bytes: Option<u64>,
    /// The highest `rss_bytes` so far. `None` for kernel threads.
    pub peak_rss_bytes: Option<u64>,
    /// `rss_bytes` by kind, and what is swapped out. `None` where `rss_bytes` is, and where /proc is the
    /// source.
    pub memory: Option<MemoryKinds>,
    /// Resident memory with what is shared divided by how many share it (`smaps_rollup`). `None` unless
    /// it was asked for: the kernel has to walk every page for it.
    pub pss_bytes: Option<u64>,
    /// Threads not yet released. `None` when only the process's end was seen.
    pub threads: Option<u32>,
    pub state: State,
    pub source: Source,
    /// Threads of this process ended before collection began: `run_queue_wait_ns` and the I/O counters
    /// lack what those had run up.
    pub predates_collection: bool,
    /// From when the `net_*`, `unix_*` and `block_*` totals count, nanoseconds since boot: the process's
    /// start, or that of collection when it is older. `None` when they are not counted.
    pub flows_since_ns: Option<u64>,
}

/// Memory of a process by kind, as in `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryKinds {
    /// `RssAnon`: heap, stack, and pages of files that were changed for this process alone.
    pub anon_bytes: u64,
    /// `RssFile`.
    pub file_bytes: u64,
    /// `RssShmem`: System V and POSIX shared memory, tmpfs, shared anonymous mappings.
    pub shmem_bytes: u64,
    /// `VmSwap`; not resident.
    pub swap_bytes: u64,
}

impl MemoryKinds {
    pub fn rss_bytes(&self) -> u64 {
        self.anon_bytes
            .saturating_add(self.file_bytes)
            .saturating_add(self.shmem_bytes)
    }
}

/// A network interface's own counters since it was set up: bytes on the wire, headers included
/// (/proc/net/dev).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSample {
    pub name: Box<str>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On a CPU, or waiting for one.
    Running,
    Sleeping,
    /// Waiting in a way that no signal interrupts, as for a disk.
    Uninterruptible,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Ended, and waiting for its parent to take note.
    Zombie(Ending),
    /// Ended and gone. Stands in the first sample after its account was closed.
    Exited(Ending),
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Uninterruptible => "uninterruptible",
            Self::Stopped => "stopped",
            Self::Zombie(_) => "zombie",
            Self::Exited(_) => "exited",
        }
    }

    /// How it ended; `None` while it lives.
    pub const fn ending(self) -> Option<Ending> {
        match self {
            Self::Zombie(ending) | Self::Exited(ending) => Some(ending),
            _ => None,
        }
    }
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Nanoseconds since boot. `None` when the exit itself was not seen.
    pub time_ns: Option<u64>,
    /// `None` when neither the exit nor the zombie was seen.
    pub status: Option<WaitStatus>,
    /// How much the totals still lack.
    pub totals: TotalsAt,
}

/// Up to when the totals of an ended process count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalsAt {
    /// Up to the last instruction: the kernel had closed the account.
    Final,
    /// Up to the process's exit; the way out, and up to one tick before it, are missing.
    Exit,
    /// Up to the last time it was seen alive: its exit record was lost.
    LastSeen,
}

impl TotalsAt {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Exit => "exit",
            Self::LastSeen => "last_seen",
        }
    }
}

/// Where the figures of one process came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Read from the kernel's own accounts.
    Ebpf,
    /// Read from /proc.
    Procfs,
}

impl Source {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::Procfs => "procfs",
        }
    }
}

/// Where each group of fields comes from on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    pub identity: SourceState,
    pub cpu: SourceState,
    pub memory: SourceState,
    pub io: SourceState,
    pub block: SourceState,
    pub network: SourceState,
}

impl Sources {
    pub fn entries(&self) -> [(&'static str, &SourceState); 6] {
        [
            ("identity", &self.identity),
            ("cpu", &self.cpu),
            ("memory", &self.memory),
            ("io", &self.io),
            ("block", &self.block),
            ("network", &self.network),
        ]
    }
}

/// Where a group of fields comes from, or why it cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    From(Source),
    Unavailable(Arc<str>),
}

impl std::fmt::Display for SourceState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::From(source) => out.write_str(source.name()),
            Self::Unavailable(why) => write!(out, "unavailable: {why}"),
        }
    }
}

/// How many records of each kind were lost since collection began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    pub fork: u64,
    pub exec: u64,
    pub exit: u64,
    /// Final totals whose process is not named: their sum is in [`Sample::nameless`].
    pub final_totals: u64,
    /// Threads whose wait and I/O could not be added to their process.
    pub departed_thread: u64,
    /// Threads whose traffic could not be counted.
    pub flow: u64,
    /// Sockets that could not be followed.
    pub connection: u64,
    pub connection_record: u64,
    /// Block I/O that could not be charged or timed.
    pub block: u64,
    pub oom: u64,
    pub signal: u64,
    /// Hooks that were reached while their program was under way on the same CPU, and at which the kernel
    /// therefore ran nothing: of each, a record or an addition is missing.
    pub skipped: u64,
    /// Ended processes that a sample had no room to name: their sum is in [`Sample::nameless`].
    pub crowded_out: u64,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Events that a slow reader of the output did not take in time.
    pub output: u64,
}

impl Losses {
    pub fn entries(&self) -> [(&'static str, u64); 15] {
        [
            ("fork", self.fork),
            ("exec", self.exec),
            ("exit", self.exit),
            ("final_totals", self.final_totals),
            ("departed_thread", self.departed_thread),
            ("flow", self.flow),
            ("connection", self.connection),
            ("connection_record", self.connection_record),
            ("block", self.block),
            ("oom", self.oom),
            ("signal", self.signal),
            ("skipped", self.skipped),
            ("crowded_out", self.crowded_out),
            ("malformed", self.malformed),
            ("output", self.output),
        ]
    }

    pub fn total(&self) -> u64 {
        self.entries().iter().map(|(_, count)| count).sum()
    }
}
