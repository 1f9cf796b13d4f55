//! What a detector says of one observation.

use std::fmt;

use serde::{Deserialize, Serialize};

/// In what way an observation is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Far above what was expected.
    Spike,
    /// Far below what was expected.
    Dip,
    /// The values have moved to another level, and stay there.
    LevelShift,
    /// The values move away from their level step by step.
    Drift,
    /// The values vary more than they did.
    Noise,
    /// The values have stopped varying.
    FlatLine,
    /// Memory, descriptors or threads that grow and are not given back.
    Leak,
    /// More happens in a second than ever did.
    Storm,
    /// The same program ends and is started again, over and over.
    RestartLoop,
    /// What is always there is gone.
    Absence,
    /// Ready to run, and kept waiting.
    Starvation,
    /// Waiting for storage.
    Blocked,
    /// The dead are not waited for by their parents.
    Zombies,
    /// What was never seen of this program.
    Novelty,
}

impl Kind {
    /// The name in JSON, CSV and SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Dip => "dip",
            Self::LevelShift => "level_shift",
            Self::Drift => "drift",
            Self::Noise => "noise",
            Self::FlatLine => "flat_line",
            Self::Leak => "leak",
            Self::Storm => "storm",
            Self::RestartLoop => "restart_loop",
            Self::Absence => "absence",
            Self::Starvation => "starvation",
            Self::Blocked => "blocked",
            Self::Zombies => "zombies",
            Self::Novelty => "novelty",
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::LevelShift => "level shift",
            Self::FlatLine => "flat line",
            Self::RestartLoop => "restart loop",
            other => other.name(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// What a detector says of one observation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// How surprising it is, from 0 (as usual) to 1. An anomaly from one half on.
    pub score: f64,
    /// In what way it is unusual. `None` when it is normal.
    pub anomaly: Option<Kind>,
    pub why: Why,
}

/// The figures behind a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Why {
    /// There is no value.
    Missing,
    /// Too little has been seen to judge.
    Learning { seen: u64 },
    /// A value against what was expected.
    Expected {
        value: f64,
        expected: f64,
        /// How far values usually are from what is expected of them.
        spread: f64,
        /// The probability of this much or more.
        probability: f64,
    },
    /// How much the values vary against how much they did.
    Variation {
        now: f64,
        usual: f64,
        probability: f64,
    },
    /// A figure that passed a limit.
    Limit { value: f64, limit: f64 },
    /// A growth, in units per second, that is no chance.
    Growth { per_second: f64, probability: f64 },
    /// Nothing to say.
    Usual,
}

impl Verdict {
    /// Nothing unusual.
    pub const fn normal(score: f64, why: Why) -> Self {
        Self {
            score,
            anomaly: None,
            why,
        }
    }

    pub const fn of(kind: Kind, score: f64, why: Why) -> Self {
        Self {
            score,
            anomaly: Some(kind),
            why,
        }
    }
}

/// A figure with four digits that count.
struct Figure(f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size != 0.0 && !(1e-3..1e7).contains(&size) {
            return write!(f, "{:.3e}", self.0);
        }
        let decimals = match size {
            size if size >= 1000.0 => 0,
            size if size >= 100.0 => 1,
            size if size >= 10.0 => 2,
            size if size >= 1.0 => 3,
            _ => 4,
        };
        write!(f, "{:.decimals$}", self.0)
    }
}

/// `one in 12000`.
struct Chance(f64);

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1e-9 {
            write!(f, "one in {:.0}", 1.0 / self.0)
        } else {
            f.write_str("one in more than 1000000000")
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Missing => f.write_str("no value"),
            Self::Learning { seen } => write!(f, "learning: {seen} seen"),
            Self::Expected {
                value,
                expected,
                spread,
                probability,
            } => write!(
                f,
                "{} where {} ± {} is usual, {}",
                Figure(value),
                Figure(expected),
                Figure(spread),
                Chance(probability)
            ),
            Self::Variation {
                now,
                usual,
                probability,
            } => write!(
                f,
                "varies by {} where {} is usual, {}",
                Figure(now),
                Figure(usual),
                Chance(probability)
            ),
            Self::Limit { value, limit } => {
                write!(f, "{} passes {}", Figure(value), Figure(limit))
            }
            Self::Growth {
                per_second,
                probability,
            } => write!(
                f,
                "grows by {} per second, {} by chance",
                Figure(per_second),
                Chance(probability)
            ),
            Self::Usual => f.write_str("as usual"),
        }
    }
}
