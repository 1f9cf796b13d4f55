//! When a query has to end before it is done.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Why a query ended before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for it.
    Interrupted,
    /// It took longer than it may.
    TimedOut,
}

/// Shared by whoever asks, who waits, and what is asked.
#[derive(Debug, Default)]
pub struct Control {
    is_interrupted: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

impl Control {
    /// Ends the query that is under way, and every later one.
    pub fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
    }

    /// `None` while the query may go on.
    pub fn why_to_stop(&self) -> Option<Stop> {
        if self.is_interrupted.load(Ordering::Relaxed) {
            return Some(Stop::Interrupted);
        }
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
            .then_some(Stop::TimedOut)
    }

    /// Does something that may take so much of the time that is left, which is the less afterwards. What a reader of
    /// the output takes is not on the query's account.
    pub(super) fn within<T>(&self, left: &mut Duration, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        self.set(start.checked_add(*left));
        let result = work();
        let taken = start.elapsed();
        // One that has come too late stays too late.
        if self.why_to_stop().is_none() {
            self.set(None);
        }
        *left = left.saturating_sub(taken);
        result
    }

    fn set(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }
}
