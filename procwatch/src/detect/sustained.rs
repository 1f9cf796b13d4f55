//! A figure that stays over a limit: run-queue starvation, waiting for storage, the unburied dead.
//!
//! Raised when it has been over its limit for a time, lowered below a lower limit (Schmitt, "A thermionic trigger",
//! 1938): a figure that swings about the limit raises nothing twice. Limits: fixed thresholds; what is usual
//! for this program is [`super::baseline`]'s question. 64 bytes; needs no call while its figure is 0.

use serde::{Deserialize, Serialize};

use super::verdict::{Kind, Verdict, Why};

const SECOND_NS: u64 = 1_000_000_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sustained {
    kind: Kind,
    raise: f64,
    lower: f64,
    for_ns: u64,
    over_since_ns: Option<u64>,
    is_raised: bool,
}

impl Sustained {
    /// Raised at `raise` or more for `for_ns`; lowered below `lower`.
    pub const fn new(kind: Kind, raise: f64, lower: f64, for_ns: u64) -> Self {
        Self {
            kind,
            raise,
            lower,
            for_ns,
            over_since_ns: None,
            is_raised: false,
        }
    }

    /// Ready to run but waiting for a CPU, as a share of the time it wanted one: more than half for ten seconds.
    pub const fn starvation() -> Self {
        Self::new(Kind::Starvation, 0.5, 0.3, 10 * SECOND_NS)
    }

    /// Waiting for storage, as a share of the wall time: 80 % for 30 seconds.
    pub const fn blocked() -> Self {
        Self::new(Kind::Blocked, 0.8, 0.5, 30 * SECOND_NS)
    }

    /// Zombies of one parent: more than 20 for a minute.
    pub const fn zombies() -> Self {
        Self::new(Kind::Zombies, 20.0, 5.0, 60 * SECOND_NS)
    }

    /// A missing figure changes nothing; a time that goes back begins the wait anew.
    pub fn observe(&mut self, time_ns: u64, value: Option<f64>) -> Verdict {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return Verdict::normal(0.0, Why::Missing);
        };
        if value < self.lower || (value < self.raise && !self.is_raised) {
            self.over_since_ns = None;
            self.is_raised = false;
        } else if value >= self.raise {
            let since = *self.over_since_ns.get_or_insert(time_ns);
            match time_ns.checked_sub(since) {
                Some(over) => self.is_raised |= over >= self.for_ns,
                None => self.over_since_ns = Some(time_ns),
            }
        }
        let ratio = (value / self.raise).max(0.0);
        let score = ratio * ratio / (1.0 + ratio * ratio);
        let why = Why::Limit {
            value,
            limit: self.raise,
        };
        if self.is_raised {
            Verdict::of(self.kind, score.max(0.5), why)
        } else {
            Verdict::normal(score.min(0.49), why)
        }
    }
}

/// The part of its wish to run that a process spent waiting. `None` when it did not want to run, or a figure is unknown
/// or went back.
pub fn wait_share(waited_ns: Option<u64>, ran_ns: Option<u64>) -> Option<f64> {
    let (waited, ran) = (waited_ns? as f64, ran_ns? as f64);
    (waited + ran > 0.0).then(|| waited / (waited + ran))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starvation_is_told_after_its_time_and_once() {
        let mut detector = Sustained::starvation();
        let mut told = Vec::new();
        for second in 0..60_u64 {
            let share = if (20..45).contains(&second) { 0.9 } else { 0.1 };
            if detector
                .observe(second * SECOND_NS, Some(share))
                .anomaly
                .is_some()
            {
                told.push(second);
            }
        }
        assert_eq!(told, (30..45).collect::<Vec<_>>());
    }

    #[test]
    fn swinging_about_the_limit_neither_raises_nor_lowers() {
        let mut detector = Sustained::new(Kind::Blocked, 0.8, 0.5, 10);
        for time in 0..100 {
            let value = if time % 5 == 0 { 0.7 } else { 0.9 };
            assert_eq!(detector.observe(time, Some(value)).anomaly, None);
        }
        for time in 100..120 {
            detector.observe(time, Some(0.9));
        }
        for value in [Some(0.6), None, Some(f64::NAN), Some(0.9)] {
            let verdict = detector.observe(121, value);
            assert_eq!(verdict.anomaly.is_some(), verdict.why != Why::Missing);
        }
        assert_eq!(detector.observe(122, Some(0.4)).anomaly, None);
    }

    #[test]
    fn who_waits() {
        assert_eq!(wait_share(Some(90), Some(10)), Some(0.9));
        assert_eq!(wait_share(Some(0), Some(0)), None);
        assert_eq!(wait_share(None, Some(1)), None);
    }
}
