//! Many frames as one, at a coarser pace: what was added is summed, and how things stand is that of the end.

use std::collections::{BTreeMap, BTreeSet};

use super::frame::{Frame, Key, Row};

/// Frames on their way into coarser ones. Those end at multiples of a span since the epoch, as near as the finer
/// ones come to that.
#[derive(Debug)]
pub struct Rollup {
    span_ns: u64,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    /// The last frame, without its rows.
    last: Frame,
    since_ns: Option<u64>,
    rows: BTreeMap<Key, Row>,
    gone: BTreeSet<Key>,
}

impl Rollup {
    pub fn new(span_ns: u64) -> Self {
        Self {
            span_ns,
            pending: None,
        }
    }

    /// Takes a frame. The one before it was the last of its span when there is a result.
    pub fn push(&mut self, frame: &Frame) -> Option<Frame> {
        let is_other = self.pending.as_ref().is_some_and(|pending| {
            // A beginning builds on nothing, and nothing but it builds on what was before.
            pending.since_ns.is_none()
                || frame.since_ns.is_none()
                || self.span_of(pending.last.time_ns) != self.span_of(frame.time_ns)
        });
        let done = if is_other { self.finish() } else { None };
        let pending = self.pending.get_or_insert_with(|| Pending {
            since_ns: frame.since_ns,
            last: frame.clone(),
            rows: BTreeMap::new(),
            gone: BTreeSet::new(),
        });
        pending.last = Frame {
            rows: Vec::new(),
            gone: Vec::new(),
            ..frame.clone()
        };
        for key in &frame.gone {
            pending.gone.insert(*key);
        }
        for row in &frame.rows {
            // One that was thought to be gone is back.
            pending.gone.remove(&row.key);
            match pending.rows.get_mut(&row.key) {
                Some(sum) => sum.join(row),
                None => {
                    pending.rows.insert(row.key, row.clone());
                }
            }
        }
        done
    }

    /// Whether frames have come since the last result.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// What has come since the last result.
    pub fn finish(&mut self) -> Option<Frame> {
        let pending = self.pending.take()?;
        Some(Frame {
            since_ns: pending.since_ns,
            rows: pending.rows.into_values().collect(),
            gone: pending.gone.into_iter().collect(),
            ..pending.last
        })
    }

    /// The end of a span belongs to it.
    fn span_of(&self, time_ns: u64) -> u64 {
        time_ns.saturating_sub(1) / self.span_ns
    }
}
