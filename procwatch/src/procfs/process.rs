//! One process: its figures, each round where /proc is the only source, and its facts, once.

use std::{path::Path, sync::Arc};

use super::{
    ProcError,
    directory::{FILE_MAX, ProcessDirectory, Unreadable},
    earlier::Earlier,
    facts::facts,
    figures::{SchedStat, named_values},
    root::ProcRoot,
    stat::Stat,
    thread_view::ThreadView,
};
use crate::model::{
    facts::Facts,
    identity::ProcessId,
    ledger::Names,
    sample::{ProcessSample, Source},
    totals::{Counter, Totals},
};

impl ProcRoot {
    /// When the process started, nanoseconds since boot cut off to a tick. `None` when it is gone.
    pub fn start_time_ns(&self, pid: u32) -> Option<u64> {
        let directory = ProcessDirectory::open(self.directory(), pid).ok()?;
        let line = &mut Vec::new();
        let stat = Stat::parse(directory.read(c"stat", FILE_MAX, line).ok()?)?;
        Some(self.start_ns(stat.start_ticks))
    }

    /// When the process started, cut off to a tick, with its program, arguments and cgroup. `None` when
    /// it is gone.
    pub fn facts(&self, pid: u32, names: &mut dyn Names) -> Option<(u64, Facts)> {
        let directory = ProcessDirectory::open(self.directory(), pid).ok()?;
        let buffer = &mut Vec::new();
        let stat = Stat::parse(directory.read(c"stat", FILE_MAX, buffer).ok()?)?;
        let thread = ThreadView::living(directory, &stat, buffer);
        let status = thread.status(buffer);
        let facts = facts(&thread.directory, &stat, status.uid, names, buffer);
        Some((self.start_ns(stat.start_ticks), facts))
    }

    /// The proportional set size of this very process. `None` when it is gone, has no memory, or may not be
    /// read.
    pub fn pss_bytes(&self, id: ProcessId) -> Option<u64> {
        let directory = ProcessDirectory::open(self.directory(), id.pid).ok()?;
        let buffer = &mut Vec::new();
        let stat = Stat::parse(directory.read(c"stat", FILE_MAX, buffer).ok()?)?;
        if !self.is_same_start(id.start_time_ns, self.start_ns(stat.start_ticks)) {
            return None;
        }
        let text = directory.read(c"smaps_rollup", FILE_MAX, buffer).ok()?;
        let (_, kib) = named_values(text).find(|(name, _)| *name == b"Pss")?;
        kib.checked_mul(1024)
    }

    /// As [`Self::try_sample`], with a process that cannot be read counted among those that are gone.
    pub fn sample(
        &mut self,
        pid: u32,
        names: &mut dyn Names,
        known: impl FnOnce(ProcessId) -> Option<Arc<Facts>>,
    ) -> Option<ProcessSample> {
        self.try_sample(pid, names, known).ok().flatten()
    }

