//! What a table of a recording is to SQLite: columns, and rows that are read as they are asked for.
//!
//! Bounds on the columns `time`, `process`, `pid` and `tier` are handed down, so that what lies outside of them is
//! not unpacked; SQLite checks them again. Nothing can be written, for there is no function that would.

use std::{
    borrow::Cow,
    ffi::{CStr, CString, c_int},
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::{
    Connection, Error,
    types::{ToSqlOutput, ValueRef},
    vtab::{
        Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection,
        VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
    },
};

use super::{Faces, control::Control};
use crate::{
    history::{HistoryError, assemble::Assembler, reader::History, store::unsigned},
    model::field::{Field, Kind, Value},
};

/// What all tables of one connection read.
#[derive(Debug)]
pub(super) struct Shared {
    history: Mutex<History>,
    /// How the living stood last. A statement may ask for it once a row.
    living: Mutex<Option<Arc<Assembler>>>,
    pub control: Arc<Control>,
    pub faces: Faces,
}

impl Shared {
    pub fn new(history: History, control: Arc<Control>, faces: Faces) -> Self {
        Self {
            history: Mutex::new(history),
            living: Mutex::default(),
            control,
            faces,
        }
    }

    /// One thread asks; a panic in it leaves nothing half done, as nothing is written.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds on to the recording as it is now.
    ///
    /// # Errors
    /// When it cannot be read, as below.
    pub fn hold(&self) -> Result<(), HistoryError> {
        *self.living.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.history().hold()
    }

    /// How everyone stood last.
    pub fn living(&self, history: &mut History) -> Result<Arc<Assembler>, HistoryError> {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(living) = &*living {
            return Ok(Arc::clone(living));
        }
        let last = Arc::new(history.last_standings()?);
        *living = Some(Arc::clone(&last));
        Ok(last)
    }

    /// # Errors
    /// When the query is to end.
    pub fn go_on(&self) -> Result<(), HistoryError> {
        match self.control.why_to_stop() {
            Some(_) => Err(HistoryError::Refused("the query was stopped".to_owned())),
            None => Ok(()),
        }
    }
}

/// A column as it is declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub name: &'static str,
    pub kind: &'static str,
    /// Not part of `SELECT *`.
    pub is_hidden: bool,
}

impl Column {
    pub const fn new(name: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            kind,
            is_hidden: false,
        }
    }

    pub const fn hidden(name: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            kind,
            is_hidden: true,
        }
    }

    pub fn of_field(field: Field) -> Self {
        let kind = match field.kind() {
            Kind::Integer | Kind::Flag => "INTEGER",
            Kind::Real => "REAL",
            Kind::Text => "TEXT",
        };
        Self::new(field.name(), kind)
    }
}

/// The value of a column in a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
}

impl<'a> From<Value<'a>> for Cell<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Unknown => Self::Null,
            Value::Integer(number) => number.into(),
            Value::Real(number) => Self::Real(number),
            Value::Flag(flag) => Self::Integer(i64::from(flag)),
            Value::Text(text) => Self::Text(text),
        }
    }
}

impl From<u64> for Cell<'_> {
    fn from(value: u64) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Cell<'_> {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Cell<'_> {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<f32> for Cell<'_> {
    fn from(value: f32) -> Self {
        // As short as it is written by those who have it: 0.8, and not the number next to it that is twice as long.
        Self::Real(value.to_string().parse().unwrap_or(f64::from(value)))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Cell<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'a, T> From<Option<T>> for Cell<'a>
where
    Cell<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

/// What the statement asks of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Both ends belong to it. Nanoseconds since the epoch.
    pub from_ns: u64,
    pub to_ns: u64,
    pub process: Option<u64>,
    pub pid: Option<u32>,
    pub tier: Option<usize>,
    /// No row can match, as when a bound is NULL.
    pub is_empty: bool,
}

impl Bounds {
    pub const ALL: Self = Self {
        from_ns: 0,
        to_ns: i64::MAX as u64,
        process: None,
        pid: None,
        tier: None,
        is_empty: false,
    };
}

/// A table.
pub(super) trait Table: Send + Sync + Sized + 'static {
    const NAME: &'static CStr;
    type Rows: Rows;

    fn columns() -> Vec<Column>;

    /// # Errors
    /// When the recording cannot be read.
    fn rows(shared: &Arc<Shared>, bounds: Bounds) -> Result<Self::Rows, HistoryError>;
}

