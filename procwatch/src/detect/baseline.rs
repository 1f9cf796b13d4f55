//! A figure of a process or program against its own usual: median and median absolute deviation, by hour of day once
//! that is known.
//!
//! Streaming medians (Ma, Muthukrishnan & Sandler, "Frugal streaming for estimating quantiles", 2013); the distance in
//! robust standard deviations, as Hampel's identifier has it (Hampel, "The influence curve", 1974). A value is
//! unusual only when [`CONFIRMED`] follow each other, and higher than such ever were. About 250 bytes.
//!
//! Limits: an hour of the day counts once it has been seen on two days; a slow rise is followed, not told: that is
//! [`super::leak`]'s work.

use serde::{Deserialize, Serialize};

use super::verdict::{Kind, Verdict, Why};

const HOUR_NS: u64 = 3_600_000_000_000;
const LEARNING: u32 = 60;
const LIMIT: f64 = 8.0;
/// Values in a row.
const CONFIRMED: u8 = 3;
const SIGMA: f64 = 1.4826;
/// Of the highest level that was ever held, what has to be passed: what recurs is a surprise once.
const HIGHER: f64 = 1.25;
/// Of that level a value: half of it within some 20 hours of a value a second.
const FORGETTING: f32 = 1e-5;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baseline {
    /// Distances below this are never told, in the figure's unit.
    least: f64,
    median: f64,
    deviation: f64,
    seen: u32,
    above: u8,
    /// The last two values.
    before: [f32; 2],
    /// The highest level that it has held for [`CONFIRMED`] values; forgotten within days.
    highest: f32,
    is_raised: bool,
    hours: [Hour; 24],
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Hour {
    median: f32,
    days: u16,
    last_day: u16,
}

impl Baseline {
    /// `least`: the smallest distance worth telling, such as 20 for a CPU percentage.
    pub fn new(least: f64) -> Self {
        Self {
            least,
            median: 0.0,
            deviation: 0.0,
            seen: 0,
            above: 0,
            before: [0.0; 2],
            highest: 0.0,
            is_raised: false,
            hours: [Hour::default(); 24],
        }
    }

    /// The usual value at that time.
    pub fn usual(&self, time_ns: u64) -> f64 {
        let hour = self.hours[hour_of(time_ns)];
        let is_known = hour.days >= 3;
        if is_known {
            f64::from(hour.median).max(self.median)
        } else {
            self.median
        }
    }

    /// Judges a value, then learns it. A missing one changes nothing.
    pub fn observe(&mut self, time_ns: u64, value: Option<f64>) -> Verdict {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return Verdict::normal(0.0, Why::Missing);
        };
        let expected = self.usual(time_ns);
        let spread = SIGMA * self.deviation;
        let distance = value - expected;
        let limit = (LIMIT * spread).max(self.least);
        let is_far = self.seen >= LEARNING && distance > limit;
        self.above = if is_far {
            self.above.saturating_add(1)
        } else {
            0
        };
        let held = value.min(self.before[0].min(self.before[1]).into());
        let is_higher = held > HIGHER * f64::from(self.highest);
        self.is_raised = self.above >= CONFIRMED && (self.is_raised || is_higher);
        self.highest = (self.highest * (1.0 - FORGETTING)).max(held as f32);
        self.before = [self.before[1], value as f32];
        self.learn(time_ns, value);
        if self.seen < LEARNING {
            let seen = u64::from(self.seen);
            return Verdict::normal(0.0, Why::Learning { seen });
        }
        let ratio = (distance / limit.max(f64::MIN_POSITIVE)).clamp(0.0, 1e3);
        let score = ratio * ratio / (1.0 + ratio * ratio);
        let why = Why::Limit {
            value,
            limit: expected + limit,
        };
        if self.is_raised {
            Verdict::of(Kind::Spike, score, why)
        } else {
            Verdict::normal(score, why)
        }
    }

    fn learn(&mut self, time_ns: u64, value: f64) {
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            self.median = value;
        }
        let step = (1.0 / f64::from(self.seen)).max(0.003);
        let distance = value - self.median;
        let unit = self
            .deviation
            .max(distance.abs().min(self.least) * 0.1)
            .max(1e-9);
        self.median += 3.0 * step * unit * sign(distance);
        let is_wider = distance.abs() > self.deviation;
        let by = 3.0 * step * unit;
        self.deviation = (self.deviation + if is_wider { by } else { -by }).max(0.0);
        let (hour, day) = (
            &mut self.hours[hour_of(time_ns)],
            (time_ns / (24 * HOUR_NS)) as u16,
        );
        if hour.days == 0 || hour.last_day != day {
            hour.days = hour.days.saturating_add(1);
            hour.last_day = day;
        }
        let difference = value as f32 - hour.median;
        hour.median += (0.02 * unit as f32) * sign(f64::from(difference)) as f32;
    }
}

const fn hour_of(time_ns: u64) -> usize {
    (time_ns / HOUR_NS % 24) as usize
}

fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_spike_that_lasts_is_told_and_a_single_value_is_not() {
        let (mut baseline, mut noise) = (Baseline::new(20.0), Noise::new(21));
        for second in 0..600 {
            let single = if second == 300 { 90.0 } else { 0.0 };
            let value = 5.0 + noise.normal().abs() + single;
            let verdict = baseline.observe(second * SECOND, Some(value));
            assert_eq!(verdict.anomaly, None, "second {second}");
        }
        let told = (600..610).find(|second| {
            let verdict = baseline.observe(second * SECOND, Some(95.0));
            verdict.anomaly == Some(Kind::Spike)
        });
        assert_eq!(told, Some(602));
    }

    #[test]
    fn an_hour_of_noisy_load_raises_nothing() {
        for seed in 0..20 {
            let (mut baseline, mut noise) = (Baseline::new(20.0), Noise::new(seed));
            for second in 0..3600 {
                let value = 10.0 * (0.6 * noise.normal()).exp();
                let verdict = baseline.observe(second * SECOND, Some(value));
                assert_eq!(verdict.anomaly, None, "seed {seed}, second {second}");
            }
        }
    }

    #[test]
    fn zeros_gaps_and_no_numbers_are_normal() {
        let mut baseline = Baseline::new(1.0);
        for (time, value) in [
            (0, Some(0.0)),
            (0, None),
            (9, Some(f64::INFINITY)),
            (3, Some(0.0)),
        ] {
            for _ in 0..100 {
                assert_eq!(baseline.observe(time, value).anomaly, None);
            }
        }
    }
}
