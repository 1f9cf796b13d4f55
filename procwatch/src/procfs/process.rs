//! One process: its figures, each round where /proc is the only source, and its facts, once.

use std::{io::Cursor, sync::Arc};

use procfs::{
    FromRead as _,
    process::{Io, Status},
};

use super::{
    cgroup::Membership,
    root::{ProcRoot, ProcessDirectory},
    stat::Stat,
};
use crate::model::{
    facts::{Facts, kernel_text},
    identity::{ProcessId, WaitStatus},
    ledger::Names,
    sample::{Ending, ProcessSample, Source, State, TotalsAt},
    totals::{Counter, Totals},
};

/// Bytes of a command line that are kept, as of an exec record.
const ARGV_MAX: u64 = 4096;
/// No file of a process that is read here is longer.
const FILE_MAX: u64 = 64 * 1024;

impl ProcRoot {
    /// When the process started, nanoseconds since boot cut off to a tick. `None` when it is gone.
    pub fn start_time_ns(&self, pid: u32) -> Option<u64> {
        let line = self.open(pid)?.read("stat", FILE_MAX).ok()?;
        Some(
            Stat::parse(&line)?
                .start_ticks
                .saturating_mul(self.tick_ns()),
        )
    }

    /// When the process started, cut off to a tick, with its program, arguments and cgroup. `None` when
    /// it is gone.
    pub fn facts(&self, pid: u32, names: &mut dyn Names) -> Option<(u64, Facts)> {
        let directory = self.open(pid)?;
        let line = directory.read("stat", FILE_MAX).ok()?;
        let stat = Stat::parse(&line)?;
        let start_ns = stat.start_ticks.saturating_mul(self.tick_ns());
        Some((start_ns, facts(&directory, &stat, names)))
    }

    /// One process as it stands. `None` when it is gone. `known` gives the facts that are on record;
    /// they are read anew only when the process has taken another name since.
    ///
    /// CPU time is in clock ticks, 10 ms, but for processes of one thread, where the scheduler's own
    /// figure is finer. Run-queue wait and switches are told per living thread only, and therefore
    /// known only of processes of one thread. I/O has that of reaped children in it.
    pub fn sample(
        &self,
        pid: u32,
        names: &mut dyn Names,
        known: impl FnOnce(ProcessId) -> Option<Arc<Facts>>,
    ) -> Option<ProcessSample> {
        let directory = self.open(pid)?;
        let line = directory.read("stat", FILE_MAX).ok()?;
        let stat = Stat::parse(&line)?;
        let id = ProcessId::new(pid, stat.start_ticks.saturating_mul(self.tick_ns()));
        let status = directory
            .read("status", FILE_MAX)
            .ok()
            .and_then(|bytes| Status::from_read(Cursor::new(bytes)).ok());
        let facts = known(id)
            .filter(|facts| *facts.comm == *kernel_text(stat.comm))
            .unwrap_or_else(|| Arc::new(facts(&directory, &stat, names)));
        let parent_start = (stat.ppid != 0)
            .then(|| self.start_time_ns(stat.ppid))
            .flatten();
        let is_kernel_thread = stat.is_kernel_thread();
        let kib = |kib: Option<u64>| kib.map(|kib| kib.saturating_mul(1024));
        Some(ProcessSample {
            id,
            parent: parent_start.map(|start| ProcessId::new(stat.ppid, start)),
            facts,
            totals: self.totals(&directory, &stat, status.as_ref()),
            rss_bytes: (!is_kernel_thread && stat.state != b'Z')
                .then(|| stat.rss_pages.saturating_mul(self.page_size())),
            peak_rss_bytes: kib(status.as_ref().and_then(|status| status.vmhwm)),
            threads: Some(stat.threads),
            state: match stat.state {
                b'R' => State::Running,
                b'D' => State::Uninterruptible,
                b'T' | b't' => State::Stopped,
                b'Z' | b'X' => State::Zombie(Ending {
                    time_ns: None,
                    status: Some(WaitStatus(stat.exit_code)),
                    totals: TotalsAt::Final,
                }),
                _ => State::Sleeping,
            },
            source: Source::Procfs,
            predates_collection: false,
        })
    }

    fn totals(
        &self,
        directory: &ProcessDirectory,
        stat: &Stat<'_>,
        status: Option<&Status>,
    ) -> Totals {
        let ticks = stat.user_ticks.saturating_add(stat.system_ticks);
        let mut totals = Totals::UNKNOWN
            .with(Counter::CpuTime, ticks.saturating_mul(self.tick_ns()))
            .with(Counter::MinorFaults, stat.minor_faults)
            .with(Counter::MajorFaults, stat.major_faults);
        if stat.threads == 1 {
            if let Some((cpu_time_ns, wait_ns)) = schedstat(directory) {
                totals.raise_to(&Totals::UNKNOWN.with(Counter::CpuTime, cpu_time_ns));
                totals.set(Counter::RunQueueWait, wait_ns);
            }
            if let Some(count) = status.and_then(|status| status.voluntary_ctxt_switches) {
                totals.set(Counter::VoluntarySwitches, count);
            }
            if let Some(count) = status.and_then(|status| status.nonvoluntary_ctxt_switches) {
                totals.set(Counter::InvoluntarySwitches, count);
            }
        }
        let io = directory.read("io", FILE_MAX).ok();
        if let Some(io) = io.and_then(|bytes| Io::from_read(Cursor::new(bytes)).ok()) {
            totals.set(Counter::Read, io.read_bytes);
            totals.set(Counter::Write, io.write_bytes);
            totals.set(Counter::CancelledWrite, io.cancelled_write_bytes);
            totals.set(Counter::LogicalRead, io.rchar);
            totals.set(Counter::LogicalWrite, io.wchar);
        }
        totals
    }
}

