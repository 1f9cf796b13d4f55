//! What one sample adds to the one before it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{
    device::DeviceSample,
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    sample::{
        CoreSample, Ending, HostSample, InterfaceSample, Losses, MemoryKinds, ProcessSample,
        Source, Sources, State, TotalsAt,
    },
    shed::Shed,
    totals::{Counter, Totals, UNKNOWN},
};

/// The number of a process within a recording.
pub type Key = u64;
/// The number of what was known of a process within a recording.
pub type Image = u64;

/// What happened between two samples, and how the host stood at the later one.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Of the earlier sample, nanoseconds since the epoch; `None` of the first.
    pub since_ns: Option<u64>,
    /// Of the later one, as are all the rest.
    pub time_ns: u64,
    pub boot_time_ns: u64,
    pub began_ns: u64,
    pub host: HostPart,
    /// Of those that did anything, by key.
    pub rows: Vec<Row>,
    /// Those that are no more, and of whose end nothing was told.
    pub gone: Vec<Key>,
}

/// All of a sample but its processes and its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostPart {
    pub host: HostSample,
    pub cores: Vec<CoreSample>,
    pub devices: Vec<DeviceSample>,
    pub interfaces: Vec<InterfaceSample>,
    pub nameless: Totals,
    pub loss: Losses,
    pub sources: Sources,
    pub shed: Shed,
}

/// What one process did in one frame, as differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: Key,
    pub began: Began,
    /// What was added to each total; 0 where that is unknown.
    pub added: [u64; Counter::COUNT],
    /// What to add to each gauge, wrapping around; to 0 unless the row goes on from one before.
    pub gauges: [u64; Gauge::COUNT],
}

/// What a row builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Began {
    /// The row of the same process before.
    Before,
    /// Nothing: it was born since. Of the counters in the mask nothing is known.
    Now { unknown: u32 },
    /// Totals that were run up before anybody watched, or that are told anew.
    Earlier { base: Box<Totals> },
}

/// How a process stands: all that changes of a [`ProcessSample`], as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub totals: Totals,
    pub gauges: [u64; Gauge::COUNT],
}

/// A figure that is no total. Stored as 0 where it is unknown, and else as one more than it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Gauge {
    Rss,
    PeakRss,
    Anon,
    File,
    Shmem,
    Swap,
    Pss,
    Threads,
    State,
    EndTime,
    EndStatus,
    EndTotals,
    Source,
    Predates,
    FlowsSince,
    Parent,
    Image,
}

impl Gauge {
    pub const COUNT: usize = 17;
}

impl Standing {
    /// Of one of whom nothing is known.
    pub const NOTHING: Self = Self {
        totals: Totals::ZERO,
        gauges: [0; Gauge::COUNT],
    };

    pub fn of(process: &ProcessSample, parent: Option<Key>, image: Image) -> Self {
        let mut gauges = [0; Gauge::COUNT];
        let mut set = |gauge: Gauge, value: Option<u64>| {
            gauges[gauge as usize] = value.map_or(0, |value| value.saturating_add(1));
        };
        set(Gauge::Rss, process.rss_bytes);
        set(Gauge::PeakRss, process.peak_rss_bytes);
        let memory = |part: fn(&MemoryKinds) -> u64| process.memory.as_ref().map(part);
        set(Gauge::Anon, memory(|kinds| kinds.anon_bytes));
        set(Gauge::File, memory(|kinds| kinds.file_bytes));
        set(Gauge::Shmem, memory(|kinds| kinds.shmem_bytes));
        set(Gauge::Swap, memory(|kinds| kinds.swap_bytes));
        set(Gauge::Pss, process.pss_bytes);
        set(Gauge::Threads, process.threads.map(u64::from));
        set(Gauge::State, Some(state_number(process.state)));
        let ending = process.state.ending();
        set(Gauge::EndTime, ending.and_then(|ending| ending.time_ns));
        let status = ending.and_then(|ending| ending.status);
        set(Gauge::EndStatus, status.map(|status| u64::from(status.0)));
        set(
            Gauge::EndTotals,
            ending.map(|ending| match ending.totals {
                TotalsAt::Final => 0,
                TotalsAt::Exit => 1,
                TotalsAt::LastSeen => 2,
            }),
        );
        set(
            Gauge::Source,
            Some(match process.source {
                Source::Ebpf => 0,
                Source::Procfs => 1,
            }),
        );
        set(Gauge::Predates, process.predates_collection.then_some(0));
        set(Gauge::FlowsSince, process.flows_since_ns);
        set(Gauge::Parent, parent);
        set(Gauge::Image, Some(image));
        Self {
            totals: process.totals,
            gauges,
        }
    }

    pub fn gauge(&self, gauge: Gauge) -> Option<u64> {
        self.gauges[gauge as usize].checked_sub(1)
    }

    pub fn has_gone(&self) -> bool {
        self.gauge(Gauge::State) == Some(EXITED)
    }

