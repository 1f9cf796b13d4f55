//! The writing side: one recorder a file, one transaction a sample.

mod catch_up;
mod file;
mod retention;
mod rows;
mod tiers;

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use hashbrown::HashMap;
use rusqlite::{Connection, params};
use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use self::{
    file::open_file,
    rows::{boot_number, differ, insert_block, insert_facts, insert_processes},
    tiers::{Filling, Open},
};
pub(super) use self::{
    file::{check_file, connect_beside, new_file},
    rows::insert_events,
    tiers::TIERS,
};
use super::{
    columns::Damaged,
    differ::Differ,
    events::{self, Kept},
    frame::{Frame, Image},
    rollup::Rollup,
    schema,
};
use crate::model::{
    event::{Event, EventKind},
    facts::Facts,
    identity::ProcessId,
    sample::{ProcessSample, Sample},
};

/// Events are packed when this much of them waits.
const EVENTS_BYTES_MAX: usize = 1 << 20;
/// Of an outage: ends that are kept for when there is room again.
const CARRIED_MAX: usize = 50_000;
const CARRIED_EVENTS_MAX: usize = 20_000;

/// How much is kept. `None` is without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub size_bytes: Option<u64>,
    pub age: Option<Duration>,
}

/// Why nothing is recorded.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Damaged(#[from] Damaged),
}

/// A recording that is being written.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    boot: i64,
    session: i64,
    differ: Differ,
    tiers: [Open; TIERS.len()],
    events_bytes: usize,
    limits: Limits,
    outage: Option<Outage>,
    /// Held until the connection is closed: SQLite's locks go with the first descriptor of the file that is closed.
    _lock: File,
}

/// Samples that could not be written.
#[derive(Debug)]
struct Outage {
    from_ns: u64,
    samples: u64,
    events: u64,
    /// Ends that found no room here either.
    processes: u64,
    why: String,
    ended: HashMap<ProcessId, ProcessSample>,
    told: Vec<(Event, u64)>,
}

