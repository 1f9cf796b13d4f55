//! How much memory a cgroup may have.

use std::path::{Component, Path, PathBuf};

use super::{mounts::CgroupMounts, root::ProcRoot};

/// Hierarchies of the old kind write the largest number of pages where there is no limit.
const NO_LIMIT: u64 = 1 << 62;

/// Where limits are found.
#[derive(Clone, Debug, Default)]
pub struct MemoryLimits {
    mounts: CgroupMounts,
}

impl MemoryLimits {
    /// By the mounts of this process.
    pub fn of_host() -> Self {
        let proc = ProcRoot::new("/proc");
        Self {
            mounts: proc.map(|proc| proc.cgroup_mounts()).unwrap_or_default(),
        }
    }

    /// The least limit of the cgroups that a process is in and of those above them, bytes: `memory.max`, or
    /// `memory.limit_in_bytes`. `None` where there is none, or it cannot be read. Looked up anew each time: processes are
    /// moved, and limits changed.
    pub fn least_bytes(&self, pid: u32) -> Option<u64> {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        self.least_of(&groups)
    }

    /// By the text of /proc/PID/cgroup.
    fn least_of(&self, groups: &str) -> Option<u64> {
        let limits = groups.split('\n').filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, cgroup) = (parts.next()?, parts.next()?, parts.next()?);
            let (root, file) = if number == "0" {
                (&self.mounts.unified, "memory.max")
            } else if controllers.split(',').any(|name| name == "memory") {
                (&self.mounts.v1_memory, "memory.limit_in_bytes")
            } else {
                return None;
            };
            least_limit(root.as_deref()?, file, cgroup)
        });
        limits.min()
    }
}

fn least_limit(root: &Path, file: &str, cgroup: &str) -> Option<u64> {
    let below: PathBuf = Path::new(cgroup.strip_prefix('/')?).into();
    // The path is the kernel's, but the name of a group may be anybody's.
    let is_plain = below
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !is_plain {
        return None;
    }
    below
        .ancestors()
        .filter_map(|group| std::fs::read_to_string(root.join(group).join(file)).ok())
        .filter_map(|text| text.trim().parse().ok())
        .filter(|limit| *limit < NO_LIMIT)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_on_the_way_up_counts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        let write = |group: &str, text: &str| {
            std::fs::write(root.join(group).join("memory.max"), text).unwrap();
        };
        let limits = MemoryLimits {
            mounts: CgroupMounts {
                unified: Some(root.to_owned()),
                ..CgroupMounts::default()
            },
        };
        assert_eq!(limits.least_of("0::/a/b/c\n"), None);
        write("a/b/c", "max\n");
        assert_eq!(limits.least_of("0::/a/b/c\n"), None);
        write("a/b", "1048576\n");
        write("a", "9223372036854771712\n");
        assert_eq!(limits.least_of("0::/a/b/c\n"), Some(1_048_576));
        write("a", "4096\n");
        assert_eq!(limits.least_of("0::/a/b/c\n"), Some(4096));
        assert_eq!(limits.least_of("0::/a/../a"), None);
        assert_eq!(limits.least_of("0::/gone"), None);
        assert_eq!(limits.least_of("5:memory:/a/b\n7:cpu:/a/b\n0::/\n"), None);
        let old = MemoryLimits {
            mounts: CgroupMounts {
                v1_memory: Some(root.to_owned()),
                ..CgroupMounts::default()
            },
        };
        std::fs::write(root.join("a/b/memory.limit_in_bytes"), "77\n").unwrap();
        assert_eq!(old.least_of("5:memory:/a/b/c\n0::/\n"), Some(77));
    }
}
