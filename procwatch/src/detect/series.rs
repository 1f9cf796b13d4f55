//! Any series, with one fixed set of parameters: an ensemble of three questions to each value.
//!
//! 1. Is the value far from what was expected of it ([`super::expected`])? Spikes and dips.
//! 2. Have the last [`RECENT`] values, together, left the slow level and its seasons? Level shifts and drifts: too
//!    small to be seen in one value, or lasting.
//! 3. Do they vary more, or less, than values here do? Noise and flat lines. A value that repeats to the last digit
//!    more often than values here ever did has stopped being measured.
//!
//! Each figure is divided by its own running median absolute deviation ([`super::scale`]) and gets the
//! probability that a tail learned from its own past gives it ([`super::tail`]); so autocorrelation, bursts and heavy
//! tails raise the bar by themselves, as with the anomaly likelihood of Lavin & Ahmad, "Evaluating real-time anomaly
//! detection algorithms: the Numenta anomaly benchmark" (2015). The least probable wins, Bonferroni's correction
//! for three looks included. Nothing ever looks ahead; anomalies are learned with a part of their weight, and
//! a new level is accepted once it has stayed.
//!
//! Limits: the first [`LEARNING`] values get no verdict; what recurs often enough is normal; a drift slower than the
//! slow level follows is not seen; two seasons at most beside day and week's.

use serde::{Deserialize, Serialize};

use super::{
    cadence::Cadence,
    expected::{Mixture, Pace, Seasons},
    grain::Grain,
    scale::Scale,
    tail::Tail,
    verdict::{Kind, Verdict, Why},
};

/// Values before the first verdict.
const LEARNING: u64 = 30;
/// Values after which the verdicts are no longer held back.
const SETTLED: f64 = 250.0;
/// Values that level and variation are judged over.
const RECENT: f64 = 10.0;
/// Outliers to one side in a row that make a new level.
const STAYS: u32 = 6;
/// The negative decimal logarithm of the probability from which on it is an anomaly.
const SURPRISE: f64 = 4.5;
/// Of the usual deviation, what one counts at most in that of the last ones.
const DEVIATION_MOST: f64 = 6.0;
/// Of the usual step, what a step counts at most.
const STEP_MOST: f64 = 6.0;
/// Values in a row that are the same before that is looked at, and after which it is how things are here.
const STILL: u32 = 6;
const STILL_MAX: u32 = 120;
/// Of such values, what a series is known by.
const HABIT: u32 = 24;
/// Of a normal distribution: standard deviation per median absolute deviation.
const SIGMA: f64 = 1.4826;
const QUICK: Pace = Pace {
    level: 0.5,
    below_season: 0.12,
};
const SLOW: Pace = Pace {
    level: 0.01,
    below_season: 0.01,
};

/// A figure's two tails and its spread.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Judge {
    scale: Scale,
    above: Tail,
    below: Tail,
}

impl Judge {
    fn new() -> Self {
        Self {
            scale: Scale::new(0.01),
            above: Tail::default(),
            below: Tail::default(),
        }
    }

    fn spread(&self, floor: f64) -> f64 {
        self.scale.median().max(floor)
    }

    /// The probability of a deviation so far to its side.
    fn probability(&self, deviation: f64, floor: f64) -> f64 {
        let z = deviation.abs() / self.spread(floor);
        let tail = if deviation > 0.0 {
            &self.above
        } else {
            &self.below
        };
        tail.probability(z)
    }

    fn learn(&mut self, deviation: f64, floor: f64, weight: f64) {
        let z = deviation.abs() / self.spread(floor);
        let (side, other) = if deviation > 0.0 {
            (&mut self.above, &mut self.below)
        } else {
            (&mut self.below, &mut self.above)
        };
        side.learn(z, weight);
        other.learn(0.0, weight);
        self.scale.learn(deviation.abs(), floor);
    }
}

