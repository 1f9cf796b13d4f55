//! The two clocks: time since boot, which intervals are measured with, and the time of day.

use std::{path::Path, sync::LazyLock};

use rustix::time::{ClockId, Timespec, clock_gettime};

use serde::{Deserialize, Serialize};

use crate::procfs::boottime_offset_ns;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// `CLOCK_BOOTTIME` of the host, nanoseconds. What the kernel's records carry, in any time namespace.
    pub boot_ns: u64,
    /// `CLOCK_REALTIME`, nanoseconds since the epoch.
    pub wall_ns: u64,
}

/// A process with more than one thread cannot change its time namespace.
static BOOT_OFFSET_NS: LazyLock<i64> =
    LazyLock::new(|| boottime_offset_ns(Path::new("/proc")).unwrap_or(0));

impl Now {
    pub fn read() -> Self {
        Self {
            boot_ns: nanoseconds(clock_gettime(ClockId::Boottime))
                .saturating_sub_signed(*BOOT_OFFSET_NS),
            wall_ns: nanoseconds(clock_gettime(ClockId::Realtime)),
        }
    }

    /// The time of day of an instant since boot, by the distance that the clocks have now.
    pub fn wall_at(self, boot_ns: u64) -> u64 {
        match boot_ns.checked_sub(self.boot_ns) {
            Some(later) => self.wall_ns.saturating_add(later),
            None => self.wall_ns.saturating_sub(self.boot_ns - boot_ns),
        }
    }
}

pub(super) fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let fraction = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_keeps_its_distance() {
        let now = Now {
            boot_ns: 1_000,
            wall_ns: 9_000,
        };
        assert_eq!(now.wall_at(400), 8_400);
        assert_eq!(now.wall_at(1_600), 9_600);
    }

    #[test]
    fn a_clock_that_is_set_back_and_forth_moves_every_instant_alike() {
        let boot_ns = 5_000_000_000;
        for wall_ns in [0, 1, 7_000_000_000, u64::MAX - 1, u64::MAX] {
            let now = Now { boot_ns, wall_ns };
            assert_eq!(now.wall_at(boot_ns), wall_ns);
            let instants = [0, 1, boot_ns - 1, boot_ns + 1, u64::MAX];
            assert!(instants.map(|instant| now.wall_at(instant)).is_sorted());
        }
    }
}
