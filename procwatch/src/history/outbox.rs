//! Alerts that wait for notifiers, in the recording: a connection of its own, a short transaction a call.
//!
//! What is to be sent when is decided elsewhere; this keeps it over restarts.

use std::path::Path;

use rusqlite::{Connection, Row, Transaction, params};

use super::{
    schema,
    store::{StoreError, connect_beside, signed, unsigned},
};
use crate::model::{
    alert::Alert,
    delivery::{Attempt, Outbox, OutboxError, Tally, Waiting},
};

/// The part of a recording that keeps what waits.
#[derive(Debug)]
pub struct AlertOutbox {
    connection: Connection,
}

impl AlertOutbox {
    /// Of a recording that a [`super::Store`] of the same process has open. To be dropped before that: SQLite's
    /// locks go with the first descriptor of a file that is closed.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: connect_beside(path)?,
        })
    }

    /// One that nothing outlives: for what has no recording.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        schema::migrate(&mut connection)?;
        Ok(Self { connection })
    }

    fn try_waiting(&self) -> rusqlite::Result<Vec<Waiting>> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, notifier, alert, queued_ns, key, made_ns, failures, next_ns FROM outbox ORDER BY id",
        )?;
        let mut rows = select.query([])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            // One that another version has kept otherwise cannot be sent by this one.
            if let Some(alert) = alert(row)? {
                waiting.push(waiting_of(row, alert)?);
            }
        }
        Ok(waiting)
    }

    fn try_tallies(&self) -> rusqlite::Result<Vec<(String, Tally)>> {
        let mut select = self.connection.prepare_cached(
            "SELECT notifier, sent, refused, dropped, last_sent_ns, last_error, last_error_ns FROM outbox_tally",
        )?;
        let tallies = select.query_map([], |row| {
            let tally = Tally {
                sent: unsigned(row.get(1)?),
                refused: unsigned(row.get(2)?),
                dropped: unsigned(row.get(3)?),
                last_sent_ns: row.get::<_, Option<i64>>(4)?.map(unsigned),
                last_error: row.get(5)?,
                last_error_ns: row.get::<_, Option<i64>>(6)?.map(unsigned),
            };
            Ok((row.get(0)?, tally))
        })?;
        tallies.collect()
    }

    fn try_attempted(&mut self, rows: &[u64], attempt: &Attempt) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut update = transaction.prepare_cached(
                "UPDATE outbox SET key = ?2, made_ns = ?3, failures = ?4, next_ns = ?5 WHERE id = ?1",
            )?;
            for row in rows {
                update.execute(params![
                    signed(*row),
                    attempt.key,
                    signed(attempt.made_ns),
                    attempt.failures,
                    signed(attempt.next_ns)
                ])?;
            }
        }
        transaction.commit()
    }

    fn try_settle(&mut self, rows: &[u64], notifier: &str, tally: &Tally) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
            for row in rows {
                delete.execute([signed(*row)])?;
            }
        }
        keep_tally(&transaction, notifier, tally)?;
        transaction.commit()
    }
}

impl Outbox for AlertOutbox {
    fn waiting(&mut self) -> Result<Vec<Waiting>, OutboxError> {
        self.try_waiting().map_err(|error| told(&error))
    }

    fn tallies(&mut self) -> Result<Vec<(String, Tally)>, OutboxError> {
        self.try_tallies().map_err(|error| told(&error))
    }

