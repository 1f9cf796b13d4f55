//! The median of absolute residuals, in one number.
//!
//! Steps up when a residual is larger and down when it is smaller (Ma, Muthukrishnan & Sandler, "Frugal
//! streaming for estimating quantiles", 2013), on a logarithmic scale and with steps that become smaller: half of all
//! values may be outliers. Limits: a lag of some hundred observations behind a change.

use serde::{Deserialize, Serialize};

/// The first residuals, whose median is where it begins.
const FIRST: usize = 15;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scale {
    first: Vec<f64>,
    median: f64,
    seen: u32,
    slowest: f64,
}

impl Scale {
    /// `slowest`: the last step's size, as a share of the whole; 0.01 follows within some hundred observations.
    pub fn new(slowest: f64) -> Self {
        Self {
            slowest,
            ..Self::default()
        }
    }

    /// The median absolute residual. 0 before anything is known, and where most residuals are 0.
    pub const fn median(&self) -> f64 {
        self.median
    }

    /// Learns an absolute residual; `floor` is the least that tells it from none.
    pub fn learn(&mut self, residual: f64, floor: f64) {
        self.seen = self.seen.saturating_add(1);
        if self.first.len() < FIRST {
            self.first.push(residual);
            let mut sorted = self.first.clone();
            sorted.sort_by(f64::total_cmp);
            self.median = sorted[sorted.len() / 2];
            return;
        }
        let step = (2.0 / f64::from(self.seen)).max(self.slowest);
        let factor = if residual > self.median { step } else { -step };
        self.median = (self.median.max(floor) * factor.exp()).max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    #[test]
    fn finds_the_median_among_outliers() {
        let (mut scale, mut noise) = (Scale::new(0.01), Noise::new(3));
        for round in 0..4000 {
            let outlier = if round % 5 == 0 { 1e6 } else { 0.0 };
            scale.learn(10.0 * noise.normal().abs() + outlier, 1e-9);
        }
        // A fifth are outliers: the median is the five eighths of the rest, 8.9.
        assert!((7.0..11.0).contains(&scale.median()), "{}", scale.median());
    }

    #[test]
    fn zeros_end_at_the_floor() {
        let mut scale = Scale::new(0.01);
        for _ in 0..100_000 {
            scale.learn(0.0, 0.5);
        }
        assert_eq!(scale.median(), 0.5);
    }
}
