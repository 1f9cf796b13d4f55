//! How often the kernel has skipped one of our programs.
//!
//! A program that is preempted, as newer kernels allow, and whose hook is reached again on the same CPU
//! meanwhile, is not run for that: what it would have told or added up is missing. The kernel counts these
//! (`recursion_misses`, since 5.12) and tells nobody unless asked.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use aya::Ebpf;

/// Between two readings: it is a file for each program.
const INTERVAL: Duration = Duration::from_secs(1);

/// The count, as of at most a second ago.
#[derive(Debug)]
pub(super) struct Skips {
    programs: Vec<OwnedFd>,
    count: u64,
    read_at: Option<Instant>,
}

impl Skips {
    pub(super) fn of(ebpf: &Ebpf) -> Self {
        let loaded = ebpf.programs().filter_map(|(_, program)| {
            let fd = program.fd().ok()?;
            fd.as_fd().try_clone_to_owned().ok()
        });
        Self {
            programs: loaded.collect(),
            count: 0,
            read_at: None,
        }
    }

    /// Over all programs, since they were loaded.
    pub(super) fn count(&mut self) -> u64 {
        if self.read_at.is_none_or(|at| at.elapsed() >= INTERVAL) {
            self.read_at = Some(Instant::now());
            self.count = self.programs.iter().filter_map(skipped).sum();
        }
        self.count
    }
}

/// `None` before 5.12.
fn skipped(program: &OwnedFd) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    of_fdinfo(&fs::read_to_string(path).ok()?)
}

fn of_fdinfo(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("recursion_misses:"))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_a_line_of_fdinfo() {
        let text = "pos:\t0\nprog_type:\t26\nrun_cnt:\t7\nrecursion_misses:\t24\n";
        assert_eq!(of_fdinfo(text), Some(24));
        assert_eq!(of_fdinfo("pos:\t0\n"), None);
    }
}
