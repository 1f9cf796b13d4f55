//! The command line: arguments as plain data, and how figures are written out.
//!
//! Nothing here computes a figure; that is the model's work.

pub mod args;
pub mod connections;
pub mod csv;
pub mod event_line;
pub mod json;
pub mod table;
pub mod terminal;
pub mod usage;
