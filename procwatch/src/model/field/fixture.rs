//! A process made up for tests.

use std::sync::Arc;

use crate::model::{
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    sample::{
        Ending, HostSample, Losses, MemoryKinds, ProcessSample, Sample, Source, SourceState,
        Sources, State, TotalsAt,
    },
    shed::Shed,
    snapshot::{ProcessView, Snapshot},
    totals::{Counter, Totals},
};

/// What a [`ProcessView`] borrows from. Its interval is one second.
pub struct Fixture {
    pub process: ProcessSample,
    pub delta: Totals,
}

impl Fixture {
    /// A sleeping process of which no more is known.
    pub fn new(pid: u32, comm: &str) -> Self {
        let process = ProcessSample {
            id: ProcessId::new(pid, 0),
            parent: None,
            facts: Arc::new(Facts {
                comm: comm.into(),
                ..Facts::default()
            }),
            totals: Totals::UNKNOWN,
            rss_bytes: None,
            peak_rss_bytes: None,
            memory: None,
            pss_bytes: None,
            threads: Some(1),
            state: State::Sleeping,
            source: Source::Ebpf,
            predates_collection: false,
            flows_since_ns: None,
        };
        Self {
            process,
            delta: Totals::UNKNOWN,
        }
    }

    /// A process of which everything is known, but for its end.
    pub fn full() -> Self {
        let mut fixture = Self::new(7, "nginx");
        fixture.facts(|facts| {
            *facts = Facts {
                comm: "nginx".into(),
                exe: Some("/usr/sbin/nginx".into()),
                argv: Some("nginx\0-g\0daemon off;\0".into()),
                argv_truncated: false,
                uid: Some(33),
                user: Some("www-data".into()),
                cgroup: Some("/system.slice/nginx.service".into()),
                container: Some("web".into()),
                is_kernel_thread: false,
            };
        });
        fixture.process.parent = Some(ProcessId::new(1, 0));
        fixture.process.rss_bytes = Some(64 << 20);
        fixture.process.peak_rss_bytes = Some(65 << 20);
        fixture.process.memory = Some(MemoryKinds {
            anon_bytes: 40 << 20,
            file_bytes: 20 << 20,
            shmem_bytes: 4 << 20,
            swap_bytes: 1 << 20,
        });
        fixture.process.pss_bytes = Some(50 << 20);
        fixture.process.flows_since_ns = Some(0);
        for (factor, counter) in (1..).zip(Counter::ALL) {
            fixture.process.totals.set(counter, 1_000_000_000 * factor);
            fixture.delta.set(counter, 100_000_000 * factor);
        }
        fixture
    }

    pub fn facts(&mut self, change: impl FnOnce(&mut Facts)) {
        change(Arc::make_mut(&mut self.process.facts));
    }

    pub fn view(&self) -> ProcessView<'_> {
        ProcessView {
            process: &self.process,
            delta: &self.delta,
            interval_ns: 1_000_000_000,
        }
    }
}

pub fn ended(time_ns: Option<u64>, status: Option<u32>, totals: TotalsAt) -> Ending {
    Ending {
        time_ns,
        status: status.map(WaitStatus),
        totals,
    }
}

/// A snapshot of one second that ends so long after boot; the processes have moved their deltas in it.
pub fn snapshot_of(fixtures: &[Fixture], boot_time_ns: u64) -> Snapshot {
    let second_before_ns = boot_time_ns.saturating_sub(1_000_000_000);
    let before = sample_of(fixtures, second_before_ns, |fixture| {
        fixture.process.totals.since(&fixture.delta)
    });
    let now = sample_of(fixtures, boot_time_ns, |fixture| fixture.process.totals);
    Snapshot::derive(&before, Arc::new(now))
}

pub fn sample_of(
    fixtures: &[Fixture],
    boot_time_ns: u64,
    totals: fn(&Fixture) -> Totals,
) -> Sample {
    let from = SourceState::From(Source::Ebpf);
    let process = |fixture: &Fixture| ProcessSample {
        totals: totals(fixture),
        ..fixture.process.clone()
    };
    let mut processes: Vec<_> = fixtures.iter().map(process).collect();
    processes.sort_by_key(|process| process.id);
    Sample {
        time_ns: 1_795_404_009_000_000_000 + boot_time_ns,
        boot_time_ns,
        began_ns: boot_time_ns,
        host: HostSample::default(),
        cores: Vec::new(),
        devices: Vec::new(),
        interfaces: Vec::new(),
        processes,
        nameless: Totals::ZERO,
        loss: Losses::default(),
        sources: Sources::all(&from),
        shed: Shed::NOTHING,
    }
}
