//! Who bore whom, up to the first ancestors that the recording knows.

use hashbrown::{HashMap, HashSet};
use rusqlite::{OptionalExtension as _, params};

use super::{History, HistoryError, lives::life_select, names::NAMES_MAX, signed, unsigned};
use crate::{
    history::{assemble::Directory as _, frame::Key, store::TIERS},
    model::{family::Member, identity::ProcessId, lineage::Lineage, sample::ProcessSample},
};

impl History {
    /// The births of some processes and of all their ancestors, and those parents that have ended, whenever.
    ///
    /// # Errors
    /// SQLite's.
    pub fn lineage(&mut self, keys: &HashSet<Key>) -> Result<Lineage, HistoryError> {
        let mut lineage = Lineage::default();
        let mut parents: HashSet<Key> = HashSet::new();
        for key in keys {
            let mut child = *key;
            while let Some(parent) = self.parent_of(child)? {
                let mut directory = self.directory();
                // One of them may be forgotten already.
                let (Ok(of), Ok(id)) = (directory.process(child), directory.process(parent)) else {
                    break;
                };
                lineage.parents.insert(of, id);
                if !parents.insert(parent) {
                    break;
                }
                child = parent;
            }
        }
        let sql = life_select("p.key = ?1");
        for key in parents {
            for life in self.lives_of(&sql, params![signed(key)], None)? {
                if life.ended_ns.is_some() {
                    lineage.dead.insert(life.process.id, life.process);
                }
            }
        }
        Ok(lineage)
    }

    /// Who lived at the last sample that is not after a time, nanoseconds since the epoch, with their dead ancestors;
    /// and of the others that had ended by then the last `dead_max`. With the time of that sample; `None` before the
    /// first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn family_at(
        &mut self,
        time_ns: u64,
        dead_max: usize,
    ) -> Result<Option<(u64, Vec<Member>)>, HistoryError> {
        let Some(snapshot) = self.snapshot_at(time_ns)? else {
            return Ok(None);
        };
        let sample = &snapshot.sample;
        let mut keys = HashSet::new();
        for tier in 0..TIERS.len() {
            let (_, found) = self.samples_and_keys(tier, sample.time_ns, sample.time_ns)?;
            if !found.is_empty() {
                keys = found;
                break;
            }
        }
        // Times since boot of different boots are nothing to each other.
        let sql = life_select(
            "p.ended_ns <= ?1 AND p.boot = (SELECT boot FROM process WHERE key = ?3) \
             ORDER BY p.ended_ns DESC LIMIT ?2",
        );
        let somebody = keys.iter().next().copied().map(signed);
        let of = params![signed(sample.time_ns), dead_max as i64, somebody];
        let ended = self.lives_of(&sql, of, None)?;
        keys.extend(ended.iter().map(|life| life.key));
        let lineage = self.lineage(&keys)?;
        let mut accounts: HashMap<ProcessId, ProcessSample> = HashMap::new();
        let known = sample.processes.iter().cloned();
        let ended = ended.into_iter().map(|life| life.process);
        for process in known.chain(ended) {
            accounts.entry(process.id).or_insert(process);
        }
        let ids: Vec<ProcessId> = accounts.keys().copied().collect();
        for dead in lineage.dead_ancestors(ids.into_iter(), sample.boot_time_ns) {
            accounts.insert(dead.id, dead.clone());
        }
        let members = accounts.into_values().map(|account| {
            let born_of = lineage.parents.get(&account.id).copied();
            let parent = born_of.or(account.parent);
            Member::new(account, parent)
        });
        Ok(Some((sample.time_ns, members.collect())))
    }

    fn parent_of(&mut self, key: Key) -> Result<Option<Key>, HistoryError> {
        if let Some(parent) = self.names.parents.get(&key) {
            return Ok(*parent);
        }
        let mut select = self
            .connection
            .prepare_cached("SELECT parent FROM process WHERE key = ?1")?;
        let parent: Option<Option<i64>> = select
            .query_row([signed(key)], |row| row.get(0))
            .optional()?;
        let parent = parent
            .flatten()
            .map(unsigned)
            .filter(|parent| *parent != key);
        if self.names.parents.len() >= NAMES_MAX {
            self.names.parents.clear();
        }
        self.names.parents.insert(key, parent);
        Ok(parent)
    }
}
