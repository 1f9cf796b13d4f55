//! A /proc, which tests may have made themselves, and what is read off it once.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};

use super::{
    ProcError, earlier::EarlierReadings, figures::decimal, time_namespace::boottime_offset_ns,
};

/// The inode of the first pid namespace is a constant of the kernel (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Where processes are read from.
#[derive(Debug)]
pub struct ProcRoot {
    path: PathBuf,
    directory: OwnedFd,
    tick_ns: u64,
    /// See [`boottime_offset_ns`].
    boot_offset_ns: Option<i64>,
    page_size: u64,
    pub(super) earlier: EarlierReadings,
    /// What files are read into.
    pub(super) buffer: Vec<u8>,
}

impl ProcRoot {
    /// Opens a /proc.
    ///
    /// # Errors
    /// When it is not there.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, ProcError> {
        let path = path.into();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match openat(CWD, &path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(errno) => {
                return Err(ProcError::Read {
                    path,
                    cause: errno.into(),
                });
            }
        };
        Ok(Self {
            boot_offset_ns: boottime_offset_ns(&path),
            path,
            directory,
            tick_ns: 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1),
            page_size: rustix::param::page_size() as u64,
            earlier: EarlierReadings::default(),
            buffer: Vec::new(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is a /proc, and not the directory that one should be mounted on.
    pub fn shows_processes(&self) -> bool {
        self.path.join("self/stat").exists()
    }

    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Nanoseconds from one clock tick, as /proc counts them, to the next.
    pub fn tick_ns(&self) -> u64 {
        self.tick_ns
    }

    pub(super) fn ticks_to_ns(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(self.tick_ns)
    }

    /// The start of a process, by the host's clock, which the kernel's records are dated by. What had started
    /// before the boot of its own time namespace is told in the two's complement of its ticks.
    pub(super) fn start_ns(&self, start_ticks: u64) -> u64 {
        self.ticks_to_ns(start_ticks)
            .wrapping_sub_signed(self.offset_ns())
    }

    /// A time since boot as /proc would tell it of a start: cut off to a tick.
    pub fn as_told(&self, boot_ns: u64) -> u64 {
        self.start_ns(self.tick_of(boot_ns))
    }

    /// Whether an exact start and one that /proc tells, cut off to a tick, can be of one process.
    pub fn is_same_start(&self, one_ns: u64, other_ns: u64) -> bool {
        self.tick_of(one_ns) == self.tick_of(other_ns)
    }

    /// Ticks are counted by the clock of the time namespace.
    fn tick_of(&self, boot_ns: u64) -> u64 {
        boot_ns.wrapping_add_signed(self.offset_ns()) / self.tick_ns
    }

    /// As long as it is unknown, only figures from here can be compared with each other.
    fn offset_ns(&self) -> i64 {
        self.boot_offset_ns.unwrap_or(0)
    }

    /// False in a time namespace whose distance from the host's clock cannot be told: what /proc tells of a
    /// start is then not what the kernel's records tell.
    pub fn tells_boot_time(&self) -> bool {
        self.boot_offset_ns.is_some()
    }

    /// Every process, ordered by pid. Forgets earlier readings of those that are not there.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn pids(&mut self) -> Result<Vec<u32>, ProcError> {
        let failed = |errno: rustix::io::Errno| ProcError::Read {
            path: self.path.clone(),
            cause: errno.into(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&self.directory, ".", flags, Mode::empty()).map_err(failed)?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
        let mut pids: Vec<u32> = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            let pid = decimal(entry.file_name().to_bytes());
            pids.extend(pid.and_then(|pid| u32::try_from(pid).ok()));
        }
        pids.sort_unstable();
        self.earlier.keep_only(&pids);
        Ok(pids)
    }

    /// False in a container that numbers its processes itself.
    pub fn in_initial_pid_namespace(&self) -> bool {
        std::fs::read_link(self.path.join("self/ns/pid"))
            .is_ok_and(|namespace| namespace == Path::new(INITIAL_PID_NAMESPACE))
    }

    /// The random name of this boot: processes of different boots cannot be told apart without it.
    pub fn boot_id(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.path.join("sys/kernel/random/boot_id")).ok()?;
        let id = text.trim_ascii();
        (!id.is_empty()).then(|| id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pids_of_this_host_include_ours() {
        let mut root = ProcRoot::new("/proc").unwrap();
        let pids = root.pids().unwrap();
        assert!(pids.contains(&std::process::id()));
        assert!(pids.is_sorted());
    }

    #[test]
    fn only_numbers_are_pids() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["1", "42", "self", "4x", "+5", "99999999999"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let mut root = ProcRoot::new(directory.path()).unwrap();
        assert_eq!(root.pids().unwrap(), [1, 42]);
    }

    #[test]
    fn a_missing_proc_says_what_to_look_at() {
        let error = ProcRoot::new("/nowhere").unwrap_err().to_string();
        assert!(
            error.contains("/nowhere") && error.contains("is /proc mounted"),
            "{error}"
        );
    }

    #[test]
    fn a_boot_has_a_name_where_the_kernel_tells_it() {
        let id = ProcRoot::new("/proc").unwrap().boot_id().unwrap();
        assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{id}");
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(ProcRoot::new(directory.path()).unwrap().boot_id(), None);
    }

    #[test]
    fn a_namespace_that_cannot_be_told_is_not_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let root = ProcRoot::new(directory.path()).unwrap();
        assert!(!root.in_initial_pid_namespace());
        let namespace = directory.path().join("self/ns");
        std::fs::create_dir_all(&namespace).unwrap();
        std::os::unix::fs::symlink(INITIAL_PID_NAMESPACE, namespace.join("pid")).unwrap();
        assert!(root.in_initial_pid_namespace());
    }

    #[test]
    fn starts_within_one_tick_are_of_one_process() {
        let root = ProcRoot::new("/proc").unwrap();
        let tick_ns = root.tick_ns();
        assert!(root.is_same_start(7 * tick_ns, 8 * tick_ns - 1));
        assert!(!root.is_same_start(7 * tick_ns, 8 * tick_ns));
    }

    #[test]
    fn starts_are_by_the_hosts_clock_in_any_time_namespace() {
        let mut root = ProcRoot::new("/proc").unwrap();
        let tick_ns = root.tick_ns();
        for offset_ns in [0, 1, -1, 12_345_678_901, -12_345_678_901_234] {
            root.boot_offset_ns = Some(offset_ns);
            for start_ns in (100_000 * tick_ns..100_003 * tick_ns).step_by(333_333) {
                let ticks = start_ns.wrapping_add_signed(offset_ns) / tick_ns;
                let told_ns = root.start_ns(ticks);
                assert!(told_ns <= start_ns && start_ns - told_ns < tick_ns);
                assert!(root.is_same_start(start_ns, told_ns));
                assert!(!root.is_same_start(start_ns, told_ns + tick_ns));
                assert!(!root.is_same_start(start_ns, told_ns - tick_ns));
                assert_eq!(root.as_told(start_ns), told_ns);
            }
        }
    }
}
