//! The tiers of a recording, and the block of each that is being filled.

use crate::history::{assemble::Assembler, block::Builder, frame::Frame, rollup::Rollup};

const SECOND_NS: u64 = 1_000_000_000;

/// From the finest to the coarsest.
pub(in crate::history) const TIERS: [Tier; 4] = [
    Tier::new(0, 300, 45),
    Tier::new(10, 3600, 20),
    Tier::new(60, 6 * 3600, 15),
    Tier::new(600, 24 * 3600, 10),
];

#[derive(Clone, Copy, Debug)]
pub(in crate::history) struct Tier {
    /// From one frame to the next; 0 for those that are written as they come.
    pub frame_ns: u64,
    block_ns: u64,
    /// Percent of the size that it may take when there is not room for everything.
    pub(super) share: u64,
}

impl Tier {
    const fn new(frame_s: u64, block_s: u64, share: u64) -> Self {
        Self {
            frame_ns: frame_s * SECOND_NS,
            block_ns: block_s * SECOND_NS,
            share,
        }
    }
}

/// A block is closed before its time when it has this many rows, or bytes: readers unpack it whole.
const BLOCK_ROWS_MAX: u64 = if cfg!(test) { 60 } else { 30_000 };
const BLOCK_BYTES_MAX: usize = 2 << 20;

/// A tier's block that is being filled.
#[derive(Debug)]
pub(super) struct Open {
    /// What makes this tier's frames of those of the tier before; the finest takes them as they come.
    pub(super) rollup: Option<Rollup>,
    pub(super) assembler: Assembler,
    pub(super) block: Option<Filling>,
    /// The frame that was pushed last, without rows.
    pub(super) last: Option<Frame>,
}

#[derive(Debug)]
pub(super) struct Filling {
    pub(super) builder: Builder,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl Open {
    pub(super) fn new(tier: usize) -> Self {
        Self {
            rollup: (tier > 0).then(|| Rollup::new(TIERS[tier].frame_ns)),
            assembler: Assembler::default(),
            block: None,
            last: None,
        }
    }

    /// What has to go into the tail for a frame: at the beginning of a block, how everything stood goes before it.
    pub(super) fn tail(&self, frame: &Frame) -> Vec<Vec<u8>> {
        let encode = |frame: &Frame| {
            let mut builder = Builder::default();
            builder.push(frame);
            builder.plain()
        };
        let opening = self.opening(frame);
        opening.iter().chain([frame]).map(encode).collect()
    }

    /// Of the block that this frame begins; `None` when it goes on with one, or says itself how everything stands.
    fn opening(&self, frame: &Frame) -> Option<Frame> {
        let last = self.last.as_ref().filter(|_| self.block.is_none())?;
        frame.since_ns?;
        Some(self.assembler.opening(last))
    }

    pub(super) fn push(&mut self, frame: &Frame) {
        let opening = self.opening(frame);
        let block = self.block.get_or_insert_with(|| Filling {
            builder: Builder::default(),
            from_ns: opening.as_ref().unwrap_or(frame).time_ns,
            to_ns: frame.time_ns,
        });
        if let Some(opening) = &opening {
            block.builder.push(opening);
        }
        block.builder.push(frame);
        block.to_ns = frame.time_ns;
        self.assembler.push(frame);
        self.keep_last(frame);
    }

    /// Frames up to here are in blocks already.
    pub(super) fn go_on_from(&mut self, standing: &Assembler, frame: &Frame) {
        self.assembler = standing.clone();
        self.keep_last(frame);
    }

    fn keep_last(&mut self, frame: &Frame) {
        self.last = Some(Frame {
            rows: Vec::new(),
            gone: Vec::new(),
            ..frame.clone()
        });
    }
}

impl Filling {
    pub(super) fn is_full(&self, tier: usize) -> bool {
        self.to_ns.saturating_sub(self.from_ns) >= TIERS[tier].block_ns
            || self.builder.rows >= BLOCK_ROWS_MAX
            || self.builder.size() >= BLOCK_BYTES_MAX
    }
}