/// A series that is watched. About 8 KB, and up to 12 KB more once seasons are known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    seen: u64,
    cadence: Cadence,
    grain: Grain,
    seasons: Seasons,
    quick: Mixture,
    slow: Mixture,
    point: Judge,
    level: Judge,
    variation: Judge,
    /// Running mean of deviations from the slow level.
    apart: f64,
    /// Running mean of steps from value to value.
    stepping: f64,
    step_scale: Scale,
    last: f64,
    /// Outliers in a row; negative below.
    run: i32,
    /// Anomalies in a row.
    anomalous: u32,
    /// Values in a row that are the same to the last digit; how often a value was that of before, and the longest
    /// that it was.
    same: u32,
    repeats: f64,
    longest_same: u32,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            seen: 0,
            cadence: Cadence::default(),
            grain: Grain::default(),
            seasons: Seasons::default(),
            quick: Mixture::new(QUICK),
            slow: Mixture::new(SLOW),
            point: Judge::new(),
            level: Judge::new(),
            variation: Judge::new(),
            apart: 0.0,
            stepping: 0.0,
            step_scale: Scale::new(0.005),
            last: 0.0,
            run: 0,
            anomalous: 0,
            same: 0,
            repeats: 0.0,
            longest_same: 0,
        }
    }
}

/// What the three questions came to.
struct Findings {
    point: f64,
    level: f64,
    variation: f64,
    /// The logarithm of how much more it varies.
    ratio: f64,
}

impl Series {
    /// Judges a value by those before it, then learns it. `None` and what is no finite number count as
    /// missing. Times may repeat or go back: only seasons need them.
    pub fn observe(&mut self, time_ns: u64, value: Option<f64>) -> Verdict {
        let Some(value) = value.filter(|value| value.is_finite() && value.abs() < 1e150) else {
            return Verdict::normal(0.0, Why::Missing);
        };
        self.cadence.learn(time_ns);
        if self.seen == 0 {
            self.quick.begin(value);
            self.slow.begin(value);
            self.last = value;
        }
        let seasonal = self.seasons.expected(time_ns);
        let expected = self.quick.expected(&seasonal);
        let slowly = self.slow.expected(&seasonal);
        let floor = self.grain.floor();
        // One spike is no level, however high.
        let most = if self.seen > LEARNING {
            DEVIATION_MOST * SIGMA * self.point.spread(floor)
        } else {
            f64::INFINITY
        };
        let deviation = (value - slowly).clamp(-most, most);
        let apart = self.apart + (deviation - self.apart) / RECENT;
        let step = (value - self.last).abs();
        let finest = self.grain.step();
        let usual_step = self.step_scale.median().max(finest);
        // One spike is two steps, and no noise.
        let counted = if self.seen > LEARNING {
            step.min(STEP_MOST * usual_step)
        } else {
            step
        };
        let stepping = self.stepping + (counted - self.stepping) / RECENT;
        let ratio = ((stepping + finest) / (usual_step + finest)).ln();
        let found = Findings {
            point: self.point.probability(value - expected, floor),
            level: self.level.probability(apart, floor),
            variation: self.variation.probability(ratio, 0.1),
            ratio,
        };
        let verdict = self.verdict(value, expected, slowly, floor, &found);
        let is_anomaly = verdict.anomaly.is_some();
        self.anomalous = if is_anomaly { self.anomalous + 1 } else { 0 };
        let weight = match self.anomalous {
            0 | 1 => 1.0,
            2..=8 => 0.3,
            _ => 1.0,
        };
        // Where outliers stay, the level has gone there.
        let spread = SIGMA * self.point.spread(floor);
        let outlying = (value - expected).abs() > 4.0 * spread;
        self.run = match (outlying, value > expected) {
            (false, _) => 0,
            (true, true) => self.run.max(0) + 1,
            (true, false) => self.run.min(0) - 1,
        };
        let is_settled = self.seen > LEARNING;
        let reach = if is_settled && self.run.unsigned_abs() < STAYS {
            4.0 * spread
        } else {
            f64::INFINITY
        };
        let slow_reach = if is_settled {
            6.0 * SIGMA * self.level.spread(floor).max(self.point.spread(floor))
        } else {
            f64::INFINITY
        };
        if self.seen > 2 {
            self.point.learn(value - expected, floor, weight);
        }
        if self.seen > RECENT as u64 {
            self.level.learn(apart, floor, weight);
            self.variation.learn(ratio, 0.1, weight);
        }
        self.apart = apart;
        self.stepping = stepping;
        if self.seen > 0 {
            self.step_scale.learn(step, finest);
        }
        self.quick.learn(value, &seasonal, self.seen, reach);
        self.slow.learn(value, &seasonal, self.seen, slow_reach);
        let season_reach = 8.0 * spread;
        self.stands_still(value);
        let cadence_ns = self.cadence.typical_ns();
        self.seasons
            .learn(time_ns, value, cadence_ns, expected, season_reach);
        self.grain.learn(value);
        self.last = value;
        self.seen += 1;
        verdict
    }

