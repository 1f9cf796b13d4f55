//! Events that come too fast: fork storms, and programs that end and come back over and over.
//!
//! A storm is a number of events in a second that a Poisson process at the usual rate would hardly bring (normal
//! approximation of its tail: Anscombe's square root, 1948), for [`STORMY`] seconds. A restart loop is a number of ends
//! and starts of one program within a window, each after a short life. Limits: what storms from the first minute on is
//! taken for usual, but for a floor of events a second.

use serde::{Deserialize, Serialize};

use super::{
    leak::normal_tail,
    verdict::{Kind, Verdict, Why},
};

const SECOND_NS: u64 = 1_000_000_000;
/// Seconds in a row.
const STORMY: u8 = 3;
const SIGNIFICANT: f64 = 1e-9;
/// What happens in the first of these is usual.
const LEARNING_NS: u64 = 60 * SECOND_NS;
/// Variance of real event rates per mean, above a Poisson process's.
const DISPERSION: f64 = 4.0;

/// Events a second, such as forks below one ancestor. 56 bytes; needs no call in seconds without events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Storm {
    /// Below so many a second nothing is a storm.
    least: f64,
    usual: f64,
    last_ns: Option<u64>,
    /// How long it has learned.
    learned_ns: u64,
    stormy: u8,
}

impl Storm {
    pub const fn new(least: f64) -> Self {
        Self {
            least,
            usual: 0.0,
            last_ns: None,
            learned_ns: 0,
            stormy: 0,
        }
    }

    /// Events a second that are usual.
    pub const fn usual(&self) -> f64 {
        self.usual
    }

    /// Judges the number of events since the last call. The first call, and one whose time does not follow, only
    /// begins.
    pub fn observe(&mut self, time_ns: u64, events: u64) -> Verdict {
        let since = self
            .last_ns
            .replace(time_ns)
            .and_then(|last| time_ns.checked_sub(last));
        let Some(since) = since.filter(|since| *since > 0) else {
            return Verdict::normal(0.0, Why::Learning { seen: 0 });
        };
        let seconds = since as f64 / SECOND_NS as f64;
        let rate = events as f64 / seconds;
        let expected = self.usual.max(self.least / 4.0) * seconds;
        let z = 2.0 * ((events as f64).sqrt() - expected.sqrt()) / DISPERSION.sqrt();
        let probability = normal_tail(z);
        let is_storm = probability < SIGNIFICANT && rate > self.least;
        self.stormy = if is_storm {
            self.stormy.saturating_add(1)
        } else {
            0
        };
        // A storm changes what is usual slowly; rest after rest, too.
        let is_learning = self.learned_ns < LEARNING_NS;
        self.learned_ns = self.learned_ns.saturating_add(since);
        let pace = match (is_learning, is_storm) {
            (true, _) => 0.1,
            (false, true) => 0.001,
            (false, false) => 0.02,
        };
        self.usual += (pace * seconds).min(0.5) * (rate - self.usual);
        let score = (-probability.max(1e-30).log10() / -SIGNIFICANT.log10()).min(10.0);
        let score = score / (1.0 + score);
        let why = Why::Limit {
            value: rate,
            limit: self.usual.max(self.least),
        };
        if self.stormy >= STORMY && !is_learning {
            Verdict::of(Kind::Storm, score, why)
        } else {
            Verdict::normal(score.min(0.49), why)
        }
    }
}

/// Starts that are kept, and that make a loop.
const LOOP: usize = 5;

/// One program, by its executable. Told of its lives as they end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestartLoop {
    window_ns: u64,
    /// A life longer than this was no failure to start.
    short_ns: u64,
    ends_ns: Vec<u64>,
}

impl Default for RestartLoop {
    /// Five lives of less than half a minute within five minutes.
    fn default() -> Self {
        Self {
            window_ns: 300 * SECOND_NS,
            short_ns: 30 * SECOND_NS,
            ends_ns: Vec::new(),
        }
    }
}

impl RestartLoop {
    /// A life of the program ended, not by its own wish (`is_failure`: an exit code other than 0, or a signal).
    pub fn ended(&mut self, time_ns: u64, lifetime_ns: u64, is_failure: bool) -> Verdict {
        if lifetime_ns > self.short_ns {
            self.ends_ns.clear();
        } else if is_failure {
            if self.ends_ns.len() == LOOP {
                self.ends_ns.remove(0);
            }
            self.ends_ns.push(time_ns);
        }
        let window = self.window_ns;
        self.ends_ns
            .retain(|end| time_ns.saturating_sub(*end) <= window);
        let count = self.ends_ns.len() as f64;
        let why = Why::Limit {
            value: count,
            limit: LOOP as f64,
        };
        if self.ends_ns.len() == LOOP {
            Verdict::of(Kind::RestartLoop, 0.9, why)
        } else {
            Verdict::normal(count / LOOP as f64 * 0.4, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    #[test]
    fn a_storm_is_told_within_seconds_and_a_busy_hour_is_not() {
        for seed in 0..20 {
            let (mut storm, mut noise) = (Storm::new(50.0), Noise::new(seed));
            for second in 0..3600_u64 {
                let events = (12.0 * (0.5 * noise.normal()).exp()) as u64;
                let verdict = storm.observe(second * SECOND_NS, events);
                assert_eq!(verdict.anomaly, None, "seed {seed}, second {second}");
            }
            let told = (3600..3700_u64)
                .find(|second| storm.observe(second * SECOND_NS, 900).anomaly.is_some());
            assert_eq!(told, Some(3602));
        }
    }

    #[test]
    fn times_that_repeat_or_go_back_only_begin() {
        let mut storm = Storm::new(1.0);
        for time in [9, 9, 3, 0] {
            assert_eq!(storm.observe(time, u64::MAX).anomaly, None);
        }
    }

    #[test]
    fn a_loop_needs_short_failed_lives() {
        let mut lives = RestartLoop::default();
        let ended = |lives: &mut RestartLoop, second: u64, lived: u64, failed| {
            lives
                .ended(second * SECOND_NS, lived * SECOND_NS, failed)
                .anomaly
        };
        for second in 0..100 {
            assert_eq!(ended(&mut lives, second, 1, false), None);
        }
        for second in 100..104 {
            assert_eq!(ended(&mut lives, second, 1, true), None);
        }
        assert_eq!(ended(&mut lives, 104, 1, true), Some(Kind::RestartLoop));
        assert_eq!(ended(&mut lives, 105, 3600, true), None);
    }
}
