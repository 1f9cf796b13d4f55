//! Where a figure will be, with an interval.
//!
//! Means of a minute; a damped linear trend (Gardner & McKenzie, "Forecasting trends in time series", 1985) with the
//! interval of its state-space form (Hyndman, Koehler, Ord & Snyder, "Forecasting with exponential smoothing", 2008, table
//! 6.2: the variance of class 1 models); and, once two days are known, what the time of day adds between now and then
//! ([`super::season`]).
//!
//! Limits: normal errors; the interval takes the season for known, and is too narrow where days differ; a gap counts as one
//! step.

use serde::{Deserialize, Serialize};

use super::season::Season;

const STEP_NS: u64 = 60_000_000_000;
const DAY_NS: u64 = 86_400_000_000_000;
/// Of the season: a quarter of an hour.
const SLOT_NS: u64 = 900_000_000_000;
const LEVEL: f64 = 0.3;
const TREND: f64 = 0.05;
const DAMPING: f64 = 0.98;
const LEAST: u64 = 10;
/// Further ahead nothing is said.
const STEPS_MAX: u64 = 7 * 24 * 60;

/// One figure's course. 150 bytes, and 1.2 KB once it has lasted for a day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Forecast {
    level: f64,
    trend: f64,
    variance: f64,
    seen: u64,
    /// Of the step that is not over: when it began, the sum, and how many are in it.
    open: Option<(u64, f64, u32)>,
    first_ns: u64,
    last_ns: u64,
    season: Option<Season>,
}

/// A figure some time ahead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    pub expected: f64,
    pub low: f64,
    pub high: f64,
}

impl Forecast {
    /// Learns a value at a time, nanoseconds since the epoch. A missing one, and what is no finite number, change
    /// nothing.
    pub fn observe(&mut self, time_ns: u64, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return;
        };
        let (since_ns, sum, count) = self.open.unwrap_or((time_ns, 0.0, 0));
        // A clock that is set back begins a step anew.
        if (since_ns..since_ns.saturating_add(STEP_NS)).contains(&time_ns) {
            self.open = Some((since_ns, sum + value, count + 1));
            return;
        }
        self.open = Some((time_ns, value, 1));
        self.learn(since_ns, sum / f64::from(count.max(1)));
    }

    fn learn(&mut self, time_ns: u64, value: f64) {
        if self.seen == 0 {
            self.level = value;
            self.first_ns = time_ns;
        }
        let error = value - self.level - DAMPING * self.trend;
        self.level += DAMPING * self.trend + LEVEL * error;
        self.trend = DAMPING * self.trend + LEVEL * TREND * error;
        self.seen += 1;
        self.last_ns = time_ns;
        let pace = (1.0 / self.seen as f64).max(0.01);
        self.variance += pace * (error * error - self.variance);
        // What lives for hours has no days.
        if self.season.is_none() && time_ns.saturating_sub(self.first_ns) >= DAY_NS {
            self.season = Some(Season::new(DAY_NS, SLOT_NS));
        }
        if let Some(season) = &mut self.season {
            season.learn(time_ns, value, value, f64::INFINITY);
        }
    }

    /// The value a time ahead of the last, nanoseconds, and where it lies with a normal quantile `z` to each side: 1.28 for
    /// 80 %, 1.96 for 95 %. `None` before ten minutes are known, and for no time ahead.
    pub fn ahead(&self, span_ns: u64, z: f64) -> Option<Ahead> {
        let steps = span_ns.div_ceil(STEP_NS).min(STEPS_MAX);
        if self.seen < LEAST || steps == 0 {
            return None;
        }
        let (mut damped, mut spread, mut power) = (0.0, 1.0, 1.0);
        for step in 1..=steps {
            power *= DAMPING;
            damped += power;
            if step < steps {
                let weight = LEVEL + LEVEL * TREND * damped;
                spread += weight * weight;
            }
        }
        let season = self.season.as_ref().and_then(|season| {
            let now = season.expected(self.last_ns)?;
            Some(season.expected(self.last_ns.saturating_add(steps * STEP_NS))? - now)
        });
        // Where the day is known, a slope of this hour is a part of it.
        let expected = match season {
            Some(season) => self.level + season,
            None => self.level + damped * self.trend,
        };
        let half = z * (self.variance * spread).sqrt();
        Some(Ahead {
            expected,
            low: expected - half,
            high: expected + half,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::synthetic::Noise;

    /// The share of truths within the 80 % interval, of series that the model makes itself.
    fn coverage(steps: u64) -> f64 {
        let mut inside = 0;
        for seed in 0..1000 {
            let mut noise = Noise::new(seed);
            let mut forecast = Forecast::default();
            let (mut level, mut trend) = (100.0, 0.0);
            let mut next = || {
                let error = noise.normal();
                let value = level + DAMPING * trend + error;
                level += DAMPING * trend + LEVEL * error;
                trend = DAMPING * trend + LEVEL * TREND * error;
                value
            };
            for minute in 0..300 {
                forecast.observe(minute * STEP_NS, Some(next()));
            }
            // The last minute is not over before another begins.
            forecast.observe(300 * STEP_NS, Some(0.0));
            let ahead = forecast.ahead(steps * STEP_NS, 1.2816).unwrap();
            let truth = (0..steps).map(|_| next()).last().unwrap();
            inside += i32::from((ahead.low..=ahead.high).contains(&truth));
        }
        f64::from(inside) / 1000.0
    }

    #[test]
    fn the_interval_holds_what_it_says() {
        for steps in [1, 10, 60] {
            let share = coverage(steps);
            assert!((0.75..0.85).contains(&share), "{steps} ahead: {share}");
        }
    }

    #[test]
    fn a_day_that_is_known_is_expected() {
        let day = |minute: u64| {
            let hour = minute / 60 % 24;
            if (9..18).contains(&hour) { 80.0 } else { 10.0 }
        };
        let mut noise = Noise::new(9);
        let mut forecast = Forecast::default();
        // At half past eight of the fifth day.
        let now = 4 * 1440 + 8 * 60 + 30;
        for minute in 0..=now {
            let value = day(minute) + noise.normal();
            forecast.observe(minute * STEP_NS, Some(value));
        }
        let at = |minutes: u64| forecast.ahead(minutes * STEP_NS, 1.96).unwrap();
        assert!((at(10).expected - 10.0).abs() < 3.0, "{:?}", at(10));
        assert!((at(120).expected - 80.0).abs() < 5.0, "{:?}", at(120));
        assert!((at(11 * 60).expected - 10.0).abs() < 5.0, "{:?}", at(660));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let mut forecast = Forecast::default();
        assert_eq!(forecast.ahead(5 * STEP_NS, 1.96), None);
        for minute in 0..20 {
            forecast.observe(minute * STEP_NS, Some(f64::NAN));
            forecast.observe(minute * STEP_NS, Some(4.0));
        }
        assert_eq!(forecast.ahead(0, 1.96), None);
        let ahead = forecast.ahead(u64::MAX, 1.96).unwrap();
        assert_eq!((ahead.low, ahead.expected, ahead.high), (4.0, 4.0, 4.0));
    }
}
