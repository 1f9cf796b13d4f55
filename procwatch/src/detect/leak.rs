//! Growth that is no chance, and when it reaches a limit.
//!
//! Means of four seconds, then of four times as long, and so on: each span keeps its last [`POINTS`], and all that a
//! leak of a megabyte a second needs is in the first while one of a megabyte an hour waits for the fifth. In each span the
//! trend is the median of pairwise slopes (Theil, 1950; Sen, "Estimates of the regression coefficient based on
//! Kendall's tau", 1968), its significance Mann & Kendall's (1945, 1975), its interval Sen's by ranks.
//!
//! What grows is a leak only when it has grown as steadily for a part of the time that is left until the limit: a cache that
//! fills and a heap before its collection end well before that. Limits: what fills a large part of what there is, and then
//! stops, is told as a leak; so is a heap that is let grow to near its limit.

use serde::{Deserialize, Serialize};

use super::verdict::{Kind, Verdict, Why};

const POINTS: usize = 24;
/// Of the first span: from one point to the next.
const FIRST_NS: u64 = 4_000_000_000;
/// Of each span to the one before.
const COARSER: u32 = 4;
/// Up to more than a day.
const SPANS: usize = 6;
/// Points before a verdict.
const LEAST: usize = 16;
/// Of a trend by chance. Autocorrelation makes the test too sure, therefore it is strict.
const SIGNIFICANT: f64 = 1e-6;
/// It has to have grown for this part of the time that is left.
const EVIDENCE: f64 = 0.1;
/// Without a limit: for so long, and by so much of what it was.
const EVIDENCE_NS: u64 = 1_200_000_000_000;
const GROWTH: f64 = 0.5;
/// How much the slopes of both halves may differ from that of the whole.
const STEADY: f64 = 0.3;
/// Two-sided 95 % of a normal.
const Z95: f64 = 1.96;
const SECOND_NS: f64 = 1e9;

/// Seconds until a limit, by the slope and by the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeUntil {
    pub seconds: f64,
    pub soonest_seconds: f64,
    /// `None` where the interval has slopes that never reach it.
    pub latest_seconds: Option<f64>,
}

/// A slope, in units per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    pub per_second: f64,
    pub low_per_second: f64,
    pub high_per_second: f64,
    /// Of a trend like it by chance, to one side.
    pub probability: f64,
    /// How long it has grown like that.
    pub span_ns: u64,
}

/// Points of one distance, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Span {
    points: Vec<(u64, f64)>,
    /// Of the point that is not full yet: when it began, the sum, and how many are in it.
    open: Option<(u64, f64, u32)>,
    trend: Option<Trend>,
}

/// One figure of one process or program that grows. About 2.5 KB: to be made when it begins to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Leak {
    spans: Vec<Span>,
    last: Option<(u64, f64)>,
}

impl Leak {
    /// Learns a figure, and says whether it grows in a way that is no chance. A missing one changes nothing; one whose
    /// time does not follow the last is ignored. A fall by a quarter begins anew.
    pub fn observe(&mut self, time_ns: u64, value: Option<f64>) -> bool {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return self.grows();
        };
        if self.last.is_some_and(|(last, _)| time_ns <= last) {
            return self.grows();
        }
        if self.last.is_some_and(|(_, last)| value < 0.75 * last) {
            *self = Self::default();
        }
        self.last = Some((time_ns, value));
        let mut next = Some((time_ns, value, FIRST_NS));
        for at in 0..SPANS {
            let Some((time_ns, value, width_ns)) = next.take() else {
                break;
            };
            if self.spans.len() == at {
                self.spans.push(Span::default());
            }
            let point = self.spans[at].add(time_ns, value, width_ns);
            next = point.map(|(time_ns, value)| (time_ns, value, width_ns * u64::from(COARSER)));
        }
        self.grows()
    }

    /// Whether it grows in a way that is no chance, be it a leak or not.
    pub fn grows(&self) -> bool {
        self.spans.iter().any(|span| span.trend.is_some())
    }

    /// Whether there is anything left of a growth: not when it is where it was, or below.
    pub fn is_over(&self) -> bool {
        let longest = self.spans.iter().rfind(|span| span.points.len() == POINTS);
        longest.is_some_and(|span| {
            let grown = span.points[POINTS - 1].1 - span.points[0].1;
            grown <= 0.0
        })
    }

    /// Whether it is a leak, in view of a limit in the figure's unit; `None` where there is none.
    pub fn verdict(&self, limit: Option<f64>) -> Verdict {
        let Some(trend) = self.trend(limit) else {
            let seen = self.spans.first().map_or(0, |span| span.points.len()) as u64;
            return Verdict::normal(0.0, Why::Learning { seen });
        };
        let why = Why::Growth {
            per_second: trend.per_second,
            probability: trend.probability,
        };
        let surprise = -trend.probability.max(1e-30).log10();
        Verdict::of(Kind::Leak, surprise / (surprise + 1.0), why)
    }

    /// The slope of the shortest span that proves a leak. `None` when none does.
    pub fn trend(&self, limit: Option<f64>) -> Option<Trend> {
        let (_, last) = self.last?;
        self.spans
            .iter()
            .filter_map(|span| span.trend.map(|trend| (span, trend)))
            .find(|(span, trend)| match limit {
                Some(limit) => {
                    let left = (limit - last).max(0.0) / trend.per_second;
                    trend.span_ns as f64 / SECOND_NS >= EVIDENCE * left
                }
                None => {
                    let first = span.points.first().map_or(0.0, |point| point.1);
                    trend.span_ns >= EVIDENCE_NS && last - first >= GROWTH * first.abs()
                }
            })
            .map(|(_, trend)| trend)
    }

    /// When it reaches a limit, from the last figure on. `None` where it is no leak.
    pub fn time_until(&self, limit: f64) -> Option<TimeUntil> {
        let (trend, (_, last)) = (self.trend(Some(limit))?, self.last?);
        let left = (limit - last).max(0.0);
        Some(TimeUntil {
            seconds: left / trend.per_second,
            soonest_seconds: left / trend.high_per_second,
            latest_seconds: (trend.low_per_second > 0.0).then(|| left / trend.low_per_second),
        })
    }
}

