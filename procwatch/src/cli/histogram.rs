//! Histograms, for people and for programs.

use serde_json::{Value, json};

use crate::model::device::Histogram;

/// A character a power of two.
pub fn bars(histogram: &Histogram) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const POWERS: usize = 36;
    let mut counts = [0u64; POWERS];
    for bucket in &histogram.0 {
        let power = bucket.from_ns.max(1).ilog2() as usize;
        counts[power.min(POWERS - 1)] += bucket.count;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| BARS[(count * 8).div_ceil(most) as usize];
    let bars: String = counts.iter().map(bar).collect();
    bars.trim_end().to_owned()
}

/// Bucket by bucket.
pub fn latencies(histogram: &Histogram) -> Value {
    let buckets = histogram.0.iter();
    let rows: Vec<_> = buckets
        .map(|bucket| json!([bucket.from_ns, bucket.to_ns, bucket.count]))
        .collect();
    rows.into()
}
