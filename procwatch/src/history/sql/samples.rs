//! `samples`: a row for every process that did anything from one frame to the next.

use std::{
    collections::VecDeque,
    ffi::CStr,
    sync::{Arc, LazyLock},
};

use hashbrown::HashSet;

use super::{
    frames::{Frames, Step},
    table::{Bounds, Cell, Column, Rows, Shared, Table},
};
use crate::{
    history::{
        HistoryError,
        assemble::{Assembler, Directory as _},
        frame::{Began, Frame, Gauge, Key, Row, Standing},
    },
    model::{
        field::Field,
        sample::ProcessSample,
        snapshot::ProcessView,
        totals::{Totals, UNKNOWN},
    },
};

/// Before the fields: `time`, `interval_ns`, `process`.
const FIRST: usize = 3;

static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    let mut columns = vec![
        Column::new("time", "INTEGER"),
        Column::new("interval_ns", "INTEGER"),
        Column::new("process", "INTEGER"),
    ];
    columns.extend(Field::all().iter().copied().map(Column::of_field));
    columns.push(Column::hidden("tier", "INTEGER"));
    columns
});

pub(super) struct Samples;

impl Table for Samples {
    const NAME: &'static CStr = c"samples";
    type Rows = SampleRows;

    fn columns() -> Vec<Column> {
        COLUMNS.clone()
    }

    fn rows(shared: &Arc<Shared>, bounds: Bounds) -> Result<SampleRows, HistoryError> {
        let history = shared.history();
        let keys = match (bounds.process, bounds.pid) {
            (None, None) => None,
            (Some(key), None) => Some(HashSet::from([key])),
            (key, Some(pid)) => {
                let mut keys: HashSet<Key> = history.keys_of(pid)?.into_iter().collect();
                keys.retain(|found| key.is_none_or(|key| key == *found));
                Some(keys)
            }
        };
        drop(history);
        Ok(SampleRows {
            frames: Frames::new(shared, bounds)?,
            shared: Arc::clone(shared),
            keys,
            standings: Assembler::default(),
            before_ns: None,
            rows: VecDeque::new(),
            current: None,
        })
    }
}

pub(super) struct SampleRows {
    shared: Arc<Shared>,
    frames: Frames,
    /// Of whom rows are asked for; `None` of all.
    keys: Option<HashSet<Key>>,
    standings: Assembler,
    /// Of the frame before: when it was taken, nanoseconds since boot.
    before_ns: Option<u64>,
    rows: VecDeque<Told>,
    current: Option<Told>,
}

struct Told {
    time_ns: u64,
    interval_ns: u64,
    tier: usize,
    key: Key,
    process: ProcessSample,
    delta: Totals,
}

impl Rows for SampleRows {
    fn advance(&mut self) -> Result<bool, HistoryError> {
        while self.rows.is_empty() {
            let Some(step) = self.frames.next()? else {
                self.current = None;
                return Ok(false);
            };
            match step {
                Step::Pass(frame) => self.pass(frame),
                Step::Tell(frame, tier) => self.tell(frame, tier)?,
            }
        }
        self.current = self.rows.pop_front();
        Ok(true)
    }

    fn value(&self, column: usize) -> Cell<'_> {
        let Some(row) = &self.current else {
            return Cell::Null;
        };
        match column {
            0 => row.time_ns.into(),
            1 => row.interval_ns.into(),
            2 => row.key.into(),
            _ => match Field::all().get(column - FIRST) {
                Some(field) => field
                    .value(&ProcessView {
                        process: &row.process,
                        delta: &row.delta,
                        interval_ns: row.interval_ns,
                    })
                    .into(),
                None => (row.tier as u64).into(),
            },
        }
    }
}

impl SampleRows {
    fn keep_asked_for(&self, frame: &mut Frame) {
        if let Some(keys) = &self.keys {
            frame.rows.retain(|row| keys.contains(&row.key));
        }
    }

    fn pass(&mut self, mut frame: Frame) {
        self.keep_asked_for(&mut frame);
        self.before_ns = Some(frame.boot_time_ns);
        self.standings.push(&frame);
    }

    fn tell(&mut self, mut frame: Frame, tier: usize) -> Result<(), HistoryError> {
        self.keep_asked_for(&mut frame);
        let before: Vec<_> = frame
            .rows
            .iter()
            .map(|row| self.standings.standing(row.key).copied())
            .collect();
        self.standings.push(&frame);
        let interval_ns = interval(&frame, self.before_ns);
        self.before_ns = Some(frame.boot_time_ns);
        let mut history = self.shared.history();
        let mut directory = history.directory();
        for (row, before) in frame.rows.iter().zip(before) {
            let Some(standing) = self.standings.standing(row.key) else {
                continue;
            };
            let id = directory.process(row.key)?;
            let parent = standing.gauge(Gauge::Parent);
            let parent = parent.map(|parent| directory.process(parent)).transpose()?;
            let facts = directory.facts(standing.gauge(Gauge::Image).unwrap_or_default())?;
            self.rows.push_back(Told {
                time_ns: frame.time_ns,
                interval_ns,
                tier,
                key: row.key,
                process: standing.process(id, parent, facts),
                delta: delta(row, before.as_ref(), standing),
            });
        }
        Ok(())
    }
}

/// Nanoseconds that a frame covers, by the clock that no one sets.
pub(super) fn interval(frame: &Frame, before_ns: Option<u64>) -> u64 {
    match before_ns {
        Some(before_ns) => frame.boot_time_ns.saturating_sub(before_ns),
        None => frame
            .time_ns
            .saturating_sub(frame.since_ns.unwrap_or(frame.time_ns)),
    }
}

/// What a row added, so that sums over a window are the same in every tier; unknown where nothing is known of
/// before, or of now.
fn delta(row: &Row, before: Option<&Standing>, after: &Standing) -> Totals {
    let is_new = matches!(row.began, Began::Now { .. });
    let mut delta = row.added;
    for (slot, added) in delta.iter_mut().enumerate() {
        let is_known_now = after.totals.raw()[slot] != UNKNOWN;
        let was_known = before.is_some_and(|before| before.totals.raw()[slot] != UNKNOWN) || is_new;
        if !is_known_now || !(was_known || *added > 0) {
            *added = UNKNOWN;
        }
    }
    Totals::from_raw(delta)
}
