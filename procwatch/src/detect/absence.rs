//! A program that is always there, and gone.
//!
//! Presence is learned: a program that has been there for [`LEARNING`] of the time watched, an hour at least, is a
//! daemon. Gone for longer than its longest gap and a grace, it is missing (a fixed-width variant of the phi accrual
//! failure detector: Hayashibara et al., 2004). Limits: a program that was stopped on purpose is missed
//! until told to forget it.

use serde::{Deserialize, Serialize};

use super::verdict::{Kind, Verdict, Why};

const SECOND_NS: u64 = 1_000_000_000;
const LEARNING: u64 = 3600 * SECOND_NS;
const GRACE: u64 = 15 * SECOND_NS;
const SHARE: f64 = 0.95;

/// One program, by its executable. Needs a call when it comes, when it goes, and while it is gone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Absence {
    first_ns: Option<u64>,
    last_ns: u64,
    there_ns: u64,
    longest_gap_ns: u64,
    gone_since_ns: Option<u64>,
}

impl Absence {
    pub fn observe(&mut self, time_ns: u64, is_there: bool) -> Verdict {
        let first = *self.first_ns.get_or_insert(time_ns);
        let since = time_ns.saturating_sub(self.last_ns.max(first));
        self.last_ns = self.last_ns.max(time_ns);
        if is_there {
            match self.gone_since_ns.take() {
                // A return from a long absence is no habit of it.
                Some(gone) if !self.is_missed(time_ns, gone) => {
                    self.longest_gap_ns = self.longest_gap_ns.max(time_ns.saturating_sub(gone));
                }
                Some(_) => {}
                None => self.there_ns += since,
            }
            return Verdict::normal(0.0, Why::Usual);
        }
        let gone = *self.gone_since_ns.get_or_insert(time_ns);
        let why = Why::Limit {
            value: time_ns.saturating_sub(gone) as f64 / SECOND_NS as f64,
            limit: (self.longest_gap_ns + GRACE) as f64 / SECOND_NS as f64,
        };
        if self.is_missed(time_ns, gone) {
            Verdict::of(Kind::Absence, 0.9, why)
        } else {
            Verdict::normal(0.2, why)
        }
    }

    fn is_missed(&self, time_ns: u64, gone_ns: u64) -> bool {
        let watched = gone_ns.saturating_sub(self.first_ns.unwrap_or(gone_ns));
        let is_daemon = self.there_ns >= LEARNING && self.there_ns as f64 > SHARE * watched as f64;
        is_daemon && time_ns.saturating_sub(gone_ns) > self.longest_gap_ns + GRACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_missed_and_a_job_is_not() {
        let (mut daemon, mut job) = (Absence::default(), Absence::default());
        for second in 0..7200 {
            let time = second * SECOND_NS;
            assert_eq!(daemon.observe(time, second % 1000 > 2).anomaly, None);
            assert_eq!(job.observe(time, second % 60 < 20).anomaly, None);
        }
        let gone = |program: &mut Absence| {
            (7200..7300_u64).find(|at| program.observe(at * SECOND_NS, false).anomaly.is_some())
        };
        assert!(matches!(gone(&mut daemon), Some(7216..=7220)));
        assert_eq!(gone(&mut job), None);
        assert_eq!(daemon.observe(8000 * SECOND_NS, true).anomaly, None);
    }
}
