//! Detectors: streaming, pure, bounded. A value in, a [`Verdict`] out.
//!
//! No clock, no file, no thread: time comes with the observations. Every detector can be written down and
//! read back (serde), so that what it has learned outlives the agent. None ever looks ahead.

pub mod absence;
pub mod baseline;
mod cadence;
pub mod changepoint;
pub mod expected;
pub mod forecast;
mod grain;
pub mod leak;
pub mod novelty;
pub mod period;
pub mod row;
mod scale;
pub mod season;
pub mod series;
pub mod storm;
pub mod sustained;
#[cfg(test)]
mod synthetic;
mod tail;
mod verdict;

pub use series::Series;
pub use verdict::{Kind, Verdict, Why};
