//! Frames in, samples out: how everything stood at the end of a frame.

use std::sync::Arc;

use hashbrown::HashMap;

use super::frame::{Frame, Gauge, Image, Key, Row, Standing};
use crate::model::{facts::Facts, identity::ProcessId, sample::Sample, totals::Counter};

/// What the numbers of a recording stand for.
pub trait Directory {
    type Error;

    /// # Errors
    /// When the recording cannot be read.
    fn process(&mut self, key: Key) -> Result<ProcessId, Self::Error>;
    /// # Errors
    /// When the recording cannot be read.
    fn facts(&mut self, image: Image) -> Result<Arc<Facts>, Self::Error>;
}

/// How every process stands.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    standings: HashMap<Key, Standing>,
    /// Those that ended in the last frame: they are in its sample, and in none after it.
    ended: Vec<Key>,
}

impl Assembler {
    pub fn push(&mut self, frame: &Frame) {
        if frame.since_ns.is_none() {
            self.standings.clear();
            self.ended.clear();
        }
        for key in self.ended.drain(..) {
            self.standings.remove(&key);
        }
        for key in &frame.gone {
            self.standings.remove(key);
        }
        for row in &frame.rows {
            let standing = self.standings.entry(row.key).or_insert(Standing::NOTHING);
            *standing = row.after(standing);
            if standing.has_gone() {
                self.ended.push(row.key);
            }
        }
    }

    /// How one process stands. `None` when it is not there.
    pub fn standing(&self, key: Key) -> Option<&Standing> {
        self.standings.get(&key)
    }

    /// How everything stands, in no order.
    pub fn standings(&self) -> impl Iterator<Item = (Key, &Standing)> {
        self.standings
            .iter()
            .map(|(key, standing)| (*key, standing))
    }

    /// A frame that says how everything stands after `last`, for a block to begin with.
    pub fn opening(&self, last: &Frame) -> Frame {
        let mut rows: Vec<_> = self
            .standings
            .iter()
            .filter(|(_, standing)| !standing.has_gone())
            .map(|(key, standing)| Row::anew(*key, [0; Counter::COUNT], standing))
            .collect();
        rows.sort_unstable_by_key(|row| row.key);
        Frame {
            since_ns: None,
            rows,
            gone: Vec::new(),
            ..last.clone()
        }
    }

    /// The sample that `last`, the last frame pushed, was the end of.
    ///
    /// # Errors
    /// Those of the directory.
    pub fn sample<D: Directory>(&self, last: Frame, directory: &mut D) -> Result<Sample, D::Error> {
        let mut processes = Vec::with_capacity(self.standings.len());
        for (key, standing) in &self.standings {
            let id = directory.process(*key)?;
            let parent = standing.gauge(Gauge::Parent);
            let parent = parent.map(|parent| directory.process(parent)).transpose()?;
            let facts = directory.facts(standing.gauge(Gauge::Image).unwrap_or_default())?;
            processes.push(standing.process(id, parent, facts));
        }
        processes.sort_unstable_by_key(|process| process.id);
        let host = last.host;
        Ok(Sample {
            time_ns: last.time_ns,
            boot_time_ns: last.boot_time_ns,
            began_ns: last.began_ns,
            host: host.host,
            cores: host.cores,
            devices: host.devices,
            interfaces: host.interfaces,
            processes,
            nameless: host.nameless,
            loss: host.loss,
            sources: host.sources,
            shed: host.shed,
        })
    }
}