    /// One process as it stands. `None` when it is gone. `known` gives the facts that are on record;
    /// they are read anew only when the process has since taken another name or user, or has executed
    /// a program, as far as that shows.
    ///
    /// - CPU time is in clock ticks, 10 ms, up to two of them short. Of a process of one thread it is
    ///   the scheduler's own figure, which the ticks make up for where other threads have ended before.
    /// - Run-queue wait and switches are told per living thread only. They are known of processes that
    ///   have never been seen to have another thread; one that came and went unseen is missing.
    /// - I/O has that of reaped children in it, which the kernel adds to their parent's.
    /// - The state is that of the main thread, or of another when that has ended before the rest.
    /// - A process that has not been on a CPU since its last reading keeps its switches, I/O and peak
    ///   of then: nothing but running changes those.
    ///
    /// # Errors
    /// When the process is there but its stat cannot be read, as under `hidepid` or for want of file
    /// descriptors, or is not in its form.
    pub fn try_sample(
        &mut self,
        pid: u32,
        names: &mut dyn Names,
        known: impl FnOnce(ProcessId) -> Option<Arc<Facts>>,
    ) -> Result<Option<ProcessSample>, ProcError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let sample = self.read_process(pid, names, known, &mut buffer);
        self.buffer = buffer;
        if !matches!(sample, Ok(Some(_))) {
            self.earlier.forget(pid);
        }
        sample
    }

    fn read_process(
        &mut self,
        pid: u32,
        names: &mut dyn Names,
        known: impl FnOnce(ProcessId) -> Option<Arc<Facts>>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<ProcessSample>, ProcError> {
        let Some((directory, stat)) = open(self, pid, buffer)? else {
            return Ok(None);
        };
        let id = ProcessId::new(pid, self.start_ns(stat.start_ticks));
        let earlier = self.earlier.of(pid, stat.start_ticks);
        let schedstat = (stat.threads == 1)
            .then(|| directory.read(c"schedstat", FILE_MAX, buffer).ok())
            .flatten()
            .and_then(SchedStat::parse);
        let parent = match earlier {
            Some(earlier) if earlier.ppid == stat.ppid => earlier.parent,
            _ => self.parent(&directory, &stat, buffer),
        };
        let thread = ThreadView::living(directory, &stat, buffer);
        let at_rest = earlier.filter(|earlier| {
            schedstat.is_some() && earlier.schedstat == schedstat && thread.state != b'R'
        });
        let (status, io) = match at_rest {
            Some(earlier) => (earlier.status, earlier.io),
            None => (thread.status(buffer), thread.process_io(buffer)),
        };
        let reading = Earlier {
            start_ticks: stat.start_ticks,
            ppid: stat.ppid,
            parent,
            argv_address: stat.argv_address,
            schedstat,
            status,
            io,
            had_threads: stat.threads > 1
                || earlier.is_some_and(|earlier| earlier.had_threads)
                || self.have_threads_ended(&stat, schedstat),
        };
        self.earlier.set(pid, reading);
        let is_on_record = |facts: &Arc<Facts>| {
            // What has ended keeps what is known of it: its files are empty.
            let is_as_before = earlier.is_none_or(|earlier| {
                earlier.status.uid == status.uid
                    && (stat.argv_address == 0 || earlier.argv_address == stat.argv_address)
            });
            stat.is_dead() || (is_as_before && *facts.comm == *stat.comm.text())
        };
        let facts = known(id).filter(is_on_record).unwrap_or_else(|| {
            Arc::new(facts(&thread.directory, &stat, status.uid, names, buffer))
        });
        let has_memory = !stat.is_kernel_thread() && !thread.is_dead();
        let rss_bytes = has_memory.then(|| thread.rss_pages.saturating_mul(self.page_size()));
        Ok(Some(ProcessSample {
            id,
            parent,
            facts,
            totals: self.totals(&stat, &reading),
            rss_bytes,
            // The kernel raises its mark when memory is given back, and not before.
            peak_rss_bytes: status
                .peak_rss_bytes
                .map(|peak| peak.max(rss_bytes.unwrap_or(0))),
            memory: rss_bytes.and(status.memory),
            pss_bytes: None,
            threads: Some(stat.threads),
            state: thread.process_state(&stat, &io),
            source: Source::Procfs,
            predates_collection: false,
            flows_since_ns: None,
        }))
    }

    /// The parent as a process: its start is looked up once, and cannot be after its child's. A stat that
    /// tells a younger one is of a process that got the pid after the parent's end.
    fn parent(
        &self,
        directory: &ProcessDirectory,
        stat: &Stat,
        buffer: &mut Vec<u8>,
    ) -> Option<ProcessId> {
        let own_start_ns = self.start_ns(stat.start_ticks);
        let mut ppid = stat.ppid;
        for _ in 0..3 {
            if ppid == 0 {
                return None;
            }
            match self.start_time_ns(ppid) {
                Some(start_ns) if start_ns <= own_start_ns => {
                    return Some(ProcessId::new(ppid, start_ns));
                }
                // Gone in between: then another has taken the child over.
                _ => ppid = Stat::parse(directory.read(c"stat", FILE_MAX, buffer).ok()?)?.ppid,
            }
        }
        None
    }

    /// Whether the process has used more CPU time than its only thread. Ticks are cut off, and were read
    /// before: they can exceed the scheduler's figure by the time of other threads alone.
    fn have_threads_ended(&self, stat: &Stat, schedstat: Option<SchedStat>) -> bool {
        schedstat.is_some_and(|only| self.cpu_ticks_ns(stat) > only.cpu_time_ns)
    }

    fn cpu_ticks_ns(&self, stat: &Stat) -> u64 {
        self.ticks_to_ns(stat.user_ticks.saturating_add(stat.system_ticks))
    }

    fn totals(&self, stat: &Stat, reading: &Earlier) -> Totals {
        let (status, io) = (&reading.status, &reading.io);
        let finer_ns = reading
            .schedstat
            .map_or(0, |schedstat| schedstat.cpu_time_ns);
        let mut totals = Totals::UNKNOWN
            .with(Counter::CpuTime, self.cpu_ticks_ns(stat).max(finer_ns))
            .with(Counter::MinorFaults, stat.minor_faults)
            .with(Counter::MajorFaults, stat.major_faults);
        let mut set = |counter, value: Option<u64>| {
            if let Some(value) = value {
                totals.set(counter, value);
            }
        };
        if !reading.had_threads {
            let wait_ns = reading
                .schedstat
                .map(|schedstat| schedstat.run_queue_wait_ns);
            set(Counter::RunQueueWait, wait_ns);
            set(Counter::VoluntarySwitches, status.voluntary_switches);
            set(Counter::InvoluntarySwitches, status.involuntary_switches);
        }
        set(Counter::Read, io.read_bytes);
        set(Counter::Write, io.write_bytes);
        set(Counter::CancelledWrite, io.cancelled_write_bytes);
        set(Counter::LogicalRead, io.logical_read_bytes);
        set(Counter::LogicalWrite, io.logical_write_bytes);
        totals
    }
}

/// The process's directory and its stat. `None` when it is gone.
fn open(
    root: &ProcRoot,
    pid: u32,
    buffer: &mut Vec<u8>,
) -> Result<Option<(ProcessDirectory, Stat)>, ProcError> {
    let path = |root: &Path| root.join(pid.to_string()).join("stat");
    let read = ProcessDirectory::open(root.directory(), pid).and_then(|directory| {
        let stat = Stat::parse(directory.read(c"stat", FILE_MAX, buffer)?);
        Ok((directory, stat))
    });
    match read {
        Ok((directory, Some(stat))) => Ok(Some((directory, stat))),
        Ok((_, None)) => Err(ProcError::Format {
            path: path(root.path()),
        }),
        Err(Unreadable::Gone) => Ok(None),
        Err(Unreadable::Failed(source)) => Err(ProcError::Read {
            path: path(root.path()),
            cause: source,
        }),
    }
}

#[cfg(test)]
mod tests;
