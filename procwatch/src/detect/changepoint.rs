//! Whether a figure has moved to another level, and when.
//!
//! Two windows of means side by side, compared by ranks (Mann & Whitney, "On a test of whether one of two random
//! variables is stochastically larger than the other", 1947), at the place between them where they differ most
//! (Pettitt, "A non-parametric approach to the change-point problem", 1979). The significance is Pettitt's, for the place is
//! sought, and for as many points as their autocorrelation leaves (Bayley & Hammersley, "The effective number of
//! independent observations in an autocorrelated time series", 1946).
//!
//! Limits: a change is told once it is as old as a third of the points, five minutes with ten seconds each; two changes within
//! that are one. Ranks know no size, so that the size has to be asked for besides.

use serde::{Deserialize, Serialize};

use super::verdict::{Kind, Verdict, Why};

const POINTS: usize = 60;
/// Points after the change before it is told.
const CONFIRMED: usize = 20;
const SIGNIFICANT: f64 = 1e-4;
/// Of the spread before, how far the level has to move.
const SPREADS: f64 = 3.0;
const SIGMA: f64 = 1.4826;

/// One figure of a program. About 700 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangePoint {
    /// Distances between levels below this are never told, in the figure's unit.
    least: f64,
    /// Of one point.
    width_ns: u64,
    points: Vec<(u64, f32)>,
    open: Option<(u64, f64, u32)>,
    found: Option<Change>,
}

/// A figure had one level, and then another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// As the observations have it.
    pub time_ns: u64,
    /// Medians.
    pub before: f64,
    pub after: f64,
    pub probability: f64,
}

impl ChangePoint {
    pub const fn new(least: f64, width_ns: u64) -> Self {
        Self {
            least,
            width_ns,
            points: Vec::new(),
            open: None,
            found: None,
        }
    }

    /// Judges a figure together with those before it. A missing one changes nothing. A change is told for as long as it
    /// is among the points, and then the new level is the level.
    pub fn observe(&mut self, time_ns: u64, value: Option<f64>) -> Verdict {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return Verdict::normal(0.0, Why::Missing);
        };
        let (since_ns, sum, count) = self.open.unwrap_or((time_ns, 0.0, 0));
        if time_ns.saturating_sub(since_ns) < self.width_ns {
            self.open = Some((since_ns, sum + value, count + 1));
        } else {
            self.open = Some((time_ns, value, 1));
            if self.points.len() == POINTS {
                self.points.remove(0);
            }
            self.points
                .push((since_ns, (sum / f64::from(count.max(1))) as f32));
            self.judge();
        }
        match self.found {
            Some(change) => Verdict::of(
                Kind::LevelShift,
                1.0 - change.probability.sqrt(),
                Why::Expected {
                    value: change.after,
                    expected: change.before,
                    spread: (change.after - change.before).abs() / SPREADS,
                    probability: change.probability,
                },
            ),
            None if self.points.len() < POINTS => Verdict::normal(
                0.0,
                Why::Learning {
                    seen: self.points.len() as u64,
                },
            ),
            None => Verdict::normal(0.0, Why::Usual),
        }
    }

    /// The change that is told. `None` when there is none.
    pub const fn change(&self) -> Option<Change> {
        self.found
    }

    fn judge(&mut self) {
        if let Some(change) = self.found {
            // It stays until it has left the points, or the level has gone back.
            let is_there = self
                .points
                .first()
                .is_some_and(|point| point.0 < change.time_ns);
            self.found = self.found.filter(|_| is_there);
            return;
        }
        if self.points.len() < POINTS {
            return;
        }
        let values: Vec<f64> = self.points.iter().map(|point| f64::from(point.1)).collect();
        self.found = change(&values, self.least).map(|(at, before, after, probability)| Change {
            time_ns: self.points[at].0,
            before,
            after,
            probability,
        });
    }
}

