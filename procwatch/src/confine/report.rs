//! What became of each measure.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Of one measure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    #[default]
    NotYet,
    On,
    /// In force, but not all of it; and why.
    Partly(String),
    /// Not in force, and why.
    Off(String),
}

impl Outcome {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Partly(_) => "partly",
            Self::Off(_) | Self::NotYet => "off",
        }
    }

    /// Why it is not fully on.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::On => None,
            Self::Partly(why) | Self::Off(why) => Some(why),
            Self::NotYet => Some("it was not tried"),
        }
    }

    pub(super) fn of(result: Result<(), Errno>) -> Self {
        match result {
            Ok(()) => Self::On,
            Err(errno) => Self::Off(Self::reason(errno)),
        }
    }

    /// In the words of the C library.
    pub(super) fn reason(errno: Errno) -> String {
        std::io::Error::from(errno).to_string()
    }

    /// Of two steps of one measure: the worse.
    pub(super) fn add(&mut self, other: Self) {
        let rank = |outcome: &Self| match outcome {
            Self::NotYet => 0,
            Self::On => 1,
            Self::Partly(_) => 2,
            Self::Off(_) => 3,
        };
        if rank(&other) > rank(self) {
            *self = other;
        }
    }
}

/// What procwatch has given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The capabilities that are not needed.
    pub capabilities: Outcome,
    /// Those that the collecting thread keeps.
    pub collecting: Vec<String>,
    /// Those that every other thread keeps.
    pub showing: Vec<String>,
    /// No program that is started has more rights: prctl(2), `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: Outcome,
    /// Which system calls there are, for every thread: seccomp(2).
    pub system_calls: Outcome,
    /// No file is written and no program started by threads other than the collecting one: landlock(7).
    pub file_access: Outcome,
}

impl Report {
    /// With the steps that another thread has taken since both were one.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.capabilities.add(other.capabilities.clone());
        self.no_new_privs.add(other.no_new_privs.clone());
        self.system_calls.add(other.system_calls.clone());
        self.file_access.add(other.file_access.clone());
        for (mine, theirs) in [
            (&mut self.collecting, &other.collecting),
            (&mut self.showing, &other.showing),
        ] {
            if mine.is_empty() {
                mine.clone_from(theirs);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_steps_is_told() {
        let mut outcome = Outcome::NotYet;
        let check = |outcome: &Outcome, expected| assert_eq!(outcome.name(), expected);
        check(&outcome, "off");
        outcome.add(Outcome::On);
        check(&outcome, "on");
        outcome.add(Outcome::Partly("why".to_owned()));
        outcome.add(Outcome::On);
        check(&outcome, "partly");
        outcome.add(Outcome::of(Err(Errno::PERM)));
        check(&outcome, "off");
        assert!(
            outcome
                .why()
                .is_some_and(|why| why.contains("not permitted"))
        );
    }
}
