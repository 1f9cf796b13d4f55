//! Figures over time: what was added between moments, spread over steps that are as wide as a chart's columns.

/// Something that was added from one moment to another, nanoseconds since the epoch each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    pub since_ns: u64,
    pub time_ns: u64,
    pub amount: u64,
}

/// Per second, for each of `steps` equal parts of a window: what was added is spread evenly from its first moment
/// to its last.
pub fn rates(points: &[Added], from_ns: u64, to_ns: u64, steps: usize) -> Vec<f64> {
    let mut sums = vec![0.0; steps];
    let span_ns = to_ns.saturating_sub(from_ns);
    if steps == 0 || span_ns == 0 {
        return sums;
    }
    let step_ns = span_ns as f64 / steps as f64;
    let at = |time_ns: u64| time_ns.saturating_sub(from_ns).min(span_ns) as f64 / step_ns;
    for point in points {
        // What is added at once is added in the nanosecond before.
        let since_ns = point.since_ns.min(point.time_ns.saturating_sub(1));
        if point.time_ns <= from_ns || since_ns >= to_ns {
            continue;
        }
        let whole_steps = (point.time_ns - since_ns) as f64 / step_ns;
        let (first, last) = (at(since_ns), at(point.time_ns));
        let begin = (first.floor() as usize).min(steps - 1);
        let end = (last.ceil() as usize).clamp(begin + 1, steps);
        for (step, sum) in sums.iter_mut().enumerate().take(end).skip(begin) {
            let overlap = last.min(step as f64 + 1.0) - first.max(step as f64);
            *sum += point.amount as f64 * overlap.max(0.0) / whole_steps;
        }
    }
    for sum in &mut sums {
        *sum = *sum * 1e9 / step_ns;
    }
    sums
}

/// For each of `steps` equal parts of a window, the highest of the values that were told in it, or else the one
/// that held when it began. `None` before the first.
pub fn levels(
    told: &[(u64, Option<u64>)],
    from_ns: u64,
    to_ns: u64,
    steps: usize,
) -> Vec<Option<f64>> {
    let span_ns = u128::from(to_ns.saturating_sub(from_ns).max(1));
    let mut levels = vec![None; steps];
    let mut told = told.iter().peekable();
    let mut held: Option<u64> = None;
    for (step, level) in levels.iter_mut().enumerate() {
        let end_ns = u128::from(from_ns) + span_ns * (step as u128 + 1) / steps as u128;
        let mut highest = held;
        while let Some((_, value)) = told.next_if(|(time_ns, _)| u128::from(*time_ns) <= end_ns) {
            held = *value;
            highest = highest.max(*value);
        }
        *level = highest.map(|value| value as f64);
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn added(since: u64, time: u64, amount: u64) -> Added {
        Added {
            since_ns: since * SECOND,
            time_ns: time * SECOND,
            amount,
        }
    }

    #[test]
    fn what_was_added_is_spread() {
        let check = |points: &[Added], expected: &[f64]| {
            let rates = rates(points, 10 * SECOND, 14 * SECOND, 4);
            assert_eq!(rates, expected, "{points:?}");
        };
        check(&[], &[0.0; 4]);
        check(&[added(10, 11, 7)], &[7.0, 0.0, 0.0, 0.0]);
        check(&[added(10, 14, 8)], &[2.0; 4]);
        check(&[added(8, 12, 8)], &[2.0, 2.0, 0.0, 0.0]);
        check(&[added(13, 15, 8)], &[0.0, 0.0, 0.0, 4.0]);
        check(&[added(1, 10, 8), added(14, 15, 8)], &[0.0; 4]);
    }

    #[test]
    fn nothing_is_lost_by_steps_that_do_not_fit() {
        let points = [added(10, 11, 30), added(11, 13, 10)];
        let sum: f64 = rates(&points, 10 * SECOND, 13 * SECOND, 7).iter().sum();
        assert!((sum * 3.0 / 7.0 - 40.0).abs() < 1e-6, "{sum}");
        assert_eq!(rates(&points, 5, 5, 3), [0.0; 3]);
        assert_eq!(rates(&points, 0, 5, 0), [0.0; 0]);
    }

    #[test]
    fn a_level_holds_until_another_is_told() {
        let told = [(11, Some(5)), (12, Some(9)), (13, Some(2)), (17, None)];
        let levels = levels(&told, 10, 20, 5);
        assert_eq!(levels, [Some(9.0), Some(9.0), Some(2.0), Some(2.0), None]);
    }
}
