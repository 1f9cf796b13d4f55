//! How many files a process has open, without looking at each.

use std::{fs, os::unix::fs::MetadataExt as _};

use crate::model::identity::ProcessId;

/// Open files, and how many there may be (`RLIMIT_NOFILE`; `None` without a limit). `None` before Linux 6.2, where the
/// size of /proc/PID/fd is 0, and of who is gone.
pub fn open_files(id: ProcessId) -> Option<(u64, Option<u64>)> {
    let directory = format!("/proc/{}", id.pid);
    let open = fs::metadata(format!("{directory}/fd")).ok()?.size();
    if open == 0 {
        return None;
    }
    let limits = fs::read_to_string(format!("{directory}/limits")).ok();
    Some((open, limits.as_deref().and_then(limit_of)))
}

/// The soft limit.
fn limit_of(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             94912                94912                processes \n\
                    Max open files            1024                 1048576              files     \n";
        assert_eq!(limit_of(text), Some(1024));
        assert_eq!(limit_of("Max open files unlimited unlimited files"), None);
        assert_eq!(limit_of(""), None);
    }

    #[test]
    fn our_own_are_counted() {
        let id = ProcessId::new(std::process::id(), 0);
        // An older kernel does not tell.
        let Some((before, _)) = open_files(id) else {
            return;
        };
        let files: Vec<_> = (0..50)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        let (after, _) = open_files(id).unwrap();
        // Other tests open and close some meanwhile.
        assert!(after >= before + 20, "{before} and {after}");
        drop(files);
    }
}
