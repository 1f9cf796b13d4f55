//! Samples of hosts that never were, for tests.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    sample::{
        Ending, HostSample, Losses, ProcessSample, Sample, Source, SourceState, Sources, State,
        TotalsAt,
    },
    shed::Shed,
    totals::{Counter, Totals},
};

pub const SECOND: u64 = 1_000_000_000;
/// When the recordings of these tests begin, on a whole minute.
pub const EPOCH: u64 = 1_700_000_040 * SECOND;

/// What a process does from one sample to the next.
#[derive(Clone, Debug)]
pub struct Step {
    pub pid: u32,
    pub cpu_ns: u64,
    pub read: Option<u64>,
    pub rss: u64,
    pub ends: bool,
    pub execs: bool,
}

pub fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = (
        1_u32..12,
        0_u64..5_000,
        proptest::option::of(0_u64..9_000),
        0_u64..4,
        any::<u8>(),
    )
        .prop_map(|(pid, cpu_ns, read, rss, chance)| Step {
            pid,
            cpu_ns,
            read,
            rss: rss * 4096,
            ends: chance % 8 == 0,
            execs: chance % 16 == 1,
        });
    proptest::collection::vec(proptest::collection::vec(step, 0..6), 2..40)
}

/// Samples of a host on which those steps are taken, a second each.
pub fn samples(steps: &[Vec<Step>]) -> Vec<Sample> {
    let mut living: std::collections::BTreeMap<u32, ProcessSample> =
        std::collections::BTreeMap::new();
    let mut samples = Vec::new();
    for (second, steps) in steps.iter().enumerate() {
        let boot_ns = (100 + second as u64) * SECOND;
        let mut ended = Vec::new();
        let mut is_over = std::collections::BTreeSet::new();
        for step in steps {
            if is_over.contains(&step.pid) {
                continue;
            }
            if step.ends {
                is_over.insert(step.pid);
            }
            let process = living
                .entry(step.pid)
                .or_insert_with(|| process(step.pid, boot_ns - SECOND / 2));
            let cpu = process.totals.get(Counter::CpuTime).unwrap_or(0);
            process.totals.set(Counter::CpuTime, cpu + step.cpu_ns);
            if let Some(read) = step.read {
                let before = process.totals.get(Counter::Read).unwrap_or(0);
                process.totals.set(Counter::Read, before + read);
            }
            process.rss_bytes = Some(step.rss);
            if step.execs {
                let mut facts = Facts::clone(&process.facts);
                facts.comm = format!("exec-{second}").into();
                process.facts = Arc::new(facts);
            }
            if step.ends
                && let Some(mut process) = living.remove(&step.pid)
            {
                process.state = State::Exited(Ending {
                    time_ns: Some(boot_ns - 7),
                    status: Some(WaitStatus(9)),
                    totals: TotalsAt::Final,
                });
                process.rss_bytes = None;
                ended.push(process);
            }
        }
        ended.extend(living.values().cloned());
        ended.sort_by_key(|process| process.id);
        samples.push(sample(second as u64, ended));
    }
    samples
}

pub fn process(pid: u32, start_time_ns: u64) -> ProcessSample {
    ProcessSample {
        id: ProcessId::new(pid, start_time_ns),
        parent: Some(ProcessId::new(1, 1)),
        facts: Arc::new(Facts {
            comm: format!("p{pid}").into(),
            ..Facts::default()
        }),
        totals: Totals::ZERO.without(&[Counter::Read, Counter::NetSent]),
        rss_bytes: Some(4096),
        peak_rss_bytes: Some(8192),
        memory: None,
        pss_bytes: None,
        threads: Some(1),
        state: State::Sleeping,
        source: Source::Ebpf,
        predates_collection: false,
        flows_since_ns: Some(start_time_ns),
    }
}

pub fn sample(second: u64, processes: Vec<ProcessSample>) -> Sample {
    let source = SourceState::From(Source::Ebpf);
    Sample {
        time_ns: EPOCH + second * SECOND,
        boot_time_ns: (100 + second) * SECOND,
        began_ns: (100 + second) * SECOND - 1000,
        host: HostSample::default(),
        cores: Vec::new(),
        devices: Vec::new(),
        interfaces: Vec::new(),
        processes,
        nameless: Totals::ZERO,
        loss: Losses::default(),
        sources: Sources {
            network: SourceState::Unavailable("tests have none".into()),
            ..Sources::all(&source)
        },
        shed: Shed::NOTHING,
    }
}