    fn add(&mut self, notifier: &str, alert: &Alert, queued_ns: u64) -> Result<u64, OutboxError> {
        let alert = serde_json::to_string(alert).map_err(|error| OutboxError(error.to_string()))?;
        self.connection
            .prepare_cached("INSERT INTO outbox (notifier, alert, queued_ns) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.insert(params![notifier, alert, signed(queued_ns)]))
            .map(unsigned)
            .map_err(|error| told(&error))
    }

    fn attempted(&mut self, rows: &[u64], attempt: &Attempt) -> Result<(), OutboxError> {
        self.try_attempted(rows, attempt)
            .map_err(|error| told(&error))
    }

    fn settle(&mut self, rows: &[u64], notifier: &str, tally: &Tally) -> Result<(), OutboxError> {
        self.try_settle(rows, notifier, tally)
            .map_err(|error| told(&error))
    }
}

fn told(error: &rusqlite::Error) -> OutboxError {
    OutboxError(error.to_string())
}

fn alert(row: &Row<'_>) -> rusqlite::Result<Option<Alert>> {
    Ok(serde_json::from_str(row.get_ref(2)?.as_str()?).ok())
}

fn waiting_of(row: &Row<'_>, alert: Alert) -> rusqlite::Result<Waiting> {
    let key: Option<String> = row.get(4)?;
    let attempt = key
        .map(|key| {
            Ok::<_, rusqlite::Error>(Attempt {
                key,
                made_ns: unsigned(row.get(5)?),
                failures: row.get(6)?,
                next_ns: unsigned(row.get(7)?),
            })
        })
        .transpose()?;
    Ok(Waiting {
        row: unsigned(row.get(0)?),
        notifier: row.get(1)?,
        alert,
        queued_ns: unsigned(row.get(3)?),
        attempt,
    })
}

fn keep_tally(
    transaction: &Transaction<'_>,
    notifier: &str,
    tally: &Tally,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO outbox_tally VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            notifier,
            signed(tally.sent),
            signed(tally.refused),
            signed(tally.dropped),
            tally.last_sent_ns.map(signed),
            tally.last_error,
            tally.last_error_ns.map(signed)
        ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Limits, Store},
        model::alert::{AlertState, Severity, Subject},
    };

    fn alert(id: u64) -> Alert {
        Alert {
            id,
            rule: "hot process".to_owned(),
            severity: Severity::Warning,
            state: AlertState::Firing,
            subject: Subject::Program("/bin/\u{1b}[2J\n".to_owned()),
            began_ns: 1,
            fired_ns: Some(2),
            resolved_ns: None,
            summary: String::new(),
            figure: None,
            culprit: None,
            top: Vec::new(),
            curve: vec![(1, 0.1), (2, 1e300)],
            replay: String::new(),
        }
    }

    #[test]
    fn what_waits_outlives_a_restart_and_does_not_disturb_the_recorder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let store = Store::open(&path, "boot", 1, Limits::default()).unwrap();
        let mut outbox = AlertOutbox::open(&path).unwrap();
        let first = outbox.add("email", &alert(7), 10).unwrap();
        let second = outbox.add("email", &alert(8), 11).unwrap();
        let third = outbox.add("webhook", &alert(7), 10).unwrap();
        let attempt = Attempt {
            key: "k".to_owned(),
            made_ns: 12,
            failures: 3,
            next_ns: 99,
        };
        outbox.attempted(&[first, second], &attempt).unwrap();
        let tally = Tally {
            sent: 1,
            last_error: Some("away".to_owned()),
            last_error_ns: Some(5),
            ..Tally::default()
        };
        outbox.settle(&[first], "email", &tally).unwrap();
        drop(outbox);
        store.finish().unwrap();

        let store = Store::open(&path, "boot", 2, Limits::default()).unwrap();
        let mut outbox = AlertOutbox::open(&path).unwrap();
        let waiting = |row, notifier: &str, id, queued_ns, attempt| Waiting {
            row,
            notifier: notifier.to_owned(),
            alert: alert(id),
            queued_ns,
            attempt,
        };
        assert_eq!(
            outbox.waiting().unwrap(),
            [
                waiting(second, "email", 8, 11, Some(attempt)),
                waiting(third, "webhook", 7, 10, None),
            ]
        );
        assert_eq!(outbox.tallies().unwrap(), [("email".to_owned(), tally)]);
        // A number is nobody else's, whatever has been forgotten.
        outbox
            .settle(&[second, third], "email", &Tally::default())
            .unwrap();
        assert!(outbox.add("email", &alert(9), 12).unwrap() > third);
        drop(outbox);
        drop(store);
    }

    #[test]
    fn a_recording_of_before_gets_the_tables() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        Store::open(&path, "boot", 1, Limits::default())
            .unwrap()
            .finish()
            .unwrap();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "DROP TABLE outbox; DROP TABLE outbox_tally; DROP TABLE alert; DROP TABLE silence; \
                 DROP TABLE learned; PRAGMA user_version = 1;",
            )
            .unwrap();
        drop(connection);
        let _store = Store::open(&path, "boot", 2, Limits::default()).unwrap();
        let mut outbox = AlertOutbox::open(&path).unwrap();
        assert_eq!(outbox.waiting().unwrap(), []);
    }
}
