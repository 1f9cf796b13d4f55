//! Recordings: files that somebody else may have written.

use procwatch::history::{
    assemble::Assembler,
    block::{Block, Builder},
    events,
    frame::Frame,
};
use procwatch::model::totals::Counter;

/// A block is damaged, or it is read the same way by everything that reads it, and comes back from what it is
/// written as.
pub(crate) fn block(bytes: &[u8]) {
    let Ok(block) = Block::parse(bytes) else {
        return;
    };
    let mut frames = Vec::new();
    let Ok(mut reader) = block.frames() else {
        return;
    };
    loop {
        match reader.read() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => break,
            Err(_) => return,
        }
    }
    let mut assembler = Assembler::default();
    for frame in &frames {
        assembler.push(frame);
    }
    let mut scanned = 0_u64;
    let scan = block.scan(
        &Counter::ALL,
        |_| true,
        |_, _, values| {
            scanned = values
                .iter()
                .fold(scanned, |sum, value| sum.wrapping_add(*value));
        },
    );
    scan.expect("what is read whole is read in part");
    let rows = frames.iter().flat_map(|frame| &frame.rows);
    let added = rows
        .flat_map(|row| row.added)
        .fold(0_u64, u64::wrapping_add);
    assert_eq!(scanned, added);
    assert_eq!(block.hosts().expect("the same hosts").len(), frames.len());

    let mut builder = Builder::default();
    for frame in &frames {
        builder.push(frame);
    }
    for again in [builder.plain(), builder.compressed()] {
        assert_eq!(all(&again), told(&frames));
    }
}

fn all(bytes: &[u8]) -> String {
    let block = Block::parse(bytes).expect("what was written");
    let mut reader = block.frames().expect("what was written");
    let mut frames = Vec::new();
    while let Some(frame) = reader.read().expect("what was written") {
        frames.push(frame);
    }
    told(&frames)
}

/// As text: not every number is equal to itself.
fn told(frames: &[Frame]) -> String {
    format!("{frames:?}")
}

/// Events that are read can be written again.
pub(crate) fn kept_events(bytes: &[u8]) {
    if let Ok(kept) = events::decode(bytes) {
        let again = events::decode(&events::encode(&kept)).expect("what was written");
        assert_eq!(format!("{again:?}"), format!("{kept:?}"));
    }
}
