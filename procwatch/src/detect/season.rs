//! What is usual at this point of a day, of a week, or of a period that was found.
//!
//! A cycle is divided into slots; each keeps a running mean of deviations, whose gain falls to a quarter (seasonal
//! exponential smoothing: Winters, "Forecasting sales by exponentially weighted moving averages", 1960, with clipped
//! residuals as in Gelper, Fried & Croux, "Robust forecasting with exponential and Holt–Winters smoothing", 2010).
//! Limits: knows nothing of holidays; a slot that has been seen once is a poor guess, and the mixture that uses it
//! finds out.

use serde::{Deserialize, Serialize};

/// Most slots of a cycle.
pub const SLOTS_MAX: usize = 512;
const GAIN_LEAST: f32 = 0.25;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Season {
    cycle_ns: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Slot {
    value: f32,
    /// Cycles in which it was seen.
    cycles: f32,
    /// The cycle that it was seen in last.
    last_cycle: u32,
    /// To which side the last value was out of reach: 0 when it was not.
    out: i8,
}

impl Season {
    /// A cycle with a slot for each observation where there is room.
    pub fn new(cycle_ns: u64, cadence_ns: u64) -> Self {
        let wanted = cycle_ns / cadence_ns.max(1);
        let slots = (wanted as usize).clamp(1, SLOTS_MAX);
        Self {
            cycle_ns: cycle_ns.max(1),
            slots: vec![Slot::default(); slots],
        }
    }

    pub const fn cycle_ns(&self) -> u64 {
        self.cycle_ns
    }

    fn slot(&self, time_ns: u64) -> usize {
        let into = u128::from(time_ns % self.cycle_ns);
        (into * self.slots.len() as u128 / u128::from(self.cycle_ns)) as usize
    }

    /// The usual value here. `None` where this point of the cycle has not been seen in an earlier cycle.
    pub fn expected(&self, time_ns: u64) -> Option<f64> {
        let at = self.slot(time_ns);
        let cycle = (time_ns / self.cycle_ns) as u32;
        let slot = self.slots[at];
        let is_known = slot.cycles >= 1.0 && (slot.cycles >= 2.0 || slot.last_cycle != cycle);
        if !is_known {
            return None;
        }
        // Neighbours steady a slot that was seen only a few times.
        let count = self.slots.len();
        let beside = 0.5 / f64::from(slot.cycles);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (offset, weight) in [(count - 1, beside), (0, 1.0), (1, beside)] {
            let near = self.slots[(at + offset) % count];
            if near.cycles >= 1.0 && (count > 48 || offset == 0) {
                sum += weight * f64::from(near.value);
                weights += weight;
            }
        }
        Some(sum / weights)
    }

    /// Learns a value. One that is out of reach of what was expected counts only so far, unless that happened the cycle before, too: then
    /// it is how things are here now.
    pub fn learn(&mut self, time_ns: u64, value: f64, expected: f64, reach: f64) {
        let at = self.slot(time_ns);
        let cycle = (time_ns / self.cycle_ns) as u32;
        let slot = &mut self.slots[at];
        let is_first = slot.cycles == 0.0;
        if is_first || slot.last_cycle != cycle {
            slot.cycles += 1.0;
            slot.last_cycle = cycle;
        }
        if is_first {
            let residual = value - expected;
            slot.value = (expected + residual.clamp(-reach, reach)) as f32;
            slot.out = if residual.abs() > reach {
                residual.signum() as i8
            } else {
                0
            };
            return;
        }
        let (residual, reach) = (value as f32 - slot.value, reach as f32);
        let out = if residual.abs() > reach {
            residual.signum() as i8
        } else {
            0
        };
        if out == 0 {
            slot.value += (1.0 / slot.cycles).clamp(GAIN_LEAST, 0.5) * residual;
        } else if out == slot.out {
            slot.value += 0.7 * residual;
        } else {
            slot.value += GAIN_LEAST * residual.clamp(-reach, reach);
        }
        slot.out = out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn a_slot_is_known_from_the_next_cycle_on() {
        let mut season = Season::new(24 * HOUR, HOUR);
        for hour in 0..24 {
            assert_eq!(season.expected(hour * HOUR), None);
            season.learn(hour * HOUR, hour as f64, hour as f64, 1.0);
        }
        assert_eq!(season.expected((24 + 7) * HOUR), Some(7.0));
    }

    #[test]
    fn a_cycle_shorter_than_the_cadence_has_one_slot() {
        let mut season = Season::new(0, u64::MAX);
        season.learn(u64::MAX, 5.0, 5.0, 1.0);
        assert_eq!(season.expected(3), Some(5.0));
    }
}
