//! Alerts, silences, and what detectors have learned: what rules need to go on after a restart.
//!
//! A connection of its own beside the recorder's, as the outbox has: a short transaction a call.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::store::{StoreError, check_file, connect_beside, signed, unsigned};
use crate::{
    alerts::{Change, KeptAlert},
    model::{alert::Alert, mute::Silence},
};

/// Alerts that are over are forgotten beyond this, the oldest first.
const ALERTS_MAX: i64 = 50_000;
const SILENCES_MAX: i64 = 1_000;

pub(super) const TABLES: &str =
    "-- Every alert as it is now; what was pending and came to nothing is gone.
CREATE TABLE alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    began_ns INTEGER NOT NULL,
    fired_ns INTEGER,
    resolved_ns INTEGER,
    -- Whether notifiers were told of it.
    told INTEGER NOT NULL,
    muted_by TEXT,
    alert TEXT NOT NULL
) STRICT;
CREATE INDEX alert_by_time ON alert (began_ns);
CREATE INDEX alert_by_end ON alert (resolved_ns);
CREATE TABLE silence (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT,
    about TEXT,
    from_ns INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    reason TEXT,
    made_by TEXT
) STRICT;
-- What detectors have learned, in a form of their own.
CREATE TABLE learned (
    name TEXT PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The part of a recording that keeps alerts.
#[derive(Debug)]
pub struct AlertBook {
    connection: Connection,
}

impl AlertBook {
    /// Of a recording that a [`super::Store`] of the same process has open, to be dropped before that.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn beside(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: connect_beside(path)?,
        })
    }

    /// Of a recording that another process may write to.
    ///
    /// # Errors
    /// When the file is no recording that this version can write to, and those of SQLite.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        check_file(path)?;
        let book = Self::beside(path)?;
        if has_tables(&book.connection)? {
            Ok(book)
        } else {
            Err(StoreError::Refused(
                "it is of an earlier procwatch, which knew no alerts; a recorder that goes on with it adds what is missing"
                    .to_owned(),
            ))
        }
    }

    /// What rules go on with: alerts that are not over, those that ended since a time, and the next number.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn kept(&self, since_ns: u64) -> Result<(Vec<KeptAlert>, u64), StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT alert, told, muted_by FROM alert WHERE resolved_ns IS NULL OR resolved_ns >= ?1 ORDER BY id",
        )?;
        let rows = select.query_map([signed(since_ns)], kept_of)?;
        let kept = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let last: Option<i64> = self
            .connection
            .query_row(
                "SELECT seq FROM sqlite_sequence WHERE name = 'alert'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        Ok((
            kept.into_iter().flatten().collect(),
            unsigned(last.unwrap_or(0)) + 1,
        ))
    }

    /// Keeps how alerts are now.
    ///
    /// # Errors
    /// Those of SQLite; then nothing of it is kept.
    pub fn keep(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for change in changes {
            match change {
                Change::Dropped { id } => {
                    transaction
                        .prepare_cached("DELETE FROM alert WHERE id = ?1")?
                        .execute([signed(*id)])?;
                }
                Change::Kept { kept, .. } => {
                    insert(&transaction, kept)?;
                }
            }
        }
        transaction
            .prepare_cached(
                "DELETE FROM alert WHERE resolved_ns IS NOT NULL AND id <= (SELECT max(id) FROM alert) - ?1",
            )?
            .execute([ALERTS_MAX])?;
        Ok(transaction.commit()?)
    }

    /// Changes whenever another connection has written.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn version(&self) -> Result<i64, StoreError> {
        Ok(self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Those that are not over.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn silences(&self, now_ns: u64) -> Result<Vec<Silence>, StoreError> {
        Ok(silences(&self.connection, now_ns)?)
    }

    /// Adds one, whatever its number is, and answers with the number that it has got.
    ///
    /// # Errors
    /// When there are too many, and those of SQLite.
    pub fn add_silence(&mut self, silence: &Silence) -> Result<u64, StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "DELETE FROM silence WHERE until_ns <= ?1",
            [signed(silence.from_ns)],
        )?;
        let count: i64 =
            transaction.query_row("SELECT count(*) FROM silence", [], |row| row.get(0))?;
        if count >= SILENCES_MAX {
            return Err(StoreError::Refused(format!(
                "there are {SILENCES_MAX} silences already; end some of them by `procwatch alerts unsilence`"
            )));
        }
        transaction.execute(
            "INSERT INTO silence (rule, about, from_ns, until_ns, reason, made_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                silence.rule,
                silence.about,
                signed(silence.from_ns),
                signed(silence.until_ns),
                silence.reason,
                silence.by
            ],
        )?;
        let id = unsigned(transaction.last_insert_rowid());
        transaction.commit()?;
        Ok(id)
    }

    /// Whether there was one of that number.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn end_silence(&mut self, id: u64) -> Result<bool, StoreError> {
        let ended = self
            .connection
            .execute("DELETE FROM silence WHERE id = ?1", [signed(id)])?;
        Ok(ended > 0)
    }

    /// What was learned last. `None` when nothing was.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn learned(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(learned(&self.connection, name)?)
    }

    /// # Errors
    /// Those of SQLite.
    pub fn learn(&mut self, name: &str, now_ns: u64, data: &[u8]) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT OR REPLACE INTO learned VALUES (?1, ?2, ?3)",
            params![name, signed(now_ns), data],
        )?;
        Ok(())
    }
}