/// Rows, one after the other.
pub(super) trait Rows {
    /// Goes on to the next row. False when there is none.
    ///
    /// # Errors
    /// When the recording cannot be read.
    fn advance(&mut self) -> Result<bool, HistoryError>;

    /// Of the row that was gone on to last.
    fn value(&self, column: usize) -> Cell<'_>;
}

/// Rows that are all at hand, each with its cells.
#[derive(Debug, Default)]
pub(super) struct Ready {
    rows: std::vec::IntoIter<Vec<Cell<'static>>>,
    current: Vec<Cell<'static>>,
}

impl Ready {
    pub fn new(rows: Vec<Vec<Cell<'static>>>) -> Self {
        Self {
            rows: rows.into_iter(),
            current: Vec::new(),
        }
    }
}

impl Rows for Ready {
    fn advance(&mut self) -> Result<bool, HistoryError> {
        let next = self.rows.next();
        let is_there = next.is_some();
        self.current = next.unwrap_or_default();
        Ok(is_there)
    }

    fn value(&self, column: usize) -> Cell<'_> {
        self.current.get(column).cloned().unwrap_or(Cell::Null)
    }
}

/// Makes a table known to a connection under its name.
///
/// # Errors
/// SQLite's.
pub(super) fn register<T: Table>(
    connection: &Connection,
    shared: &Arc<Shared>,
) -> rusqlite::Result<()> {
    struct Of<T>(PhantomData<T>);
    impl<T: Table> Of<T> {
        const MODULE: Module<'static, Virtual<T>> = Module::eponymous_only_module();
    }
    connection.create_module(
        T::NAME,
        const { &Of::<T>::MODULE },
        Some(Arc::clone(shared)),
    )
}

/// The columns whose bounds are handed down, by a letter each.
const BOUNDED: [(&str, char); 4] = [("time", 't'), ("process", 'k'), ("pid", 'p'), ("tier", 'r')];

#[repr(C)]
pub(super) struct Virtual<T> {
    /// SQLite's part, which has to come first.
    base: sqlite3_vtab,
    shared: Arc<Shared>,
    columns: Vec<Column>,
    table: PhantomData<T>,
}

// SAFETY: the structure has C's layout and SQLite's base as its first field.
unsafe impl<'vtab, T: Table> VTab<'vtab> for Virtual<T> {
    type Aux = Arc<Shared>;
    type Cursor = Cursor<T>;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        db.config(VTabConfig::Innocuous)?;
        let shared = aux.ok_or_else(|| Error::ModuleError("no recording".to_owned()))?;
        let columns = T::columns();
        let declared: Vec<_> = columns
            .iter()
            .map(|column| {
                let hidden = if column.is_hidden { " HIDDEN" } else { "" };
                format!("\"{}\" {}{hidden}", column.name, column.kind)
            })
            .collect();
        let schema = CString::new(format!("CREATE TABLE x({})", declared.join(", ")))
            .map_err(|error| Error::ModuleError(error.to_string()))?;
        let table = Self {
            base: sqlite3_vtab::default(),
            shared: Arc::clone(shared),
            columns,
            table: PhantomData,
        };
        Ok((Cow::Owned(schema), table))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let mut plan = String::new();
        let mut arguments = 0;
        let mut rows = 1e7_f64;
        for (constraint, mut usage) in info.constraints_and_usages() {
            let Some(column) = usize::try_from(constraint.column())
                .ok()
                .and_then(|at| self.columns.get(at))
            else {
                continue;
            };
            let Some((_, letter)) = BOUNDED.iter().find(|(name, _)| *name == column.name) else {
                continue;
            };
            let operator = match constraint.operator() {
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => '=',
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GT
                | IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GE
                    if *letter == 't' =>
                {
                    '>'
                }
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LT
                | IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LE
                    if *letter == 't' =>
                {
                    '<'
                }
                _ => continue,
            };
            if !constraint.is_usable() {
                continue;
            }
            arguments += 1;
            usage.set_argv_index(arguments);
            plan.push(*letter);
            plan.push(operator);
            rows /= match (letter, operator) {
                ('k' | 'p', _) => 1e3,
                ('t', '=') => 1e4,
                _ => 10.0,
            };
        }
        info.set_idx_str(&plan);
        // What it takes is unpacking, however few rows are left then.
        info.set_estimated_cost(rows.max(1.0) * 10.0);
        info.set_estimated_rows(rows.max(1.0) as i64);
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Self::Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            shared: Arc::clone(&self.shared),
            rows: None,
            number: 0,
        })
    }
}

