//! Whole lives: who was there from when to when, and the last account of each.

use rusqlite::params;

use super::{History, HistoryError, names::Reading, signed, unsigned};
use crate::{
    history::{
        assemble::{Assembler, Directory as _},
        frame::{Gauge, Image, Key, Standing},
    },
    model::{
        identity::{ProcessId, WaitStatus},
        sample::{Ending, ProcessSample, State, TotalsAt},
        totals::{Counter, Totals},
    },
};

/// A process from its beginning to its end, as far as that is known.
#[derive(Clone, Debug)]
pub struct Life {
    pub key: Key,
    /// Who started it, or has it now. `None` when nobody is known to.
    pub parent: Option<Key>,
    /// Nanoseconds since the epoch.
    pub started_ns: u64,
    /// Nanoseconds since the epoch. `None` of those that live, and of those whose recorder ended before they did.
    pub ended_ns: Option<u64>,
    /// Its last account: the final one, or of those that live that of the last sample.
    pub process: ProcessSample,
    /// False when no account is left, as of those that were only named as somebody's parent.
    pub has_account: bool,
}

impl History {
    /// The keys of everyone who has had a pid.
    pub(in crate::history) fn keys_of(&self, pid: u32) -> Result<Vec<Key>, HistoryError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT key FROM process WHERE pid = ?1 ORDER BY key")?;
        let keys = select.query_map([pid], |row| Ok(unsigned(row.get(0)?)))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Those with keys from `first` to `last`, at most `limit` of them, by key. `living` tells how those stand that
    /// have not ended.
    pub(in crate::history) fn lives(
        &mut self,
        first: Key,
        last: Key,
        pid: Option<u32>,
        limit: usize,
        living: Option<&Assembler>,
    ) -> Result<Vec<Life>, HistoryError> {
        let sql = life_select(
            "p.key BETWEEN ?1 AND ?2 AND (?3 IS NULL OR p.pid = ?3) ORDER BY p.key LIMIT ?4",
        );
        let of = params![signed(first), signed(last), pid, limit as i64];
        self.lives_of(&sql, of, living)
    }

    /// Who was born or has died within a window, by when they were born, at most `limit` of them.
    ///
    /// # Errors
    /// SQLite's.
    pub fn births_and_deaths(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        limit: usize,
    ) -> Result<Vec<Life>, HistoryError> {
        let sql = life_select(
            "p.started_ns BETWEEN ?1 AND ?2 OR p.ended_ns BETWEEN ?1 AND ?2 ORDER BY p.started_ns LIMIT ?3",
        );
        let living = self.last_standings()?;
        let of = params![signed(from_ns), signed(to_ns), limit as i64];
        self.lives_of(&sql, of, Some(&living))
    }

    /// Everyone who lived at some time within a window, by key.
    ///
    /// # Errors
    /// SQLite's.
    pub fn lives_within(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        each: &mut dyn FnMut(Life),
    ) -> Result<(), HistoryError> {
        const PAGE: usize = 2_000;
        let sql = life_select(
            "p.key > ?1 AND p.started_ns <= ?3 AND (p.ended_ns IS NULL OR p.ended_ns >= ?2) ORDER BY p.key LIMIT ?4",
        );
        let living = self.last_standings()?;
        let mut last: Key = 0;
        loop {
            let of = params![signed(last), signed(from_ns), signed(to_ns), PAGE as i64];
            let page = self.lives_of(&sql, of, Some(&living))?;
            let Some(end) = page.last() else {
                return Ok(());
            };
            last = end.key;
            page.into_iter().for_each(&mut *each);
        }
    }

    /// The process that had a pid last within a window.
    pub fn holder(
        &mut self,
        pid: u32,
        from_ns: u64,
        to_ns: u64,
    ) -> Result<Option<Life>, HistoryError> {
        let sql = life_select(
            "p.pid = ?1 AND p.started_ns <= ?3 AND (p.ended_ns IS NULL OR p.ended_ns >= ?2) \
             ORDER BY p.started_ns DESC LIMIT 1",
        );
        let living = self.last_standings()?;
        let of = params![pid, signed(from_ns), signed(to_ns)];
        Ok(self.lives_of(&sql, of, Some(&living))?.pop())
    }

