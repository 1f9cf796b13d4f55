//! What procwatch itself costs.

use serde::{Deserialize, Serialize};

use rustix::time::{ClockId, clock_gettime};

use super::requests::Standing;
use crate::kernel::Usage;

/// The cost of this process so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What collection cost over a span of time, and how full its stores in the kernel are.
#[derive(Clone, Debug)]
pub struct Cost {
    /// At the end of the span.
    pub own: OwnCost,
    pub span_ns: u64,
    /// Of this process over the span, percent of one core.
    pub cpu_pct: f64,
    /// `None` without eBPF.
    pub usage: Option<Usage>,
}

impl Cost {
    pub fn between(before: &Standing, after: &Standing) -> Self {
        let span_ns = after.now.boot_ns.saturating_sub(before.now.boot_ns);
        let cpu_ns = after.own.cpu_time_ns.saturating_sub(before.own.cpu_time_ns);
        Self {
            own: after.own,
            span_ns,
            cpu_pct: cpu_ns as f64 * 100.0 / span_ns.max(1) as f64,
            usage: after.usage.clone(),
        }
    }
}
