//! The /proc edge: what the kernel's records do not carry, and everything where eBPF is refused.
//!
//! Yields raw facts and samples of single processes, and the host's figures. It merges nothing and
//! keeps no account. A process may vanish between any two reads: that is no error, and its files are
//! read below its own directory, held open, so that no figure of a later holder of its pid gets mixed
//! in. A file that may not be read, or is not in its form, leaves its figures unknown and the process
//! in place.
//!
//! The procfs crate reads what is read once. What is read of each process and each round is read by
//! hand: the crate gives up on a process whose name is no UTF-8, and its maps and strings cost more
//! than the kernel's own work.

mod cgroup;
mod cgroup_paths;
mod devices;
mod directory;
mod earlier;
mod facts;
mod figures;
mod host;
mod inspect;
mod memory_limit;
mod mounts;
mod open_files;
mod process;
mod root;
mod stat;
pub mod tasks;
pub mod text;
mod thread_view;
mod time_namespace;
mod users;

pub use cgroup::Membership;
pub use cgroup_paths::CgroupPaths;
pub use devices::DiskNames;
pub use host::host_sample;
pub use inspect::Environment;
pub use memory_limit::MemoryLimits;
pub use mounts::CgroupMounts;
pub use open_files::open_files;
pub use root::ProcRoot;
pub use time_namespace::boottime_offset_ns;
pub use users::Users;

use std::{io, path::PathBuf};

/// Something in /proc could not be read, other than because its process is gone.
#[derive(Debug, thiserror::Error)]
pub enum ProcError {
    #[error("{}: {cause}; is /proc mounted, and may it be read?", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{}: not in a form that this version knows", path.display())]
    Format { path: PathBuf },
}