pub(super) fn insert(connection: &Connection, kept: &KeptAlert) -> Result<(), StoreError> {
    let alert = &kept.alert;
    let text = serde_json::to_string(alert).map_err(|error| {
        StoreError::Refused(format!("an alert cannot be written down: {error}"))
    })?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO alert VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            signed(alert.id),
            signed(alert.began_ns),
            alert.fired_ns.map(signed),
            alert.resolved_ns.map(signed),
            kept.is_told,
            kept.muted_by,
            text
        ])?;
    Ok(())
}

/// `None` of one that another version has kept otherwise.
fn kept_of(row: &Row<'_>) -> rusqlite::Result<Option<KeptAlert>> {
    let alert: Option<Alert> = serde_json::from_str(row.get_ref(0)?.as_str()?).ok();
    let (is_told, muted_by) = (row.get(1)?, row.get(2)?);
    Ok(alert.map(|alert| KeptAlert {
        alert,
        is_told,
        muted_by,
    }))
}

/// Whether it is of a version that knows alerts.
fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE name = 'alert'",
            [],
            |_| Ok(()),
        )
        .optional()
        .map(|found| found.is_some())
}

/// Those that were pending or firing at some time of a window, and those that began in it.
pub(super) fn within(
    connection: &Connection,
    from_ns: u64,
    to_ns: u64,
) -> rusqlite::Result<Vec<KeptAlert>> {
    if !has_tables(connection)? {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "SELECT alert, told, muted_by FROM alert \
         WHERE began_ns <= ?2 AND (resolved_ns IS NULL OR resolved_ns >= ?1) ORDER BY began_ns, id",
    )?;
    let rows = select.query_map([signed(from_ns), signed(to_ns)], kept_of)?;
    let kept = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(kept.into_iter().flatten().collect())
}

/// Those that are not over.
pub(super) fn silences(connection: &Connection, now_ns: u64) -> rusqlite::Result<Vec<Silence>> {
    if !has_tables(connection)? {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "SELECT id, rule, about, from_ns, until_ns, reason, made_by FROM silence WHERE until_ns > ?1 ORDER BY id",
    )?;
    let rows = select.query_map([signed(now_ns)], |row| {
        Ok(Silence {
            id: unsigned(row.get(0)?),
            rule: row.get(1)?,
            about: row.get(2)?,
            from_ns: unsigned(row.get(3)?),
            until_ns: unsigned(row.get(4)?),
            reason: row.get(5)?,
            by: row.get(6)?,
        })
    })?;
    rows.collect()
}

