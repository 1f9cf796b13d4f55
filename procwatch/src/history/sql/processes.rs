//! `processes`: a row for everyone who was ever seen, with the last account of each.

use std::{
    collections::VecDeque,
    ffi::CStr,
    sync::{Arc, LazyLock},
};

use super::table::{Bounds, Cell, Column, Rows, Shared, Table};
use crate::{
    history::{HistoryError, frame::Key, reader::Life},
    model::{field::Field, snapshot::ProcessView, totals::Totals},
};

/// What is read at once.
const PAGE: usize = 2_000;
/// Before the fields: `process`, `parent`, `started`, `ended`.
const FIRST: usize = 4;

static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    let mut columns = vec![
        Column::new("process", "INTEGER"),
        Column::new("parent", "INTEGER"),
        Column::new("started", "INTEGER"),
        Column::new("ended", "INTEGER"),
    ];
    columns.extend(fields().map(Column::of_field));
    columns
});

/// No rates: a whole life has none.
fn fields() -> impl Iterator<Item = Field> {
    Field::all()
        .iter()
        .copied()
        .filter(|field| !matches!(field, Field::Rate(_) | Field::CpuPct))
}

pub(super) struct Processes;

impl Table for Processes {
    const NAME: &'static CStr = c"processes";
    type Rows = ProcessRows;

    fn columns() -> Vec<Column> {
        COLUMNS.clone()
    }

    fn rows(shared: &Arc<Shared>, bounds: Bounds) -> Result<ProcessRows, HistoryError> {
        let first = bounds.process.unwrap_or(0);
        Ok(ProcessRows {
            shared: Arc::clone(shared),
            bounds,
            fields: fields().collect(),
            next: Some(first),
            page: VecDeque::new(),
            current: None,
        })
    }
}

pub(super) struct ProcessRows {
    shared: Arc<Shared>,
    bounds: Bounds,
    fields: Vec<Field>,
    /// The key from which on is still to be read.
    next: Option<Key>,
    page: VecDeque<Life>,
    current: Option<Life>,
}

impl Rows for ProcessRows {
    fn advance(&mut self) -> Result<bool, HistoryError> {
        loop {
            self.shared.go_on()?;
            if let Some(life) = self.page.pop_front() {
                self.current = Some(life);
                return Ok(true);
            }
            let Some(first) = self.next else {
                self.current = None;
                return Ok(false);
            };
            let shared = Arc::clone(&self.shared);
            let mut history = shared.history();
            let living = shared.living(&mut history)?;
            let last = self.bounds.process.unwrap_or(i64::MAX as u64);
            let page = history.lives(first, last, self.bounds.pid, PAGE, Some(&*living))?;
            self.next = page
                .last()
                .filter(|_| page.len() == PAGE)
                .map(|life| life.key + 1);
            self.page.extend(page);
        }
    }

    fn value(&self, column: usize) -> Cell<'_> {
        let Some(life) = &self.current else {
            return Cell::Null;
        };
        match (column, self.fields.get(column.wrapping_sub(FIRST))) {
            (0, _) => life.key.into(),
            (1, _) => life.parent.into(),
            (2, _) => life.started_ns.into(),
            (3, _) => life.ended_ns.into(),
            (_, Some(Field::State | Field::Source | Field::PredatesCollection))
                if !life.has_account =>
            {
                Cell::Null
            }
            (_, Some(field)) => {
                let view = ProcessView {
                    process: &life.process,
                    delta: &Totals::UNKNOWN,
                    interval_ns: 0,
                };
                field.value(&view).into()
            }
            _ => Cell::Null,
        }
    }
}