#[repr(C)]
pub(super) struct Cursor<T: Table> {
    /// SQLite's part, which has to come first.
    base: sqlite3_vtab_cursor,
    shared: Arc<Shared>,
    /// `None` before the first and after the last row.
    rows: Option<T::Rows>,
    number: i64,
}

// SAFETY: the structure has C's layout and SQLite's base as its first field.
unsafe impl<T: Table> VTabCursor for Cursor<T> {
    fn filter(
        &mut self,
        _number: c_int,
        plan: Option<&str>,
        arguments: &Filters<'_>,
    ) -> rusqlite::Result<()> {
        let bounds = bounds(plan.unwrap_or_default(), arguments)?;
        self.number = 0;
        self.rows = None;
        if !bounds.is_empty {
            self.rows = Some(T::rows(&self.shared, bounds).map_err(|error| told(&error))?);
            self.next()?;
        }
        Ok(())
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.number += 1;
        if let Some(rows) = &mut self.rows
            && !rows.advance().map_err(|error| told(&error))?
        {
            self.rows = None;
        }
        Ok(())
    }

    fn eof(&self) -> bool {
        self.rows.is_none()
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let cell = match (&self.rows, usize::try_from(column)) {
            (Some(rows), Ok(column)) => rows.value(column),
            _ => Cell::Null,
        };
        let value = match &cell {
            Cell::Null => ValueRef::Null,
            Cell::Integer(number) => ValueRef::Integer(*number),
            Cell::Real(number) => ValueRef::Real(*number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
        };
        context.set_result(ToSqlOutput::Borrowed(value))
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.number)
    }
}

fn told(error: &HistoryError) -> Error {
    Error::ModuleError(error.to_string())
}

fn bounds(plan: &str, arguments: &Filters<'_>) -> rusqlite::Result<Bounds> {
    let mut bounds = Bounds::ALL;
    let letters: Vec<char> = plan.chars().collect();
    for (pair, argument) in letters.chunks_exact(2).zip(arguments.iter()) {
        let number = match argument {
            ValueRef::Integer(number) => number,
            ValueRef::Real(number) => number as i64,
            ValueRef::Text(text) if pair[0] == 't' => {
                let text = String::from_utf8_lossy(text);
                return Err(Error::ModuleError(format!(
                    "time is a number of nanoseconds; write time_ns('{}')",
                    text.replace('\'', "''")
                )));
            }
            // What SQLite makes of a text beside a number is its own matter: it checks again.
            ValueRef::Text(_) | ValueRef::Blob(_) => continue,
            ValueRef::Null => {
                bounds.is_empty = true;
                continue;
            }
        };
        match (pair[0], pair[1]) {
            ('t', '=') => {
                bounds.from_ns = bounds.from_ns.max(unsigned(number.saturating_sub(1)));
                bounds.to_ns = bounds.to_ns.min(unsigned(number.saturating_add(1)));
            }
            // A fraction of a nanosecond more or less: SQLite checks again.
            ('t', '>') => bounds.from_ns = bounds.from_ns.max(unsigned(number.saturating_sub(1))),
            ('t', '<') => bounds.to_ns = bounds.to_ns.min(unsigned(number.saturating_add(1))),
            ('k', _) => bounds.process = Some(unsigned(number)),
            ('p', _) => match u32::try_from(number) {
                Ok(pid) => bounds.pid = Some(pid),
                Err(_) => bounds.is_empty = true,
            },
            ('r', _) => match usize::try_from(number) {
                Ok(tier) => bounds.tier = Some(tier),
                Err(_) => bounds.is_empty = true,
            },
            _ => {}
        }
    }
    bounds.is_empty |= bounds.from_ns > bounds.to_ns;
    Ok(bounds)
}
