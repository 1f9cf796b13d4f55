//! Names for ids, from the host's files.

use std::sync::Arc;

use crate::{
    model::ledger::Names,
    procfs::{CgroupPaths, Membership, ProcRoot, Users},
};

/// Users and cgroups of this host.
#[derive(Debug)]
pub(super) struct HostNames {
    users: Users,
    cgroups: CgroupPaths,
    now_ns: u64,
}

impl HostNames {
    pub(super) fn new(proc: &ProcRoot) -> Self {
        Self {
            users: Users::new("/etc/passwd"),
            cgroups: CgroupPaths::new(proc.cgroup2_mount()),
            now_ns: 0,
        }
    }

    /// The time since boot that look-ups are made at.
    pub(super) fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }
}

impl Names for HostNames {
    fn user(&mut self, uid: u32) -> Option<Arc<str>> {
        self.users.name(uid, self.now_ns)
    }

    fn cgroup(&mut self, id: u64) -> (Option<Arc<str>>, Option<Arc<str>>) {
        match self.cgroups.get(id, self.now_ns) {
            Some(membership) => {
                let container = Membership::container(&membership);
                (Some(membership.path), container)
            }
            None => (None, None),
        }
    }
}
