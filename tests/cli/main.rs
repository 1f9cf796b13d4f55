//! What a user or a script types, and what comes back.

mod connections;
mod csv;
mod fields;
mod hostile;
mod streams;
mod tree;
mod wrong_use;

/// Does what is to be watched.
const WORKLOAD: &str = env!("CARGO_BIN_EXE_workload");
