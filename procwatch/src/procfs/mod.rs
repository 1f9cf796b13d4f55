//! The /proc edge: what the kernel's records do not carry, and everything where eBPF is refused.
//!
//! Yields raw facts and samples of single processes. It merges nothing and keeps no account. A process
//! may vanish between any two reads: that is `Ok(None)`, not an error. A file that may not be read
//! leaves its figures unknown.

mod cgroup;
mod host;
mod process;
mod root;
mod stat;
mod users;

pub use cgroup::{CgroupPaths, Membership};
pub use host::host_sample;
pub use root::ProcRoot;
pub use users::Users;

use std::{io, path::PathBuf};

/// /proc itself could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcError {
    #[error("{}: {source}; is /proc mounted?", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: not in a form that this version knows", path.display())]
    Format { path: PathBuf },
}
