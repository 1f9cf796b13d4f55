//! What each kind of command needs, in one table.

use std::path::PathBuf;

use rustix::thread::CapabilitySet;

/// A kind of system call that procwatch does without unless a command needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// Starting another program.
    Exec,
    /// Signals to other processes.
    Signals,
    /// Priorities of other processes.
    Priorities,
    /// Sockets to the outside, but never raw packets.
    Sockets,
    /// Attaching programs later, on demand.
    Attaching,
    /// Opening files to write to, and changing directories: what a command opens before collection starts
    /// needs no exemption.
    Writing,
}

/// What a command needs: everything else is given up.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Until everything is attached, in every thread.
    pub to_start: CapabilitySet,
    /// Of the collecting thread, from then on.
    pub to_collect: CapabilitySet,
    /// Of every other thread.
    pub to_show: CapabilitySet,
    pub exemptions: Vec<Exemption>,
    /// The files and directories that threads other than the collecting one may write to, or below. What is
    /// open already, as standard output is, needs no naming. Any other needs [`Exemption::Writing`] too.
    pub writes: Vec<PathBuf>,
}

/// Loading and attaching (`BPF`, `PERFMON`); the kernel's count of programs' runs (`SYS_ADMIN`, see
/// `BPF_ENABLE_STATS` in bpf(2)); room for maps before 5.11, and for descriptors (`SYS_RESOURCE`); the
/// collecting thread's priority (`SYS_NICE`); and what [`TO_COLLECT`] has.
const TO_START: CapabilitySet = TO_COLLECT
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_RESOURCE)
    .union(CapabilitySet::SYS_NICE);

/// Passes and maps where `kernel.unprivileged_bpf_disabled` asks for a right to any bpf(2) (`BPF`,
/// `PERFMON`); /proc/PID/exe, io and smaps_rollup of others, also where /proc hides them
/// (`SYS_PTRACE`, and `DAC_READ_SEARCH` for root without `DAC_OVERRIDE` is just anybody to their modes).
const TO_COLLECT: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_READ_SEARCH);

impl Needs {
    /// Of a command that collects, and only shows what was collected.
    pub const WATCH: Self = Self {
        to_start: TO_START,
        to_collect: TO_COLLECT,
        to_show: CapabilitySet::empty(),
        exemptions: Vec::new(),
        writes: Vec::new(),
    };

    /// Of the live view, which sends signals, sets priorities and keeps its layout when its user says so: in or
    /// below that directory.
    pub fn look_and_act(layout: PathBuf) -> Self {
        let acts = CapabilitySet::KILL.union(CapabilitySet::SYS_NICE);
        Self {
            to_start: TO_START.union(acts),
            to_collect: TO_COLLECT.union(acts),
            to_show: CapabilitySet::empty(),
            exemptions: vec![
                Exemption::Signals,
                Exemption::Priorities,
                Exemption::Writing,
            ],
            writes: vec![layout],
        }
    }

    /// Of a recorder, which goes on writing to a file, and to those that SQLite puts beside it, and removes its socket
    /// from a directory in the end. `telling` is what those need who tell others of alerts, and the terminals whose bells
    /// they ring.
    pub fn record(
        file: &std::path::Path,
        sockets: PathBuf,
        (telling, terminals): (Vec<Exemption>, Vec<PathBuf>),
    ) -> Self {
        let mut needs = Self::write(file);
        needs.writes.push(sockets);
        needs.writes.extend(terminals);
        needs.exemptions.extend(telling);
        needs
    }

    /// Of a command that tells one receiver something, and ends.
    pub fn tell(telling: Vec<Exemption>, terminals: Vec<PathBuf>) -> Self {
        Self {
            exemptions: telling,
            writes: terminals,
            ..Self::READ_FILES
        }
    }

    fn write(file: &std::path::Path) -> Self {
        let directory = file
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty());
        Self {
            exemptions: vec![Exemption::Writing],
            writes: vec![directory.unwrap_or(std::path::Path::new(".")).to_owned()],
            ..Self::WATCH
        }
    }

    /// Of a command that shows what a recorder collects, whose socket is open already.
    pub const LOOK_ON: Self = Self {
        to_start: CapabilitySet::empty(),
        to_collect: CapabilitySet::empty(),
        to_show: CapabilitySet::empty(),
        exemptions: Vec::new(),
        writes: Vec::new(),
    };

    /// The same of the live view.
    pub fn look_on_and_act(layout: PathBuf) -> Self {
        let acts = CapabilitySet::KILL.union(CapabilitySet::SYS_NICE);
        Self {
            to_start: acts,
            to_collect: acts,
            to_show: acts,
            ..Self::look_and_act(layout)
        }
    }

    /// Of a command that asks a recording: SQLite locks its index of the log, which it opens to write when the
    /// recorder has begun a new one.
    pub fn ask(file: &std::path::Path) -> Self {
        Self {
            exemptions: vec![Exemption::Writing],
            writes: Self::write(file).writes,
            ..Self::READ_FILES
        }
    }

    /// The same, and it makes a file that SQLite puts others beside.
    pub fn copy(from: &std::path::Path, to: &std::path::Path) -> Self {
        let mut needs = Self::ask(from);
        needs.writes.extend(Self::write(to).writes);
        needs
    }

    /// The same, and it keeps the layout of its view.
    pub fn replay(file: &std::path::Path, layout: PathBuf) -> Self {
        let mut needs = Self::ask(file);
        needs.writes.push(layout);
        needs
    }

    /// Of a command that reads a file and says something: config check.
    pub const READ_FILES: Self = Self {
        to_start: CapabilitySet::DAC_READ_SEARCH,
        to_collect: CapabilitySet::empty(),
        to_show: CapabilitySet::empty(),
        exemptions: Vec::new(),
        writes: Vec::new(),
    };
}
