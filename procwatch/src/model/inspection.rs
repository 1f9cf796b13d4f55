//! What is known of one process only while somebody looks at it.

use serde::{Deserialize, Serialize};

use super::identity::ProcessId;

/// A look at one process, through /proc. What could not be read is empty or `None`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inspection {
    /// `None` before the first look.
    pub id: Option<ProcessId>,
    pub working_directory: Option<String>,
    /// From -20, which gets most of the CPU, to 19.
    pub nice: Option<i64>,
    /// From -1000, never, to 1000.
    pub oom_score_adj: Option<i64>,
    /// By tid.
    pub threads: Vec<ThreadLine>,
    /// By descriptor, as many as [`FILES_MAX`].
    pub files: Vec<OpenFile>,
    /// How many are open; more than are listed when there are too many.
    pub files_open: usize,
    /// Name, soft and hard limit.
    pub limits: Vec<(String, String, String)>,
    /// `NAME=value`; `None` unless it was asked for.
    pub environment: Option<Vec<String>>,
    /// Why something is missing.
    pub missing: Option<String>,
}

/// Descriptors that are listed.
pub const FILES_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadLine {
    pub tid: u32,
    pub comm: String,
    /// As `ps` has it.
    pub state: char,
    /// In steps of a clock tick.
    pub cpu_time_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFile {
    pub descriptor: i32,
    pub target: String,
}
