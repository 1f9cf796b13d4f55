//! The reading side: any number of readers, while a recorder writes.

mod levels;
mod lineage;
mod lives;
mod names;
mod open;
mod recent;
mod sums;

use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};

use hashbrown::HashSet;
use rusqlite::{Connection, OptionalExtension as _, params};
use thiserror::Error;

use super::{
    assemble::Assembler,
    block::{Block, Builder, unpack},
    columns::Damaged,
    events::{self, Kept},
    frame::{Frame, Key},
    store::{StoreError, TIERS, check_file, signed, unsigned},
};
use crate::{
    alerts::KeptAlert,
    model::{event::Event, mute::Silence, sample::Sample, snapshot::Snapshot},
};

use self::names::{Names, Reading};
pub use self::{
    levels::Course,
    lives::Life,
    sums::{Curve, HostPoint, Point, Ranked},
};

/// Blocks that are kept as they were read: stepping through time reads the same ones again.
const BLOCKS_MAX: usize = 16;

/// Bytes that a block of events may become.
pub(super) const EVENTS_MAX: u64 = 256 << 20;

/// Why a recording cannot be read.
#[derive(Debug, Error)]
pub enum HistoryError {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Damaged(#[from] Damaged),
    #[error("{0}")]
    File(std::io::Error),
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(why) => Self::Refused(why),
            StoreError::File(error) => Self::File(error),
            StoreError::Sqlite(error) => Self::Sqlite(error),
            StoreError::Damaged(error) => Self::Damaged(error),
        }
    }
}

/// A recording that is read.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    names: Names,
    blocks: VecDeque<(i64, Arc<[u8]>)>,
}

/// The number of a recorder's run, and a block of what is in none yet.
type Tail = (i64, Arc<[u8]>);

/// When the recording could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from_ns: u64,
    pub to_ns: u64,
    pub samples: u64,
    pub events: u64,
    pub processes: u64,
    pub why: String,
}

