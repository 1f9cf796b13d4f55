//! Sums over windows: of each frame that fits, once, from whichever tier tells it.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{History, HistoryError};
use crate::{
    history::{
        assemble::Directory as _,
        block::{Block, Times},
        frame::{HostPart, Key},
        store::TIERS,
    },
    model::{facts::Facts, identity::ProcessId, series::Added, totals::Counter},
};
/// A process with what it added to one total in a window.
#[derive(Clone, Debug)]
pub struct Ranked {
    pub key: Key,
    pub id: ProcessId,
    pub facts: Arc<Facts>,
    pub value: u64,
}

/// What was added to one total of one process, or of the host's processes together, from one moment to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub since_ns: u64,
    pub time_ns: u64,
    pub added: u64,
}

impl From<&Point> for Added {
    fn from(point: &Point) -> Self {
        Self {
            since_ns: point.since_ns,
            time_ns: point.time_ns,
            amount: point.added,
        }
    }
}

/// Points, the oldest first. Moments at which nothing was added have none.
pub type Curve = Vec<Point>;

/// The host at two moments, nanoseconds since the epoch.
#[derive(Clone, Debug)]
pub struct HostPoint {
    pub since_ns: u64,
    pub time_ns: u64,
    pub before: HostPart,
    pub after: HostPart,
}

