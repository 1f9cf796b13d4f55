//! Waiting for a condition, up to a deadline. Nothing here sleeps to be right.

use std::time::{Duration, Instant};

/// What a condition may take on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none within `patience`; `what` names what was waited for.
pub fn until<T>(what: &str, patience: Duration, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = answer() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {patience:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
