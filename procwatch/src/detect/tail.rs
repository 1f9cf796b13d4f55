//! How probable an excess of this size is, learned from those seen.
//!
//! Excesses are counted in bins of their logarithm. The tail is taken for a Weibull tail, `-ln p = a·z^b`, drawn
//! through two of its quantiles (Gardes & Girard, "Estimation of the Weibull tail-coefficient with linear combination
//! of upper order statistics", 2008): normal noise has b near 2, bursts have b far below 1. That answers
//! beyond anything seen, as peaks over a threshold do (Siffer et al., "Anomaly detection in streams with extreme
//! value theory", KDD 2017), and costs no iteration. What has come back more than [`FORGIVEN`] times is judged by how
//! often it did.
//!
//! Limits: it needs some hundred excesses to tell how heavy a tail is; before, a prior stands in that is
//! heavier than normal. Old excesses are forgotten by half every [`MEMORY`] observations.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

const BINS: usize = 128;
/// Bins for a doubling.
const BINS_A_DOUBLING: f64 = 8.0;
/// The smallest excess that is told from 0, in spreads.
const SMALLEST: f64 = 0.125;
/// Observations after which counts are halved.
const MEMORY: f64 = 8192.0;
/// Observations that the prior is worth.
const PRIOR: f64 = 60.0;
/// So many past excesses of a size or more are no habit yet.
const FORGIVEN: f64 = 3.0;
/// Excesses that the outer quantile leaves beyond it, so that it is no accident; the inner leaves ten times as many.
const BEYOND: f64 = 5.0;
const OUTERMOST: f64 = 0.003;

/// The prior's share of each bin.
static PRIORS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let share = |bin| prior(edge(bin)) - prior(edge(bin + 1));
    (0..BINS).map(share).collect()
});

/// One side's excesses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tail {
    counts: Vec<f32>,
    seen: f64,
    a: f64,
    b: f64,
    since_fit: u32,
}

impl Default for Tail {
    fn default() -> Self {
        let mut tail = Self {
            counts: vec![0.0; BINS],
            seen: 0.0,
            a: 0.0,
            b: 1.0,
            since_fit: 0,
        };
        tail.fit();
        tail
    }
}

/// Of a normal with a wider tail, both sides together; in spreads of a median absolute deviation.
fn prior(z: f64) -> f64 {
    (-(0.69 * z.max(0.0).powf(1.15))).exp()
}

fn bin(z: f64) -> usize {
    if z < SMALLEST {
        return 0;
    }
    let at = (z / SMALLEST).log2() * BINS_A_DOUBLING;
    (at as usize).saturating_add(1).min(BINS - 1)
}

/// Where a bin begins.
fn edge(bin: usize) -> f64 {
    match bin {
        0 => 0.0,
        bin => SMALLEST * ((bin - 1) as f64 / BINS_A_DOUBLING).exp2(),
    }
}

impl Tail {
    /// Counts an excess, with a weight of less than one when it is not independent of the one before.
    pub fn learn(&mut self, z: f64, weight: f64) {
        self.counts[bin(z)] += weight as f32;
        self.seen += weight;
        if self.seen > MEMORY {
            self.seen *= 0.5;
            for count in &mut self.counts {
                *count *= 0.5;
            }
        }
        self.since_fit += 1;
        // What was fitted to few is wrong soonest.
        if f64::from(self.since_fit) > (self.seen * 0.03).min(128.0) {
            self.fit();
        }
    }

    /// Draws the tail through its two quantiles.
    fn fit(&mut self) {
        self.since_fit = 0;
        let share = (BEYOND / (self.seen + PRIOR)).clamp(OUTERMOST, 0.02);
        let inner = self.quantile(10.0 * share).max(SMALLEST);
        let outer = self.quantile(share).max(inner * 1.05);
        let ratio = (share.ln() / (10.0 * share).ln()).ln();
        self.b = (ratio / (outer / inner).ln()).clamp(0.25, 1.6);
        self.a = -share.ln() / outer.powf(self.b);
    }

    /// The excess that a share of all reach, the prior included.
    fn quantile(&self, share: f64) -> f64 {
        let wanted = share * (self.seen + PRIOR);
        let mut above = 0.0;
        for bin in (0..BINS).rev() {
            let (low, high) = (edge(bin), edge(bin + 1));
            let here = f64::from(self.counts[bin]) + PRIOR * PRIORS[bin];
            if above + here >= wanted {
                let part = ((wanted - above) / here).clamp(0.0, 1.0);
                return high - (high - low) * part;
            }
            above += here;
        }
        0.0
    }

    /// The probability of an excess of this size or more.
    pub fn probability(&self, z: f64) -> f64 {
        if z <= 0.0 {
            return 1.0;
        }
        let drawn = (-self.a * z.powf(self.b)).exp();
        let first = bin(z * 0.95);
        let recurred: f64 = self.counts[first..].iter().map(|c| f64::from(*c)).sum();
        let habit = (recurred - FORGIVEN).max(0.0) / (self.seen + PRIOR);
        drawn.max(habit).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    #[test]
    fn a_normal_tail_is_judged_within_a_decade() {
        let (mut tail, mut noise) = (Tail::default(), Noise::new(1));
        for _ in 0..5000 {
            tail.learn(noise.normal().abs() / 0.6745, 1.0);
        }
        // Beyond four standard deviations: 6.3e-5.
        let judged = tail.probability(4.0 / 0.6745);
        assert!((6e-6..6e-4).contains(&judged), "{judged}");
        assert!(tail.probability(20.0) < 1e-8);
    }

    #[test]
    fn what_comes_back_is_no_surprise() {
        let (mut tail, mut noise) = (Tail::default(), Noise::new(2));
        for round in 0..3000 {
            let z = if round % 100 == 0 {
                50.0
            } else {
                noise.normal().abs()
            };
            tail.learn(z, 1.0);
        }
        assert!(tail.probability(50.0) > 1e-3);
        assert!(tail.probability(5000.0) < tail.probability(50.0));
    }

    #[test]
    fn nothing_seen_and_nothing_but_zero_have_an_answer() {
        let mut tail = Tail::default();
        assert!((1e-12..1e-3).contains(&tail.probability(12.0)));
        for _ in 0..10_000 {
            tail.learn(0.0, 1.0);
        }
        assert!(tail.probability(0.0) > 0.99);
        assert!(tail.probability(f64::INFINITY) < 1e-12);
    }
}
