//! Keeps collection within the limits that it was given, by leaving out detail, one step at a time.
//!
//! It steps in before a limit is reached, and back once the cost is far enough below it that the step back does
//! not bring it there again. Totals are never left out; what a limit below their cost leads to is the last step,
//! and collection over the limit, which `status` and every snapshot then say.

use crate::{
    collector::OwnCost,
    model::shed::{Limits, Shed},
};

/// The cost is judged over at least this long.
const WINDOW_NS: u64 = 2_000_000_000;
/// So long it must have been low before a step is taken back.
const CALM_NS: u64 = 30_000_000_000;
/// Part of a limit at which a step is taken.
const HIGH: f64 = 0.8;
/// Part of a limit below which it may be taken back: most steps halve the cost of samples.
const LOW: f64 = 0.35;

/// From nothing to all.
const STEPS: [Shed; 7] = [
    Shed::NOTHING,
    events(1),
    events(2),
    events(4),
    all(8),
    all(16),
    all(32),
];

const fn events(stretch: u32) -> Shed {
    Shed {
        stretch,
        pss: true,
        connection_events: true,
        command_lines: false,
    }
}

const fn all(stretch: u32) -> Shed {
    Shed {
        command_lines: true,
        ..events(stretch)
    }
}

#[derive(Debug)]
pub(super) struct Watchdog {
    limits: Limits,
    step: usize,
    /// The cost at the start of the window, and when that was.
    window: Option<(u64, OwnCost)>,
    calm_since_ns: Option<u64>,
}

impl Watchdog {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            step: 0,
            window: None,
            calm_since_ns: None,
        }
    }

    /// What is to be left out from now on. `None` when nothing changes.
    pub(super) fn judge(&mut self, now_ns: u64, cost: OwnCost) -> Option<Shed> {
        let (began_ns, before) = *self.window.get_or_insert((now_ns, cost));
        let span_ns = now_ns.saturating_sub(began_ns);
        if span_ns < WINDOW_NS {
            return None;
        }
        self.window = Some((now_ns, cost));
        let cpu_ns = cost.cpu_time_ns.saturating_sub(before.cpu_time_ns);
        let cpu_pct = cpu_ns as f64 * 100.0 / span_ns as f64;
        let part = self.part_of_limits(cpu_pct, cost.rss_bytes)?;
        let step = self.next_step(part, now_ns)?;
        self.step = step;
        self.calm_since_ns = None;
        STEPS.get(step).copied()
    }

    /// How much of the nearest limit is used. `None` without limits.
    fn part_of_limits(&self, cpu_pct: f64, rss_bytes: u64) -> Option<f64> {
        let cpu = self.limits.cpu_pct.map(|limit| cpu_pct / limit);
        let memory = self
            .limits
            .memory_bytes
            .map(|limit| rss_bytes as f64 / limit as f64);
        cpu.into_iter().chain(memory).reduce(f64::max)
    }

    fn next_step(&mut self, part: f64, now_ns: u64) -> Option<usize> {
        if part >= HIGH {
            self.calm_since_ns = None;
            return Some(self.step + 1).filter(|step| *step < STEPS.len());
        }
        if part >= LOW {
            self.calm_since_ns = None;
            return None;
        }
        let since_ns = *self.calm_since_ns.get_or_insert(now_ns);
        let is_calm = now_ns.saturating_sub(since_ns) >= CALM_NS;
        is_calm.then(|| self.step.checked_sub(1)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// What the watchdog has decided after seconds of this cost each, by the second.
    fn decisions(limits: Limits, seconds: &[(f64, u64)]) -> Vec<(usize, Shed)> {
        let mut watchdog = Watchdog::new(limits);
        let mut cost = OwnCost {
            cpu_time_ns: SECOND,
            rss_bytes: 0,
        };
        let mut decisions = Vec::new();
        for (second, (cpu_pct, rss_bytes)) in seconds.iter().enumerate() {
            cost.cpu_time_ns += (cpu_pct * 1e7) as u64;
            cost.rss_bytes = *rss_bytes;
            let now_ns = second as u64 * SECOND;
            decisions.extend(watchdog.judge(now_ns, cost).map(|shed| (second, shed)));
        }
        decisions
    }

    fn cpu(limit: f64) -> Limits {
        Limits {
            cpu_pct: Some(limit),
            memory_bytes: None,
        }
    }

    #[test]
    fn nothing_is_shed_within_limits_or_without() {
        assert!(decisions(cpu(10.0), &[(7.0, 0); 100]).is_empty());
        assert!(decisions(Limits::default(), &[(90.0, 1 << 40); 100]).is_empty());
    }

    #[test]
    fn steps_are_taken_one_by_one_before_the_limit_is_reached() {
        let decided = decisions(cpu(10.0), &[(9.0, 0); 7]);
        assert_eq!(decided, [(2, STEPS[1]), (4, STEPS[2]), (6, STEPS[3])]);
        let decided = decisions(cpu(10.0), &[(90.0, 0); 100]);
        assert_eq!(decided.len(), STEPS.len() - 1, "the last step is the last");
        let memory = Limits {
            cpu_pct: None,
            memory_bytes: Some(1000),
        };
        let decided = decisions(memory, &[(0.0, 900); 4]);
        assert_eq!(decided, [(2, STEPS[1])]);
    }

    #[test]
    fn steps_are_taken_back_after_a_calm_time_only() {
        let mut seconds = vec![(9.0, 0); 4];
        seconds.extend([(2.0, 0); 30]);
        assert_eq!(decisions(cpu(10.0), &seconds).len(), 1);
        seconds.extend([(2.0, 0); 10]);
        let decided = decisions(cpu(10.0), &seconds);
        assert_eq!(decided.last().map(|(_, shed)| *shed), Some(Shed::NOTHING));
        // In between is neither.
        let mut seconds = vec![(9.0, 0); 4];
        seconds.extend([(5.0, 0); 100]);
        assert_eq!(decisions(cpu(10.0), &seconds).len(), 1);
    }
}
