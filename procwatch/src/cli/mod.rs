//! The command line: arguments as plain data, and how figures are written out.
//!
//! Nothing here computes a figure; that is the model's work.

pub mod alerts;
pub mod answer;
pub mod args;
pub mod chart;
pub mod connections;
pub mod csv;
pub mod event_line;
pub mod histogram;
pub mod json;
pub mod latency;
pub mod notice;
pub mod page;
pub mod progress;
pub mod status;
pub mod table;
pub mod terminal;
pub mod trace;
pub mod usage;
pub mod verdicts;
