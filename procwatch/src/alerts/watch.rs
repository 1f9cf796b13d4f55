//! The detectors at work: what each is told of a snapshot, and what they make of it.
//!
//! Of every process a few bytes are kept, and more only of those that grow or wait. Programs are known across restarts, and
//! what was learned of them outlives the agent.

mod growth;
mod host;
mod process;
mod program;

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use self::{host::Host, process::Processes, program::Program};
use super::{Around, Match};
use crate::{
    detect::forecast::Ahead,
    model::{
        event::{Event, EventKind},
        rule::{Detector, Rule, Test},
        snapshot::Snapshot,
        sums::{Sum, program as program_of, programs},
    },
};

/// Programs that are known at a time; who has not been there for longest is forgotten.
const PROGRAMS_MAX: usize = 4096;
/// A program that has not been there for so long is forgotten, nanoseconds.
const FORGOTTEN_NS: u64 = 7 * 86_400_000_000_000;

/// All that detectors have learned.
#[derive(Debug, Default)]
pub(super) struct Watch {
    processes: Processes,
    known: Known,
}

/// What outlives the agent.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    programs: HashMap<Arc<str>, Program>,
    host: Host,
}

/// Where a program is going.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    pub program: Arc<str>,
    /// What it was learned until, nanoseconds since the epoch.
    pub as_of_ns: u64,
    /// Percent of one core. `None` of what has not been there for ten minutes.
    pub cpu_pct: Option<Ahead>,
    /// Resident; what processes share counts for each of them. `None` as above.
    pub memory_bytes: Option<Ahead>,
}

/// What is looked at: a snapshot, and what happened in it.
#[derive(Clone, Copy)]
struct Sight<'a> {
    snapshot: &'a Snapshot,
    events: &'a [Event],
    programs: &'a HashMap<Arc<str>, Sum>,
    /// Detectors learn by the time of day, and measure by that since boot.
    wall_ns: u64,
    boot_ns: u64,
}

/// What each detector found.
#[derive(Debug, Default)]
pub(super) struct Found(HashMap<Detector, Vec<Match>>);

impl Found {
    fn add(&mut self, detector: Detector, found: Match) {
        self.0.entry(detector).or_default().push(found);
    }

    pub(super) fn take(&mut self, detector: Detector) -> Vec<Match> {
        self.0.remove(&detector).unwrap_or_default()
    }
}

impl Watch {
    /// What was learned, as bytes. Empty when nothing was.
    pub(super) fn learned(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.known).unwrap_or_default()
    }

    /// Goes on with what was learned; what another version has learned otherwise is forgotten.
    pub(super) fn remember(&mut self, learned: &[u8]) {
        if let Ok(known) = postcard::from_bytes(learned) {
            self.known = known;
        }
    }

    /// Where each program that is there is going, by name.
    pub(super) fn forecasts(&self, span_ns: u64) -> Vec<Outlook> {
        let seen_ns = self.known.programs.values().map(|program| program.seen_ns);
        let Some(now_ns) = seen_ns.max() else {
            return Vec::new();
        };
        let mut forecasts: Vec<_> = self
            .known
            .programs
            .iter()
            .filter(|(_, program)| program.seen_ns == now_ns)
            .map(|(name, program)| {
                let (cpu_pct, memory_bytes) = program.ahead(span_ns);
                Outlook {
                    program: Arc::clone(name),
                    as_of_ns: now_ns,
                    cpu_pct,
                    memory_bytes,
                }
            })
            .collect();
        forecasts.sort_by(|one, other| one.program.cmp(&other.program));
        forecasts
    }

    /// Looks at a snapshot. Only what rules ask for is looked at.
    pub(super) fn observe(
        &mut self,
        rules: &[Rule],
        snapshot: &Snapshot,
        events: &[Event],
        around: &mut dyn Around,
    ) -> Found {
        let mut found = Found::default();
        let wanted: Vec<Detector> = rules
            .iter()
            .filter_map(|rule| match rule.test {
                Test::Detector(detector) => Some(detector),
                _ => None,
            })
            .collect();
        if wanted.is_empty() {
            return found;
        }
        let programs = programs(snapshot);
        let sight = Sight {
            snapshot,
            events,
            programs: &programs,
            wall_ns: snapshot.sample.time_ns,
            boot_ns: snapshot.sample.boot_time_ns,
        };
        self.processes.observe(&wanted, sight, around, &mut found);
        self.known.host.observe(sight, &mut found);
        self.observe_programs(sight, &mut found);
        found
    }

    fn observe_programs(&mut self, sight: Sight<'_>, found: &mut Found) {
        let known = &mut self.known.programs;
        for (name, sum) in sight.programs {
            if sum.facts().is_kernel_thread {
                continue;
            }
            let program = known.entry(Arc::clone(name)).or_default();
            program.observe(name, sum, sight, found);
        }
        for event in sight.events {
            let name = match &event.kind {
                EventKind::Exec => {
                    // What it was started by is what does something new.
                    let parent = event.parent.and_then(|id| sight.snapshot.process(id));
                    let Some(parent) = parent else { continue };
                    let parent_name = program_of(&parent.process.facts);
                    if let Some(program) = known.get_mut(parent_name) {
                        let child = program_of(&event.facts);
                        program.starts(parent_name, parent.process.id, child, sight, found);
                    }
                    continue;
                }
                _ => program_of(&event.facts),
            };
            let Some(program) = known.get_mut(name) else {
                continue;
            };
            match &event.kind {
                EventKind::Exit(process) => program.ended(name, process, sight, found),
                EventKind::Connect(connection) => {
                    program.connects(name, event.id, connection, sight, found);
                }
                _ => {}
            }
        }
        for (name, program) in known.iter_mut() {
            if !sight.programs.contains_key(name) {
                program.is_gone(name, sight, found);
            }
        }
        let now_ns = sight.wall_ns;
        known.retain(|_, program| now_ns.saturating_sub(program.seen_ns) < FORGOTTEN_NS);
        while known.len() > PROGRAMS_MAX {
            let oldest = known.iter().min_by_key(|(_, program)| program.seen_ns);
            let Some(name) = oldest.map(|(name, _)| Arc::clone(name)) else {
                break;
            };
            known.remove(&name);
        }
    }
}
