//! Processes added up by program or container, as one process that costs what all of them do.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{
    facts::Facts,
    identity::ProcessId,
    sample::{MemoryKinds, ProcessSample},
    snapshot::{ProcessView, Snapshot},
    totals::{Counter, Totals},
};

/// The processes of a program or a container, within one snapshot. Those that ended in it count with what they cost.
#[derive(Clone, Debug)]
pub struct Sum {
    /// Who they are is what they have in common; figures are added, and unknown where one of them is.
    process: ProcessSample,
    delta: Totals,
    interval_ns: u64,
    /// Who lives.
    pub processes: u32,
    /// Who took most CPU.
    pub busiest: ProcessId,
    busiest_ns: u64,
}

impl Sum {
    fn of(view: &ProcessView<'_>) -> Self {
        Self {
            process: view.process.clone(),
            delta: *view.delta,
            interval_ns: view.interval_ns,
            processes: u32::from(!view.process.state.has_gone()),
            busiest: view.process.id,
            busiest_ns: view.delta.get(Counter::CpuTime).unwrap_or(0),
        }
    }

    fn add(&mut self, view: &ProcessView<'_>) {
        let process = view.process;
        self.process.totals.add(&process.totals);
        self.delta.add(view.delta);
        let sum = &mut self.process;
        // Who has ended has no memory any more.
        if !process.state.has_gone() {
            self.processes += 1;
            sum.rss_bytes = added(sum.rss_bytes, process.rss_bytes);
            sum.pss_bytes = added(sum.pss_bytes, process.pss_bytes);
            sum.threads = added(sum.threads.map(u64::from), process.threads.map(u64::from))
                .and_then(|threads| threads.try_into().ok());
            sum.memory = match (sum.memory, process.memory) {
                (Some(one), Some(other)) => Some(MemoryKinds {
                    anon_bytes: one.anon_bytes.saturating_add(other.anon_bytes),
                    file_bytes: one.file_bytes.saturating_add(other.file_bytes),
                    shmem_bytes: one.shmem_bytes.saturating_add(other.shmem_bytes),
                    swap_bytes: one.swap_bytes.saturating_add(other.swap_bytes),
                }),
                (one, other) => one.or(other),
            };
            if sum.state.has_gone() {
                sum.state = process.state;
            }
        }
        sum.peak_rss_bytes = None;
        let cpu_ns = view.delta.get(Counter::CpuTime).unwrap_or(0);
        if cpu_ns > self.busiest_ns {
            (self.busiest, self.busiest_ns) = (process.id, cpu_ns);
        }
    }

    /// As one process: `pid` and `argv` are those of one of them.
    pub fn view(&self) -> ProcessView<'_> {
        ProcessView {
            process: &self.process,
            delta: &self.delta,
            interval_ns: self.interval_ns,
        }
    }

    pub fn facts(&self) -> &Arc<Facts> {
        &self.process.facts
    }
}

fn added(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

/// What a process is a run of: its executable, or its name where there is none.
pub fn program(facts: &Facts) -> &str {
    facts.exe.as_deref().unwrap_or(&facts.comm)
}

/// Each program of the snapshot.
pub fn programs(snapshot: &Snapshot) -> HashMap<Arc<str>, Sum> {
    sums(snapshot, |facts| {
        Some(program(facts)).filter(|name| !name.is_empty())
    })
}

/// Each container of the snapshot.
pub fn containers(snapshot: &Snapshot) -> HashMap<Arc<str>, Sum> {
    sums(snapshot, |facts| facts.container.as_deref())
}

fn sums(snapshot: &Snapshot, name_of: impl Fn(&Facts) -> Option<&str>) -> HashMap<Arc<str>, Sum> {
    let mut sums: HashMap<Arc<str>, Sum> = HashMap::new();
    for view in snapshot.processes() {
        let Some(name) = name_of(&view.process.facts) else {
            continue;
        };
        match sums.get_mut(name) {
            Some(sum) => sum.add(&view),
            None => {
                sums.insert(name.into(), Sum::of(&view));
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        field::fixture::{Fixture, snapshot_of},
        filter::Filter,
    };

    #[test]
    fn a_program_is_all_its_processes() {
        let fixture = |pid, exe: &str, cpu_ns: u64| {
            let mut fixture = Fixture::new(pid, "worker");
            fixture.facts(|facts| facts.exe = Some(exe.into()));
            fixture.process.totals = Totals::ZERO.with(Counter::CpuTime, 5_000_000_000);
            fixture.delta = Totals::ZERO.with(Counter::CpuTime, cpu_ns);
            fixture.process.rss_bytes = Some(1 << 20);
            fixture
        };
        let fixtures = [
            fixture(1, "/bin/a", 400_000_000),
            fixture(2, "/bin/b", 100_000_000),
            fixture(3, "/bin/a", 500_000_000),
        ];
        let snapshot = snapshot_of(&fixtures, 9_000_000_000);
        let programs = programs(&snapshot);
        let a = &programs["/bin/a"];
        assert_eq!((a.processes, a.busiest.pid), (2, 3));
        let check = |text: &str, expected: bool| {
            let filter: Filter = text.parse().unwrap();
            assert_eq!(filter.matches(&a.view()), expected, "{text}");
        };
        check("cpu_pct >= 90 and rss_bytes == 2MiB and threads == 2", true);
        check("cpu_pct > 90", false);
        assert!(containers(&snapshot).is_empty());
    }
}
