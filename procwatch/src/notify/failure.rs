//! Why a message was not taken.

use std::{fmt, time::Duration};

use crate::model::escape::{fit, terminal};

/// Of one attempt. Its text has no secret in it, is one line, and not long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    why: String,
    pub kind: FailureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It may be taken later: not before so long, where the receiver has said so.
    Temporary(Option<Duration>),
    /// The receiver will never take this message.
    Refused,
}

impl Failure {
    /// The text may be a receiver's.
    pub fn new(why: &str, kind: FailureKind) -> Self {
        const LONGEST: usize = 300;
        Self {
            why: fit(terminal(why.trim()).as_ref(), LONGEST),
            kind,
        }
    }

    pub fn temporary(why: impl AsRef<str>) -> Self {
        Self::new(why.as_ref(), FailureKind::Temporary(None))
    }

    pub fn refused(why: impl AsRef<str>) -> Self {
        Self::new(why.as_ref(), FailureKind::Refused)
    }

    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.why)
    }
}

impl std::error::Error for Failure {}