/// Nanoseconds on a CPU and waiting for one, of the main thread.
fn schedstat(directory: &ProcessDirectory) -> Option<(u64, u64)> {
    let bytes = directory.read("schedstat", FILE_MAX).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let mut fields = text.split_ascii_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn facts(directory: &ProcessDirectory, stat: &Stat<'_>, names: &mut dyn Names) -> Facts {
    let argv = directory
        .read("cmdline", ARGV_MAX + 1)
        .ok()
        .filter(|argv| !argv.is_empty());
    let uid = real_uid(directory);
    let membership = directory
        .read("cgroup", FILE_MAX)
        .ok()
        .and_then(|bytes| Membership::parse(&kernel_text(&bytes)));
    Facts {
        comm: kernel_text(stat.comm).into(),
        exe: directory.link("exe").map(|path| kernel_text(&path).into()),
        argv_truncated: argv
            .as_ref()
            .is_some_and(|argv| argv.len() as u64 > ARGV_MAX),
        argv: argv.map(|mut argv| {
            argv.truncate(ARGV_MAX as usize);
            // A process may write over its arguments, and leave out the last NUL.
            if argv.last() != Some(&0) && (argv.len() as u64) < ARGV_MAX {
                argv.push(0);
            }
            kernel_text(&argv).into()
        }),
        uid,
        user: uid.and_then(|uid| names.user(uid)),
        container: membership.as_ref().and_then(Membership::container),
        cgroup: membership.map(|membership| membership.path),
        is_kernel_thread: stat.is_kernel_thread(),
    }
}

/// The real user id, off the `Uid:` line of status.
fn real_uid(directory: &ProcessDirectory) -> Option<u32> {
    let status = directory.read("status", FILE_MAX).ok()?;
    let line = status
        .split(|byte| *byte == b'\n')
        .find(|line| line.starts_with(b"Uid:"))?;
    std::str::from_utf8(line)
        .ok()?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows nobody.
    struct Nobody;

    impl Names for Nobody {
        fn user(&mut self, _: u32) -> Option<Arc<str>> {
            None
        }
        fn cgroup(&mut self, _: u64) -> (Option<Arc<str>>, Option<Arc<str>>) {
            (None, None)
        }
    }

    #[test]
    fn our_own_figures_are_those_of_getrusage() {
        let root = ProcRoot::new("/proc").unwrap();
        let sample = root
            .sample(std::process::id(), &mut Nobody, |_| None)
            .unwrap();
        let usage = rustix::process::getuid();
        assert_eq!(sample.facts.uid, Some(usage.as_raw()));
        assert_eq!(
            sample.parent.map(|parent| parent.pid),
            Some(std::os::unix::process::parent_id())
        );
        let exe = std::env::current_exe().unwrap();
        assert_eq!(sample.facts.exe.as_deref(), exe.to_str());
        let arguments: Vec<_> = std::env::args().collect();
        assert_eq!(sample.facts.arguments().collect::<Vec<_>>(), arguments);
        assert!(sample.rss_bytes > Some(100_000));
        assert_eq!(
            sample.totals.get(Counter::RunQueueWait).is_some(),
            sample.threads == Some(1)
        );
    }

    #[test]
    fn files_that_vanish_leave_figures_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let process = directory.path().join("42");
        std::fs::create_dir(&process).unwrap();
        let root = ProcRoot::new(directory.path()).unwrap();
        assert!(root.sample(42, &mut Nobody, |_| None).is_none());
        std::fs::write(process.join("stat"), "42 (x) S").unwrap();
        assert!(root.sample(42, &mut Nobody, |_| None).is_none());
        let stat = "42 (x) S 0 1 1 0 -1 0 1 0 2 0 5 6 0 0 20 0 1 0 100 1000 25";
        std::fs::write(process.join("stat"), stat).unwrap();
        std::fs::write(process.join("io"), "rchar: 1\nwch").unwrap();
        let sample = root.sample(42, &mut Nobody, |_| None).unwrap();
        assert_eq!(sample.totals.get(Counter::LogicalRead), None);
        assert_eq!(
            sample.totals.get(Counter::CpuTime),
            Some(11 * root.tick_ns())
        );
        assert_eq!(
            (sample.facts.uid, &sample.facts.exe, sample.parent),
            (None, &None, None)
        );
    }
}
