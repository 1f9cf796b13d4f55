//! Paths of the unified hierarchy by the ids that the kernel's records carry.
//!
//! An id is the inode of the group's directory, and is not given out a second time. The kernel turns
//! it into the directory at once where it lets us (`open_by_handle_at`, root without a user namespace),
//! so that a group is named that lives for a moment. Elsewhere the hierarchy is walked, at most once
//! a second.

use std::{
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use hashbrown::HashMap;
use rustix::{
    fs::{CWD, Mode, OFlags, fstatfs, openat, readlinkat},
    io::Errno,
};

use super::cgroup::Membership;
use crate::model::facts::kernel_text;

/// Between two walks over the hierarchy for an id that is not known.
const WALK_INTERVAL_NS: u64 = 1_000_000_000;
/// Groups that are remembered; then all are forgotten, and looked up again as they are asked for.
const GROUPS_MAX: usize = 65_536;
/// How deep a hierarchy is walked.
const DEPTH_MAX: usize = 32;
/// `CGROUP2_SUPER_MAGIC`.
const CGROUP2_MAGIC: i64 = 0x6367_7270;
/// `FILEID_KERNFS`: a handle that is a node's id and nothing else (kernel commit 33c5ac9175195).
const KERNFS_HANDLE: i32 = 0xfe;

/// Groups by their ids.
#[derive(Debug)]
pub struct CgroupPaths {
    mount: Option<PathBuf>,
    /// The hierarchy's root, where the kernel looks up ids below it for us.
    handles: Option<OwnedFd>,
    /// An entry without a value is of a group that is gone.
    known: HashMap<u64, Option<Membership>>,
    next_walk_ns: u64,
}

impl CgroupPaths {
    /// `mount` is where the unified hierarchy is; without one, no id has a path.
    pub fn new(mount: Option<PathBuf>) -> Self {
        let handles = mount.as_deref().and_then(open_hierarchy);
        Self {
            mount,
            handles,
            known: HashMap::new(),
            next_walk_ns: 0,
        }
    }

    /// The group of an id at this time since boot. `None` when there is none, none any more, or none
    /// that has been found yet.
    pub fn get(&mut self, id: u64, now_ns: u64) -> Option<Membership> {
        // What the records carry where the kernel has no groups.
        if id == 0 {
            return None;
        }
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let mount = self.mount.clone()?;
        if self.known.len() >= GROUPS_MAX {
            self.known.clear();
        }
        if let Some(root) = &self.handles {
            match path_of(root, id) {
                Ok(path) => return self.remember(id, &mount, &path),
                Err(Errno::STALE) => {
                    self.known.insert(id, None);
                    return None;
                }
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.handles = None;
                }
                Err(_) => return None,
            }
        }
        if now_ns >= self.next_walk_ns {
            self.next_walk_ns = now_ns.saturating_add(WALK_INTERVAL_NS);
            self.walk(&mount, &mount, 0);
        }
        self.known.get(&id).cloned().flatten()
    }

    fn remember(&mut self, id: u64, mount: &Path, directory: &Path) -> Option<Membership> {
        let below = directory.strip_prefix(mount).ok()?;
        let path = kernel_text(below.as_os_str().as_bytes());
        let membership = Membership::new(&format!("/{path}"));
        self.known.insert(id, Some(membership.clone()));
        Some(membership)
    }

    fn walk(&mut self, mount: &Path, directory: &Path, depth: usize) {
        if depth > DEPTH_MAX || self.known.len() >= GROUPS_MAX {
            return;
        }
        if let Ok(metadata) = directory.metadata()
            && !self.known.contains_key(&metadata.ino())
        {
            self.remember(metadata.ino(), mount, directory);
        }
        let Ok(entries) = directory.read_dir() else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.walk(mount, &entry.path(), depth + 1);
            }
        }
    }
}

/// Opens the hierarchy's root. `None` where that is no cgroup2, whose ids alone are handles.
fn open_hierarchy(mount: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, mount, flags, Mode::empty()).ok()?;
    let is_cgroup2 = fstatfs(&root).ok()?.f_type as i64 == CGROUP2_MAGIC;
    is_cgroup2.then_some(root)
}