    /// Counts values that are the same as the one before.
    fn stands_still(&mut self, value: f64) {
        if self.seen == 0 {
            return;
        }
        let is_same = value.to_bits() == self.last.to_bits();
        if is_same {
            self.same += 1;
        } else {
            self.longest_same = self.longest_same.max(self.same);
            self.same = 0;
        }
        let gain = (1.0 / self.seen as f64).max(0.001);
        // A stand that goes on is no habit yet.
        if self.same < HABIT {
            self.repeats += gain * (f64::from(u8::from(is_same)) - self.repeats);
        }
    }

    /// The probability of as many values in a row that are the same, this one included. 1 where it happens.
    fn still(&self, value: f64) -> f64 {
        let same = self.same + 1;
        let is_same = value.to_bits() == self.last.to_bits();
        if !is_same || same < STILL || same <= 2 * self.longest_same || same > STILL_MAX {
            return 1.0;
        }
        let share = self.repeats.max(1.0 / (self.seen as f64 + 1.0));
        share.powf(f64::from(same))
    }

    fn verdict(
        &self,
        value: f64,
        expected: f64,
        slowly: f64,
        floor: f64,
        found: &Findings,
    ) -> Verdict {
        if self.seen < LEARNING {
            return Verdict::normal(0.0, Why::Learning { seen: self.seen });
        }
        let settled = (self.seen as f64 / SETTLED).min(1.0).sqrt();
        let surprise = |probability: f64, weight: f64| {
            -(probability * 3.0).clamp(1e-30, 1.0).log10() * weight * settled
        };
        let point = surprise(found.point, 1.0);
        let level = surprise(found.level, 0.9);
        // Standing still is rarer than a burst.
        let trust = if found.ratio > 0.0 { 0.5 } else { 0.9 };
        let variation = surprise(found.variation, trust);
        let still = self.still(value);
        if surprise(still, 1.0) >= SURPRISE {
            let why = Why::Variation {
                now: 0.0,
                usual: self.step_scale.median(),
                probability: still,
            };
            return told(Kind::FlatLine, score(surprise(still, 1.0)), why);
        }
        let most = point.max(level).max(variation);
        let score = score(most);
        if most == variation && variation > point.max(level) {
            let kind = if found.ratio > 0.0 {
                Kind::Noise
            } else {
                Kind::FlatLine
            };
            let usual = self.step_scale.median();
            let why = Why::Variation {
                now: self.stepping,
                usual,
                probability: found.variation,
            };
            return told(kind, score, why);
        }
        let (expected, spread, probability) = if point >= level {
            (expected, self.point.spread(floor), found.point)
        } else {
            (slowly, self.level.spread(floor), found.level)
        };
        let why = Why::Expected {
            value,
            expected,
            spread: SIGMA * spread,
            probability,
        };
        told(self.kind(value - expected, point >= level), score, why)
    }

    fn kind(&self, deviation: f64, is_point: bool) -> Kind {
        match (is_point, self.run.unsigned_abs() >= 2) {
            (true, true) | (false, true) => Kind::LevelShift,
            (true, false) if deviation > 0.0 => Kind::Spike,
            (true, false) => Kind::Dip,
            (false, false) => Kind::Drift,
        }
    }
}

