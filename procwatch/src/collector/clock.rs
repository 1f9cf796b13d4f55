//! The two clocks: time since boot, which intervals are measured with, and the time of day.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_BOOTTIME`, nanoseconds. What the kernel's records carry.
    pub boot_ns: u64,
    /// `CLOCK_REALTIME`, nanoseconds since the epoch.
    pub wall_ns: u64,
}

impl Now {
    pub fn read() -> Self {
        Self {
            boot_ns: nanoseconds(clock_gettime(ClockId::Boottime)),
            wall_ns: nanoseconds(clock_gettime(ClockId::Realtime)),
        }
    }

    /// The time of day of an instant since boot, by the distance that the clocks have now.
    pub fn wall_at(self, boot_ns: u64) -> u64 {
        self.wall_ns
            .saturating_add(boot_ns)
            .saturating_sub(self.boot_ns)
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
}
