//! The live table of a host that has nothing but these processes.

use std::sync::Arc;

use procwatch::{
    cli::table::{self, Row},
    model::{
        field::Field,
        identity::ProcessId,
        sample::{
            HostCpu, HostSample, Losses, ProcessSample, Sample, Source, SourceState, Sources, State,
        },
        shed::Shed,
        snapshot::Snapshot,
        totals::Totals,
    },
};
use unicode_width::UnicodeWidthStr as _;

use crate::{lives::NOW, shown::check_harmless};

/// The live table, from one pass to the next.
#[derive(Default)]
pub(crate) struct Screen {
    previous: Option<Arc<Sample>>,
    /// Those that were shown as ended.
    pub(crate) ended: Vec<ProcessId>,
}

impl Screen {
    /// Shows what has become of them since the last time.
    pub(crate) fn show(&mut self, now_ns: u64, processes: Vec<ProcessSample>) {
        const WIDTH: usize = 90;
        assert!(processes.is_sorted_by(|one, next| one.id <= next.id));
        let has_ended = |process: &&ProcessSample| matches!(process.state, State::Exited(_));
        let ended = processes.iter().filter(has_ended);
        self.ended.extend(ended.map(|process| process.id));
        let sample = Arc::new(sample(now_ns, processes));
        let previous = self.previous.replace(Arc::clone(&sample));
        let snapshot = match previous {
            Some(previous) => Snapshot::derive(&previous, sample),
            None => Snapshot::derive(&Arc::clone(&sample), sample),
        };
        let rows: Vec<_> = snapshot
            .processes()
            .map(|view| Row { view, depth: 0 })
            .collect();
        let table = table::render(&snapshot, &rows, Field::Pid, None, WIDTH);
        for line in table.lines() {
            check_harmless(line);
            assert!(line.width() <= WIDTH, "{line:?}");
        }
    }
}

fn sample(now_ns: u64, processes: Vec<ProcessSample>) -> Sample {
    let ebpf = || SourceState::From(Source::Ebpf);
    Sample {
        time_ns: NOW.wall_ns,
        boot_time_ns: now_ns,
        began_ns: now_ns,
        host: HostSample {
            cpu: Some(HostCpu {
                cpus: 2,
                awake_ns: now_ns,
                idle_ns: now_ns,
                steal_ns: 0,
            }),
            ..HostSample::default()
        },
        cores: Vec::new(),
        devices: Vec::new(),
        interfaces: Vec::new(),
        processes,
        nameless: Totals::ZERO,
        loss: Losses::default(),
        sources: Sources::all(&ebpf()),
        shed: Shed::NOTHING,
    }
}
