//! The least difference that can mean anything in a series.
//!
//! Figures come in steps (a percent, a page, a tick), and a series that stands still has no spread at all. The
//! floor is the smallest step seen often, and a part of the range that the values have moved in.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Grain {
    last: Option<f64>,
    /// Follows small steps quickly and large ones slowly: about a fifth quantile of steps above 0.
    step: f64,
    /// Running mean of absolute values, each held to ten times the mean.
    size: f64,
    /// Running mean of the absolute distance from the mean.
    width: f64,
    mean: f64,
    seen: u32,
}

impl Grain {
    pub fn learn(&mut self, value: f64) {
        self.seen = self.seen.saturating_add(1);
        let gain = (1.0 / f64::from(self.seen)).max(0.002);
        let is_early = self.seen < 10;
        let size = if is_early {
            value.abs()
        } else {
            value.abs().min(10.0 * self.size + self.step)
        };
        self.size += gain * (size - self.size);
        let distance = value - self.mean;
        let most = if is_early {
            f64::INFINITY
        } else {
            6.0 * self.width + self.floor()
        };
        self.mean += gain * distance.clamp(-most, most);
        self.width += gain * (distance.abs().min(most) - self.width);
        let step = self.last.map_or(0.0, |last| (value - last).abs());
        self.last = Some(value);
        if step > 0.0 {
            let factor: f64 = if step < self.step { 0.85 } else { 1.04 };
            self.step = if self.step == 0.0 {
                step
            } else {
                self.step * factor
            };
        }
    }

    /// The smallest steps alone. Never 0.
    pub fn step(&self) -> f64 {
        (0.3 * self.step).max(1e-9 * self.size).max(1e-12)
    }

    /// Never 0.
    pub fn floor(&self) -> f64 {
        (0.3 * self.step)
            .max(0.04 * self.width)
            .max(0.004 * self.size)
            .max(1e-12)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_zeros_and_steps_have_a_floor() {
        let mut grain = Grain::default();
        for _ in 0..100 {
            grain.learn(0.0);
        }
        assert!(grain.floor() > 0.0);
        for at in 0..1000 {
            grain.learn(f64::from(at % 3));
        }
        assert!((0.1..1.0).contains(&grain.floor()), "{}", grain.floor());
        for _ in 0..10_000 {
            grain.learn(5.0);
        }
        assert!(grain.floor() > 0.01);
    }
}
