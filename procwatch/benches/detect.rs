//! How well the detectors find what is there, and what they cost: made-up series whose truth is known.
//!
//! The first table judges `Series` over families of series as servers make them, beside three simple methods. Each
//! family has series that its parameters were chosen on (even seeds) and series that they were not (odd); figures are
//! of the latter unless PROCWATCH_BENCH_TUNE is set. The second has all detectors, as a recorder runs them, over a host
//! of noisy processes in which something goes wrong; the third is what rules and detectors cost.

#[path = "detect/baselines.rs"]
mod baselines;
#[path = "detect/cost.rs"]
mod cost;
#[path = "detect/families.rs"]
mod families;
#[path = "detect/host.rs"]
mod host;
#[path = "detect/judged.rs"]
mod judged;
#[path = "detect/loads.rs"]
mod loads;

use std::time::Instant;

use baselines::{Ewma, Judge, RollingZ, SeasonNaive};
use families::{FAMILIES, Labelled};
use judged::Judged;
use procwatch::detect::Series;

struct Ensemble(Series);

impl Judge for Ensemble {
    fn score(&mut self, time_ns: u64, value: f64) -> (f64, bool) {
        let verdict = self.0.observe(time_ns, Some(value));
        (verdict.score, verdict.anomaly.is_some())
    }
}

type Make = fn() -> Box<dyn Judge>;

const METHODS: [(&str, Make); 4] = [
    ("procwatch", || Box::new(Ensemble(Series::default()))),
    ("rolling z > 4", || Box::new(RollingZ::default())),
    ("EWMA z > 4", || Box::new(Ewma::default())),
    ("season-naive MAD", || Box::new(SeasonNaive::default())),
];

fn main() {
    let only = std::env::args()
        .nth(1)
        .filter(|name| !name.starts_with('-'));
    let is_quick = std::env::var_os("PROCWATCH_BENCH_QUICK").is_some();
    let first = u64::from(std::env::var_os("PROCWATCH_BENCH_TUNE").is_none());
    let seeds: Vec<u64> = (0..if is_quick { 3 } else { 12 })
        .map(|n| first + 2 * n)
        .collect();
    if let Some(directory) = std::env::var_os("PROCWATCH_BENCH_DUMP") {
        families::dump(directory.as_ref(), &seeds);
        return;
    }
    match only.as_deref() {
        Some("loads") => return loads::table(if is_quick { 2 } else { 10 }),
        Some("cost") => return cost::table(),
        _ => {}
    }
    println!(
        "{:<18} {:<17} {:>7} {:>9} {:>7} {:>7} {:>12} {:>6}",
        "family", "method", "found", "false/1k", "F1", "AUC-PR", "delay, rows", "F1 best"
    );
    let mut totals: Vec<Judged> = METHODS.iter().map(|_| Judged::default()).collect();
    for (name, make) in FAMILIES {
        let series: Vec<Labelled> = seeds.iter().map(|seed| make(*seed)).collect();
        for ((method, judge), total) in METHODS.iter().zip(&mut totals) {
            let mut judged = Judged::default();
            for one in &series {
                judged.add(one, judge().as_mut());
            }
            judged.print(name, method);
            total.join(&judged);
        }
    }
    for ((method, _), total) in METHODS.iter().zip(&totals) {
        total.print("ALL", method);
    }
    speed();
    loads::table(if is_quick { 2 } else { 10 });
    cost::table();
}

/// Rows a second of the whole ensemble.
fn speed() {
    let long = (FAMILIES[0].1)(1);
    let mut series = Series::default();
    let begun = Instant::now();
    let rows = 1_000_000_u64;
    for row in 0..rows {
        let value = long.values[row as usize % long.values.len()];
        std::hint::black_box(series.observe(row * 300_000_000_000, Some(value)));
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "\n{rows} rows in {seconds:.2} s, {:.0} ns each",
        seconds * 1e9 / rows as f64
    );
}