    /// The process again, with what its numbers stand for.
    pub fn process(
        &self,
        id: ProcessId,
        parent: Option<ProcessId>,
        facts: Arc<Facts>,
    ) -> ProcessSample {
        let small = |gauge| {
            self.gauge(gauge)
                .and_then(|value| u32::try_from(value).ok())
        };
        ProcessSample {
            id,
            parent,
            facts,
            totals: self.totals,
            rss_bytes: self.gauge(Gauge::Rss),
            peak_rss_bytes: self.gauge(Gauge::PeakRss),
            memory: self.gauge(Gauge::Anon).map(|anon_bytes| MemoryKinds {
                anon_bytes,
                file_bytes: self.gauge(Gauge::File).unwrap_or(0),
                shmem_bytes: self.gauge(Gauge::Shmem).unwrap_or(0),
                swap_bytes: self.gauge(Gauge::Swap).unwrap_or(0),
            }),
            pss_bytes: self.gauge(Gauge::Pss),
            threads: small(Gauge::Threads),
            state: self.state(),
            source: match self.gauge(Gauge::Source) {
                Some(1) => Source::Procfs,
                _ => Source::Ebpf,
            },
            predates_collection: self.gauge(Gauge::Predates).is_some(),
            flows_since_ns: self.gauge(Gauge::FlowsSince),
        }
    }

    fn state(&self) -> State {
        let ending = || Ending {
            time_ns: self.gauge(Gauge::EndTime),
            status: self
                .gauge(Gauge::EndStatus)
                .map(|status| WaitStatus(status as u32)),
            totals: match self.gauge(Gauge::EndTotals) {
                Some(0) => TotalsAt::Final,
                Some(1) => TotalsAt::Exit,
                _ => TotalsAt::LastSeen,
            },
        };
        match self.gauge(Gauge::State) {
            Some(0) => State::Running,
            Some(2) => State::Uninterruptible,
            Some(3) => State::Stopped,
            Some(4) => State::Zombie(ending()),
            Some(EXITED) => State::Exited(ending()),
            _ => State::Sleeping,
        }
    }
}

const EXITED: u64 = 5;

fn state_number(state: State) -> u64 {
    match state {
        State::Running => 0,
        State::Sleeping => 1,
        State::Uninterruptible => 2,
        State::Stopped => 3,
        State::Zombie(_) => 4,
        State::Exited(_) => EXITED,
    }
}

impl Row {
    /// A process that goes on from how it stood. `None` when nothing has changed.
    pub fn between(key: Key, before: &Standing, after: &Standing) -> Option<Self> {
        if before == after {
            return None;
        }
        let knows_the_same = before
            .totals
            .raw()
            .iter()
            .zip(after.totals.raw())
            .all(|(before, after)| (*before == UNKNOWN) == (*after == UNKNOWN) && before <= after);
        let added = added(&before.totals, &after.totals);
        if !knows_the_same {
            return Some(Self::anew(key, added, after));
        }
        let mut gauges = [0; Gauge::COUNT];
        for (change, (before, after)) in gauges
            .iter_mut()
            .zip(before.gauges.iter().zip(&after.gauges))
        {
            *change = after.wrapping_sub(*before);
        }
        Some(Self {
            key,
            began: Began::Before,
            added,
            gauges,
        })
    }

    /// A process that was born since.
    pub fn born(key: Key, after: &Standing) -> Self {
        let mut unknown = 0;
        let mut added = [0; Counter::COUNT];
        for (position, (added, value)) in added.iter_mut().zip(after.totals.raw()).enumerate() {
            if *value == UNKNOWN {
                unknown |= 1 << position;
            } else {
                *added = *value;
            }
        }
        Self {
            key,
            began: Began::Now { unknown },
            added,
            gauges: after.gauges,
        }
    }

    /// A process whose totals are told whole. `added` is part of them.
    pub fn anew(key: Key, added: [u64; Counter::COUNT], after: &Standing) -> Self {
        let mut base = *after.totals.raw();
        for (base, added) in base.iter_mut().zip(added) {
            if *base != UNKNOWN {
                *base = base.wrapping_sub(added);
            }
        }
        Self {
            key,
            began: Began::Earlier {
                base: Box::new(Totals::from_raw(base)),
            },
            added,
            gauges: after.gauges,
        }
    }

    /// How the process stands after the row, when it stood so before.
    pub fn after(&self, before: &Standing) -> Standing {
        let (mut totals, mut gauges) = match &self.began {
            Began::Before => (*before.totals.raw(), before.gauges),
            Began::Now { unknown } => {
                let mut totals = [0; Counter::COUNT];
                for (position, total) in totals.iter_mut().enumerate() {
                    if unknown & (1 << position) != 0 {
                        *total = UNKNOWN;
                    }
                }
                (totals, [0; Gauge::COUNT])
            }
            Began::Earlier { base } => (*base.raw(), [0; Gauge::COUNT]),
        };
        for (total, added) in totals.iter_mut().zip(self.added) {
            if *total != UNKNOWN {
                *total = total.wrapping_add(added);
            }
        }
        for (gauge, change) in gauges.iter_mut().zip(self.gauges) {
            *gauge = gauge.wrapping_add(change);
        }
        Standing {
            totals: Totals::from_raw(totals),
            gauges,
        }
    }

    /// This row and a later one of the same process as one.
    pub fn join(&mut self, later: &Self) {
        let mut sum = self.added;
        for (sum, added) in sum.iter_mut().zip(later.added) {
            *sum = sum.saturating_add(added);
        }
        match &later.began {
            Began::Before => {
                for (gauge, change) in self.gauges.iter_mut().zip(later.gauges) {
                    *gauge = gauge.wrapping_add(change);
                }
                self.added = sum;
            }
            _ => *self = Self::anew(self.key, sum, &later.after(&Standing::NOTHING)),
        }
    }
}

/// What the later totals have more than the earlier, with 0 where that is unknown.
pub fn added(earlier: &Totals, later: &Totals) -> [u64; Counter::COUNT] {
    let delta = later.since(earlier);
    delta
        .raw()
        .map(|added| if added == UNKNOWN { 0 } else { added })
}
