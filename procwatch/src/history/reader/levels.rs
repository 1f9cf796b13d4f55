//! What goes up and down: memory, threads. Looked up in how everyone stood, for there is nothing to sum.

use hashbrown::HashMap;

use super::{History, HistoryError, Ranked};
use crate::{
    history::{
        assemble::Assembler,
        block::Block,
        frame::{Gauge, Key, Standing},
        store::TIERS,
    },
    model::field::Field,
};

/// Values that go up and down: each holds from its time, nanoseconds since the epoch, to the next one's.
pub type Course = Vec<(u64, Option<u64>)>;

impl History {
    /// How everything stood last, by key.
    pub(in crate::history) fn last_standings(&mut self) -> Result<Assembler, HistoryError> {
        let mut assembler = Assembler::default();
        let last = self.bounds()?.map_or(0, |(_, to_ns)| to_ns);
        if let Some(bytes) = self.blocks_between(0, last, last)?.pop() {
            let block = Block::parse(&bytes)?;
            let mut frames = block.frames()?;
            while let Some(frame) = frames.read()? {
                assembler.push(&frame);
            }
        }
        Ok(assembler)
    }

    /// Those of whom a field was highest within a window, from the highest. `None` when the field is no figure that
    /// goes up and down.
    pub fn highest(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        field: Field,
        limit: usize,
    ) -> Result<Option<Vec<Ranked>>, HistoryError> {
        let Some(gauge) = gauge_of(field) else {
            return Ok(None);
        };
        let mut highest: HashMap<Key, u64> = HashMap::new();
        self.standings_over(from_ns, to_ns, &mut |_, key, standing| {
            if let Some(value) = standing.gauge(gauge) {
                let most = highest.entry(key).or_default();
                *most = value.max(*most);
            }
        })?;
        let mut all: Vec<_> = highest
            .into_iter()
            .map(|(key, value)| (value, key))
            .collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.truncate(limit);
        self.ranked(all).map(Some)
    }

    /// How a field of one process went within a window: its values, each from a moment on. `None` when the field is no
    /// figure that goes up and down.
    pub fn course(
        &mut self,
        key: Key,
        from_ns: u64,
        to_ns: u64,
        field: Field,
    ) -> Result<Option<Course>, HistoryError> {
        let Some(gauge) = gauge_of(field) else {
            return Ok(None);
        };
        let mut course = Vec::new();
        self.standings_over(from_ns, to_ns, &mut |time_ns, found, standing| {
            if found == key {
                course.push((time_ns, standing.gauge(gauge)));
            }
        })?;
        course.sort_by_key(|(time_ns, _)| *time_ns);
        Ok(Some(course))
    }

    /// How everyone stood at the first frame of a window, and after that who did anything, of the finest tiers that
    /// have them.
    fn standings_over(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        each: &mut dyn FnMut(u64, Key, &Standing),
    ) -> Result<(), HistoryError> {
        let mut until_ns = to_ns;
        for tier in 0..TIERS.len() {
            for bytes in self.blocks_between(tier, from_ns, until_ns)? {
                let block = Block::parse(&bytes)?;
                let mut frames = block.frames()?;
                let mut assembler = Assembler::default();
                let mut is_first = true;
                while let Some(frame) = frames.read()? {
                    if frame.time_ns > until_ns {
                        break;
                    }
                    assembler.push(&frame);
                    if frame.time_ns < from_ns {
                        continue;
                    }
                    if std::mem::take(&mut is_first) {
                        for (key, standing) in assembler.standings() {
                            each(frame.time_ns, key, standing);
                        }
                        continue;
                    }
                    for row in &frame.rows {
                        if let Some(standing) = assembler.standing(row.key) {
                            each(frame.time_ns, row.key, standing);
                        }
                    }
                }
            }
            match self.tier_from(tier)? {
                Some(reached_ns) if reached_ns <= from_ns => break,
                Some(reached_ns) => until_ns = until_ns.min(reached_ns),
                None => {}
            }
        }
        Ok(())
    }
}

/// Where a field that goes up and down is kept. `None` of every other.
fn gauge_of(field: Field) -> Option<Gauge> {
    Some(match field {
        Field::Rss => Gauge::Rss,
        Field::PeakRss => Gauge::PeakRss,
        Field::RssAnon => Gauge::Anon,
        Field::RssFile => Gauge::File,
        Field::RssShmem => Gauge::Shmem,
        Field::Swap => Gauge::Swap,
        Field::Pss => Gauge::Pss,
        Field::Threads => Gauge::Threads,
        _ => return None,
    })
}