/// Where the values change, the medians before and after, and the probability of that by chance.
fn change(values: &[f64], least: f64) -> Option<(usize, f64, f64, f64)> {
    let n = values.len();
    // What does not change its level at all is most of what is asked.
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
    if high - low < least {
        return None;
    }
    let mut statistic = 0.0;
    let mut most = (0_usize, 0.0_f64);
    for at in 0..n {
        // Pettitt's recurrence: by how many of all this one is exceeded, less how many it exceeds.
        let signs: f64 = values
            .iter()
            .map(|other| match values[at].total_cmp(other) {
                std::cmp::Ordering::Less => -1.0,
                std::cmp::Ordering::Equal => 0.0,
                std::cmp::Ordering::Greater => 1.0,
            })
            .sum();
        statistic += signs;
        let is_inside = at + 1 >= CONFIRMED && n - (at + 1) >= CONFIRMED;
        if is_inside && f64::abs(statistic) > f64::abs(most.1) {
            most = (at + 1, statistic);
        }
    }
    let (at, statistic) = most;
    let (before, after) = values.split_at(at);
    if at == 0 {
        return None;
    }
    let (from, to) = (median(before), median(after));
    let spread = SIGMA * median_distance(before, from).max(median_distance(after, to));
    if (to - from).abs() < least.max(SPREADS * spread) {
        return None;
    }
    let n = n as f64;
    let correlation = correlation(before, from)
        .max(correlation(after, to))
        .clamp(0.0, 0.95);
    let effective = (1.0 - correlation) / (1.0 + correlation);
    let probability =
        (2.0 * (-6.0 * statistic * statistic * effective / (n * n * n + n * n)).exp()).min(1.0);
    (probability < SIGNIFICANT).then_some((at, from, to, probability))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn median_distance(values: &[f64], from: f64) -> f64 {
    let distances: Vec<f64> = values.iter().map(|value| (value - from).abs()).collect();
    median(&distances)
}

/// Of each value with the next.
fn correlation(values: &[f64], middle: f64) -> f64 {
    let variance: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    let products: f64 = values
        .windows(2)
        .map(|pair| (pair[0] - middle) * (pair[1] - middle))
        .sum();
    if variance > 0.0 {
        products / variance
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    const SECOND: u64 = 1_000_000_000;

    fn told(seconds: u64, value: impl Fn(u64, &mut Noise) -> f64, seed: u64) -> Vec<(u64, Change)> {
        let mut noise = Noise::new(seed);
        let mut detector = ChangePoint::new(5.0, 10 * SECOND);
        let mut told: Vec<(u64, Change)> = Vec::new();
        for second in 0..seconds {
            let verdict = detector.observe(second * SECOND, Some(value(second, &mut noise)));
            let change = detector.change();
            assert_eq!(verdict.anomaly.is_some(), change.is_some());
            if let Some(change) = change
                && told.last().is_none_or(|(_, last)| *last != change)
            {
                told.push((second, change));
            }
        }
        told
    }

    #[test]
    fn a_shift_is_told_once_with_its_place_and_levels() {
        for seed in 0..10 {
            let shifted = |second: u64, noise: &mut Noise| {
                let level = if second >= 2000 { 40.0 } else { 20.0 };
                level + 4.0 * noise.normal()
            };
            let told = told(5000, shifted, seed);
            let [(second, change)] = told.as_slice() else {
                panic!("{told:?}");
            };
            assert!((2000..2400).contains(second), "{second}");
            assert!(
                change.time_ns.abs_diff(2000 * SECOND) < 60 * SECOND,
                "{change:?}"
            );
            assert!((18.0..22.0).contains(&change.before) && (38.0..42.0).contains(&change.after));
        }
    }

    #[test]
    fn noise_spikes_waves_and_random_rest_are_no_shifts() {
        for seed in 0..10 {
            let noisy = |_: u64, noise: &mut Noise| 20.0 + 10.0 * noise.normal();
            assert_eq!(told(7200, noisy, seed), [], "noise {seed}");
            let spiky = |second: u64, noise: &mut Noise| {
                let spike = if second % 600 < 60 { 80.0 } else { 0.0 };
                5.0 + spike + noise.normal()
            };
            assert_eq!(told(7200, spiky, seed), [], "spikes {seed}");
            let bursts = |_: u64, noise: &mut Noise| 10.0 * (0.8 * noise.normal()).exp();
            assert_eq!(told(7200, bursts, seed), [], "bursts {seed}");
        }
        assert_eq!(told(7200, |_, _| 7.0, 0), []);
    }
}
