//! What anybody would write in an afternoon, to compare with.

use std::collections::VecDeque;

pub trait Judge {
    /// A score that ranks, and a verdict.
    fn score(&mut self, time_ns: u64, value: f64) -> (f64, bool);
}

const LIMIT: f64 = 4.0;
const EARLY: usize = 30;

/// Distance from the mean of the last 200, in their standard deviations.
#[derive(Default)]
pub struct RollingZ {
    values: VecDeque<f64>,
}

impl Judge for RollingZ {
    fn score(&mut self, _: u64, value: f64) -> (f64, bool) {
        let n = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = self.values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = (squares / n.max(1.0)).sqrt();
        let z = if self.values.len() < EARLY {
            0.0
        } else {
            (value - mean).abs() / (deviation + 1e-9)
        };
        self.values.push_back(value);
        if self.values.len() > 200 {
            self.values.pop_front();
        }
        (z, z > LIMIT)
    }
}

/// Distance from an exponentially weighted mean, in exponentially weighted standard deviations.
#[derive(Default)]
pub struct Ewma {
    mean: f64,
    variance: f64,
    seen: usize,
}

impl Judge for Ewma {
    fn score(&mut self, _: u64, value: f64) -> (f64, bool) {
        self.seen += 1;
        let gain = 0.05_f64.max(1.0 / self.seen as f64);
        let distance = value - self.mean;
        let z = if self.seen < EARLY {
            0.0
        } else {
            distance.abs() / (self.variance.sqrt() + 1e-9)
        };
        self.mean += gain * distance;
        self.variance = (1.0 - gain) * (self.variance + gain * distance * distance);
        (z, z > LIMIT)
    }
}

/// Distance from the value a day before, in median absolute deviations of the last day's distances.
#[derive(Default)]
pub struct SeasonNaive {
    values: VecDeque<(u64, f64)>,
    distances: VecDeque<f64>,
    mad: f64,
    seen: usize,
}

impl Judge for SeasonNaive {
    fn score(&mut self, time_ns: u64, value: f64) -> (f64, bool) {
        const DAY: u64 = 86_400_000_000_000;
        let mut before = None;
        while let Some((time, old)) = self.values.front().copied() {
            if time + DAY > time_ns {
                break;
            }
            before = Some(old);
            self.values.pop_front();
        }
        self.values.push_back((time_ns, value));
        let Some(before) = before else {
            return (0.0, false);
        };
        let distance = (value - before).abs();
        self.seen += 1;
        if self.seen % 16 == 1 && !self.distances.is_empty() {
            let mut sorted: Vec<f64> = self.distances.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            self.mad = sorted[sorted.len() / 2];
        }
        let z = if self.distances.len() < EARLY {
            0.0
        } else {
            distance / (1.4826 * self.mad + 1e-9)
        };
        self.distances.push_back(distance);
        if self.distances.len() > 288 {
            self.distances.pop_front();
        }
        (z, z > LIMIT)
    }
}
