//! How long things took, by powers of two.

use crate::model::device::{self, Bucket};

/// Counts by powers of two of nanoseconds: the first bucket holds 0 and 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram([u64; 64]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Histogram {
    pub fn add(&mut self, duration_ns: u64) {
        self.0[duration_ns.max(1).ilog2() as usize] += 1;
    }

    /// Only buckets that hold something, from the shortest.
    pub fn buckets(&self) -> device::Histogram {
        let filled = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        let buckets = filled.map(|(place, count)| Bucket {
            from_ns: if place == 0 { 0 } else { 1 << place },
            to_ns: if place == 63 { u64::MAX } else { 2 << place },
            count: *count,
        });
        device::Histogram(buckets.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_bucket_of_their_power() {
        let mut histogram = Histogram::default();
        for duration in [0, 1, 2, 3, 1023, 1024, u64::MAX] {
            histogram.add(duration);
        }
        let told: Vec<_> = histogram
            .buckets()
            .0
            .iter()
            .map(|bucket| (bucket.from_ns, bucket.to_ns, bucket.count))
            .collect();
        assert_eq!(
            told,
            [
                (0, 2, 2),
                (2, 4, 2),
                (512, 1024, 1),
                (1024, 2048, 1),
                (1 << 63, u64::MAX, 1)
            ]
        );
    }
}
