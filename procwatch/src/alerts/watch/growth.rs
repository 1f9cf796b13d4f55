//! A figure that mostly rests, and is watched closely once it grows.

use crate::detect::leak::{Leak, TimeUntil};

/// From when on a figure that rests is compared with how it is now, nanoseconds.
const REST_NS: u64 = 3600 * 1_000_000_000;

/// What is little of a figure: growth below this is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    pub(super) absolute: f64,
    /// Of what it was.
    pub(super) share: f64,
}

/// What has fallen from this part of the highest gives back what it takes.
const FALLEN: f64 = 0.75;
/// How far above where it fell from before a figure has to be, to be in a place where it has never been.
const HIGHER: f64 = 1.05;

/// One figure of one process. 32 bytes, and those of a leak once it grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Growth {
    /// The least and the most it was since it fell.
    low: f32,
    top: f32,
    /// Where it fell from before: a heap goes up to there again and again.
    peak: f32,
    since_ns: u64,
    leak: Option<Box<Leak>>,
}

impl Growth {
    pub(super) fn observe(&mut self, boot_ns: u64, value: Option<f64>, least: Least) {
        let Some(value) = value else { return };
        let low = f64::from(self.low);
        let has_fallen = value < FALLEN * f64::from(self.top);
        if has_fallen {
            self.peak = self.peak.max(self.top);
            return self.begin(boot_ns, value);
        }
        self.top = self.top.max(value as f32);
        match &mut self.leak {
            Some(leak) => {
                leak.observe(boot_ns, Some(value));
                if value <= low || leak.is_over() {
                    self.begin(boot_ns, value);
                }
            }
            None if self.since_ns == 0
                || value < low
                || boot_ns.saturating_sub(self.since_ns) > REST_NS =>
            {
                self.begin(boot_ns, value);
            }
            None if value > low + least.absolute.max(least.share * low) => {
                let mut leak = Leak::default();
                leak.observe(boot_ns, Some(value));
                self.leak = Some(Box::new(leak));
            }
            None => {}
        }
    }

    fn begin(&mut self, boot_ns: u64, value: f64) {
        (self.low, self.top) = (value as f32, value as f32);
        self.since_ns = boot_ns.max(1);
        self.leak = None;
    }

    /// Whether there is a growth that may be a leak, so that its limit is worth asking for.
    pub(super) fn suspect(&self) -> Option<&Leak> {
        let is_higher = f64::from(self.top) > HIGHER * f64::from(self.peak);
        self.leak
            .as_deref()
            .filter(|leak| is_higher && leak.grows())
    }

    /// The growth per second and when it reaches the limit, if it is a leak.
    pub(super) fn leaks(leak: &Leak, limit: Option<f64>) -> Option<(f64, Option<TimeUntil>)> {
        let trend = leak.trend(limit)?;
        Some((
            trend.per_second,
            limit.and_then(|limit| leak.time_until(limit)),
        ))
    }
}
