//! Which cgroup, and which container its path names.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use hashbrown::HashMap;

/// Between two walks over the hierarchy for an id that is not known.
const WALK_INTERVAL_NS: u64 = 1_000_000_000;
/// Groups that are remembered.
const GROUPS_MAX: usize = 65_536;
/// How deep a hierarchy is walked.
const DEPTH_MAX: usize = 32;

/// A process's place in the cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Below the mount of the hierarchy.
    pub path: Arc<str>,
}

impl Membership {
    /// Reads /proc/PID/cgroup: the unified hierarchy's path, but where that is only the root, as on
    /// hosts of the old kind, the path in the hierarchy that systemd or the memory controller keeps.
    pub fn parse(text: &str) -> Option<Self> {
        let entries = || {
            text.lines().filter_map(|line| {
                let mut parts = line.splitn(3, ':');
                Some((parts.next()?, parts.next()?, parts.next()?))
            })
        };
        let unified = entries()
            .find(|(id, _, _)| *id == "0")
            .map(|(_, _, path)| path);
        let old = ["name=systemd", "memory", "cpu"]
            .into_iter()
            .find_map(|wanted| {
                entries()
                    .find(|(_, controllers, path)| {
                        *path != "/"
                            && controllers
                                .split(',')
                                .any(|controller| controller == wanted)
                    })
                    .map(|(_, _, path)| path)
            });
        let path = match unified {
            Some(path) if path != "/" => path,
            _ => old.or(unified)?,
        };
        Some(Self { path: path.into() })
    }

    /// The container's short id, or its name where its manager uses names.
    pub fn container(&self) -> Option<Arc<str>> {
        container_of(&self.path)
    }
}

/// The container that a cgroup path names: the innermost one.
fn container_of(path: &str) -> Option<Arc<str>> {
    path.split('/').rev().find_map(|group| {
        let name = group
            .strip_suffix(".scope")
            .or(group.strip_suffix(".service"))
            .unwrap_or(group);
        for prefix in ["docker-", "libpod-", "cri-containerd-", "crio-"] {
            if let Some(id) = name.strip_prefix(prefix)
                && is_container_id(id)
            {
                return Some(id[..12].into());
            }
        }
        for prefix in ["lxc.payload.", "machine-"] {
            if let Some(name) = name.strip_prefix(prefix)
                && !name.is_empty()
            {
                return Some(name.into());
            }
        }
        is_container_id(name).then(|| name[..12].into())
    })
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Paths of the unified hierarchy by the ids that the kernel's records carry.
#[derive(Debug)]
pub struct CgroupPaths {
    mount: Option<PathBuf>,
    /// An entry without a path is of an id that no walk has found.
    known: HashMap<u64, Option<Membership>>,
    next_walk_ns: u64,
}

impl CgroupPaths {
    /// `mount` is where the unified hierarchy is; without one, no id has a path.
    pub fn new(mount: Option<PathBuf>) -> Self {
        Self {
            mount,
            known: HashMap::new(),
            next_walk_ns: 0,
        }
    }

    /// The group of an id, which is the inode of its directory. `None` when there is none, or none any
    /// more.
    pub fn get(&mut self, id: u64, now_ns: u64) -> Option<Membership> {
        if let Some(known) = self.known.get(&id)
            && (known.is_some() || now_ns < self.next_walk_ns)
        {
            return known.clone();
        }
        let mount = self.mount.clone()?;
        if now_ns >= self.next_walk_ns {
            self.next_walk_ns = now_ns.saturating_add(WALK_INTERVAL_NS);
            self.known.clear();
            self.walk(&mount, &mount, 0);
        }
        if self.known.len() >= GROUPS_MAX {
            return self.known.get(&id).cloned().flatten();
        }
        self.known.entry(id).or_default().clone()
    }

    fn walk(&mut self, mount: &Path, directory: &Path, depth: usize) {
        if depth > DEPTH_MAX || self.known.len() >= GROUPS_MAX {
            return;
        }
        if let Ok(metadata) = directory.metadata() {
            let below = directory.strip_prefix(mount).unwrap_or(directory);
            let path = format!("/{}", below.to_string_lossy());
            self.known
                .insert(metadata.ino(), Some(Membership { path: path.into() }));
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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn containers_are_read_off_paths() {
        let check = |path: String, expected: Option<&str>| {
            assert_eq!(container_of(&path).as_deref(), expected, "{path}");
        };
        check(
            format!("/system.slice/docker-{ID}.scope"),
            Some("0123456789ab"),
        );
        check(format!("/docker/{ID}"), Some("0123456789ab"));
        check(
            format!("/machine.slice/libpod-{ID}.scope/container"),
            Some("0123456789ab"),
        );
        check(
            format!("/kubepods.slice/x.slice/cri-containerd-{ID}.scope"),
            Some("0123456789ab"),
        );
        check(
            format!("/kubepods/burstable/pod1/{ID}"),
            Some("0123456789ab"),
        );
        check("/lxc.payload.web/system.slice".to_owned(), Some("web"));
        check("/machine.slice/machine-db.scope".to_owned(), Some("db"));
        check("/user.slice/user-0.slice/session-1.scope".to_owned(), None);
        check("/docker-short.scope".to_owned(), None);
    }

    #[test]
    fn hosts_of_the_old_kind_have_their_groups_elsewhere() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Membership::parse(text).as_ref().map(|m| &*m.path), expected);
        };
        check("0::/a.slice\n", Some("/a.slice"));
        check("4:memory:/m\n1:name=systemd:/s\n0::/\n", Some("/s"));
        check("5:cpu,cpuacct:/c\n0::/\n", Some("/c"));
        check("0::/\n", Some("/"));
        check("", None);
        check("garbage", None);
    }

    #[test]
    fn an_unknown_id_does_not_cause_a_walk_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let mut paths = CgroupPaths::new(Some(directory.path().to_owned()));
        assert_eq!(paths.get(u64::MAX, 0), None);
        let group = directory.path().join("new");
        std::fs::create_dir(&group).unwrap();
        let id = group.metadata().unwrap().ino();
        assert_eq!(paths.get(id, 1), None);
        let found = paths
            .get(id, WALK_INTERVAL_NS)
            .map(|membership| membership.path);
        assert_eq!(found.as_deref(), Some("/new"));
    }
}