impl Store {
    /// Opens a recording to go on with, or makes a new one. `boot` is the name of the host's boot.
    ///
    /// # Errors
    /// When the file is somebody else's, or not to be trusted; when another recorder has it; and those of SQLite.
    pub fn open(path: &Path, boot: &str, now_ns: u64, limits: Limits) -> Result<Self, StoreError> {
        let lock = open_file(path)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            StoreError::Refused(
                "another recorder writes to it; look for it with `fuser`, or record to another file"
                    .to_owned(),
            )
        })?;
        if lock.metadata()?.len() > 0 {
            check_file(path)?;
        }
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // Has to be said before there are tables: pages that are free can be given back.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        // Before there is a log: what marks the file as ours has to be in the file.
        schema::migrate(&mut connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A crash of the program loses nothing, one of the host the last seconds; neither harms the file.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
        connection.set_prepared_statement_cache_capacity(32);
        let boot = boot_number(&connection, boot)?;
        let mut store = Self {
            differ: differ(&connection, boot)?,
            boot,
            session: 0,
            tiers: std::array::from_fn(Open::new),
            events_bytes: 0,
            limits,
            outage: None,
            connection,
            _lock: lock,
        };
        store.finish_earlier_sessions()?;
        store.connection.execute(
            "INSERT INTO session (boot, procwatch, from_ns) VALUES (?1, ?2, ?3)",
            params![boot, env!("CARGO_PKG_VERSION"), signed(now_ns)],
        )?;
        store.session = store.connection.last_insert_rowid();
        Ok(store)
    }

    /// Writes a sample, and what happened before it with the time of day of each. What cannot be written is kept,
    /// as far as it would be missing from sums, and goes with the next sample that can.
    ///
    /// # Errors
    /// Why nothing could be written; the next call tries again.
    pub fn write(&mut self, sample: &Sample, events: Vec<(Event, u64)>) -> Result<(), StoreError> {
        let joined;
        let (sample, events) = match &mut self.outage {
            None => (sample, events),
            Some(outage) => {
                let here = |id| {
                    sample
                        .processes
                        .binary_search_by_key(&id, |one| one.id)
                        .is_ok()
                };
                let mut whole = sample.clone();
                let missing = outage.ended.values().filter(|one| !here(one.id));
                whole.processes.extend(missing.cloned());
                whole.processes.sort_unstable_by_key(|one| one.id);
                joined = whole;
                let mut told = std::mem::take(&mut outage.told);
                told.extend(events);
                (&joined, told)
            }
        };
        match self.try_write(sample, &events) {
            Ok(()) => {
                self.outage = None;
                Ok(())
            }
            Err(error) => {
                self.miss(sample, events, &error);
                Err(error)
            }
        }
    }

    fn try_write(&mut self, sample: &Sample, events: &[(Event, u64)]) -> Result<(), StoreError> {
        let born_of = events
            .iter()
            .filter(|(event, _)| matches!(event.kind, EventKind::Fork))
            .filter_map(|(event, _)| Some((event.id, event.parent?)))
            .collect();
        let difference = self.differ.difference(sample, &born_of);
        let transaction = self.connection.transaction()?;
        insert_processes(&transaction, self.boot, sample, &difference)?;
        let mut new_images = Vec::new();
        if !events.is_empty() {
            let mut fresh: HashMap<Arc<Facts>, Image> = HashMap::new();
            let mut kept = Vec::with_capacity(events.len());
            for (event, wall_ns) in events {
                let known = difference
                    .images
                    .get(&event.facts)
                    .or_else(|| fresh.get(&event.facts));
                let image = match known {
                    Some(image) => *image,
                    None => {
                        let (image, is_new) = self.differ.image_of(&event.facts);
                        if is_new {
                            insert_facts(&transaction, image, &event.facts, sample.time_ns)?;
                            fresh.insert(Arc::clone(&event.facts), image);
                            new_images.push((Arc::clone(&event.facts), image));
                        }
                        image
                    }
                };
                kept.push(Kept::new(event, *wall_ns, image));
            }
            self.events_bytes += insert_events(&transaction, "event_tail", self.boot, &kept)?;
        }
        if let Some(outage) = &self.outage {
            transaction.execute(
                "INSERT INTO gap VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    signed(outage.from_ns),
                    signed(sample.time_ns),
                    signed(outage.samples),
                    signed(outage.events),
                    signed(outage.processes),
                    outage.why
                ],
            )?;
        }
        let tail = self.tiers[0].tail(&difference.frame);
        for data in tail {
            let mut insert = transaction
                .prepare_cached("INSERT INTO tail (session, time_ns, data) VALUES (?1, ?2, ?3)")?;
            insert.execute(params![self.session, signed(sample.time_ns), data])?;
        }
        transaction.commit()?;
        let frame = difference.frame.clone();
        self.differ.commit(difference);
        for (facts, image) in new_images {
            self.differ.has_image(facts, image);
        }
        // What fails from here on is tried again: the tail is in the file.
        self.push(0, &frame)?;
        if self.events_bytes > EVENTS_BYTES_MAX {
            self.pack_events()?;
        }
        Ok(())
    }

    /// Notes what a sample that could not be written would have left in sums.
    fn miss(&mut self, sample: &Sample, events: Vec<(Event, u64)>, error: &StoreError) {
        let from_ns = self.tiers[0]
            .last
            .as_ref()
            .map_or(sample.time_ns, |last| last.time_ns);
        let outage = self.outage.get_or_insert_with(|| Outage {
            from_ns,
            samples: 0,
            events: 0,
            processes: 0,
            why: error.to_string(),
            ended: HashMap::new(),
            told: Vec::new(),
        });
        outage.samples += 1;
        for process in sample.processes.iter().filter(|one| one.state.has_gone()) {
            if outage.ended.contains_key(&process.id) {
                continue;
            }
            if outage.ended.len() < CARRIED_MAX {
                outage.ended.insert(process.id, process.clone());
            } else {
                outage.processes += 1;
            }
        }
        outage.told = events;
        let too_many = outage.told.len().saturating_sub(CARRIED_EVENTS_MAX);
        outage.events += too_many as u64;
        outage.told.drain(..too_many);
    }

    /// Adds a frame to a tier, and to those above it what that makes of it.
    fn push(&mut self, tier: usize, frame: &Frame) -> Result<(), StoreError> {
        let coarser = match self
            .tiers
            .get_mut(tier + 1)
            .and_then(|open| open.rollup.as_mut())
        {
            Some(rollup) => rollup.push(frame),
            None => None,
        };
        let open = &mut self.tiers[tier];
        open.push(frame);
        let is_full = open.block.as_ref().is_some_and(|block| block.is_full(tier));
        if let Some(coarser) = coarser {
            self.push(tier + 1, &coarser)?;
        }
        if is_full {
            self.close(tier)?;
            if tier == 0 {
                self.pack_events()?;
                self.trim()?;
            }
        }
        Ok(())
    }

    /// Writes a tier's block as it is.
    fn close(&mut self, tier: usize) -> Result<(), StoreError> {
        let Some(block) = &self.tiers[tier].block else {
            return Ok(());
        };
        let transaction = self.connection.transaction()?;
        if block.builder.frames > 1 {
            insert_block(&transaction, tier, self.session, block)?;
        }
        if tier == 0 {
            transaction.execute("DELETE FROM tail WHERE session = ?1", [self.session])?;
        }
        transaction.commit()?;
        self.tiers[tier].block = None;
        Ok(())
    }

    fn pack_events(&mut self) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        let mut all = Vec::new();
        {
            let mut select = transaction
                .prepare_cached("SELECT data FROM event_tail WHERE boot = ?1 ORDER BY id")?;
            let mut rows = select.query([self.boot])?;
            while let Some(row) = rows.next()? {
                all.extend(events::decode(
                    row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?,
                )?);
            }
        }
        if !all.is_empty() {
            insert_events(&transaction, "event_block", self.boot, &all)?;
            transaction.execute("DELETE FROM event_tail WHERE boot = ?1", [self.boot])?;
        }
        transaction.commit()?;
        self.events_bytes = 0;
        Ok(())
    }

    /// Makes writing impossible, or not any more.
    #[cfg(test)]
    pub(super) fn refuse_to_write(&mut self, refuses: bool) {
        self.connection
            .pragma_update(None, "query_only", refuses)
            .unwrap();
    }

    /// Closes every block, and the file.
    ///
    /// # Errors
    /// SQLite's. What is in the tail then is packed by the next recorder.
    pub fn finish(mut self) -> Result<(), StoreError> {
        for tier in 1..TIERS.len() {
            let last = self.tiers[tier].rollup.as_mut().and_then(Rollup::finish);
            if let Some(frame) = last {
                self.push(tier, &frame)?;
            }
        }
        for tier in 0..TIERS.len() {
            self.close(tier)?;
        }
        self.pack_events()?;
        self.trim()?;
        // Room that frames took until they were in blocks.
        self.connection.execute_batch("PRAGMA incremental_vacuum")?;
        // Without a log it is one file, which can be read where nothing can be written. A reader may be in the way.
        let _ = self
            .connection
            .pragma_update(None, "journal_mode", "DELETE");
        Ok(())
    }
}

/// Numbers of SQLite are signed; no time, count or total of ours comes near the sign.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
