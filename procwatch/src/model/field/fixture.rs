//! A process made up for tests.

use std::sync::Arc;

use crate::model::{
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    sample::{Ending, MemoryKinds, ProcessSample, Source, State, TotalsAt},
    snapshot::ProcessView,
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