/// Where the group of an id is.
fn path_of(root: &OwnedFd, id: u64) -> Result<PathBuf, Errno> {
    /// `struct file_handle` with room for one id.
    #[repr(C, align(8))]
    struct Handle {
        bytes: u32,
        kind: i32,
        id: u64,
    }
    let mut handle = Handle {
        bytes: size_of::<u64>() as u32,
        kind: KERNFS_HANDLE,
        id,
    };
    // SAFETY: the handle is as long as its head says, and lives through the call, which only reads it.
    let opened = unsafe {
        libc::open_by_handle_at(
            root.as_raw_fd(),
            (&raw mut handle).cast(),
            libc::O_PATH | libc::O_CLOEXEC,
        )
    };
    if opened < 0 {
        let error = io::Error::last_os_error();
        return Err(error
            .raw_os_error()
            .map_or(Errno::IO, Errno::from_raw_os_error));
    }
    // SAFETY: the call has just opened it, and nobody else knows of it.
    let group = unsafe { OwnedFd::from_raw_fd(opened) };
    // Our own descriptor: this is the real /proc, whichever one processes are read from.
    let link = readlinkat(
        CWD,
        format!("/proc/self/fd/{}", group.as_raw_fd()),
        Vec::new(),
    )?;
    Ok(Path::new(std::ffi::OsStr::from_bytes(link.as_bytes())).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn id(directory: &Path) -> u64 {
        directory.metadata().unwrap().ino()
    }

    fn path(paths: &mut CgroupPaths, id: u64, now_ns: u64) -> Option<String> {
        paths
            .get(id, now_ns)
            .map(|membership| membership.path.as_ref().to_owned())
    }

    #[test]
    fn a_hierarchy_is_walked_for_an_unknown_id_but_not_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let mut paths = CgroupPaths::new(Some(directory.path().to_owned()));
        assert_eq!(path(&mut paths, u64::MAX, 0), None);
        assert_eq!(
            path(&mut paths, id(directory.path()), 0).as_deref(),
            Some("/")
        );
        let group = directory.path().join("a.slice/lxc.payload.new");
        fs::create_dir_all(&group).unwrap();
        assert_eq!(path(&mut paths, id(&group), WALK_INTERVAL_NS - 1), None);
        let found = paths.get(id(&group), WALK_INTERVAL_NS).unwrap();
        assert_eq!(&*found.path, "/a.slice/lxc.payload.new");
        assert_eq!(found.container().as_deref(), Some("new"));
    }

    #[test]
    fn a_group_that_is_gone_keeps_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let group = directory.path().join("short");
        fs::create_dir(&group).unwrap();
        let mut paths = CgroupPaths::new(Some(directory.path().to_owned()));
        let id = id(&group);
        assert_eq!(path(&mut paths, id, 0).as_deref(), Some("/short"));
        fs::remove_dir(&group).unwrap();
        assert_eq!(path(&mut paths, u64::MAX, 2 * WALK_INTERVAL_NS), None);
        assert_eq!(
            path(&mut paths, id, 2 * WALK_INTERVAL_NS).as_deref(),
            Some("/short")
        );
    }

    #[test]
    fn without_a_hierarchy_no_id_has_a_path() {
        assert_eq!(CgroupPaths::new(None).get(1, 0), None);
        assert_eq!(CgroupPaths::new(Some("/nowhere".into())).get(1, 0), None);
    }

    #[test]
    fn memory_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let mut paths = CgroupPaths::new(Some(directory.path().to_owned()));
        for id in 0..=GROUPS_MAX as u64 {
            paths.known.insert(1 << 60 | id, None);
        }
        assert_eq!(
            path(&mut paths, id(directory.path()), 0).as_deref(),
            Some("/")
        );
        assert_eq!(paths.known.len(), 1);
    }

    #[test]
    #[ignore = "makes a cgroup: needs root and a cgroup2 mount"]
    fn the_kernel_names_a_group_that_has_just_been_made() {
        let mount = super::super::ProcRoot::new("/proc")
            .unwrap()
            .cgroup2_mount()
            .unwrap();
        let mut paths = CgroupPaths::new(Some(mount.clone()));
        assert!(paths.handles.is_some());
        assert_eq!(path(&mut paths, id(&mount), 0).as_deref(), Some("/"));
        let name = format!("procwatch-test-{}", std::process::id());
        let group = mount.join(&name);
        fs::create_dir(&group).unwrap();
        let id = id(&group);
        let found = path(&mut paths, id, 0);
        let mut too_late = CgroupPaths::new(Some(mount));
        fs::remove_dir(&group).unwrap();
        assert_eq!(found, Some(format!("/{name}")));
        assert_eq!(path(&mut too_late, id, 0), None);
        assert!(too_late.handles.is_some() && too_late.next_walk_ns == 0);
    }
}