    pub(super) fn lives_of(
        &mut self,
        sql: &str,
        of: &[&dyn rusqlite::ToSql],
        living: Option<&Assembler>,
    ) -> Result<Vec<Life>, HistoryError> {
        let mut found: Vec<(Stored, Totals)> = Vec::new();
        {
            let mut select = self.connection.prepare_cached(sql)?;
            let mut rows = select.query(of)?;
            while let Some(row) = rows.next()? {
                let stored = Stored {
                    key: unsigned(row.get(0)?),
                    id: ProcessId::new(row.get(1)?, unsigned(row.get(2)?)),
                    started_ns: unsigned(row.get(3)?),
                    parent: row.get::<_, Option<i64>>(4)?.map(unsigned),
                    image: row.get::<_, Option<i64>>(5)?.map_or(0, unsigned),
                    ended_ns: row.get::<_, Option<i64>>(6)?.map(unsigned),
                    status: row.get(7)?,
                    totals_at: row.get(8)?,
                    peak_rss_bytes: row.get::<_, Option<i64>>(9)?.map(unsigned),
                };
                let mut totals = Totals::UNKNOWN;
                for (slot, counter) in Counter::ALL.into_iter().enumerate() {
                    if let Some(value) = row.get::<_, Option<i64>>(10 + slot)? {
                        totals.set(counter, unsigned(value));
                    }
                }
                found.push((stored, totals));
            }
        }
        let mut directory = self.directory();
        found
            .into_iter()
            .map(|(stored, totals)| stored.life(totals, living, &mut directory))
            .collect()
    }
}

/// What of [`Stored`] is asked, and then the totals.
pub(super) fn life_select(condition: &str) -> String {
    let totals: String = Counter::ALL
        .iter()
        .map(|counter| format!(", p.{}", counter.name()))
        .collect();
    format!(
        "SELECT p.key, p.pid, p.start_time_ns, p.started_ns, p.parent, p.image, p.ended_ns, p.status, p.totals_at, \
         p.peak_rss_bytes{totals} FROM process p WHERE {condition}"
    )
}

/// A row of the table of processes.
struct Stored {
    key: Key,
    id: ProcessId,
    started_ns: u64,
    parent: Option<Key>,
    image: Image,
    ended_ns: Option<u64>,
    status: Option<u32>,
    totals_at: Option<u8>,
    peak_rss_bytes: Option<u64>,
}

impl Stored {
    fn life(
        self,
        totals: Totals,
        living: Option<&Assembler>,
        directory: &mut Reading<'_>,
    ) -> Result<Life, HistoryError> {
        let standing = living
            .filter(|_| self.ended_ns.is_none())
            .and_then(|living| living.standing(self.key));
        let facts = directory.facts(self.image)?;
        let mut parent = self.parent;
        if let Some(standing) = standing {
            parent = standing.gauge(Gauge::Parent);
        }
        // A parent that ended long before may be forgotten already.
        let parent_id = parent.and_then(|parent| directory.process(parent).ok());
        let process = match standing {
            Some(standing) => standing.process(self.id, parent_id, facts),
            None => {
                let mut process = Standing::NOTHING.process(self.id, parent_id, facts);
                process.totals = totals;
                process.peak_rss_bytes = self.peak_rss_bytes;
                if let Some(ended_ns) = self.ended_ns {
                    let lifetime_ns = ended_ns.saturating_sub(self.started_ns);
                    process.state = State::Exited(Ending {
                        time_ns: Some(self.id.start_time_ns.saturating_add(lifetime_ns)),
                        status: self.status.map(WaitStatus),
                        totals: match self.totals_at {
                            Some(0) => TotalsAt::Final,
                            Some(1) => TotalsAt::Exit,
                            _ => TotalsAt::LastSeen,
                        },
                    });
                }
                process
            }
        };
        Ok(Life {
            key: self.key,
            parent,
            started_ns: self.started_ns,
            ended_ns: self.ended_ns,
            has_account: standing.is_some() || self.ended_ns.is_some(),
            process,
        })
    }
}
