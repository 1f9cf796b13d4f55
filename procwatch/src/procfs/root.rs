//! A /proc, which tests may have made themselves, and what is read off it once.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};

use super::ProcError;

/// The inode of the first pid namespace is a constant of the kernel (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Where processes are read from.
#[derive(Debug)]
pub struct ProcRoot {
    path: PathBuf,
    directory: OwnedFd,
    ticks_per_second: u64,
    page_size: u64,
}

impl ProcRoot {
    /// Opens a /proc.
    ///
    /// # Errors
    /// When it is not there.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, ProcError> {
        let path = path.into();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            openat(CWD, &path, flags, Mode::empty()).map_err(|error| ProcError::Read {
                path: path.clone(),
                source: error.into(),
            })?;
        Ok(Self {
            path,
            directory,
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            page_size: rustix::param::page_size() as u64,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Nanoseconds from one clock tick, as /proc counts them, to the next.
    pub fn tick_ns(&self) -> u64 {
        1_000_000_000 / self.ticks_per_second
    }

    /// Whether an exact start and one that /proc tells, cut off to a tick, can be of one process.
    pub fn is_same_start(&self, one_ns: u64, other_ns: u64) -> bool {
        one_ns / self.tick_ns() == other_ns / self.tick_ns()
    }

    /// Every process, ordered by pid.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn pids(&self) -> Result<Vec<u32>, ProcError> {
        let failed = |error: rustix::io::Errno| ProcError::Read {
            path: self.path.clone(),
            source: error.into(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&self.directory, ".", flags, Mode::empty()).map_err(failed)?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
        let mut pids = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().ok();
            if let Some(pid) = name.and_then(|name| name.parse().ok()) {
                pids.push(pid);
            }
        }
        pids.sort_unstable();
        Ok(pids)
    }

    /// False in a container that numbers its processes itself.
    pub fn in_initial_pid_namespace(&self) -> bool {
        std::fs::read_link(self.path.join("self/ns/pid"))
            .is_ok_and(|namespace| namespace == Path::new(INITIAL_PID_NAMESPACE))
    }

    /// Where the unified cgroup hierarchy is mounted; `None` when it is not.
    pub fn cgroup2_mount(&self) -> Option<PathBuf> {
        let mounts = std::fs::read_to_string(self.path.join("self/mountinfo")).ok()?;
        mounts.lines().find_map(|line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let is_unified = file_system.split(' ').next() == Some("cgroup2");
            is_unified.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
        })
    }

    /// Opens a process's directory: reads below it fail once the process is gone, also when its pid
    /// has come back. `None` when there is no such process.
    pub(super) fn open(&self, pid: u32) -> Option<ProcessDirectory> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&self.directory, pid.to_string(), flags, Mode::empty()).ok()?;
        Some(ProcessDirectory { directory })
    }
}

/// One process's directory.
pub(super) struct ProcessDirectory {
    directory: OwnedFd,
}

impl ProcessDirectory {
    /// Reads at most `limit` bytes of a file.
    pub(super) fn read(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = File::from(openat(&self.directory, file, flags, Mode::empty())?);
        let mut bytes = Vec::with_capacity(512);
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// What a symbolic link points to.
    pub(super) fn link(&self, file: &str) -> Option<Vec<u8>> {
        let target = rustix::fs::readlinkat(&self.directory, file, Vec::new()).ok()?;
        Some(target.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pids_of_this_host_include_ours() {
        let root = ProcRoot::new("/proc").unwrap();
        let pids = root.pids().unwrap();
        assert!(pids.contains(&std::process::id()));
        assert!(pids.is_sorted());
    }

    #[test]
    fn only_numbers_are_pids() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["1", "42", "self", "4x", "99999999999"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let root = ProcRoot::new(directory.path()).unwrap();
        assert_eq!(root.pids().unwrap(), [1, 42]);
        assert!(root.open(7).is_none());
    }

    #[test]
    fn a_missing_proc_says_what_to_look_at() {
        let error = ProcRoot::new("/nowhere").unwrap_err().to_string();
        assert!(
            error.contains("/nowhere") && error.ends_with("is /proc mounted?"),
            "{error}"
        );
    }
}
