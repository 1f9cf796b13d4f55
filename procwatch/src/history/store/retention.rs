//! What is dropped when there is more than is to be kept.

use rusqlite::Transaction;

use super::{Store, StoreError, TIERS, signed, unsigned};

/// Percent of the size that events may take.
const EVENTS_SHARE: u64 = 10;

impl Store {
    /// Drops the oldest until what is kept is within the limits.
    pub(super) fn trim(&mut self) -> Result<(), StoreError> {
        let newest = self.tiers[0].last.as_ref().map_or(0, |last| last.time_ns);
        if let Some(age) = self.limits.age {
            let before = newest.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
            let transaction = self.connection.transaction()?;
            let blocks =
                transaction.execute("DELETE FROM block WHERE to_ns < ?1", [signed(before)])?;
            let events = transaction
                .execute("DELETE FROM event_block WHERE to_ns < ?1", [signed(before)])?;
            if blocks + events > 0 {
                forget_processes(&transaction)?;
            }
            transaction.commit()?;
        }
        let Some(most) = self.limits.size_bytes else {
            return Ok(());
        };
        while self.used_bytes()? > most {
            if !self.drop_oldest()? {
                break;
            }
        }
        Ok(())
    }

    /// Bytes of the file that hold something, and those that the log of changes may take.
    fn used_bytes(&self) -> Result<u64, StoreError> {
        let ask = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let pages = ask("page_count")? - ask("freelist_count")?;
        Ok(unsigned(pages * ask("page_size")?))
    }

    /// Drops one block: of what takes most of its share, or the very oldest when it is the processes that take the
    /// room. False when there is nothing to drop.
    fn drop_oldest(&mut self) -> Result<bool, StoreError> {
        let mut parts: Vec<(u64, Option<usize>)> = Vec::new();
        let mut blocks_bytes = 0;
        for (tier, of) in TIERS.iter().enumerate() {
            let bytes = self.sum(
                "SELECT total(length(data)) FROM block WHERE tier = ?1",
                [tier as i64],
            )?;
            blocks_bytes += bytes;
            parts.push((bytes / of.share, Some(tier)));
        }
        let events = self.sum("SELECT total(length(data)) FROM event_block", [])?;
        parts.push((events / EVENTS_SHARE, None));
        let used = self.used_bytes()?;
        let transaction = self.connection.transaction()?;
        let is_mostly_processes = blocks_bytes + events < used / 2;
        let largest = parts.into_iter().max().filter(|(share, _)| *share > 0);
        let dropped = match largest {
            _ if is_mostly_processes => {
                let blocks = transaction.execute(
                    "DELETE FROM block WHERE to_ns < (SELECT min(to_ns) FROM block) + 1 AND \
                     to_ns < (SELECT max(to_ns) FROM block)",
                    [],
                )?;
                let events = transaction.execute(
                    "DELETE FROM event_block WHERE to_ns < (SELECT min(to_ns) FROM block)",
                    [],
                )?;
                blocks + events
            }
            Some((_, Some(tier))) => transaction.execute(
                "DELETE FROM block WHERE id = (SELECT id FROM block WHERE tier = ?1 ORDER BY to_ns LIMIT 1)",
                [tier as i64],
            )?,
            Some((_, None)) => transaction.execute(
                "DELETE FROM event_block WHERE id = (SELECT id FROM event_block ORDER BY to_ns LIMIT 1)",
                [],
            )?,
            None => 0,
        };
        if dropped > 0 {
            forget_processes(&transaction)?;
        }
        transaction.commit()?;
        Ok(dropped > 0)
    }

    fn sum(&self, sql: &str, of: impl rusqlite::Params) -> Result<u64, StoreError> {
        let bytes: f64 = self
            .connection
            .prepare_cached(sql)?
            .query_row(of, |row| row.get(0))?;
        Ok(bytes as u64)
    }
}

/// Processes that ended before anything that is still kept, and what was known of them alone.
fn forget_processes(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let forgotten = transaction.execute(
        "DELETE FROM process WHERE ended_ns < (SELECT min(from_ns) FROM block)",
        [],
    )?;
    transaction.execute(
        "DELETE FROM event_block WHERE to_ns < (SELECT min(from_ns) FROM block)",
        [],
    )?;
    if forgotten > 0 {
        transaction.execute(
            "DELETE FROM earlier WHERE until_ns < (SELECT min(from_ns) FROM block)",
            [],
        )?;
        transaction.execute(
            "DELETE FROM facts WHERE since_ns < (SELECT min(from_ns) FROM block) AND image NOT IN \
             (SELECT image FROM process WHERE image IS NOT NULL UNION SELECT image FROM earlier)",
            [],
        )?;
    }
    Ok(())
}
