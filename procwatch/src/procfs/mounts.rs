//! Where the cgroup hierarchies are mounted.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

use ::procfs::process::MountInfo;

use super::root::ProcRoot;

/// Controllers of hierarchies of the old kind, as they stand in the options of their mounts.
const CONTROLLERS: [&str; 13] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
    "rdma",
];

/// The cgroup mounts of our mount namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupMounts {
    /// Where the unified hierarchy (cgroup2) is: its root where that is mounted, else a part of it.
    pub unified: Option<PathBuf>,
    /// Controllers are in hierarchies of their own (cgroup v1), and the limits with them.
    pub has_v1_controllers: bool,
    /// Where the hierarchy of the old kind is that limits memory.
    pub v1_memory: Option<PathBuf>,
}

impl ProcRoot {
    /// Reads self/mountinfo. Without one, nothing is mounted as far as that tells.
    pub fn cgroup_mounts(&self) -> CgroupMounts {
        CgroupMounts::parse(&std::fs::read(self.path().join("self/mountinfo")).unwrap_or_default())
    }

    /// Where the unified cgroup hierarchy is mounted; `None` when it is not.
    pub fn cgroup2_mount(&self) -> Option<PathBuf> {
        self.cgroup_mounts().unified
    }
}

impl CgroupMounts {
    /// Reads the text of /proc/PID/mountinfo; lines in another form are left out.
    pub fn parse(text: &[u8]) -> Self {
        // Line by line: any user may mount what has no text for a name, and is then no concern of ours.
        let mounts = || {
            let lines = text.split(|byte| *byte == b'\n');
            let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
            lines.filter_map(|line| MountInfo::from_line(line).ok())
        };
        let unified = || mounts().filter(|mount| mount.fs_type == "cgroup2");
        let whole = unified().find(|mount| mount.root == "/");
        let is_controller = |option: &String| CONTROLLERS.contains(&option.as_str());
        let limits_memory = |mount: &MountInfo| {
            mount.fs_type == "cgroup" && mount.super_options.contains_key("memory")
        };
        Self {
            v1_memory: mounts().find(limits_memory).map(|mount| unescaped(&mount)),
            unified: whole
                .or_else(|| unified().next())
                .map(|mount| unescaped(&mount)),
            has_v1_controllers: mounts().any(|mount| {
                mount.fs_type == "cgroup" && mount.super_options.keys().any(is_controller)
            }),
        }
    }
}

/// The mount point, with blanks and the like, which are written as `\040`, put back.
fn unescaped(mount: &MountInfo) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = mount.mount_point.as_os_str().as_encoded_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V1: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n";
    const NAMED: &str = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
    const PART: &str = "50 31 0:38 /docker/1 /mnt/part rw - cgroup2 cgroup2 rw\n";
    const UNIFIED: &str =
        "41 31 0:38 / /sys/fs/a\\040b rw,relatime shared:4 - cgroup2 cgroup2 rw\n";

    fn check(text: &[u8], unified: Option<&str>, has_v1_controllers: bool) {
        let expected = CgroupMounts {
            unified: unified.map(PathBuf::from),
            has_v1_controllers,
            v1_memory: None,
        };
        assert_eq!(
            CgroupMounts::parse(text),
            expected,
            "{}",
            String::from_utf8_lossy(text)
        );
    }

    #[test]
    fn mounts_are_told_apart() {
        check(b"", None, false);
        check(
            format!("{NAMED}{UNIFIED}").as_bytes(),
            Some("/sys/fs/a b"),
            false,
        );
        check(
            format!("{V1}{PART}{UNIFIED}").as_bytes(),
            Some("/sys/fs/a b"),
            true,
        );
        check(PART.as_bytes(), Some("/mnt/part"), false);
    }

    #[test]
    fn a_mount_without_text_hides_no_other() {
        let text = [b"1 2 0:3 / /mnt/\xff rw - ext4 x rw\n", UNIFIED.as_bytes()].concat();
        check(&text, Some("/sys/fs/a b"), false);
    }

    proptest! {
        #[test]
        fn any_bytes_have_mounts_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = CgroupMounts::parse(&bytes);
        }

        #[test]
        fn any_path_is_unescaped(path in "[\\\\0-9é/]{0,12}") {
            let _ = CgroupMounts::parse(format!("1 2 0:3 / {path} rw - cgroup2 x rw").as_bytes());
        }
    }
}
