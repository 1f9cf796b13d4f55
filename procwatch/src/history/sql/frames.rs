//! The frames that tell a window, of the finest tier that still has each.

use std::{collections::VecDeque, sync::Arc};

use super::table::{Bounds, Shared};
use crate::history::{HistoryError, block::Block, frame::Frame, store::TIERS};

/// The frames that tell a window, the oldest first, without any moment twice.
pub(super) struct Frames {
    shared: Arc<Shared>,
    bounds: Bounds,
    parts: VecDeque<Part>,
    tier: usize,
    /// Frames that begin later are another tier's.
    until_ns: u64,
    /// What a coarser tier has told already.
    reached_ns: u64,
    last_ns: u64,
    frames: VecDeque<Frame>,
}

/// Frames that stand for themselves.
struct Part {
    tier: usize,
    until_ns: u64,
    source: PartSource,
}

enum PartSource {
    Block(i64),
    Tail(Arc<[u8]>),
}

/// What to do with a frame.
pub(super) enum Step {
    /// It says how things stood, and nothing that is asked for.
    Pass(Frame),
    Tell(Frame, usize),
}

impl Frames {
    /// # Errors
    /// When the recording cannot be read.
    pub fn new(shared: &Arc<Shared>, bounds: Bounds) -> Result<Self, HistoryError> {
        let history = shared.history();
        // From the finest to the coarsest, each from where the one before it has nothing.
        let mut plan: Vec<(usize, u64)> = Vec::new();
        match bounds.tier {
            Some(tier) => plan.push((tier, u64::MAX)),
            None => {
                let mut until_ns = u64::MAX;
                for tier in 0..TIERS.len() {
                    if let Some(from_ns) = history.tier_from(tier)?.filter(|from| *from < until_ns)
                    {
                        plan.push((tier, until_ns));
                        until_ns = from_ns;
                    }
                }
            }
        }
        let mut parts = VecDeque::new();
        for (tier, until_ns) in plan.into_iter().rev() {
            let to_ns = bounds.to_ns.min(until_ns);
            for id in history.block_ids(tier, bounds.from_ns, to_ns)? {
                parts.push_back(Part {
                    tier,
                    until_ns,
                    source: PartSource::Block(id),
                });
            }
            if tier == 0 {
                for bytes in history.tail(bounds.from_ns, to_ns)? {
                    parts.push_back(Part {
                        tier,
                        until_ns,
                        source: PartSource::Tail(bytes),
                    });
                }
            }
        }
        Ok(Self {
            shared: Arc::clone(shared),
            bounds,
            parts,
            tier: 0,
            until_ns: 0,
            reached_ns: 0,
            last_ns: 0,
            frames: VecDeque::new(),
        })
    }

    /// # Errors
    /// When the recording cannot be read, or the query is to end.
    pub fn next(&mut self) -> Result<Option<Step>, HistoryError> {
        loop {
            self.shared.go_on()?;
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(self.step(frame)));
            }
            let Some(part) = self.parts.pop_front() else {
                return Ok(None);
            };
            if part.tier != self.tier {
                self.reached_ns = self.last_ns;
            }
            (self.tier, self.until_ns) = (part.tier, part.until_ns);
            let bytes = match part.source {
                PartSource::Tail(bytes) => bytes,
                PartSource::Block(id) => match self.shared.history().block(id)? {
                    Some(bytes) => bytes,
                    None => continue,
                },
            };
            let block = Block::parse(&bytes)?;
            let mut frames = block.frames()?;
            while let Some(frame) = frames.read()? {
                if frame.time_ns > self.bounds.to_ns {
                    break;
                }
                self.frames.push_back(frame);
            }
        }
    }

    fn step(&mut self, frame: Frame) -> Step {
        let is_wanted = frame.since_ns.is_some_and(|since_ns| {
            since_ns >= self.reached_ns
                && since_ns < self.until_ns
                && (self.bounds.from_ns..=self.bounds.to_ns).contains(&frame.time_ns)
        });
        if is_wanted {
            self.last_ns = frame.time_ns;
            Step::Tell(frame, self.tier)
        } else {
            Step::Pass(frame)
        }
    }
}
