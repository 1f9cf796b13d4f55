//! SQL over a recording: tables with the names of the interface, and no way to change anything.
//!
//! Statements run on a database of their own, in memory and empty but for virtual tables; those read the recording
//! over a second connection, which can only read. So there is nothing that a statement could write to, and no file
//! that it could name. What it may take of time and memory is limited, and it can be interrupted.
//!
//! Deliberately no views or tables of a user's own: a statement is all there is.

mod control;
mod frames;
mod functions;
mod happened;
mod host;
mod processes;
mod refusal;
mod samples;
mod table;
#[cfg(test)]
mod tests;

use std::{io, path::Path, sync::Arc, time::Duration};

use rusqlite::{
    Connection,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    types::ValueRef,
};
use thiserror::Error;

use self::table::Shared;
use super::{HistoryError, reader::History};
use crate::model::{event::Event, snapshot::Snapshot, units::format_nanoseconds};

pub use self::{
    control::{Control, Stop},
    functions::{Here, percentile},
};

/// Longer statements are no questions.
const STATEMENT_BYTES_MAX: i32 = 100_000;
/// Of one text: what a statement puts together.
const TEXT_BYTES_MAX: i32 = 16 << 20;
/// Of everything that SQLite takes, as to sort rows. SQLite has one such limit a process: statements are answered in a
/// process of their own, and never in one that records.
const MEMORY_BYTES_MAX: i64 = 1 << 30;
/// Instructions of SQLite's machine from one look at the clock to the next.
const INSTRUCTIONS: i32 = 2_000;

/// How the columns `details` are written: as the other commands write JSON.
#[derive(Clone, Copy, Debug)]
pub struct Faces {
    /// An event, with its time in nanoseconds since the epoch.
    pub event: fn(&Event, u64) -> String,
    pub host: fn(&Snapshot) -> String,
}

/// Why a statement has no answer, or not the whole.
#[derive(Debug, Error)]
pub enum QueryError {
    #[error("{0}")]
    History(#[from] HistoryError),
    /// With what to try.
    #[error("{0}")]
    Wrong(String),
    #[error("it took longer than {}; ask for a shorter time, or give it longer with --timeout", format_nanoseconds(u64::try_from(.0.as_nanos()).unwrap_or(u64::MAX)))]
    TimedOut(Duration),
    #[error("interrupted; what was written is not the whole answer")]
    Interrupted,
    #[error("{0}")]
    Output(#[source] io::Error),
}

/// A value in a row of an answer. Text may be a process's own, and is hostile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Takes an answer as it comes.
pub trait Listener {
    /// First, and once.
    ///
    /// # Errors
    /// Those of the output, as below.
    fn columns(&mut self, names: &[String]) -> io::Result<()>;

    /// For every row.
    ///
    /// # Errors
    /// Those of the output.
    fn row(&mut self, values: &[Answer<'_>]) -> io::Result<()>;
}

/// A recording that statements can be put to.
#[derive(Debug)]
pub struct Sql {
    connection: Connection,
    shared: Arc<Shared>,
}

impl Sql {
    /// # Errors
    /// When the file is no recording that this version can read.
    pub fn open(
        path: &Path,
        here: Here,
        faces: Faces,
        control: Arc<Control>,
    ) -> Result<Self, HistoryError> {
        let history = History::open(path)?;
        // A file that cannot be read is told before any statement is looked at.
        history.bounds()?;
        let mut connection = Connection::open_in_memory()?;
        let shared = Arc::new(Shared::new(history, Arc::clone(&control), faces));
        table::register::<samples::Samples>(&connection, &shared)?;
        table::register::<host::Host>(&connection, &shared)?;
        table::register::<processes::Processes>(&connection, &shared)?;
        table::register::<happened::Events>(&connection, &shared)?;
        table::register::<happened::Connections>(&connection, &shared)?;
        table::register::<happened::Gaps>(&connection, &shared)?;
        table::register::<happened::Alerts>(&connection, &shared)?;
        functions::register(&connection, here)?;
        limit(&connection)?;
        connection.progress_handler(INSTRUCTIONS, Some(move || control.why_to_stop().is_some()))?;
        connection.authorizer(Some(authorize))?;
        Ok(Self { connection, shared })
    }

    /// Answers one statement, of which SQLite may take as long as `timeout`.
    ///
    /// # Errors
    /// When the statement is wrong, takes too long or is interrupted; when the recording cannot be read; and those
    /// of the listener.
    pub fn run(
        &self,
        statement: &str,
        timeout: Duration,
        listener: &mut impl Listener,
    ) -> Result<(), QueryError> {
        let mut left = timeout;
        self.shared.hold()?;
        let result = self.try_run(statement, &mut left, listener);
        let released = self.shared.history().release();
        let stop = match result {
            Ok(()) => return Ok(released?),
            Err(Ended::Output(error)) => return Err(QueryError::Output(error)),
            Err(Ended::Sql(error)) => match self.shared.control.why_to_stop() {
                Some(stop) => stop,
                None if left.is_zero() => Stop::TimedOut,
                None => return Err(QueryError::Wrong(refusal::told(&error, statement))),
            },
        };
        Err(match stop {
            Stop::TimedOut => QueryError::TimedOut(timeout),
            Stop::Interrupted => QueryError::Interrupted,
        })
    }

    fn try_run(
        &self,
        statement: &str,
        left: &mut Duration,
        listener: &mut impl Listener,
    ) -> Result<(), Ended> {
        let control = &self.shared.control;
        let mut prepared = control.within(left, || self.connection.prepare(statement))?;
        if !prepared.readonly() {
            return Err(Ended::Sql(rusqlite::Error::InvalidQuery));
        }
        let names: Vec<String> = prepared.column_names().map(ToOwned::to_owned).collect();
        let count = names.len();
        listener.columns(&names)?;
        let mut rows = control.within(left, || prepared.query([]))?;
        while let Some(row) = control.within(left, || rows.next())? {
            let mut values = Vec::with_capacity(count);
            for at in 0..count {
                values.push(match row.get_ref(at)? {
                    ValueRef::Null => Answer::Null,
                    ValueRef::Integer(number) => Answer::Integer(number),
                    ValueRef::Real(number) => Answer::Real(number),
                    ValueRef::Text(text) => match std::str::from_utf8(text) {
                        Ok(text) => Answer::Text(text),
                        Err(_) => Answer::Bytes(text),
                    },
                    ValueRef::Blob(bytes) => Answer::Bytes(bytes),
                });
            }
            listener.row(&values)?;
        }
        Ok(())
    }
}

/// How a statement ended that did not reach its end.
enum Ended {
    Sql(rusqlite::Error),
    Output(io::Error),
}

impl From<rusqlite::Error> for Ended {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn limit(connection: &Connection) -> rusqlite::Result<()> {
    for (config, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        // What stands in double quotes is a name, and a wrong one is told as such.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(config, value)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, TEXT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    ] {
        connection.set_limit(limit, value)?;
    }
    // What is sorted stays in memory, and that is bounded: nothing goes to a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.query_row(
        &format!("PRAGMA hard_heap_limit = {MEMORY_BYTES_MAX}"),
        [],
        |_| Ok(()),
    )
}

/// What a statement may do: read, and compute.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name }
            if !["load_extension", "fts3_tokenizer"].contains(&function_name) =>
        {
            Authorization::Allow
        }
        // Which columns a table has.
        AuthAction::Pragma { pragma_name, .. }
            if ["table_info", "table_xinfo"].contains(&pragma_name) =>
        {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}
