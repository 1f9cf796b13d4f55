//! What the files say: every parser of this edge, from the bytes of a file and without one.
//!
//! This is where bytes that procwatch does not control become figures, so this is what the fuzz targets
//! drive. Parsers take any bytes: what is not in its form is unknown, or left out.

pub use super::{
    cgroup::Membership,
    devices::{disks, interfaces},
    facts::argv,
    figures::{Io, SchedStat, Status, decimal, named_values},
    host::{CpuTimes, boot_time_s},
    mounts::CgroupMounts,
    stat::Stat,
    users::user_names,
};
