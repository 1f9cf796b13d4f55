//! How long to wait after attempts in vain: exponential, with equal jitter, so that many hosts whose receiver comes
//! back do not all call at once. Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_secs(1);
/// Longer waits would only make it later that what waits is told.
pub(super) const LONGEST: Duration = Duration::from_secs(300);

/// The time after so many attempts in vain, from 1 on: between half of the full time and all of it, as `random` says.
pub(super) fn wait(failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let half_ms = u64::try_from(full.as_millis() / 2).unwrap_or(u64::MAX);
    Duration::from_millis(half_ms + random % (half_ms + 1))
}

/// From the keys that the standard library takes from the kernel for its tables.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// A text that no other message has.
pub(super) fn new_key(now_ns: u64) -> String {
    format!("{now_ns:016x}{:016x}", random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let between = |failures, low_ms: u64, high_ms: u64| {
            assert_eq!(wait(failures, 0), Duration::from_millis(low_ms));
            assert_eq!(
                wait(failures, high_ms - low_ms),
                Duration::from_millis(high_ms)
            );
            for _ in 0..100 {
                let waited = wait(failures, random());
                assert!((low_ms..=high_ms).contains(&(waited.as_millis() as u64)));
            }
        };
        between(1, 500, 1000);
        between(2, 1000, 2000);
        between(5, 8000, 16_000);
        between(10, 150_000, 300_000);
        between(u32::MAX, 150_000, 300_000);
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let keys: hashbrown::HashSet<String> = (0..1000).map(|_| new_key(1)).collect();
        assert_eq!(keys.len(), 1000);
    }
}
