//! Block devices: what they were asked for, and how long they took over it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// A device with a request queue, since collection began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSample {
    pub number: DeviceNumber,
    /// The kernel's name, such as `sda`. `None` when it is not there any more.
    pub name: Option<Box<str>>,
    pub read: DirectionSample,
    pub write: DirectionSample,
    /// Of the bytes of both directions, those charged to a process.
    pub attributed_bytes: u64,
    /// Written back by kernel threads, and it is not known for whom, or that process is gone.
    pub unattributed_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceNumber {
    pub major: u32,
    pub minor: u32,
}

impl std::fmt::Display for DeviceNumber {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.major, self.minor)
    }
}

/// A device's requests in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionSample {
    /// Handed to the device's queue.
    pub bytes: u64,
    /// Completed.
    pub requests: u64,
    /// From issue to completion, summed.
    pub latency_ns: u64,
    /// From queueing to issue, summed.
    pub queue_ns: u64,
    pub latencies: Histogram,
}

impl DirectionSample {
    /// What has been added since an earlier sample.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(earlier.bytes),
            requests: self.requests.saturating_sub(earlier.requests),
            latency_ns: self.latency_ns.saturating_sub(earlier.latency_ns),
            queue_ns: self.queue_ns.saturating_sub(earlier.queue_ns),
            latencies: self.latencies.since(&earlier.latencies),
        }
    }
}

impl DeviceSample {
    /// Both ways.
    pub fn moved_bytes(&self) -> u64 {
        self.read.bytes.saturating_add(self.write.bytes)
    }

    /// What has been added since an earlier sample. `None` stands for a device that was not used before.
    #[must_use]
    pub fn since(&self, earlier: Option<&Self>) -> Self {
        let Some(earlier) = earlier else {
            return self.clone();
        };
        Self {
            read: self.read.since(&earlier.read),
            write: self.write.since(&earlier.write),
            attributed_bytes: self
                .attributed_bytes
                .saturating_sub(earlier.attributed_bytes),
            unattributed_bytes: self
                .unattributed_bytes
                .saturating_sub(earlier.unattributed_bytes),
            ..self.clone()
        }
    }
}

/// How many took how long. Only buckets that hold something, from the shortest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(pub Vec<Bucket>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The shortest duration that is in it, nanoseconds.
    pub from_ns: u64,
    /// The shortest that is not.
    pub to_ns: u64,
    pub count: u64,
}

impl Histogram {
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut before = earlier.0.iter().peekable();
        let added = self.0.iter().filter_map(|bucket| {
            while before
                .next_if(|earlier| earlier.from_ns < bucket.from_ns)
                .is_some()
            {}
            let known = before.next_if(|earlier| earlier.from_ns == bucket.from_ns);
            let count = bucket
                .count
                .saturating_sub(known.map_or(0, |known| known.count));
            (count > 0).then_some(Bucket { count, ..*bucket })
        });
        Self(added.collect())
    }

    /// Both together. Where both have a bucket, it begins and ends alike in both.
    pub fn add(&mut self, other: &Self) {
        let mut sum = Vec::with_capacity(self.0.len().max(other.0.len()));
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            sum.push(match a.from_ns.cmp(&b.from_ns) {
                Ordering::Less => **a,
                Ordering::Greater => **b,
                Ordering::Equal => Bucket {
                    count: a.count + b.count,
                    ..**a
                },
            });
            let (from_a, from_b) = (a.from_ns, b.from_ns);
            if from_a <= from_b {
                ours.next();
            }
            if from_b <= from_a {
                theirs.next();
            }
        }
        sum.extend(ours);
        sum.extend(theirs);
        self.0 = sum;
    }

    pub fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.count).sum()
    }

    /// What half of them do not exceed. `None` when there are none.
    pub fn median_ns(&self) -> Option<u64> {
        self.quantile_ns(0.5)
    }

    /// What all but one of a hundred do not exceed. `None` when there are none.
    pub fn p99_ns(&self) -> Option<u64> {
        self.quantile_ns(0.99)
    }

    /// The duration that this share of all do not exceed, nanoseconds; within a bucket, as if they lay
    /// evenly in it. `None` when there are none. `share` is from 0 to 1.
    fn quantile_ns(&self, share: f64) -> Option<u64> {
        let total = self.count();
        let mut rank = (total as f64 * share.clamp(0.0, 1.0)).max(1.0);
        for bucket in &self.0 {
            let count = bucket.count as f64;
            if rank <= count {
                let width = bucket.to_ns.saturating_sub(bucket.from_ns) as f64;
                return Some(bucket.from_ns + (width * rank / count) as u64);
            }
            rank -= count;
        }
        self.0.last().map(|bucket| bucket.to_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: &[(u64, u64, u64)]) -> Histogram {
        let bucket = |(from_ns, to_ns, count): &(u64, u64, u64)| Bucket {
            from_ns: *from_ns,
            to_ns: *to_ns,
            count: *count,
        };
        Histogram(buckets.iter().map(bucket).collect())
    }

    #[test]
    fn quantiles_lie_in_the_bucket_of_their_rank() {
        let check = |histogram: &Histogram, share, expected| {
            assert_eq!(histogram.quantile_ns(share), expected, "{share}");
        };
        let two = histogram(&[(100, 110, 90), (1000, 1100, 10)]);
        check(&two, 0.5, Some(105));
        check(&two, 0.9, Some(110));
        check(&two, 0.99, Some(1090));
        check(&two, 1.0, Some(1100));
        check(&Histogram::default(), 0.5, None);
        check(&histogram(&[(7, 8, 1)]), 0.0, Some(8));
    }

    #[test]
    fn what_was_there_before_is_taken_off() {
        let before = histogram(&[(1, 2, 5), (4, 5, 1)]);
        let after = histogram(&[(1, 2, 5), (2, 3, 4), (4, 5, 3)]);
        assert_eq!(after.since(&before), histogram(&[(2, 3, 4), (4, 5, 2)]));
        assert_eq!(after.since(&Histogram::default()), after);
        let mut sum = before.clone();
        sum.add(&after.since(&before));
        assert_eq!(sum, after);
    }
}
