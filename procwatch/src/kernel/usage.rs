//! What programs and maps cost, and how full they are, by the kernel's own count.
//!
//! The kernel tells most of it in the `fdinfo` of a program's or map's descriptor. How often and for how long
//! programs run it counts only while somebody asks for that, for it makes each run some nanoseconds longer.
//!
//! Skipped runs are counted here too: a program that is preempted, as newer kernels allow, and whose hook is
//! reached again on the same CPU meanwhile, is not run for that, and what it would have told or added up is
//! missing. The kernel counts these (`recursion_misses`, since 5.12) and tells nobody unless asked.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
    programs::Program,
};

use serde::{Deserialize, Serialize};

use super::syscall;

/// Between two readings of skipped runs: it is a file for each program.
const INTERVAL: Duration = Duration::from_secs(1);

/// How full things are, and what they cost. The ring buffer is not among the maps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub ring_buffer: RingBufferUsage,
    pub programs: Vec<ProgramUsage>,
    pub maps: Vec<MapUsage>,
    /// For how long runs have been counted, nanoseconds. `None` where they are not.
    pub counted_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingBufferUsage {
    pub size_bytes: u64,
    /// The most that has waited in it at once, as of the last record that was put in.
    pub peak_bytes: u64,
}

/// Whose CPU time the runs of a program are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunsIn {
    /// That of whoever comes by its hook.
    OthersTime,
    /// Our own: it is a pass that we start.
    OurTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramUsage {
    pub program: String,
    /// In whose time it runs.
    pub runs_in: RunsIn,
    /// Since it was loaded. `None` where the kernel was not asked to count, or does not let us ask.
    pub runs: Option<u64>,
    /// Nanoseconds, of all runs together; `None` as above.
    pub run_time_ns: Option<u64>,
    /// What the program itself takes.
    pub memory_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapUsage {
    pub map: String,
    /// `None` of those that have all their entries from the start, or one with each task or socket.
    pub entries: Option<u64>,
    /// `None` of those with an entry with each task or socket.
    pub entries_max: Option<u64>,
    /// What it takes now. Before 6.4 an estimate of what it takes when it is full.
    pub memory_bytes: Option<u64>,
}

impl Usage {
    /// What programs took of the time of others, in percent of one core. `None` where runs are not counted.
    pub fn others_cpu_pct(&self) -> Option<f64> {
        let counted_ns = self.counted_ns.filter(|span| *span > 0)?;
        let times = self
            .programs
            .iter()
            .filter(|one| one.runs_in == RunsIn::OthersTime)
            .filter_map(|one| one.run_time_ns);
        Some(times.fold(0, u64::saturating_add) as f64 * 100.0 / counted_ns as f64)
    }

    pub fn memory_bytes(&self) -> u64 {
        let programs = self.programs.iter().filter_map(|one| one.memory_bytes);
        let maps = self.maps.iter().filter_map(|one| one.memory_bytes);
        programs.chain(maps).fold(0, u64::saturating_add)
    }
}

/// Descriptors of all programs and maps, by which to ask.
#[derive(Debug)]
pub(super) struct Meter {
    programs: Vec<(String, RunsIn, OwnedFd)>,
    maps: Vec<(String, Kind, OwnedFd)>,
    skipped: u64,
    skipped_at: Option<Instant>,
    /// As long as it is open, the kernel counts runs; and since when it is.
    statistics: Option<(OwnedFd, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Entries come and go.
    Table,
    /// All entries are there from the start.
    Array,
    /// An entry with each task or socket.
    Storage,
}

impl Meter {
    /// To be asked for before maps are taken out.
    pub(super) fn of(ebpf: &Ebpf) -> Self {
        let programs = ebpf.programs().filter_map(|(name, program)| {
            let fd = program.fd().ok()?;
            let runs_in = match program {
                Program::Iter(_) => RunsIn::OurTime,
                _ => RunsIn::OthersTime,
            };
            let fd = fd.as_fd().try_clone_to_owned().ok()?;
            Some((name.to_owned(), runs_in, fd))
        });
        let maps = ebpf.maps().filter_map(|(name, map)| {
            let (kind, data) = data(map)?;
            let fd = data.fd().as_fd().try_clone_to_owned().ok()?;
            // Sections of constants are maps as well, of no interest to anybody.
            (!name.starts_with('.')).then(|| (name.to_owned(), kind, fd))
        });
        let (mut programs, mut maps): (Vec<_>, Vec<_>) = (programs.collect(), maps.collect());
        programs.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        maps.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Self {
            programs,
            maps,
            skipped: 0,
            skipped_at: None,
            statistics: None,
        }
    }

    /// Has the kernel count runs from now on. Where that is not permitted, they stay unknown.
    pub(super) fn count_runs(&mut self) {
        let descriptor = aya::sys::enable_stats(aya::sys::Stats::RunTime).ok();
        self.statistics = descriptor.map(|descriptor| (descriptor, Instant::now()));
    }

    pub(super) fn counted_ns(&self) -> Option<u64> {
        let (_, since) = self.statistics.as_ref()?;
        u64::try_from(since.elapsed().as_nanos()).ok()
    }

    /// Has the next reading of [`Self::skipped`] be as of then.
    pub(super) fn forget_skipped(&mut self) {
        self.skipped_at = None;
    }

    /// How many runs were skipped, over all programs, since they were loaded; as of at most a second ago.
    pub(super) fn skipped(&mut self) -> u64 {
        if self.skipped_at.is_none_or(|at| at.elapsed() >= INTERVAL) {
            self.skipped_at = Some(Instant::now());
            let counts = self.programs.iter().filter_map(|(_, _, fd)| {
                // `None` before 5.12.
                fdinfo_figure(&fdinfo(fd)?, "recursion_misses")
            });
            self.skipped = counts.sum();
        }
        self.skipped
    }

    pub(super) fn programs(&self) -> Vec<ProgramUsage> {
        let is_counting = self.statistics.is_some();
        let usage = |(name, runs_in, fd): &(String, RunsIn, OwnedFd)| {
            let info = fdinfo(fd).unwrap_or_default();
            ProgramUsage {
                program: name.clone(),
                runs_in: *runs_in,
                runs: fdinfo_figure(&info, "run_cnt").filter(|_| is_counting),
                run_time_ns: fdinfo_figure(&info, "run_time_ns").filter(|_| is_counting),
                memory_bytes: fdinfo_figure(&info, "memlock"),
            }
        };
        self.programs.iter().map(usage).collect()
    }

    pub(super) fn maps(&self) -> Vec<MapUsage> {
        let usage = |(name, kind, fd): &(String, Kind, OwnedFd)| {
            let info = fdinfo(fd).unwrap_or_default();
            let key_size = fdinfo_figure(&info, "key_size").unwrap_or(0);
            MapUsage {
                map: name.clone(),
                entries: (*kind == Kind::Table)
                    .then(|| syscall::count_entries(fd.as_fd(), key_size as usize).ok())
                    .flatten(),
                entries_max: fdinfo_figure(&info, "max_entries").filter(|_| *kind != Kind::Storage),
                memory_bytes: fdinfo_figure(&info, "memlock"),
            }
        };
        self.maps.iter().map(usage).collect()
    }
}

fn data(map: &Map) -> Option<(Kind, &MapData)> {
    Some(match map {
        Map::HashMap(data) | Map::LruHashMap(data) => (Kind::Table, data),
        Map::Array(data) | Map::PerCpuArray(data) => (Kind::Array, data),
        Map::SkStorage(data) | Map::Unsupported(data) => (Kind::Storage, data),
        _ => return None,
    })
}

fn fdinfo(fd: &OwnedFd) -> Option<String> {
    fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()
}

/// A number that the kernel tells on a line of its own in the fdinfo of a descriptor. `None` when it does not.
pub fn fdinfo_figure(fdinfo: &str, name: &str) -> Option<u64> {
    let mut lines = fdinfo.lines();
    let figure = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    figure.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_lines_of_fdinfo() {
        let text = "pos:\t0\nprog_type:\t26\nrun_cnt:\t7\nrecursion_misses:\t24\n";
        assert_eq!(fdinfo_figure(text, "recursion_misses"), Some(24));
        assert_eq!(fdinfo_figure(text, "run_cnt"), Some(7));
        assert_eq!(fdinfo_figure(text, "run"), None);
        assert_eq!(fdinfo_figure("pos:\t0\n", "recursion_misses"), None);
    }

    #[test]
    fn only_what_runs_in_the_time_of_others_is_theirs() {
        let program = |runs_in, run_time_ns| ProgramUsage {
            program: String::new(),
            runs_in,
            runs: run_time_ns,
            run_time_ns,
            memory_bytes: Some(1),
        };
        let mut usage = Usage {
            programs: vec![
                program(RunsIn::OurTime, Some(500)),
                program(RunsIn::OthersTime, Some(30)),
                program(RunsIn::OthersTime, None),
                program(RunsIn::OthersTime, Some(20)),
            ],
            ..Usage::default()
        };
        assert_eq!(usage.others_cpu_pct(), None);
        usage.counted_ns = Some(1000);
        assert_eq!(usage.others_cpu_pct(), Some(5.0));
        assert_eq!(usage.memory_bytes(), 4);
    }
}