impl Span {
    /// Adds a value. The point that is full by that goes to the next span.
    fn add(&mut self, time_ns: u64, value: f64, width_ns: u64) -> Option<(u64, f64)> {
        let (since_ns, sum, count) = self.open.unwrap_or((time_ns, 0.0, 0));
        if time_ns.saturating_sub(since_ns) < width_ns {
            self.open = Some((since_ns, sum + value, count + 1));
            return None;
        }
        self.open = Some((time_ns, value, 1));
        let point = (since_ns + width_ns / 2, sum / f64::from(count.max(1)));
        if self.points.len() == POINTS {
            self.points.remove(0);
        }
        // After a gap everything that is known is old.
        let too_old = POINTS as u64 * 2 * width_ns;
        self.points
            .retain(|(time_ns, _)| point.0.saturating_sub(*time_ns) <= too_old);
        self.points.push(point);
        self.trend = steady_growth(&self.points);
        Some(point)
    }
}

/// The trend of points that grow by no chance, and as fast in the first half as in the second.
fn steady_growth(points: &[(u64, f64)]) -> Option<Trend> {
    if points.len() < LEAST {
        return None;
    }
    let whole = trend(points)?;
    if whole.probability >= SIGNIFICANT || whole.low_per_second <= 0.0 {
        return None;
    }
    let (first, second) = points.split_at(points.len() / 2);
    let is_like = |half: &[(u64, f64)]| {
        median_slope(half)
            .is_some_and(|slope| (slope - whole.per_second).abs() <= STEADY * whole.per_second)
    };
    (is_like(first) && is_like(second)).then_some(whole)
}

