//! What the numbers of a recording stand for.

use std::sync::Arc;

use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension as _};

use super::{HistoryError, signed, unsigned};
use crate::{
    history::{
        assemble::Directory,
        columns::Damaged,
        frame::{Image, Key},
    },
    model::{facts::Facts, identity::ProcessId},
};

/// What numbers stand for, as far as that has been asked.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) processes: HashMap<Key, ProcessId>,
    pub(super) facts: HashMap<Image, Arc<Facts>>,
    /// Who bore whom; `None` of those whose parent is not known.
    pub(super) parents: HashMap<Key, Option<Key>>,
}

/// More names are forgotten, and asked again.
pub(super) const NAMES_MAX: usize = 200_000;

pub(in crate::history) struct Reading<'a> {
    pub(super) connection: &'a Connection,
    pub(super) names: &'a mut Names,
}

impl Reading<'_> {
    /// What was last known of a process.
    pub(in crate::history) fn facts_of(&mut self, key: Key) -> Result<Arc<Facts>, HistoryError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT image FROM process WHERE key = ?1")?;
        let image: Option<Option<i64>> = select
            .query_row([signed(key)], |row| row.get(0))
            .optional()?;
        self.facts(image.flatten().map_or(0, unsigned))
    }
}

impl Directory for Reading<'_> {
    type Error = HistoryError;

    fn process(&mut self, key: Key) -> Result<ProcessId, HistoryError> {
        if let Some(id) = self.names.processes.get(&key) {
            return Ok(*id);
        }
        let mut select = self
            .connection
            .prepare_cached("SELECT pid, start_time_ns FROM process WHERE key = ?1")?;
        let id = select
            .query_row([signed(key)], |row| {
                Ok(ProcessId::new(row.get(0)?, unsigned(row.get(1)?)))
            })
            .optional()?
            .ok_or(Damaged)?;
        if self.names.processes.len() >= NAMES_MAX {
            self.names.processes.clear();
        }
        self.names.processes.insert(key, id);
        Ok(id)
    }

    fn facts(&mut self, image: Image) -> Result<Arc<Facts>, HistoryError> {
        if let Some(facts) = self.names.facts.get(&image) {
            return Ok(Arc::clone(facts));
        }
        let mut select = self
            .connection
            .prepare_cached("SELECT * FROM facts WHERE image = ?1")?;
        let text = |row: &rusqlite::Row<'_>, at: usize| row.get::<_, Option<String>>(at);
        let facts = select
            .query_row([signed(image)], |row| {
                Ok(Facts {
                    comm: row.get::<_, String>(1)?.into(),
                    exe: text(row, 2)?.map(Into::into),
                    argv: text(row, 3)?.map(Into::into),
                    argv_truncated: row.get(4)?,
                    uid: row.get(5)?,
                    user: text(row, 6)?.map(Into::into),
                    cgroup: text(row, 7)?.map(Into::into),
                    container: text(row, 8)?.map(Into::into),
                    is_kernel_thread: row.get(9)?,
                })
            })
            .optional()?;
        // What events alone have told of is forgotten with those who had it.
        let facts = Arc::new(facts.unwrap_or_default());
        if self.names.facts.len() >= NAMES_MAX {
            self.names.facts.clear();
        }
        self.names.facts.insert(image, Arc::clone(&facts));
        Ok(facts)
    }
}