impl History {
    /// # Errors
    /// When the file is no recording that this version can read.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        check_file(path)?;
        let connection = open::open_connection(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Self {
            connection,
            names: Names::default(),
            blocks: VecDeque::new(),
        })
    }

    /// Of a recording that a [`super::Store`] of the same process has open, to be dropped before that: a look at the
    /// file itself would end SQLite's locks on it.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn beside(path: &Path) -> Result<Self, HistoryError> {
        let connection = open::open_connection(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self {
            connection,
            names: Names::default(),
            blocks: VecDeque::new(),
        })
    }

    /// From the beginning of the first frame to the end of the last. `None` of an empty recording.
    ///
    /// # Errors
    /// SQLite's, as of all that follow.
    pub fn bounds(&self) -> Result<Option<(u64, u64)>, HistoryError> {
        let mut select = self.connection.prepare_cached(
            "SELECT min(from_ns), max(to_ns) FROM (SELECT from_ns, to_ns FROM block UNION ALL \
             SELECT time_ns, time_ns FROM tail)",
        )?;
        let bounds: (Option<i64>, Option<i64>) =
            select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(bounds
            .0
            .zip(bounds.1)
            .map(|(from, to)| (unsigned(from), unsigned(to))))
    }

    /// How the host stood at the last sample that is not after a time, and what had changed since the sample
    /// before. `None` before the first.
    pub fn snapshot_at(&mut self, time_ns: u64) -> Result<Option<Snapshot>, HistoryError> {
        for tier in 0..TIERS.len() {
            for bytes in self.blocks_at(tier, time_ns)? {
                match self.snapshot_in(&bytes, time_ns)? {
                    // The block before this one knows what had changed.
                    Some((opening, true)) if opening.sample.time_ns < time_ns => {
                        return self.snapshot_at(opening.sample.time_ns);
                    }
                    Some((snapshot, _)) => return Ok(Some(snapshot)),
                    None => {}
                }
            }
        }
        // Nothing was recorded then: how it stood last before.
        let mut select = self.connection.prepare_cached(
            "SELECT max(to_ns) FROM (SELECT to_ns FROM block WHERE to_ns <= ?1 UNION ALL \
             SELECT time_ns FROM tail WHERE time_ns <= ?1)",
        )?;
        let last: Option<i64> = select.query_row([signed(time_ns)], |row| row.get(0))?;
        drop(select);
        match last.map(unsigned) {
            Some(last) if last < time_ns => self.snapshot_at(last),
            _ => Ok(None),
        }
    }

    /// Whether it is how the block opens, at which nothing is known to have changed, is told with it.
    fn snapshot_in(
        &mut self,
        bytes: &[u8],
        time_ns: u64,
    ) -> Result<Option<(Snapshot, bool)>, HistoryError> {
        let block = Block::parse(bytes)?;
        let mut frames = block.frames()?;
        let mut assembler = Assembler::default();
        let mut last: Option<Frame> = None;
        let Some(mut next) = frames.read()? else {
            return Ok(None);
        };
        loop {
            let following = frames.read()?;
            let is_last = following
                .as_ref()
                .is_none_or(|frame| frame.time_ns > time_ns);
            if is_last {
                if next.time_ns > time_ns {
                    return Ok(None);
                }
                let previous = match last {
                    Some(last) => assembler.sample(last, &mut self.directory())?,
                    // How it stood at the beginning is known, and not what had changed.
                    None => {
                        assembler.push(&next);
                        let sample = assembler.sample(next, &mut self.directory())?;
                        let opening = Snapshot::derive(&sample.clone(), Arc::new(sample));
                        return Ok(Some((opening, true)));
                    }
                };
                assembler.push(&next);
                let sample = assembler.sample(next, &mut self.directory())?;
                let snapshot = Snapshot::derive(&previous, Arc::new(sample));
                return Ok(Some((snapshot, false)));
            }
            assembler.push(&next);
            next.rows = Vec::new();
            last = Some(next);
            match following {
                Some(frame) => next = frame,
                None => return Ok(None),
            }
        }
    }

    /// Samples within a window, the oldest first, of one tier: 0 is the finest.
    ///
    /// # Errors
    /// SQLite's.
    pub fn samples(
        &mut self,
        tier: usize,
        from_ns: u64,
        to_ns: u64,
    ) -> Result<Vec<Sample>, HistoryError> {
        let (samples, _) = self.samples_and_keys(tier, from_ns, to_ns)?;
        Ok(samples)
    }

    /// The same, and everyone who is in any of them.
    ///
    /// # Errors
    /// SQLite's.
    pub fn samples_and_keys(
        &mut self,
        tier: usize,
        from_ns: u64,
        to_ns: u64,
    ) -> Result<(Vec<Sample>, HashSet<Key>), HistoryError> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut keys = HashSet::new();
        self.walk(tier, (from_ns, to_ns), &mut |sample, assembler| {
            keys.extend(assembler.standings().map(|(key, _)| key));
            samples.push(sample);
            true
        })?;
        Ok((samples, keys))
    }

    /// Hands over the samples within a window, the oldest first, of the finest tier, until that says not to go on: for
    /// windows of which not everything is to be held at once.
    ///
    /// # Errors
    /// SQLite's.
    pub fn each_sample(
        &mut self,
        window: (u64, u64),
        each: &mut dyn FnMut(Sample) -> bool,
    ) -> Result<(), HistoryError> {
        self.walk(0, window, &mut |sample, _| each(sample))
    }

    fn walk(
        &mut self,
        tier: usize,
        (from_ns, to_ns): (u64, u64),
        each: &mut dyn FnMut(Sample, &Assembler) -> bool,
    ) -> Result<(), HistoryError> {
        let mut reached_ns = 0;
        for bytes in self.blocks_between(tier, from_ns, to_ns)? {
            let block = Block::parse(&bytes)?;
            let mut frames = block.frames()?;
            let mut assembler = Assembler::default();
            while let Some(frame) = frames.read()? {
                assembler.push(&frame);
                if frame.time_ns > to_ns {
                    break;
                }
                // A block begins with the end of the one before it.
                if frame.time_ns < from_ns || frame.time_ns <= reached_ns {
                    continue;
                }
                reached_ns = frame.time_ns;
                let sample = assembler.sample(frame, &mut self.directory())?;
                if !each(sample, &assembler) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// How far apart the samples of a tier are, nanoseconds; 0 where they are as they were taken. `None` when there
    /// is no such tier.
    pub fn pace_ns(tier: usize) -> Option<u64> {
        TIERS.get(tier).map(|tier| tier.frame_ns)
    }

    /// Events within a window, the oldest first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn events(&mut self, from_ns: u64, to_ns: u64) -> Result<Vec<(u64, Event)>, HistoryError> {
        let mut found: Vec<Kept> = Vec::new();
        for (table, is_packed) in [("event_block", true), ("event_tail", false)] {
            let sql = format!(
                "SELECT data FROM {table} WHERE to_ns >= ?1 AND from_ns <= ?2 ORDER BY to_ns"
            );
            let mut select = self.connection.prepare_cached(&sql)?;
            let mut rows = select.query(params![signed(from_ns), signed(to_ns)])?;
            while let Some(row) = rows.next()? {
                let data = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
                let kept = if is_packed {
                    events::decode(&unpack(data, EVENTS_MAX)?)?
                } else {
                    events::decode(data)?
                };
                found.extend(
                    kept.into_iter()
                        .filter(|event| event.wall_ns >= from_ns && event.wall_ns <= to_ns),
                );
            }
        }
        found.sort_by_key(|event| event.wall_ns);
        let mut directory = self.directory();
        found
            .into_iter()
            .map(|kept| Ok((kept.wall_ns, kept.event(&mut directory)?)))
            .collect()
    }

    /// # Errors
    /// SQLite's.
    pub fn gaps(&self) -> Result<Vec<Gap>, HistoryError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT * FROM gap ORDER BY from_ns")?;
        let gaps = select.query_map([], |row| {
            Ok(Gap {
                from_ns: unsigned(row.get(0)?),
                to_ns: unsigned(row.get(1)?),
                samples: unsigned(row.get(2)?),
                events: unsigned(row.get(3)?),
                processes: unsigned(row.get(4)?),
                why: row.get(5)?,
            })
        })?;
        Ok(gaps.collect::<Result<_, _>>()?)
    }

    /// Alerts that were pending or firing at some time of a window, nanoseconds since the epoch, by their beginning.
    ///
    /// # Errors
    /// SQLite's.
    pub fn alerts(&self, from_ns: u64, to_ns: u64) -> Result<Vec<KeptAlert>, HistoryError> {
        Ok(super::alerts::within(&self.connection, from_ns, to_ns)?)
    }

    /// The alert of a number. `None` when there is none.
    ///
    /// # Errors
    /// SQLite's.
    pub fn alert(&self, id: u64) -> Result<Option<KeptAlert>, HistoryError> {
        Ok(super::alerts::by_id(&self.connection, id)?)
    }

    /// What detectors have learned, under a name of their form. `None` when nothing was.
    ///
    /// # Errors
    /// SQLite's.
    pub fn learned(&self, name: &str) -> Result<Option<Vec<u8>>, HistoryError> {
        Ok(super::alerts::learned(&self.connection, name)?)
    }

    /// Silences that are not over, nanoseconds since the epoch.
    ///
    /// # Errors
    /// SQLite's.
    pub fn silences(&self, now_ns: u64) -> Result<Vec<Silence>, HistoryError> {
        Ok(super::alerts::silences(&self.connection, now_ns)?)
    }

    /// For SQL: everything else is done with the functions above.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Holds on to the recording as it is now, until [`Self::release`]: a recorder goes on meanwhile, and what it
    /// writes is not seen.
    ///
    /// # Errors
    /// SQLite's, as of all that follow.
    pub(super) fn hold(&self) -> Result<(), HistoryError> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN")?;
        }
        Ok(())
    }

    pub(super) fn release(&self) -> Result<(), HistoryError> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    /// From when on a tier has anything. `None` when it has nothing.
    pub(super) fn tier_from(&self, tier: usize) -> Result<Option<u64>, HistoryError> {
        let mut select = self.connection.prepare_cached(
            "SELECT min(from_ns) FROM (SELECT from_ns FROM block WHERE tier = ?1 UNION ALL \
             SELECT time_ns FROM tail WHERE ?1 = 0)",
        )?;
        let from: Option<i64> = select.query_row([tier as i64], |row| row.get(0))?;
        Ok(from.map(unsigned))
    }

    /// The numbers of a tier's blocks with anything between two times, the oldest first.
    pub(super) fn block_ids(
        &self,
        tier: usize,
        from_ns: u64,
        to_ns: u64,
    ) -> Result<Vec<i64>, HistoryError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id FROM block WHERE tier = ?1 AND to_ns >= ?2 AND from_ns <= ?3 ORDER BY to_ns",
        )?;
        let ids = select.query_map(
            params![tier as i64, signed(from_ns), signed(to_ns)],
            |row| row.get(0),
        )?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// From the first event to the last. `None` when there is none.
    pub(super) fn event_bounds(&self) -> Result<Option<(u64, u64)>, HistoryError> {
        let mut select = self.connection.prepare_cached(
            "SELECT min(from_ns), max(to_ns) FROM (SELECT from_ns, to_ns FROM event_block UNION ALL \
             SELECT from_ns, to_ns FROM event_tail)",
        )?;
        let bounds: (Option<i64>, Option<i64>) =
            select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(bounds
            .0
            .zip(bounds.1)
            .map(|(from, to)| (unsigned(from), unsigned(to))))
    }

    pub(super) fn directory(&mut self) -> Reading<'_> {
        Reading {
            connection: &self.connection,
            names: &mut self.names,
        }
    }

    /// The block of a tier that a time is in, and then the tail.
    fn blocks_at(&mut self, tier: usize, time_ns: u64) -> Result<Vec<Arc<[u8]>>, HistoryError> {
        let mut blocks = self.blocks_between(tier, time_ns, time_ns)?;
        // A block begins with the end of the one before it, which knows what had changed.
        blocks.truncate(2);
        Ok(blocks)
    }

    /// Blocks of a tier with anything between two times, the oldest first; the tail is one, too.
    fn blocks_between(
        &mut self,
        tier: usize,
        from_ns: u64,
        to_ns: u64,
    ) -> Result<Vec<Arc<[u8]>>, HistoryError> {
        let ids = self.block_ids(tier, from_ns, to_ns)?;
        let mut blocks = Vec::with_capacity(ids.len() + 1);
        for id in ids {
            blocks.extend(self.block(id)?);
        }
        if tier == 0 {
            blocks.extend(self.tail(from_ns, to_ns)?);
        }
        Ok(blocks)
    }

    /// `None` when the recorder has dropped it meanwhile.
    pub(super) fn block(&mut self, id: i64) -> Result<Option<Arc<[u8]>>, HistoryError> {
        if let Some((_, bytes)) = self.blocks.iter().find(|(known, _)| *known == id) {
            return Ok(Some(Arc::clone(bytes)));
        }
        let mut select = self
            .connection
            .prepare_cached("SELECT data FROM block WHERE id = ?1")?;
        let data: Option<Vec<u8>> = select.query_row([id], |row| row.get(0)).optional()?;
        let Some(data) = data else {
            return Ok(None);
        };
        let bytes: Arc<[u8]> = data.into();
        if self.blocks.len() == BLOCKS_MAX {
            self.blocks.pop_front();
        }
        self.blocks.push_back((id, Arc::clone(&bytes)));
        Ok(Some(bytes))
    }

    /// Frames that are in no block yet, one run of the recorder after the other.
    pub(super) fn tail(&self, from_ns: u64, to_ns: u64) -> Result<Vec<Arc<[u8]>>, HistoryError> {
        let tails = self.tails(from_ns, to_ns)?;
        Ok(tails.into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// The same, each with the number of its run.
    pub(super) fn tails(&self, from_ns: u64, to_ns: u64) -> Result<Vec<Tail>, HistoryError> {
        let mut select = self.connection.prepare_cached(
            "SELECT session, data FROM tail WHERE session IN (SELECT session FROM tail GROUP BY session HAVING \
             max(time_ns) >= ?1 AND min(time_ns) <= ?2) ORDER BY id",
        )?;
        let mut rows = select.query(params![signed(from_ns), signed(to_ns)])?;
        let mut builders: Vec<(i64, Builder)> = Vec::new();
        while let Some(row) = rows.next()? {
            let session = row.get(0)?;
            if builders.last().is_none_or(|(last, _)| *last != session) {
                builders.push((session, Builder::default()));
            }
            let data = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Some((_, builder)) = builders.last_mut() {
                builder.append(data)?;
            }
        }
        Ok(builders
            .iter()
            .map(|(session, builder)| (*session, builder.plain().into()))
            .collect())
    }
}
