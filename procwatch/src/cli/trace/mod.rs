//! How a trace is shown: a line a record for people or for programs, and the summary.

pub mod json;
pub mod text;
