//! The period of a series, by autocorrelation.
//!
//! The first prominent peak of the sample autocorrelation (Box & Jenkins, "Time series analysis", 1970), over
//! differences from a running mean, so that a trend is not taken for a long period. Limits: finds periods from
//! [`LEAST`] observations to a third of its ring of [`RING`]; of several periods, the strongest.

use serde::{Deserialize, Serialize};

pub const RING: usize = 768;
const LEAST: usize = 6;
/// Correlation from which on a period is believed.
const BELIEVED: f64 = 0.45;

/// The last values.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ring {
    values: Vec<f32>,
    next: usize,
}

impl Ring {
    pub fn push(&mut self, value: f64) {
        let value = value as f32;
        if self.values.len() < RING {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
        }
        self.next = (self.next + 1) % RING;
    }

    pub const fn is_full(&self) -> bool {
        self.values.len() == RING
    }

    fn in_order(&self) -> Vec<f64> {
        let split = if self.is_full() { self.next } else { 0 };
        let (newer, older) = self.values.split_at(split);
        older.iter().chain(newer).map(|v| f64::from(*v)).collect()
    }

    /// The period in observations. `None` when there is none that stands out.
    pub fn period(&self) -> Option<usize> {
        period(&self.in_order())
    }
}

/// The period of these values.
fn period(values: &[f64]) -> Option<usize> {
    let n = values.len();
    if n < 4 * LEAST {
        return None;
    }
    let values = without_trend_and_outliers(values);
    let variance: f64 = values.iter().map(|v| v * v).sum();
    if variance <= 0.0 {
        return None;
    }
    let most = n / 3;
    let correlation: Vec<f64> = (0..=most + 1)
        .map(|lag| {
            let products: f64 = values.iter().zip(&values[lag..]).map(|(a, b)| a * b).sum();
            products / variance * n as f64 / (n - lag) as f64
        })
        .collect();
    // Before it first falls below 0 it is nothing but smoothness.
    let first = correlation.iter().position(|c| *c < 0.0)?.max(LEAST);
    let is_peak = |lag: usize| {
        correlation[lag] >= correlation[lag - 1] && correlation[lag] >= correlation[lag + 1]
    };
    let best = (first..=most)
        .filter(|lag| is_peak(*lag))
        .max_by(|a, b| correlation[*a].total_cmp(&correlation[*b]))?;
    if correlation[best] < BELIEVED {
        return None;
    }
    // Multiples of a period are as good as it: the first that is nearly as good is meant.
    (first..=best).find(|lag| is_peak(*lag) && correlation[*lag] > 0.9 * correlation[best])
}

fn without_trend_and_outliers(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let x = at as f64 - middle;
        covariance += x * (value - mean);
        variance += x * x;
    }
    let slope = covariance / variance;
    let mut rest: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(at, value)| value - mean - slope * (at as f64 - middle))
        .collect();
    let mut sizes: Vec<f64> = rest.iter().map(|r| r.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let most = 4.0 * sizes[sizes.len() / 2];
    if most > 0.0 {
        for value in &mut rest {
            *value = value.clamp(-most, most);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    #[test]
    fn finds_a_period_in_noise_on_a_trend() {
        let mut noise = Noise::new(4);
        let mut ring = Ring::default();
        for at in 0..1000 {
            let wave = (f64::from(at) / 37.0 * std::f64::consts::TAU).sin();
            ring.push(0.1 * f64::from(at) + 10.0 * wave + 3.0 * noise.normal());
        }
        assert!(
            matches!(ring.period(), Some(36..=38)),
            "{:?}",
            ring.period()
        );
    }

    #[test]
    fn noise_random_walks_and_constants_have_none() {
        let mut noise = Noise::new(5);
        let flat = vec![3.0; 500];
        assert_eq!(period(&flat), None);
        let white: Vec<f64> = (0..700).map(|_| noise.normal()).collect();
        assert_eq!(period(&white), None);
        assert_eq!(period(&[1.0, 2.0]), None);
    }
}
