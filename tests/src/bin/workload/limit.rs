//! No role outlives its test for long.

/// No role takes this long; whoever does is ended by SIGALRM, and the test fails instead of hanging.
const LIMIT_S: u32 = 120;

/// Limits the life of the calling process. A fork has to limit its own.
pub fn life() {
    // SAFETY: has no preconditions.
    unsafe { libc::alarm(LIMIT_S) };
}
