//! A window of a recording as a recording of its own, for another machine.
//!
//! Every frame, event and name is read and written anew: what somebody else's file has besides does not come along.
//! Frames that reach over an edge of the window go along only where no finer ones tell what is within it.

use std::path::Path;

use hashbrown::HashSet;
use rusqlite::{Connection, Transaction, params, params_from_iter, types::Value};

use super::{
    assemble::Assembler,
    block::{Block, Builder, unpack},
    columns::Damaged,
    events::{self, Kept},
    frame::{Frame, Gauge, Image, Key},
    reader::{EVENTS_MAX, History, HistoryError},
    schema,
    store::{TIERS, new_file, signed, unsigned},
};

/// Between two looks at whether to go on.
const PROCESSES_A_LOOK: u64 = 1_000;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Frames of the finest tier.
    pub samples: u64,
    pub events: u64,
    pub processes: u64,
}

/// Copies what a recording has from one time to another, nanoseconds since the epoch, into a file that is not there
/// yet. `progress` is told how much of how much has been done, and says whether to go on.
///
/// # Errors
/// When the recording cannot be read, or is damaged; or the file is there, or cannot be written. What was written of
/// it then is removed.
pub fn export(
    source: &mut History,
    (from_ns, to_ns): (u64, u64),
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Copied, HistoryError> {
    let file = new_file(path)?;
    let copied = copy(source, (from_ns, to_ns), path, progress);
    match copied {
        Ok(copied) => {
            file.sync_all().map_err(HistoryError::File)?;
            Ok(copied)
        }
        Err(error) => {
            // It was not there before, and is of no use.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

fn copy(
    source: &mut History,
    window: (u64, u64),
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Copied, HistoryError> {
    let mut target = Connection::open(path)?;
    target.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // A file that was not finished is removed: nothing is to be kept of it.
    target.pragma_update(None, "synchronous", "OFF")?;
    schema::migrate(&mut target)?;
    source.hold()?;
    let transaction = target.transaction()?;
    let mut portion = Portion {
        source,
        target: &transaction,
        window,
        keys: HashSet::new(),
        told: HashSet::new(),
        images: HashSet::new(),
        copied: Copied::default(),
    };
    portion.all(progress)?;
    let copied = portion.copied;
    transaction.commit()?;
    source.release()?;
    Ok(copied)
}

struct Portion<'a> {
    source: &'a mut History,
    target: &'a Transaction<'a>,
    window: (u64, u64),
    /// Those who are named.
    keys: HashSet<Key>,
    /// Those of them who are in a frame themselves: of these nobody is forgotten.
    told: HashSet<Key>,
    /// What those were, and whom events tell of.
    images: HashSet<Image>,
    copied: Copied,
}

impl Portion<'_> {
    fn all(&mut self, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), HistoryError> {
        // Others refer to these.
        self.rows("boot", "SELECT * FROM boot", &[])?;
        self.rows("session", "SELECT * FROM session", &[])?;
        let mut work = Vec::new();
        for tier in 0..TIERS.len() {
            let ids = self.source.block_ids(tier, self.window.0, self.window.1)?;
            work.extend(ids.into_iter().map(|id| (tier, id)));
        }
        let total = work.len() as u64 + 2;
        for (done, (tier, id)) in work.into_iter().enumerate() {
            go_on(progress(done as u64, total))?;
            let session = self.one("SELECT session FROM block WHERE id = ?1", id)?;
            if let Some(bytes) = self.source.block(id)? {
                self.block(tier, session, &bytes)?;
            }
        }
        for (session, bytes) in self.source.tails(self.window.0, self.window.1)? {
            self.block(0, session, &bytes)?;
        }
        go_on(progress(total - 2, total))?;
        self.events()?;
        self.names(&mut || progress(total - 1, total))?;
        go_on(progress(total, total))
    }

    fn one(&self, sql: &str, id: i64) -> Result<i64, HistoryError> {
        let mut select = self.source.connection().prepare_cached(sql)?;
        Ok(select.query_row([id], |row| row.get(0))?)
    }

    /// Whether a frame belongs to the window.
    fn wants(&self, tier: usize, frame: &Frame) -> Result<bool, HistoryError> {
        let (from_ns, to_ns) = self.window;
        // One that tells of no time before it tells of its own moment.
        let since_ns = frame.since_ns.unwrap_or(frame.time_ns.saturating_sub(1));
        if frame.time_ns <= from_ns || since_ns >= to_ns {
            return Ok(false);
        }
        let is_within = since_ns >= from_ns && frame.time_ns <= to_ns;
        if tier == 0 || is_within {
            // The sample after the end is not of the window, whatever it tells of it.
            return Ok(frame.time_ns <= to_ns);
        }
        let finer = self.source.tier_from(tier - 1)?;
        Ok(finer.is_none_or(|finer_ns| finer_ns > since_ns))
    }

    /// Copies those frames of a block that belong to the window, behind one that says how everything stood.
    fn block(&mut self, tier: usize, session: i64, bytes: &[u8]) -> Result<(), HistoryError> {
        let block = Block::parse(bytes)?;
        let mut frames = block.frames()?;
        let mut assembler = Assembler::default();
        let mut builder = Builder::default();
        let mut bounds = None;
        let mut last: Option<Frame> = None;
        while let Some(mut frame) = frames.read()? {
            let is_wanted = self.wants(tier, &frame)?;
            if is_wanted && bounds.is_none() && frame.since_ns.is_some() {
                let Some(last) = &last else {
                    return Err(Damaged.into());
                };
                let opening = assembler.opening(last);
                self.look_at(&opening, &assembler);
                builder.push(&opening);
                bounds = Some((last.time_ns, last.time_ns));
            }
            if is_wanted {
                let (from_ns, _) = bounds.unwrap_or((frame.time_ns, 0));
                bounds = Some((from_ns, frame.time_ns));
                builder.push(&frame);
                self.copied.samples += u64::from(tier == 0 && frame.since_ns.is_some());
            }
            assembler.push(&frame);
            if bounds.is_some() {
                self.look_at(&frame, &assembler);
            }
            frame.rows = Vec::new();
            frame.gone = Vec::new();
            last = Some(frame);
        }
        // How everything stood is told by the finest.
        let Some((from_ns, to_ns)) = bounds.filter(|_| builder.frames > 1 || tier == 0) else {
            return Ok(());
        };
        self.target
            .prepare_cached(
                "INSERT INTO block (tier, session, from_ns, to_ns, frames, rows, data) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                tier as i64,
                session,
                signed(from_ns),
                signed(to_ns),
                signed(builder.frames),
                signed(builder.rows),
                builder.compressed()
            ])?;
        Ok(())
    }

    /// Notes whom a frame tells of, their parents, and what they are after it.
    fn look_at(&mut self, frame: &Frame, assembler: &Assembler) {
        for row in &frame.rows {
            self.keys.insert(row.key);
            self.told.insert(row.key);
            if let Some(standing) = assembler.standing(row.key) {
                self.images.extend(standing.gauge(Gauge::Image));
                self.keys.extend(standing.gauge(Gauge::Parent));
            }
        }
    }

    fn events(&mut self) -> Result<(), HistoryError> {
        let (from_ns, to_ns) = self.window;
        for (table, is_packed) in [("event_block", true), ("event_tail", false)] {
            let sql = format!(
                "SELECT boot, data FROM {table} WHERE to_ns >= ?1 AND from_ns <= ?2 ORDER BY to_ns"
            );
            let mut select = self.source.connection().prepare(&sql)?;
            let mut rows = select.query(params![signed(from_ns), signed(to_ns)])?;
            while let Some(row) = rows.next()? {
                let boot: i64 = row.get(0)?;
                let data = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                let mut kept: Vec<Kept> = if is_packed {
                    events::decode(&unpack(data, EVENTS_MAX)?)?
                } else {
                    events::decode(data)?
                };
                kept.retain(|event| (from_ns..=to_ns).contains(&event.wall_ns));
                if kept.is_empty() {
                    continue;
                }
                self.images.extend(kept.iter().map(Kept::image));
                self.copied.events += kept.len() as u64;
                super::store::insert_events(self.target, "event_block", boot, &kept)?;
            }
        }
        Ok(())
    }

    /// Who everybody was, with their ancestors, and what they were called.
    fn names(&mut self, may_go_on: &mut dyn FnMut() -> bool) -> Result<(), HistoryError> {
        let (from_ns, to_ns) = self.window;
        {
            let mut select = self.source.connection().prepare(
                "SELECT key FROM process WHERE started_ns BETWEEN ?1 AND ?2 OR ended_ns BETWEEN ?1 AND ?2",
            )?;
            let window = params![signed(from_ns), signed(to_ns)];
            let keys = select.query_map(window, |row| row.get(0))?;
            for key in keys {
                self.keys.insert(unsigned(key?));
            }
        }
        let mut waiting: Vec<Key> = self.keys.iter().copied().collect();
        while let Some(key) = waiting.pop() {
            let Some(row) = self.row("SELECT * FROM process WHERE key = ?1", key)? else {
                if self.told.contains(&key) {
                    return Err(Damaged.into());
                }
                // An ancestor that ended long before may be forgotten.
                continue;
            };
            self.insert("process", &row)?;
            self.copied.processes += 1;
            if self.copied.processes.is_multiple_of(PROCESSES_A_LOOK) {
                go_on(may_go_on())?;
            }
            if let Some(Value::Integer(parent)) = row.get(PARENT)
                && self.keys.insert(unsigned(*parent))
            {
                waiting.push(unsigned(*parent));
            }
            if let Some(Value::Integer(image)) = row.get(IMAGE) {
                self.images.insert(unsigned(*image));
            }
            self.earlier(key)?;
        }
        let mut images: Vec<Image> = self.images.iter().copied().collect();
        images.sort_unstable();
        for image in images {
            // What events alone have told of is forgotten with those who had it.
            if let Some(row) = self.row("SELECT * FROM facts WHERE image = ?1", image)? {
                self.insert("facts", &row)?;
            }
        }
        let window = [signed(from_ns), signed(to_ns)];
        let gaps = "SELECT * FROM gap WHERE to_ns >= ?1 AND from_ns <= ?2";
        self.rows("gap", gaps, &window)?;
        for mut kept in self.source.alerts(from_ns, to_ns)? {
            // It names another file, and whoever reads this one might believe that.
            kept.alert.replay.clear();
            super::alerts::insert(self.target, &kept)?;
        }
        Ok(())
    }

    fn earlier(&mut self, key: Key) -> Result<(), HistoryError> {
        let sql = "SELECT * FROM earlier WHERE process = ?1";
        for row in self.rows("earlier", sql, &[signed(key)])? {
            if let Some(Value::Integer(image)) = row.last() {
                self.images.insert(unsigned(*image));
            }
        }
        Ok(())
    }

    fn row(&self, sql: &str, id: u64) -> Result<Option<Vec<Value>>, HistoryError> {
        Ok(self.select(sql, &[signed(id)])?.pop())
    }

    /// Copies rows as they are, and returns them.
    fn rows(&self, table: &str, sql: &str, of: &[i64]) -> Result<Vec<Vec<Value>>, HistoryError> {
        let rows = self.select(sql, of)?;
        for row in &rows {
            self.insert(table, row)?;
        }
        Ok(rows)
    }

    fn select(&self, sql: &str, of: &[i64]) -> Result<Vec<Vec<Value>>, HistoryError> {
        let mut select = self.source.connection().prepare_cached(sql)?;
        let columns = select.column_count();
        let rows = select.query_map(params_from_iter(of), |row| {
            (0..columns).map(|at| row.get(at)).collect()
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn insert(&self, table: &str, row: &[Value]) -> Result<(), HistoryError> {
        let places = vec!["?"; row.len()].join(", ");
        let sql = format!("INSERT INTO {table} VALUES ({places})");
        self.target
            .prepare_cached(&sql)?
            .execute(params_from_iter(row))?;
        Ok(())
    }
}

fn go_on(may: bool) -> Result<(), HistoryError> {
    if may {
        Ok(())
    } else {
        Err(HistoryError::Refused("interrupted".to_owned()))
    }
}

/// Columns of the table of processes.
const PARENT: usize = 5;
const IMAGE: usize = 6;