impl History {
    /// What each process added to some totals within a window: by the coarsest frames that lie within it, and at
    /// its edges by finer ones. `each` gets the key and one sum a counter.
    pub fn sums(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        counters: &[Counter],
    ) -> Result<HashMap<Key, Vec<u64>>, HistoryError> {
        let mut sums: HashMap<Key, Vec<u64>> = HashMap::new();
        self.frames_over(from_ns, to_ns, counters, &mut |_, key, values| {
            let sum = sums.entry(key).or_insert_with(|| vec![0; counters.len()]);
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum = sum.saturating_add(*value);
            }
        })?;
        Ok(sums)
    }

    /// Those that added most to a total within a window, from the one that added most.
    pub fn top(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        counter: Counter,
        limit: usize,
    ) -> Result<Vec<Ranked>, HistoryError> {
        let sums = self.sums(from_ns, to_ns, &[counter])?;
        let mut all: Vec<_> = sums
            .into_iter()
            .map(|(key, sum)| (sum[0], key))
            .filter(|(value, _)| *value > 0)
            .collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.truncate(limit);
        self.ranked(all)
    }

    /// One process's curve, or with no process that of all together, in about `points` points or more.
    pub fn curve(
        &mut self,
        key: Option<Key>,
        counter: Counter,
        from_ns: u64,
        to_ns: u64,
        points: u64,
    ) -> Result<Curve, HistoryError> {
        let coarsest = coarsest_for(from_ns, to_ns, points);
        let mut curve: Curve = Vec::new();
        self.frames_up_to(
            coarsest,
            from_ns,
            to_ns,
            &[counter],
            &mut |times, found, values| {
                if key.is_some_and(|key| key != found) {
                    return;
                }
                let since_ns = times.since_ns.unwrap_or(times.time_ns);
                match curve.last_mut() {
                    Some(last) if last.time_ns == times.time_ns => last.added += values[0],
                    _ => curve.push(Point {
                        since_ns,
                        time_ns: times.time_ns,
                        added: values[0],
                    }),
                }
            },
        )?;
        curve.sort_unstable_by_key(|point| point.time_ns);
        Ok(curve)
    }

    /// The curves of several processes, in one pass; those that added nothing have none.
    pub fn curves(
        &mut self,
        keys: &[Key],
        counter: Counter,
        from_ns: u64,
        to_ns: u64,
        points: u64,
    ) -> Result<HashMap<Key, Curve>, HistoryError> {
        let mut curves: HashMap<Key, Curve> = HashMap::new();
        let coarsest = coarsest_for(from_ns, to_ns, points);
        self.frames_up_to(
            coarsest,
            from_ns,
            to_ns,
            &[counter],
            &mut |times, key, values| {
                if keys.contains(&key) && values[0] > 0 {
                    curves.entry(key).or_default().push(Point {
                        since_ns: times.since_ns.unwrap_or(times.time_ns),
                        time_ns: times.time_ns,
                        added: values[0],
                    });
                }
            },
        )?;
        for curve in curves.values_mut() {
            curve.sort_unstable_by_key(|point| point.time_ns);
        }
        Ok(curves)
    }

    /// What the processes of each name added to a total within a window, together.
    ///
    /// # Errors
    /// SQLite's, as of all that follow.
    pub fn sums_by_comm(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        counter: Counter,
    ) -> Result<HashMap<Box<str>, u64>, HistoryError> {
        let sums = self.sums(from_ns, to_ns, &[counter])?;
        let mut directory = self.directory();
        let mut by_comm: HashMap<Box<str>, u64> = HashMap::new();
        for (key, sum) in sums {
            let facts = directory.facts_of(key)?;
            let all = by_comm.entry_ref(&*facts.comm).or_default();
            *all = all.saturating_add(sum[0]);
        }
        Ok(by_comm)
    }

    pub(super) fn ranked(&mut self, all: Vec<(u64, Key)>) -> Result<Vec<Ranked>, HistoryError> {
        let mut directory = self.directory();
        all.into_iter()
            .map(|(value, key)| {
                Ok(Ranked {
                    key,
                    id: directory.process(key)?,
                    facts: directory.facts_of(key)?,
                    value,
                })
            })
            .collect()
    }

    fn frames_over(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        counters: &[Counter],
        each: &mut dyn FnMut(&Times, Key, &[u64]),
    ) -> Result<(), HistoryError> {
        self.frames_up_to(TIERS.len() - 1, from_ns, to_ns, counters, each)
    }

    /// Every frame of a window once: of the coarsest tier that is allowed where that fits, else of a finer one, and
    /// of a coarser one where there is nothing else.
    fn frames_up_to(
        &mut self,
        coarsest: usize,
        from_ns: u64,
        to_ns: u64,
        counters: &[Counter],
        each: &mut dyn FnMut(&Times, Key, &[u64]),
    ) -> Result<(), HistoryError> {
        let mut open = vec![(from_ns, to_ns)];
        // Frames that lie within, from the coarsest; then those that reach in from outside, from the finest.
        let within = (0..=coarsest).rev().map(|tier| (tier, true));
        let across = (0..TIERS.len()).map(|tier| (tier, false));
        for (tier, is_within) in within.chain(across) {
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (from_ns, to_ns) in &open {
                let (from_ns, to_ns) = (*from_ns, *to_ns);
                for bytes in self.blocks_between(tier, from_ns, to_ns)? {
                    let block = Block::parse(&bytes)?;
                    block.scan(
                        counters,
                        |times| {
                            let Some(since_ns) = times.since_ns else {
                                return false;
                            };
                            let is_wanted = times.time_ns > from_ns
                                && times.time_ns <= to_ns
                                && (!is_within || since_ns >= from_ns);
                            if is_wanted {
                                taken.push((since_ns.max(from_ns), times.time_ns));
                            }
                            is_wanted
                        },
                        &mut *each,
                    )?;
                }
            }
            taken.sort_unstable();
            open = without(&open, &taken);
            if open.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// The host at the end of each frame of a window, in about `points` frames or more, the oldest first. A frame that
    /// tells of no time before it is left out.
    pub fn hosts(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        points: u64,
    ) -> Result<Vec<HostPoint>, HistoryError> {
        let coarsest = coarsest_for(from_ns, to_ns, points);
        let mut open = vec![(from_ns, to_ns)];
        let mut hosts = Vec::new();
        for tier in (0..=coarsest).rev().chain(coarsest + 1..TIERS.len()) {
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (from_ns, to_ns) in &open {
                for bytes in self.blocks_between(tier, *from_ns, *to_ns)? {
                    let mut before: Option<HostPart> = None;
                    for (times, part) in Block::parse(&bytes)?.hosts()? {
                        if let (Some(since_ns), Some(before)) = (times.since_ns, before.take())
                            && since_ns >= *from_ns
                            && times.time_ns <= *to_ns
                        {
                            taken.push((since_ns, times.time_ns));
                            hosts.push(HostPoint {
                                since_ns,
                                time_ns: times.time_ns,
                                before,
                                after: part.clone(),
                            });
                        }
                        before = Some(part);
                    }
                }
            }
            taken.sort_unstable();
            open = without(&open, &taken);
            if open.is_empty() {
                break;
            }
        }
        hosts.sort_by_key(|point| point.time_ns);
        hosts.dedup_by_key(|point| point.time_ns);
        Ok(hosts)
    }
}

/// The coarsest tier whose frames are no wider than a window's part, when that has so many.
fn coarsest_for(from_ns: u64, to_ns: u64, points: u64) -> usize {
    let step_ns = to_ns.saturating_sub(from_ns) / points.max(1);
    TIERS
        .iter()
        .rposition(|tier| tier.frame_ns <= step_ns)
        .unwrap_or(0)
}

/// What is left of some windows when others are taken out of them, which are sorted.
fn without(open: &[(u64, u64)], taken: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    for (from, to) in open {
        let mut at = *from;
        for (start, end) in taken.iter().filter(|(start, end)| start < to && end > from) {
            if *start > at {
                left.push((at, *start));
            }
            at = at.max(*end);
        }
        if at < *to {
            left.push((at, *to));
        }
    }
    left
}
