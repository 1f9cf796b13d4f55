//! The tables of a recording, and how those of earlier versions become today's.

use rusqlite::{Connection, Transaction};

use crate::model::totals::Counter;

/// How every file of SQLite begins.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// "pwat": what marks an SQLite file as a recording of ours.
pub const APPLICATION_ID: i32 = 0x7077_6174;

/// One step a version: each makes the version after it of the one before. A step that has been released stays as
/// it is.
const STEPS: [fn() -> String; 2] = [first, alerts];

/// Of a recording that is written today.
pub const VERSION: i32 = STEPS.len() as i32;

/// Brings the tables up to today's version, in one transaction. Does nothing to those that are.
///
/// # Errors
/// SQLite's.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version >= VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in &STEPS[usize::try_from(version).unwrap_or_default()..] {
        transaction.execute_batch(&step())?;
    }
    mark(&transaction)?;
    transaction.commit()
}

fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)
}

fn first() -> String {
    let totals: String = Counter::ALL
        .iter()
        .map(|counter| format!(",\n    {} INTEGER", counter.name()))
        .collect();
    format!(
        "CREATE TABLE boot (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
-- One run of a recorder.
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boot,
    procwatch TEXT NOT NULL,
    from_ns INTEGER NOT NULL
) STRICT;
-- Every process that was ever seen. Its last account stands here once it has ended.
CREATE TABLE process (
    key INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boot,
    pid INTEGER NOT NULL,
    start_time_ns INTEGER NOT NULL,
    started_ns INTEGER NOT NULL,
    parent INTEGER,
    image INTEGER,
    ended_ns INTEGER,
    status INTEGER,
    totals_at INTEGER,
    peak_rss_bytes INTEGER{totals}
) STRICT;
CREATE INDEX process_by_end ON process (ended_ns);
-- What is known of programs: many processes share it.
CREATE TABLE facts (
    image INTEGER PRIMARY KEY,
    comm TEXT NOT NULL,
    exe TEXT,
    argv TEXT,
    argv_truncated INTEGER NOT NULL,
    uid INTEGER,
    user TEXT,
    cgroup TEXT,
    container TEXT,
    is_kernel_thread INTEGER NOT NULL,
    since_ns INTEGER NOT NULL
) STRICT;
-- What a process was before, and until when.
CREATE TABLE earlier (
    process INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    image INTEGER NOT NULL,
    PRIMARY KEY (process, until_ns)
) STRICT, WITHOUT ROWID;
-- Frames as columns. The first of a block says how everything stood at its beginning.
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    tier INTEGER NOT NULL,
    session INTEGER NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX block_by_time ON block (tier, to_ns);
-- Frames of the finest tier that are in no block yet.
CREATE TABLE tail (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE event_block (
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    events INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX event_block_by_time ON event_block (to_ns);
CREATE TABLE event_tail (
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    events INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
-- When nothing could be written, and why. The totals of what ended meanwhile are in the frame after it.
CREATE TABLE gap (
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    events INTEGER NOT NULL,
    processes INTEGER NOT NULL,
    why TEXT NOT NULL
) STRICT;
"
    )
}

fn alerts() -> String {
    format!("{}{OUTBOX}", super::alerts::TABLES)
}

const OUTBOX: &str = "-- Alerts that wait for a notifier.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    notifier TEXT NOT NULL,
    alert TEXT NOT NULL,
    queued_ns INTEGER NOT NULL,
    -- Of the message that it is part of.
    key TEXT,
    made_ns INTEGER,
    failures INTEGER,
    next_ns INTEGER
) STRICT;
-- What became of those that no longer wait.
CREATE TABLE outbox_tally (
    notifier TEXT PRIMARY KEY,
    sent INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    last_sent_ns INTEGER,
    last_error TEXT,
    last_error_ns INTEGER
) STRICT, WITHOUT ROWID;
";
