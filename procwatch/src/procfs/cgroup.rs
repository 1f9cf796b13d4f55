//! Which cgroup, and which container its path names.

use std::sync::Arc;

/// Characters of a container's id that are shown, as its managers do.
const SHORT_ID: usize = 12;

/// A process's place in the cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Below the mount of the hierarchy; `/` for its root. The kernel puts ` (deleted)` behind the path
    /// of a group that was removed while it held the dead.
    pub path: Arc<str>,
    container: Option<Arc<str>>,
}

impl Membership {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            container: container_of(path).map(Into::into),
        }
    }

    /// Reads /proc/PID/cgroup: the unified hierarchy's path, but where that is only the root, as on
    /// hosts of the old kind, the path in the hierarchy that systemd or the memory controller keeps.
    /// A name holds no line end: the kernel refuses to make such a group (`cgroup_mkdir`).
    pub fn parse(text: &str) -> Option<Self> {
        let entries = || {
            // Not `lines`, which takes the end of a name that is a carriage return for a part of the line's.
            text.split('\n').filter_map(|line| {
                let mut parts = line.splitn(3, ':');
                let entry = (parts.next()?, parts.next()?, parts.next()?);
                entry.2.starts_with('/').then_some(entry)
            })
        };
        let unified = entries().find(|(id, ..)| *id == "0").map(|(.., path)| path);
        let path_of = |wanted| {
            entries()
                .find(|(_, controllers, _)| controllers.split(',').any(|name| name == wanted))
                .map(|(.., path)| path)
        };
        let mut old = ["name=systemd", "memory", "cpu"]
            .into_iter()
            .filter_map(path_of);
        let path = match unified {
            Some("/") => old.find(|path| *path != "/").unwrap_or("/"),
            Some(path) => path,
            None => {
                let first = old.next()?;
                std::iter::once(first)
                    .chain(old)
                    .find(|path| *path != "/")
                    .unwrap_or(first)
            }
        };
        Some(Self::new(path))
    }

    /// The container's short id, or its name where its manager uses names.
    pub fn container(&self) -> Option<Arc<str>> {
        self.container.clone()
    }
}

/// The container that a cgroup path names: the innermost one.
fn container_of(path: &str) -> Option<&str> {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let mut inner = path.rsplit('/').peekable();
    while let Some(group) = inner.next() {
        let outer = inner.peek().copied();
        if let Some(container) = container_of_group(group, outer) {
            return Some(container);
        }
    }
    None
}

fn container_of_group<'path>(group: &'path str, outer: Option<&str>) -> Option<&'path str> {
    let unit = group
        .strip_suffix(".scope")
        .or_else(|| group.strip_suffix(".service"));
    let name = unit.unwrap_or(group);
    // docker/ID, kubepods/…/podUID/ID, machine.slice/libpod-ID.scope, kubepods.slice/…/crio-ID.scope:
    // nothing else is named by 64 hexadecimal digits.
    let id = ["docker-", "libpod-", "cri-containerd-", "crio-"]
        .into_iter()
        .find_map(|manager| name.strip_prefix(manager))
        .unwrap_or(name);
    if is_container_id(id) {
        return Some(&id[..SHORT_ID]);
    }
    let named = if let Some(name) = group.strip_prefix("lxc.payload.") {
        Some(name)
    } else if unit.is_some() {
        name.strip_prefix("machine-")
            .or_else(|| name.strip_prefix("systemd-nspawn@"))
    } else {
        (outer == Some("lxc")).then_some(group)
    };
    named.filter(|name| !name.is_empty())
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn containers_are_read_off_paths() {
        const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        const SHORT: Option<&str> = Some("0123456789ab");
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(container_of(&path.replace("ID", ID)), expected, "{path}");
        };
        check("/docker/ID", SHORT);
        check("/system.slice/docker-ID.scope", SHORT);
        check("/system.slice/docker-ID.scope (deleted)", SHORT);
        check("/system.slice/docker-ID.scope/init.scope", SHORT);
        check("/machine.slice/libpod-ID.scope/container", SHORT);
        check(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            SHORT,
        );
        check("/kubepods/burstable/pod7d0/ID", SHORT);
        check(
            "/kubepods.slice/kubepods-pod7d0.slice/cri-containerd-ID.scope",
            SHORT,
        );
        check("/kubepods.slice/kubepods-pod7d0.slice/crio-ID.scope", SHORT);
        check("/lxc/web", Some("web"));
        check("/lxc/web/system.slice/cron.service", Some("web"));
        check("/lxc.payload.web", Some("web"));
        check("/lxc.payload.web.example/system.slice", Some("web.example"));
        check("/machine.slice/machine-db.scope", Some("db"));
        check(
            "/machine.slice/systemd-nspawn@db.service/payload",
            Some("db"),
        );
        check("/docker/ID/docker/fedcba9876543210ID", SHORT);

        check("/", None);
        check("", None);
        check("/user.slice/user-0.slice/session-1.scope", None);
        check("/system.slice/docker.service", None);
        check("/system.slice/docker-short.scope", None);
        check("/machine.slice/libpod-conmon-ID.scope", None);
        check("/machine.slice/machine-.scope", None);
        check("/machine-tools", None);
        check("/lxc", None);
        check("/lxc.payload.", None);
        check("/lxc.monitor.web", None);
    }

    #[test]
    fn hosts_of_the_old_kind_have_their_groups_elsewhere() {
        let check = |text: &str, expected: Option<&str>| {
            let membership = Membership::parse(text);
            assert_eq!(
                membership.as_ref().map(|membership| &*membership.path),
                expected,
                "{text}"
            );
        };
        check("0::/a.slice\n", Some("/a.slice"));
        check("1:name=systemd:/s\n0::/a.slice\n", Some("/a.slice"));
        check("4:memory:/m\n1:name=systemd:/s\n0::/\n", Some("/s"));
        check("4:memory:/m\n1:name=systemd:/\n0::/\n", Some("/m"));
        check("5:cpu,cpuacct:/c\n0::/\n", Some("/c"));
        check("5:cpuset:/c\n0::/\n", Some("/"));
        check("0::/a:b\n", Some("/a:b"));
        check("0::/../other\n", Some("/../other"));
        check("1:name=systemd:/\n", Some("/"));
        check("0::/\n", Some("/"));
        check("0::/web\r\n", Some("/web\r"));
        check("0::/web\r", Some("/web\r"));
        check("5:cpuset:/c\n", None);
        check("0::\n", None);
        check("", None);
        check("garbage", None);
    }

    #[test]
    fn a_membership_knows_its_container() {
        let membership = Membership::parse("0::/lxc.payload.web/init.scope\n").unwrap();
        assert_eq!(membership.container().as_deref(), Some("web"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_membership_or_not(text in "\\PC*", group in "[/a-f0-9.é-]{0,80}") {
            let _ = Membership::parse(&text);
            let _ = Membership::parse(&format!("0::/docker-{group}\n1:memory:/{text}"));
        }
    }
}
