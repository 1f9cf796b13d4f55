//! What value is expected next: a mixture of simple forecasters, each weighed by how well it has done.
//!
//! A local level (simple exponential smoothing: Brown, 1959), and, once known, the season of the day, of the week and of
//! a period found by autocorrelation, each carried up and down with the level. Weights are the inverse third
//! power of discounted squared errors, after Bates & Granger, "The combination of forecasts" (1969): whatever does not
//! apply to a series soon weighs nothing.
//!
//! Limits: seasons need one whole cycle; a local level lags behind a steep trend.

use serde::{Deserialize, Serialize};

use super::{
    period::{RING, Ring},
    season::Season,
};

const DAY_NS: u64 = 86_400_000_000_000;
/// Forecasters that a season can have.
const SEASONS: usize = 3;
/// Discount of old errors.
const ERROR_GAIN: f64 = 0.01;

/// How a forecast follows the level.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// Of the level where there is no season.
    pub level: f64,
    /// Of the level below a season.
    pub below_season: f64,
}

/// Forecasts at one pace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mixture {
    pace: Pace,
    level: f64,
    level_error: f64,
    offsets: [f64; SEASONS],
    errors: [Option<f64>; SEASONS],
}

impl Mixture {
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            level: 0.0,
            level_error: 0.0,
            offsets: [0.0; SEASONS],
            errors: [None; SEASONS],
        }
    }

    /// Starts from a level.
    pub const fn begin(&mut self, level: f64) {
        self.level = level;
        self.offsets = [0.0; SEASONS];
    }

    /// The value expected where seasons expect these.
    pub fn expected(&self, seasonal: &[Option<f64>; SEASONS]) -> f64 {
        let weight = |error: f64| 1.0 / error.powi(3);
        // One scale for all, lest powers leave the range of numbers.
        let unit = self.level_error.max(f64::MIN_POSITIVE);
        let mut weights = weight(1.0);
        let mut sum = self.level;
        for ((season, offset), error) in seasonal.iter().zip(&self.offsets).zip(&self.errors) {
            let (Some(season), Some(error)) = (season, error) else {
                continue;
            };
            let weight = weight((error / unit).clamp(1e-9, 1e9));
            sum += weight * (season + offset);
            weights += weight;
        }
        sum / weights
    }

    /// Learns a value; `reach` is how far from what was expected it counts.
    pub fn learn(&mut self, value: f64, seasonal: &[Option<f64>; SEASONS], seen: u64, reach: f64) {
        let clip = |residual: f64| residual.clamp(-reach, reach);
        // Being far off costs a forecaster more than it may move it.
        let squared = |residual: f64| residual.abs().min(3.0 * reach).powi(2);
        let early = 1.0 / (seen as f64 + 1.0);
        let error = squared(value - self.level);
        self.level_error += ERROR_GAIN.max(early) * (error - self.level_error);
        let residual = clip(value - self.level);
        self.level += self.pace.level.max(early) * residual;
        for (at, season) in seasonal.iter().enumerate() {
            let Some(season) = season else { continue };
            let residual = value - season - self.offsets[at];
            let error = self.errors[at].get_or_insert(self.level_error.max(squared(residual)));
            *error += ERROR_GAIN * (squared(residual) - *error);
            self.offsets[at] += self.pace.below_season * clip(residual);
        }
    }
}

/// The seasons of a series, learned as they come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seasons {
    cycles: [Option<Season>; SEASONS],
    ring: Ring,
    seen: u64,
}

impl Seasons {
    /// What each season expects now. `None` where there is no such season, or not known here.
    pub fn expected(&self, time_ns: u64) -> [Option<f64>; SEASONS] {
        let at = |season: &Option<Season>| season.as_ref()?.expected(time_ns);
        [
            at(&self.cycles[0]),
            at(&self.cycles[1]),
            at(&self.cycles[2]),
        ]
    }

    /// Learns a value. Days and weeks go by the time, other periods too, so that gaps do not shift them.
    pub fn learn(&mut self, time_ns: u64, value: f64, cadence_ns: u64, expected: f64, reach: f64) {
        self.ring.push(value);
        self.seen += 1;
        if cadence_ns == 0 {
            return;
        }
        for (season, cycle) in self.cycles.iter_mut().zip([DAY_NS, 7 * DAY_NS]) {
            // Fewer than four observations in a cycle are no season.
            if season.is_none() && cadence_ns <= cycle / 4 {
                *season = Some(Season::new(cycle, cadence_ns));
            }
        }
        if self.looks_for_period() {
            self.find_period(cadence_ns);
        }
        for season in self.cycles.iter_mut().flatten() {
            season.learn(time_ns, value, expected, reach);
        }
    }

    /// At growing distances, for it costs more than all the rest.
    fn looks_for_period(&self) -> bool {
        match self.seen {
            0..64 => false,
            64..=768 => self.seen.is_multiple_of(64),
            _ => self.seen.is_multiple_of(RING as u64 * 2),
        }
    }

    fn find_period(&mut self, cadence_ns: u64) {
        let Some(period) = self.ring.period() else {
            return;
        };
        let cycle = period as u64 * cadence_ns;
        let is_near = |other: u64| cycle.abs_diff(other) < other / 50 + cadence_ns;
        let known = self.cycles.iter().flatten();
        if !known.into_iter().any(|season| is_near(season.cycle_ns())) {
            self.cycles[2] = Some(Season::new(cycle, cadence_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    const MINUTE: u64 = 60_000_000_000;

    /// Mean absolute error of the last fifth.
    fn error_over(values: impl Iterator<Item = f64>, count: usize) -> f64 {
        let mut seasons = Seasons::default();
        let mut mixture = Mixture::new(Pace {
            level: 0.5,
            below_season: 0.1,
        });
        let mut sum = 0.0;
        for (at, value) in values.enumerate() {
            let time = at as u64 * 5 * MINUTE;
            let seasonal = seasons.expected(time);
            let expected = mixture.expected(&seasonal);
            if at >= count * 4 / 5 {
                sum += (value - expected).abs() / (count / 5) as f64;
            }
            mixture.learn(value, &seasonal, at as u64, f64::INFINITY);
            seasons.learn(time, value, 5 * MINUTE, expected, f64::INFINITY);
        }
        sum
    }

    #[test]
    fn a_day_is_learned() {
        let mut noise = Noise::new(6);
        let day = (0..2880).map(|at| {
            let square = if at % 288 < 60 { 100.0 } else { 0.0 };
            square + noise.normal()
        });
        assert!(error_over(day, 2880) < 2.0);
    }

    #[test]
    fn any_other_period_is_learned() {
        let mut noise = Noise::new(7);
        let wave = (0..3000).map(|at| if at % 50 < 10 { 100.0 } else { 0.0 } + noise.normal());
        assert!(error_over(wave, 3000) < 2.5);
    }

    #[test]
    fn noise_is_left_alone() {
        let mut noise = Noise::new(8);
        let error = error_over((0..3000).map(|_| noise.normal()), 3000);
        assert!(error < 1.1, "{error}");
    }
}