pub(super) fn learned(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    if !has_tables(connection)? {
        return Ok(None);
    }
    connection
        .query_row("SELECT data FROM learned WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()
}

pub(super) fn by_id(connection: &Connection, id: u64) -> rusqlite::Result<Option<KeptAlert>> {
    if !has_tables(connection)? {
        return Ok(None);
    }
    let kept = connection
        .query_row(
            "SELECT alert, told, muted_by FROM alert WHERE id = ?1",
            [signed(id)],
            kept_of,
        )
        .optional()?;
    Ok(kept.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{History, Limits, Store},
        model::alert::{AlertState, Severity, Subject},
    };

    fn kept(id: u64, began_ns: u64, resolved_ns: Option<u64>) -> KeptAlert {
        KeptAlert {
            alert: Alert {
                id,
                rule: "hot\u{1b}".to_owned(),
                severity: Severity::Warning,
                state: match resolved_ns {
                    Some(_) => AlertState::Resolved,
                    None => AlertState::Firing,
                },
                subject: Subject::Host,
                began_ns,
                fired_ns: Some(began_ns),
                resolved_ns,
                summary: String::new(),
                figure: None,
                culprit: None,
                top: Vec::new(),
                curve: vec![(began_ns, 0.5)],
                replay: String::new(),
            },
            is_told: id.is_multiple_of(2),
            muted_by: (!id.is_multiple_of(2)).then(|| "silence 1".to_owned()),
        }
    }

    fn changed(kept: &KeptAlert) -> Change {
        Change::Kept {
            kept: Box::new(kept.clone()),
            tell: false,
        }
    }

    #[test]
    fn alerts_outlive_a_restart_and_are_found_by_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let store = Store::open(&path, "boot", 1, Limits::default()).unwrap();
        let mut book = AlertBook::beside(&path).unwrap();
        assert_eq!(book.kept(0).unwrap(), (Vec::new(), 1));
        let (over, firing) = (kept(1, 10, Some(20)), kept(2, 30, None));
        let dropped = kept(3, 40, None);
        book.keep(&[changed(&over), changed(&firing), changed(&dropped)])
            .unwrap();
        book.keep(&[Change::Dropped { id: 3 }]).unwrap();
        drop(book);
        store.finish().unwrap();

        let store = Store::open(&path, "boot", 2, Limits::default()).unwrap();
        let book = AlertBook::beside(&path).unwrap();
        // Numbers are never given twice.
        assert_eq!(
            book.kept(0).unwrap(),
            (vec![over.clone(), firing.clone()], 4)
        );
        assert_eq!(book.kept(21).unwrap().0, std::slice::from_ref(&firing));
        let history = History::open(&path).unwrap();
        let check = |from_ns, to_ns, expected: &[&KeptAlert]| {
            let found = history.alerts(from_ns, to_ns).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        };
        check(0, 9, &[]);
        check(15, 16, &[&over]);
        check(20, 35, &[&over, &firing]);
        check(21, u64::MAX, &[&firing]);
        assert_eq!(history.alert(1).unwrap(), Some(over));
        assert_eq!(history.alert(3).unwrap(), None);
        drop(book);
        drop(store);
    }

    #[test]
    fn silences_are_seen_by_who_has_the_recording_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let store = Store::open(&path, "boot", 1, Limits::default()).unwrap();
        let book = AlertBook::beside(&path).unwrap();
        let version = book.version().unwrap();
        let silence = Silence {
            id: 0,
            rule: Some("hot".to_owned()),
            about: None,
            from_ns: 5,
            until_ns: 50,
            reason: Some("known".to_owned()),
            by: None,
        };
        let mut other = AlertBook::open(&path).unwrap();
        let id = other.add_silence(&silence).unwrap();
        assert_ne!(book.version().unwrap(), version);
        assert_eq!(book.silences(49).unwrap(), [Silence { id, ..silence }]);
        assert_eq!(book.silences(50).unwrap(), []);
        assert!(other.end_silence(id).unwrap());
        assert!(!other.end_silence(id).unwrap());
        assert_eq!(book.silences(6).unwrap(), []);
        assert_eq!(book.learned("a").unwrap(), None);
        other.learn("a", 7, b"x").unwrap();
        assert_eq!(book.learned("a").unwrap().as_deref(), Some(&b"x"[..]));
        drop((book, other));
        drop(store);
    }
}
