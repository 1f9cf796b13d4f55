//! One dated observation of the whole host: raw, and all that anything else is derived from.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    device::DeviceSample,
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    shed::Shed,
    totals::Totals,
};

/// Every process and the host at one instant, and the processes that ended since the sample before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Nanoseconds since the epoch.
    pub time_ns: u64,
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`): what intervals are measured with.
    pub boot_time_ns: u64,
    /// When the look at the processes began, nanoseconds since boot: who is missing from the sample and
    /// started later may have been there when it was dated.
    pub began_ns: u64,
    pub host: HostSample,
    /// By number. None where /proc has no `stat`.
    pub cores: Vec<CoreSample>,
    /// Block devices with a request queue that have been used since collection began, by number.
    pub devices: Vec<DeviceSample>,
    /// Those of our own network namespace.
    pub interfaces: Vec<InterfaceSample>,
    /// Ordered by [`ProcessId`].
    pub processes: Vec<ProcessSample>,
    /// What processes cost whose end was seen but whose name was lost, and what was found out of others too late
    /// for their last row, since collection began.
    pub nameless: Totals,
    pub loss: Losses,
    pub sources: Sources,
    /// What was left out when this was taken.
    pub shed: Shed,
}

/// The host's own figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostSample {
    /// `None` where /proc has no `stat`, as when it was mounted with `subset=pid`.
    pub cpu: Option<HostCpu>,
    pub memory_total_bytes: Option<u64>,
    pub memory_available_bytes: Option<u64>,
    pub swap_total_bytes: Option<u64>,
    pub swap_free_bytes: Option<u64>,
    /// How many threads ran or waited to, on average over 1, 5 and 15 minutes (/proc/loadavg).
    pub load: Option<[f32; 3]>,
    /// How much time was lost to waiting (/proc/pressure). `None` of a kernel that does not count it.
    pub pressure: Pressure,
}

/// Pressure stall information: percent of the last ten seconds in which some thread waited for want of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    pub cpu_pct: Option<f32>,
    pub memory_pct: Option<f32>,
    pub io_pct: Option<f32>,
}

/// One CPU's time since boot, by /proc/stat, nanoseconds in steps of 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreSample {
    /// Its number; those that are offline are missing.
    pub number: u32,
    /// Running programs.
    pub user_ns: u64,
    /// In the kernel, interrupts included.
    pub system_ns: u64,
    pub idle_ns: u64,
    pub steal_ns: u64,
}

/// What CPUs did not do for processes, by /proc/stat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCpu {
    /// CPUs that are online.
    pub cpus: u32,
    /// Nanoseconds since boot that the host was not suspended (`CLOCK_MONOTONIC`): idle time is part of this, and
    /// not of the time since boot.
    pub awake_ns: u64,
    /// Nanoseconds that CPUs have been idle since boot, summed over them (`idle` and `iowait` of
    /// /proc/stat, in steps of 10 ms a CPU).
    pub idle_ns: u64,
    /// Nanoseconds taken by the hypervisor, summed over CPUs.
    pub steal_ns: u64,
}

/// One process at the instant of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSample {
    pub name: Box<str>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Whether it is no longer among the living, nor waits to be noted.
    pub const fn has_gone(self) -> bool {
        matches!(self, Self::Exited(_))
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Nanoseconds since boot. `None` when the exit itself was not seen.
    pub time_ns: Option<u64>,
    /// `None` when neither the exit nor the zombie was seen.
    pub status: Option<WaitStatus>,
    /// How much the totals still lack.
    pub totals: TotalsAt,
}

/// Up to when the totals of an ended process count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    pub identity: SourceState,
    pub cpu: SourceState,
    pub memory: SourceState,
    pub io: SourceState,
    pub block: SourceState,
    pub network: SourceState,
}

impl Sources {
    /// Every group of fields from one source.
    pub fn all(state: &SourceState) -> Self {
        Self {
            identity: state.clone(),
            cpu: state.clone(),
            memory: state.clone(),
            io: state.clone(),
            block: state.clone(),
            network: state.clone(),
        }
    }

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// What was lost after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = u64::saturating_sub;
        Self {
            fork: less(self.fork, earlier.fork),
            exec: less(self.exec, earlier.exec),
            exit: less(self.exit, earlier.exit),
            final_totals: less(self.final_totals, earlier.final_totals),
            departed_thread: less(self.departed_thread, earlier.departed_thread),
            flow: less(self.flow, earlier.flow),
            connection: less(self.connection, earlier.connection),
            connection_record: less(self.connection_record, earlier.connection_record),
            block: less(self.block, earlier.block),
            oom: less(self.oom, earlier.oom),
            signal: less(self.signal, earlier.signal),
            skipped: less(self.skipped, earlier.skipped),
            crowded_out: less(self.crowded_out, earlier.crowded_out),
            malformed: less(self.malformed, earlier.malformed),
            output: less(self.output, earlier.output),
        }
    }

    pub fn total(&self) -> u64 {
        self.entries().iter().map(|(_, count)| count).sum()
    }
}
