//! What a program never did before: a child program, a listening port, a destination.
//!
//! Deeds are remembered as 64-bit hashes (Forrest et al., "A sense of self for Unix processes", 1996, of which this is
//! the set without sequences). Nothing is told in the learning period, nor of a program that does new things all the
//! time: the probability of something new is estimated by the share of deeds seen once (Good, "The population frequencies
//! of species", 1953). Limits: [`KEPT`] deeds a program; one that has more is no longer judged.

use serde::{Deserialize, Serialize};

use super::verdict::{Kind, Verdict, Why};

/// Deeds remembered of a program.
const KEPT: usize = 256;
const LEARNING_NS: u64 = 24 * 3_600_000_000_000;
/// Observations before a verdict, however long it took.
const LEAST: u64 = 20;
/// Good's probability of something new, above which news are no news.
const CURIOUS: f64 = 0.05;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Novelty {
    first_ns: Option<u64>,
    seen: u64,
    once: u64,
    /// By hash: whether it was seen more than once.
    deeds: Vec<(u64, bool)>,
    is_full: bool,
}

impl Novelty {
    /// Judges a deed by its hash, then learns it. The hash must be the same in every run of the agent.
    pub fn observe(&mut self, time_ns: u64, deed: u64) -> Verdict {
        let first = *self.first_ns.get_or_insert(time_ns);
        let probability = (self.once as f64 + 1.0) / (self.seen as f64 + 1.0);
        let has_learned = self.seen >= LEAST && time_ns.saturating_sub(first) >= LEARNING_NS;
        self.seen += 1;
        let place = self.deeds.binary_search_by_key(&deed, |known| known.0);
        match place {
            Ok(at) => {
                if !self.deeds[at].1 {
                    self.deeds[at].1 = true;
                    self.once -= 1;
                }
                return Verdict::normal(0.0, Why::Usual);
            }
            Err(_) if self.deeds.len() == KEPT => self.is_full = true,
            Err(at) => {
                self.deeds.insert(at, (deed, false));
                self.once += 1;
            }
        }
        if !has_learned {
            return Verdict::normal(0.0, Why::Learning { seen: self.seen });
        }
        let why = Why::Limit {
            value: CURIOUS,
            limit: probability,
        };
        if self.is_full || probability > CURIOUS {
            return Verdict::normal(0.2, why);
        }
        Verdict::of(Kind::Novelty, 1.0 - probability, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn a_new_child_of_a_steady_program_is_told_once() {
        let mut novelty = Novelty::default();
        for hour in 0..100 {
            assert_eq!(novelty.observe(hour * HOUR, hour % 3).anomaly, None);
        }
        assert_eq!(novelty.observe(101 * HOUR, 77).anomaly, Some(Kind::Novelty));
        assert_eq!(novelty.observe(102 * HOUR, 77).anomaly, None);
    }

    #[test]
    fn who_always_does_new_things_and_who_was_just_met_are_not_told() {
        let (mut curious, mut young) = (Novelty::default(), Novelty::default());
        for deed in 0..5000 {
            assert_eq!(curious.observe(deed * HOUR, deed).anomaly, None);
            assert_eq!(young.observe(deed, deed % 7).anomaly, None);
        }
        assert_eq!(curious.deeds.len(), KEPT);
        assert_eq!(young.observe(HOUR, 99).anomaly, None);
    }
}
