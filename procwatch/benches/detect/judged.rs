//! How well a method did.

use super::{baselines::Judge, families::Labelled};

#[derive(Default)]
pub struct Judged {
    anomalies: usize,
    found: usize,
    rows: usize,
    false_rows: usize,
    /// Runs of false rows: what a person would be called for.
    false_alarms: usize,
    delays: Vec<usize>,
    areas: Vec<f64>,
    best: Vec<f64>,
}

impl Judged {
    pub fn add(&mut self, series: &Labelled, judge: &mut dyn Judge) {
        let answers: Vec<(f64, bool)> = series
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| judge.score(series.time_ns(at), *value))
            .collect();
        self.anomalies += series.anomalies.len();
        self.rows += answers.len();
        for window in &series.anomalies {
            if let Some(delay) = answers[window.clone()].iter().position(|a| a.1) {
                self.found += 1;
                self.delays.push(delay);
            }
        }
        let is_inside = |at: usize| series.anomalies.iter().any(|window| window.contains(&at));
        let mut last_false = None;
        for (at, _) in answers.iter().enumerate().filter(|(_, a)| a.1) {
            if is_inside(at) {
                continue;
            }
            self.false_rows += 1;
            if last_false.is_none_or(|last| at > last + 10) {
                self.false_alarms += 1;
            }
            last_false = Some(at);
        }
        if !series.anomalies.is_empty() {
            self.rank(series, &answers);
        }
    }

    /// Every threshold, from the strictest: an anomaly counts once, when any of its rows is above; alarms
    /// within ten rows are one.
    fn rank(&mut self, series: &Labelled, answers: &[(f64, bool)]) {
        let mut order: Vec<usize> = (0..answers.len()).collect();
        order.sort_by(|a, b| answers[*b].0.total_cmp(&answers[*a].0));
        let total = series.anomalies.len() as f64;
        let mut found = vec![false; series.anomalies.len()];
        let mut alarms: Vec<usize> = Vec::new();
        let (mut area, mut best, mut recall) = (0.0, 0.0_f64, 0.0);
        for at in order {
            match series
                .anomalies
                .iter()
                .position(|window| window.contains(&at))
            {
                Some(window) => found[window] = true,
                None if alarms.iter().any(|alarm| alarm.abs_diff(at) <= 10) => {}
                None => alarms.push(at),
            }
            let hits = found.iter().filter(|hit| **hit).count() as f64;
            let precision = hits / (hits + alarms.len() as f64).max(1.0);
            area += (hits / total - recall) * precision;
            recall = hits / total;
            best = best.max(2.0 * precision * recall / (precision + recall).max(1e-9));
            if recall >= 1.0 {
                break;
            }
        }
        self.areas.push(area);
        self.best.push(best);
    }

    pub fn join(&mut self, other: &Self) {
        self.anomalies += other.anomalies;
        self.found += other.found;
        self.rows += other.rows;
        self.false_rows += other.false_rows;
        self.false_alarms += other.false_alarms;
        self.delays.extend(&other.delays);
        self.areas.extend(&other.areas);
        self.best.extend(&other.best);
    }

    pub fn print(&self, family: &str, method: &str) {
        let found = self.found as f64;
        let f1 = 2.0 * found / (found + self.anomalies as f64 + self.false_alarms as f64).max(1.0);
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let delay = delays
            .get(delays.len() / 2)
            .map_or("-".to_owned(), ToString::to_string);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        println!(
            "{family:<18} {method:<17} {:>3}/{:<3} {:>9.2} {f1:>7.3} {:>7.3} {delay:>12} {:>6.3}",
            self.found,
            self.anomalies,
            self.false_alarms as f64 * 1000.0 / self.rows as f64,
            mean(&self.areas),
            mean(&self.best),
        );
    }
}
