//! What a user or a script types, and what comes back.

mod config;
mod confined;
mod connections;
mod csv;
mod detect;
mod fields;
mod hostile;
mod hostile_places;
mod live;
mod odd_starts;
mod portions;
mod query;
mod redact;
mod report;
mod streams;
mod tree;
mod wrong_use;

/// Does what is to be watched.
const WORKLOAD: &str = env!("CARGO_BIN_EXE_workload");