fn told(kind: Kind, score: f64, why: Why) -> Verdict {
    if score >= 0.5 {
        Verdict::of(kind, score, why)
    } else {
        Verdict::normal(score, why)
    }
}

/// Smooth, near 0 for what happens every day, one half at [`SURPRISE`].
fn score(surprise: f64) -> f64 {
    let raised = (surprise / SURPRISE).powi(4);
    raised / (1.0 + raised)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    const MINUTE: u64 = 60_000_000_000;

    fn verdicts(values: &[Option<f64>]) -> Vec<Verdict> {
        let mut series = Series::default();
        let rows = values.iter().enumerate();
        rows.map(|(at, value)| series.observe(at as u64 * 5 * MINUTE, *value))
            .collect()
    }

    fn noise(seed: u64, count: usize) -> Vec<Option<f64>> {
        let mut noise = Noise::new(seed);
        (0..count).map(|_| Some(50.0 + noise.normal())).collect()
    }

    #[test]
    fn a_spike_a_dip_and_a_shift_are_named() {
        let mut values = noise(31, 1500);
        values[600] = Some(80.0);
        values[900] = Some(20.0);
        for value in &mut values[1200..] {
            *value = value.map(|value| value + 12.0);
        }
        let verdicts = verdicts(&values);
        assert_eq!(verdicts[600].anomaly, Some(Kind::Spike));
        assert_eq!(verdicts[900].anomaly, Some(Kind::Dip));
        assert!(
            verdicts[1200..1210]
                .iter()
                .any(|v| v.anomaly == Some(Kind::LevelShift))
        );
        // It is the level by now.
        assert!(verdicts[1400..].iter().all(|v| v.anomaly.is_none()));
        assert!(verdicts[100..600].iter().all(|v| v.anomaly.is_none()));
    }

    #[test]
    fn the_answer_to_a_prefix_is_the_prefix_of_the_answer() {
        let mut values = noise(32, 1000);
        values[300] = Some(500.0);
        values[500] = None;
        let whole = verdicts(&values);
        for end in [1, 31, 299, 301, 777] {
            assert_eq!(verdicts(&values[..end]), whole[..end]);
        }
    }

    #[test]
    fn what_was_learned_outlives_the_program() {
        let values = noise(33, 700);
        let mut series = Series::default();
        for (at, value) in values.iter().enumerate() {
            series.observe(at as u64 * MINUTE, *value);
        }
        let bytes = postcard::to_stdvec(&series).unwrap();
        let mut again: Series = postcard::from_bytes(&bytes).unwrap();
        let value = Some(53.0);
        assert_eq!(
            series.observe(1 << 50, value),
            again.observe(1 << 50, value)
        );
    }

    #[test]
    fn degenerate_series_are_normal() {
        let flat = vec![Some(3.0); 3000];
        let zero = vec![Some(0.0); 3000];
        let missing = vec![None, Some(f64::NAN), Some(f64::INFINITY), Some(1e300)];
        for values in [flat, zero, missing, vec![Some(1.0)], vec![]] {
            let verdicts = verdicts(&values);
            assert!(
                verdicts
                    .iter()
                    .all(|v| v.anomaly.is_none() && v.score < 0.1)
            );
        }
    }

    #[test]
    fn scores_are_probabilities_of_nothing_but_stay_in_range() {
        let mut noise = Noise::new(34);
        let mut series = Series::default();
        for at in 0..5000_u64 {
            let huge = if at % 97 == 0 { 1e140 } else { 1e-140 };
            let time = if at % 5 == 0 { u64::MAX - at } else { at };
            let verdict = series.observe(time, Some(noise.normal() * huge));
            assert!((0.0..=1.0).contains(&verdict.score), "{verdict:?}");
        }
    }

    #[test]
    fn a_flat_line_after_noise_is_told() {
        let mut values = noise(35, 1200);
        for value in &mut values[1000..] {
            *value = Some(50.0);
        }
        let verdicts = verdicts(&values);
        assert!(
            verdicts[1000..]
                .iter()
                .any(|v| v.anomaly == Some(Kind::FlatLine))
        );
    }
}
