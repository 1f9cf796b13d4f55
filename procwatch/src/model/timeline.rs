//! The last snapshots, to step back through and to draw lines of.
//!
//! Bounded by how many there are and by how many processes they hold: at ten thousand processes a snapshot takes
//! megabytes.

use std::{collections::VecDeque, sync::Arc};

use super::{
    identity::ProcessId,
    snapshot::{ProcessView, Snapshot},
    totals::Totals,
};

const SNAPSHOTS_MAX: usize = 900;
/// About 600 bytes each.
const PROCESSES_MAX: usize = 150_000;
/// How long the dead are shown beside the living.
const AFTERGLOW_NS: u64 = 10_000_000_000;
/// A storm of deaths would push the living off the screen.
const AFTERGLOW_MAX: usize = 2_000;

/// Snapshots, the oldest first.
#[derive(Debug, Default)]
pub struct Timeline {
    snapshots: VecDeque<Arc<Snapshot>>,
    processes: usize,
    /// How many have been dropped at the old end: positions count from the first there ever was.
    dropped: u64,
}

impl Timeline {
    pub fn push(&mut self, snapshot: Snapshot) {
        self.processes += snapshot.sample.processes.len();
        self.snapshots.push_back(Arc::new(snapshot));
        while self.snapshots.len() > SNAPSHOTS_MAX
            || self.processes > PROCESSES_MAX && self.snapshots.len() > 2
        {
            if let Some(oldest) = self.snapshots.pop_front() {
                self.processes -= oldest.sample.processes.len();
                self.dropped += 1;
            }
        }
    }

    /// The position of the newest; `None` before the first.
    pub fn newest(&self) -> Option<u64> {
        let last = self.snapshots.len().checked_sub(1)?;
        Some(self.dropped + last as u64)
    }

    /// The position of the oldest that is still there.
    pub fn oldest(&self) -> u64 {
        self.dropped
    }

    /// The snapshot at a position. `None` when it was dropped, or is still to come.
    pub fn at(&self, position: u64) -> Option<&Arc<Snapshot>> {
        let index = position.checked_sub(self.dropped)?;
        self.snapshots.get(usize::try_from(index).ok()?)
    }

    /// The position of the last snapshot that is not after a time, nanoseconds since the epoch. `None` when they
    /// all are.
    pub fn position_at(&self, time_ns: u64) -> Option<u64> {
        let until = |snapshot: &&Arc<Snapshot>| snapshot.sample.time_ns <= time_ns;
        let count = self.snapshots.iter().take_while(until).count();
        Some(self.dropped + count.checked_sub(1)? as u64)
    }

    /// Up to `count` snapshots that end with the one at a position, the oldest first.
    pub fn up_to(&self, position: u64, count: usize) -> impl Iterator<Item = &Arc<Snapshot>> {
        let end = position
            .checked_sub(self.dropped)
            .map_or(0, |index| (index as usize + 1).min(self.snapshots.len()));
        self.snapshots.range(end.saturating_sub(count)..end)
    }

    /// Those that ended in the ten seconds before the snapshot at a position, and are not in it any more; the
    /// last that died first. Their totals are final; they have no rates.
    pub fn afterglow(&self, position: u64) -> Vec<ProcessView<'_>> {
        const NO_RATES: &Totals = &Totals::UNKNOWN;
        let Some(shown) = self.at(position) else {
            return Vec::new();
        };
        let since_ns = shown.sample.boot_time_ns.saturating_sub(AFTERGLOW_NS);
        let index = (position - self.dropped) as usize;
        self.snapshots
            .range(..index)
            .rev()
            .take_while(|snapshot| snapshot.sample.boot_time_ns >= since_ns)
            .flat_map(|snapshot| {
                let interval_ns = snapshot.interval_ns;
                let dead = snapshot
                    .sample
                    .processes
                    .iter()
                    .filter(|one| one.state.has_gone());
                dead.map(move |process| ProcessView {
                    process,
                    delta: NO_RATES,
                    interval_ns,
                })
            })
            .take(AFTERGLOW_MAX)
            .collect()
    }

    /// What a figure of a process was in each of up to `count` snapshots that end at a position; `None` where
    /// it was not there or not known.
    pub fn line_of(
        &self,
        id: ProcessId,
        position: u64,
        count: usize,
        figure: impl Fn(&ProcessView<'_>) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        self.up_to(position, count)
            .map(|snapshot| figure(&snapshot.process(id)?))
            .collect()
    }

    /// The last that is known of a process, looking back from a position.
    pub fn last_of(&self, id: ProcessId, position: u64) -> Option<ProcessView<'_>> {
        let index = position.checked_sub(self.dropped)? as usize;
        let end = (index + 1).min(self.snapshots.len());
        let mut back = self.snapshots.range(..end).rev();
        back.find_map(|snapshot| snapshot.process(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::fixture::{Fixture, snapshot_of};

    fn timeline(pids: &[&[u32]]) -> Timeline {
        let mut timeline = Timeline::default();
        for (second, pids) in pids.iter().enumerate() {
            let fixtures: Vec<_> = pids.iter().map(|pid| Fixture::new(*pid, "x")).collect();
            let boot_time_ns = second as u64 * 1_000_000_000;
            timeline.push(snapshot_of(&fixtures, boot_time_ns));
        }
        timeline
    }

    #[test]
    fn positions_stay_when_old_snapshots_go() {
        let many: Vec<&[u32]> = vec![&[1, 2]; SNAPSHOTS_MAX + 5];
        let timeline = timeline(&many);
        assert_eq!(timeline.oldest(), 5);
        assert_eq!(timeline.newest(), Some(SNAPSHOTS_MAX as u64 + 4));
        assert!(timeline.at(4).is_none());
        let at = |position| timeline.at(position).unwrap().sample.boot_time_ns;
        assert_eq!(at(5), 5_000_000_000);
        assert_eq!(timeline.up_to(7, 10).count(), 3);
        assert_eq!(timeline.up_to(3, 10).count(), 0);
    }

    #[test]
    fn many_processes_make_a_short_timeline() {
        let pids: Vec<u32> = (0..PROCESSES_MAX as u32 / 2).collect();
        let timeline = timeline(&[&pids, &pids, &pids, &pids]);
        assert_eq!(timeline.newest().unwrap() - timeline.oldest(), 1);
    }

    #[test]
    fn a_line_has_gaps_where_the_process_was_not_there() {
        let timeline = timeline(&[&[1], &[], &[1, 2]]);
        let id = Fixture::new(1, "x").process.id;
        let line = timeline.line_of(id, 2, 3, |view| Some(view.process.id.pid.into()));
        assert_eq!(line, [Some(1.0), None, Some(1.0)]);
        assert!(timeline.last_of(id, 1).is_some());
        assert!(timeline.last_of(ProcessId::new(9, 0), 2).is_none());
    }
}
