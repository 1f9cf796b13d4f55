//! How far apart observations usually are.

use serde::{Deserialize, Serialize};

const KEPT: usize = 15;

/// The median of the first distances, then of the latest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cadence {
    last_ns: Option<u64>,
    distances_ns: Vec<u64>,
    next: usize,
    typical_ns: u64,
}

impl Cadence {
    /// Times that repeat or go back count for nothing.
    pub fn learn(&mut self, time_ns: u64) {
        let distance = self.last_ns.and_then(|last| time_ns.checked_sub(last));
        self.last_ns = Some(time_ns);
        let Some(distance) = distance.filter(|distance| *distance > 0) else {
            return;
        };
        if distance == self.typical_ns && self.distances_ns.len() == KEPT {
            return;
        }
        if self.distances_ns.len() < KEPT {
            self.distances_ns.push(distance);
        } else {
            self.distances_ns[self.next] = distance;
            self.next = (self.next + 1) % KEPT;
        }
        let mut sorted = self.distances_ns.clone();
        sorted.sort_unstable();
        self.typical_ns = sorted[sorted.len() / 2];
    }

    /// 0 while unknown.
    pub const fn typical_ns(&self) -> u64 {
        if self.distances_ns.len() < 3 {
            0
        } else {
            self.typical_ns
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_repeats_and_steps_back_do_not_matter() {
        let mut cadence = Cadence::default();
        for time in [0, 60, 120, 120, 90, 150, 210, 9_000, 9_060] {
            cadence.learn(time);
        }
        assert_eq!(cadence.typical_ns(), 60);
        assert_eq!(Cadence::default().typical_ns(), 0);
    }
}
