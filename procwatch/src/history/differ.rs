//! Samples in, frames out: what each sample adds to the one before it.

use std::sync::Arc;

use hashbrown::HashMap;

use super::frame::{Frame, HostPart, Image, Key, Row, Standing};
use crate::model::{
    facts::Facts,
    identity::ProcessId,
    sample::{ProcessSample, Sample},
    totals::Counter,
};

/// Names of the dead that are kept: parents of those that still live.
const DEAD_MAX: usize = 65_536;
/// Different sets of facts that are known by their number.
const IMAGES_MAX: usize = 20_000;

/// How every process stood when the last frame was written, and what it is called in the recording.
#[derive(Debug, Default)]
pub struct Differ {
    living: HashMap<ProcessId, Known>,
    /// Those that have ended, those that the recording knows of from before, and parents nobody has seen.
    dead: HashMap<ProcessId, Key>,
    /// Those before them.
    long_dead: HashMap<ProcessId, Key>,
    images: HashMap<Arc<Facts>, Image>,
    last: Option<Last>,
    /// Of the last difference, whether or not that was written.
    number: u64,
    next_key: Key,
    next_image: Image,
}

#[derive(Clone, Debug)]
struct Known {
    key: Key,
    facts: Arc<Facts>,
    image: Image,
    standing: Standing,
    /// The number of the difference that had it last.
    seen: u64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    time_ns: u64,
    began_ns: u64,
    number: u64,
}

/// What a sample adds, and what the recording does not know yet.
#[derive(Debug)]
pub struct Difference {
    pub frame: Frame,
    pub births: Vec<Birth>,
    /// Sets of facts that are new.
    pub images: HashMap<Arc<Facts>, Image>,
    /// Which process got which facts.
    pub changes: Vec<(Key, Image)>,
    /// Of those that ended: their position in the sample.
    pub ends: Vec<(Key, usize)>,
    update: Update,
}

/// A process that the recording meets for the first time.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    pub key: Key,
    pub id: ProcessId,
    pub parent: Option<Key>,
}

/// What is true once the difference has been written.
#[derive(Debug)]
struct Update {
    known: Vec<(ProcessId, Known)>,
    /// Parents that no sample has.
    strangers: Vec<(ProcessId, Key)>,
    last: Last,
}

impl Differ {
    /// `living` are those of this boot that the recording knows, `next` the first numbers that are free.
    pub fn new(living: impl IntoIterator<Item = (ProcessId, Key)>, next: (Key, Image)) -> Self {
        Self {
            dead: living.into_iter().collect(),
            next_key: next.0,
            next_image: next.1,
            ..Self::default()
        }
    }

    /// What a sample adds to what was last [`Self::commit`]ted. `born_of` tells who bore those that are new, as far as
    /// that is known: by the time of the sample they may have been given to another.
    pub fn difference(
        &mut self,
        sample: &Sample,
        born_of: &HashMap<ProcessId, ProcessId>,
    ) -> Difference {
        self.number += 1;
        let number = self.number;
        let mut difference = Difference {
            frame: Frame {
                since_ns: self.last.map(|last| last.time_ns),
                time_ns: sample.time_ns,
                boot_time_ns: sample.boot_time_ns,
                began_ns: sample.began_ns,
                host: HostPart::of(sample),
                rows: Vec::new(),
                gone: Vec::new(),
            },
            births: Vec::new(),
            images: HashMap::new(),
            changes: Vec::new(),
            ends: Vec::new(),
            update: Update {
                known: Vec::new(),
                strangers: Vec::new(),
                last: Last {
                    time_ns: sample.time_ns,
                    began_ns: sample.began_ns,
                    number,
                },
            },
        };
        let mut fresh: HashMap<ProcessId, Key> = HashMap::new();
        for process in &sample.processes {
            if !self.living.contains_key(&process.id) {
                fresh.insert(process.id, self.key(process.id));
            }
        }
        for (position, process) in sample.processes.iter().enumerate() {
            let born_of = born_of.get(&process.id).copied();
            self.process(
                (process, position, born_of),
                number,
                &mut fresh,
                &mut difference,
            );
        }
        for known in self.living.values() {
            if known.seen != number && !known.standing.has_gone() {
                difference.frame.gone.push(known.key);
            }
        }
        difference.frame.gone.sort_unstable();
        difference.frame.rows.sort_unstable_by_key(|row| row.key);
        difference
    }

