//! How a trace is shown: a line a record for people or for programs, a file for Perfetto, and the summary.

pub mod json;
pub mod perfetto;
pub mod text;
pub mod timeline;
