//! Threads that are to be traced: which there are, and what each is in the middle of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use crate::trace::record::Sleep;

/// A thread, as /proc shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub tid: u32,
    pub comm: Box<str>,
    /// `None` for one that runs or is about to.
    pub sleep: Option<Sleep>,
    /// The system call that it is blocked in, and with what. `None` when it runs, and where /proc does not tell.
    pub call: Option<(u32, [u64; 6])>,
}

/// The threads of a process; none when it is gone.
pub fn threads(pid: u32) -> Vec<Task> {
    let directory = format!("/proc/{pid}/task");
    let Ok(entries) = fs::read_dir(&directory) else {
        return Vec::new();
    };
    let tids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    tids.filter_map(|tid: u32| {
        let read = |name: &str| fs::read_to_string(format!("{directory}/{tid}/{name}")).ok();
        let stat = read("stat")?;
        let (comm, state) = name_and_state(&stat)?;
        Some(Task {
            tid,
            comm: comm.into(),
            sleep: sleep_of(state)?,
            call: read("syscall").as_deref().and_then(call_of),
        })
    })
    .collect()
}

/// `None` for who has ended.
fn sleep_of(state: char) -> Option<Option<Sleep>> {
    Some(match state {
        'R' => None,
        'D' => Some(Sleep::Uninterruptible),
        'T' | 't' => Some(Sleep::Stopped),
        'Z' | 'X' | 'x' => return None,
        _ => Some(Sleep::Interruptible),
    })
}

/// Names may have spaces and parentheses in them.
fn name_and_state(stat: &str) -> Option<(&str, char)> {
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let comm = stat.get(start + 1..end)?;
    let state = stat.get(end + 2..)?.chars().next()?;
    Some((comm, state))
}

/// `0 0x3 0x7ffd… … SP PC`; `running`; or `-1 SP PC` outside of calls.
fn call_of(text: &str) -> Option<(u32, [u64; 6])> {
    let mut words = text.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        let word = words.next()?.strip_prefix("0x")?;
        *argument = u64::from_str_radix(word, 16).ok()?;
    }
    Some((number, arguments))
}

/// A process and its parent, for all of the host.
fn parents() -> io::Result<BTreeMap<u32, (u32, Box<str>)>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let parent = || {
            let (comm, _) = name_and_state(&stat)?;
            let after = &stat[stat.rfind(')')? + 2..];
            Some((after.split(' ').nth(1)?.parse().ok()?, comm.into()))
        };
        if let Some(parent) = parent() {
            parents.insert(pid, parent);
        }
    }
    Ok(parents)
}

/// These processes and their descendants.
///
/// # Errors
/// When /proc cannot be read.
pub fn with_descendants(roots: &BTreeSet<u32>) -> io::Result<BTreeSet<u32>> {
    let parents = parents()?;
    let mut found = roots.clone();
    loop {
        let before = found.len();
        let children = parents
            .iter()
            .filter(|(_, (parent, _))| found.contains(parent))
            .map(|(pid, _)| *pid);
        let children: Vec<u32> = children.collect();
        found.extend(children);
        if found.len() == before {
            return Ok(found);
        }
    }
}

/// The processes whose main thread has this name.
///
/// # Errors
/// When /proc cannot be read.
pub fn named(name: &str) -> io::Result<BTreeSet<u32>> {
    // The kernel cuts names off.
    const KEPT: usize = 15;
    let wanted = name.get(..KEPT).unwrap_or(name);
    let own = std::process::id();
    let parents = parents()?;
    let named = parents
        .iter()
        .filter(|(pid, (_, comm))| **comm == *wanted && **pid != own);
    Ok(named.map(|(pid, _)| *pid).collect())
}

/// The processes of a cgroup, given as a directory, and of those below it.
///
/// # Errors
/// When it is no cgroup, or cannot be read.
pub fn in_cgroup(directory: &Path) -> io::Result<BTreeSet<u32>> {
    let mut found: BTreeSet<u32> = fs::read_to_string(directory.join("cgroup.procs"))?
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            // It may be gone by now.
            found.extend(in_cgroup(&entry.path()).unwrap_or_default());
        }
    }
    Ok(found)
}

/// What a descriptor is, as `/proc/PID/fd/N` says. `None` when it, or the process, is gone.
pub fn descriptor(pid: u32, descriptor: i32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_is_in_the_middle_of_is_read() {
        let text = "0 0x3 0x7ffc1000 0x1000 0x0 0x0 0x5 0x7ffd 0x7fee\n";
        assert_eq!(call_of(text), Some((0, [3, 0x7ffc_1000, 0x1000, 0, 0, 5])));
        assert_eq!(call_of("running\n"), None);
        assert_eq!(call_of("-1 0x7ffd 0x7fee\n"), None);
        assert_eq!(call_of("7 0x1"), None);
    }

    #[test]
    fn hostile_names_do_not_hide_the_state() {
        assert_eq!(name_and_state("7 (a) R) x) S 1"), Some(("a) R) x", 'S')));
        assert_eq!(name_and_state("7 (a"), None);
        assert_eq!(sleep_of('Z'), None);
    }

    #[test]
    fn our_own_threads_are_found() {
        let pid = std::process::id();
        let threads = threads(pid);
        assert!(threads.iter().any(|thread| thread.tid == pid));
        let all = with_descendants(&BTreeSet::from([pid])).unwrap();
        assert!(all.contains(&pid));
    }
}