    fn process(
        &mut self,
        (process, position, born_of): (&ProcessSample, usize, Option<ProcessId>),
        number: u64,
        fresh: &mut HashMap<ProcessId, Key>,
        difference: &mut Difference,
    ) {
        let parent = process
            .parent
            .map(|parent| self.parent(parent, fresh, difference));
        let born_of = born_of.map(|parent| self.parent(parent, fresh, difference));
        let known = self.living.get_mut(&process.id);
        let image = match &known {
            Some(known) if Arc::ptr_eq(&known.facts, &process.facts) => known.image,
            _ => image(
                &self.images,
                &mut self.next_image,
                &process.facts,
                difference,
            ),
        };
        let standing = Standing::of(process, parent, image);
        let (key, row) = match known {
            Some(known) => {
                known.seen = number;
                if known.image != image {
                    difference.changes.push((known.key, image));
                }
                (
                    known.key,
                    Row::between(known.key, &known.standing, &standing),
                )
            }
            None => {
                let key = fresh.get(&process.id).copied().unwrap_or_default();
                if self.dead_key(process.id).is_none() {
                    difference.births.push(Birth {
                        key,
                        id: process.id,
                        parent: born_of.or(parent),
                    });
                }
                difference.changes.push((key, image));
                let is_new = self
                    .last
                    .is_some_and(|last| process.id.start_time_ns >= last.began_ns);
                let row = if is_new {
                    Row::born(key, &standing)
                } else {
                    Row::anew(key, [0; Counter::COUNT], &standing)
                };
                (key, Some(row))
            }
        };
        let Some(row) = row else {
            return;
        };
        difference.frame.rows.push(row);
        if process.state.has_gone() {
            difference.ends.push((key, position));
        }
        difference.update.known.push((
            process.id,
            Known {
                key,
                facts: Arc::clone(&process.facts),
                image,
                standing,
                seen: number,
            },
        ));
    }

    fn dead_key(&self, id: ProcessId) -> Option<Key> {
        self.dead
            .get(&id)
            .or_else(|| self.long_dead.get(&id))
            .copied()
    }

    fn key(&mut self, id: ProcessId) -> Key {
        self.dead_key(id).unwrap_or_else(|| {
            self.next_key += 1;
            self.next_key
        })
    }

    /// The parent's number; one that nobody has told of gets one, too.
    fn parent(
        &mut self,
        id: ProcessId,
        fresh: &mut HashMap<ProcessId, Key>,
        difference: &mut Difference,
    ) -> Key {
        if let Some(known) = self.living.get(&id) {
            return known.key;
        }
        if let Some(key) = fresh.get(&id).copied().or_else(|| self.dead_key(id)) {
            return key;
        }
        self.next_key += 1;
        fresh.insert(id, self.next_key);
        difference.update.strangers.push((id, self.next_key));
        difference.births.push(Birth {
            key: self.next_key,
            id,
            parent: None,
        });
        self.next_key
    }

    /// The difference has been written: the next one builds on it.
    pub fn commit(&mut self, difference: Difference) {
        if self.images.len() > IMAGES_MAX {
            self.images.clear();
        }
        let Update {
            known,
            strangers,
            last,
        } = difference.update;
        self.images.extend(difference.images);
        if self.dead.len() > DEAD_MAX {
            self.long_dead = std::mem::take(&mut self.dead);
        }
        // Those that had ended by the frame before stand in no sample any more, nor do those that got lost.
        let dead = &mut self.dead;
        self.living.retain(|id, known| {
            let is_here = known.seen == last.number && !known.standing.has_gone();
            if !is_here {
                dead.insert(*id, known.key);
            }
            is_here
        });
        self.dead.extend(strangers);
        for (id, known) in known {
            self.dead.remove(&id);
            self.living.insert(id, known);
        }
        self.last = Some(last);
    }

    /// What the recording calls a set of facts, and whether that is still to be written there.
    pub fn image_of(&mut self, facts: &Arc<Facts>) -> (Image, bool) {
        if let Some(image) = self.images.get(facts) {
            return (*image, false);
        }
        self.next_image += 1;
        (self.next_image, true)
    }

    /// A set of facts has been written outside of a difference.
    pub fn has_image(&mut self, facts: Arc<Facts>, image: Image) {
        self.images.insert(facts, image);
    }
}

/// The number of a set of facts, which is new unless another process, or an earlier sample, has had the same.
fn image(
    images: &HashMap<Arc<Facts>, Image>,
    next: &mut Image,
    facts: &Arc<Facts>,
    difference: &mut Difference,
) -> Image {
    if let Some(image) = images.get(facts).or_else(|| difference.images.get(facts)) {
        return *image;
    }
    *next += 1;
    difference.images.insert(Arc::clone(facts), *next);
    *next
}

impl HostPart {
    pub fn of(sample: &Sample) -> Self {
        Self {
            host: sample.host,
            cores: sample.cores.clone(),
            devices: sample.devices.clone(),
            interfaces: sample.interfaces.clone(),
            nameless: sample.nameless,
            loss: sample.loss,
            sources: sample.sources.clone(),
            shed: sample.shed,
        }
    }
}