fn slopes(points: &[(u64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (at, (time, value)) in points.iter().enumerate() {
        for (later, further) in &points[at + 1..] {
            slopes.push((further - value) / ((later - time) as f64 / SECOND_NS));
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes
}

fn median_slope(points: &[(u64, f64)]) -> Option<f64> {
    let slopes = slopes(points);
    slopes.get(slopes.len() / 2).copied()
}

fn trend(points: &[(u64, f64)]) -> Option<Trend> {
    let slopes = slopes(points);
    let rising = slopes.iter().filter(|slope| **slope > 0.0).count() as f64;
    let falling = slopes.iter().filter(|slope| **slope < 0.0).count() as f64;
    let deviation = (concordance_variance(points)).sqrt();
    if deviation == 0.0 {
        return None;
    }
    let z = (rising - falling - 1.0) / deviation;
    let count = slopes.len() as f64;
    let rank = |position: f64| slopes[position.clamp(0.0, count - 1.0) as usize];
    let (first, last) = (points.first()?, points.last()?);
    Some(Trend {
        per_second: rank(count / 2.0),
        low_per_second: rank((count - Z95 * deviation) / 2.0),
        high_per_second: rank((count + Z95 * deviation) / 2.0),
        probability: normal_tail(z),
        span_ns: last.0 - first.0,
    })
}

/// Kendall's, with his correction for ties.
fn concordance_variance(points: &[(u64, f64)]) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
    values.sort_by(f64::total_cmp);
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let ties: f64 = values
        .chunk_by(|a, b| a == b)
        .map(|tied| term(tied.len() as f64))
        .sum();
    (term(points.len() as f64) - ties) / 18.0
}

/// Of a normal beyond z (Abramowitz & Stegun 7.1.26, extended by the asymptotic far out).
pub(super) fn normal_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal_tail(-z);
    }
    if z > 5.0 {
        return (-z * z / 2.0).exp() / (z * std::f64::consts::TAU.sqrt());
    }
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = t
        * (0.254_829_592
            + t * (-0.284_496_736
                + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    (0.5 * series * (-x * x).exp()).max(1e-300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    const SECOND: u64 = 1_000_000_000;
    const MIB: f64 = 1_048_576.0;

    /// When it is told, how much is used then, and how far off the time until the limit is.
    fn told(limit: f64, seconds: u64, value: impl Fn(u64) -> f64) -> Option<(u64, f64, f64)> {
        let mut leak = Leak::default();
        (0..seconds).find_map(|second| {
            leak.observe(second * SECOND, Some(value(second)));
            leak.verdict(Some(limit)).anomaly?;
            let until = leak.time_until(limit).unwrap();
            assert!(until.soonest_seconds <= until.seconds);
            Some((second, value(second), until.seconds))
        })
    }

    #[test]
    fn a_leak_is_told_before_half_the_limit_and_when_it_ends() {
        for (seed, begin) in [(1, 0), (2, 700), (3, 3600)] {
            let noise: Vec<f64> = {
                let mut noise = Noise::new(seed);
                (0..6000).map(|_| noise.normal()).collect()
            };
            let limit = 1024.0 * MIB;
            let value = |second: u64| {
                let leaked = second.saturating_sub(begin) as f64 * MIB;
                100.0 * MIB + leaked + 4.0 * MIB * noise[second as usize]
            };
            let (second, used, until) = told(limit, 6000, value).expect("never told");
            assert!(
                second >= begin && second < begin + 180,
                "after {} s",
                second - begin
            );
            assert!(used < limit / 2.0, "at {} MiB", used / MIB);
            let truth = (limit - used) / MIB;
            assert!((until / truth - 1.0).abs() < 0.2, "{until}, truth {truth}");
        }
    }

    #[test]
    fn a_slow_leak_takes_its_time() {
        // A megabyte a minute of a gigabyte is told within a tenth of what it takes.
        let value = |second: u64| 200.0 * MIB + second as f64 * MIB / 60.0;
        let (second, ..) = told(1024.0 * MIB, 50_000, value).expect("never told");
        assert!((3_000..8_000).contains(&second), "{second}");
    }

    #[test]
    fn noise_rest_caches_and_heaps_are_no_leaks() {
        let limit = 4096.0 * MIB;
        for seed in 0..5 {
            let noise: Vec<f64> = {
                let mut noise = Noise::new(seed);
                (0..7200).map(|_| noise.normal()).collect()
            };
            let at = |second: u64| noise[second as usize];
            let calm = |second| 100.0 * MIB + MIB * at(second);
            assert_eq!(told(limit, 7200, calm), None, "noise {seed}");
            // Fills 300 MiB, and stops.
            let cache = |second: u64| {
                50.0 * MIB
                    + 300.0 * MIB * (1.0 - (-(second as f64) / 60.0).exp())
                    + MIB * at(second)
            };
            assert_eq!(told(limit, 7200, cache), None, "cache {seed}");
            // A collection every 50 to 80 seconds.
            let period = 50 + 6 * seed;
            let heap = |second: u64| {
                200.0 * MIB + (second % period) as f64 * 3.0 * MIB + 2.0 * MIB * at(second)
            };
            assert_eq!(told(limit, 7200, heap), None, "heap {seed}");
        }
        assert_eq!(told(limit, 10_000, |_| 7.0), None);
    }

    #[test]
    fn without_a_limit_it_has_to_grow_for_long() {
        let mut leak = Leak::default();
        let told = (0..10_000_u64).find(|second| {
            leak.observe(second * SECOND, Some(20.0 + (second / 10) as f64));
            leak.verdict(None).anomaly.is_some()
        });
        assert!(
            told.is_some_and(|second| (1_200..2_500).contains(&second)),
            "{told:?}"
        );
        assert!(!leak.is_over());
        for second in 10_000..20_000_u64 {
            leak.observe(second * SECOND, Some(900.0));
        }
        assert!(leak.verdict(None).anomaly.is_none() && leak.is_over());
    }

    #[test]
    fn degenerate_series_have_an_answer() {
        let mut leak = Leak::default();
        for (time, value) in [(5, Some(1.0)), (5, Some(2.0)), (1, Some(9.0)), (6, None)] {
            assert!(!leak.observe(time, value));
        }
        for second in 0..100_u64 {
            leak.observe(second * 3600 * SECOND, Some(f64::MAX / 1e10));
            leak.observe(second * 3600 * SECOND + 1, Some(f64::NAN));
            assert!(leak.verdict(Some(0.0)).anomaly.is_none());
        }
    }
}
