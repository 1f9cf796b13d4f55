//! What procwatch itself costs.

use rustix::time::{ClockId, clock_gettime};

/// The cost of this process so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnCost {
    /// Nanoseconds of CPU, all threads (`CLOCK_PROCESS_CPUTIME_ID`).
    pub cpu_time_ns: u64,
    /// Resident memory, from /proc/self/statm; 0 when that cannot be read.
    pub rss_bytes: u64,
}

impl OwnCost {
    pub fn read() -> Self {
        let cpu_time_ns = super::clock::nanoseconds(clock_gettime(ClockId::ProcessCPUTime));
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm
            .split_ascii_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .unwrap_or(0);
        Self {
            cpu_time_ns,
            rss_bytes: pages * rustix::param::page_size() as u64,
        }
    }
}
