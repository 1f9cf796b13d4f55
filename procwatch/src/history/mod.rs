//! The recording: what every sample added, in blocks of columns in SQLite.
//!
//! A sample becomes a frame: rows of those processes alone that did anything. Frames of some minutes become a block
//! that stands for itself, as it begins with how every process stood. Coarser tiers are frames of frames: what was
//! added is summed, how a process stood is that of the end, and so sums are the same in every tier, and the same
//! code reads them all.
//!
//! Nothing above this room knows SQL or blocks; nothing here knows how samples are collected or shown.

mod alerts;
pub mod assemble;
pub mod block;
pub mod columns;
mod differ;
pub mod events;
pub mod frame;
mod outbox;
mod portion;
mod reader;
mod rollup;
mod schema;
pub mod sql;
mod store;
#[cfg(test)]
mod tests;

pub use self::{
    alerts::AlertBook,
    outbox::AlertOutbox,
    portion::{Copied, export},
    reader::{Course, Curve, Gap, History, HistoryError, HostPoint, Life, Point, Ranked},
    schema::MAGIC,
    store::{Limits, Store, StoreError},
};
