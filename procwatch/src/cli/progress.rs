//! How far something has come that takes its time: a line on the terminal, gone when it is done.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const TEMPLATE: &str = "{msg} [{bar:30}] {percent:>3}% {eta:>4}";

/// Shown on standard error where that is a terminal, from a second on.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// `what` is done, in a word or two.
    pub fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        // A constant that is right; else it looks plain.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        Self {
            bar,
            begun: Instant::now(),
        }
    }

    /// So much of so much is done.
    pub fn tell(&mut self, done: u64, all: u64) {
        let is_time = self.begun.elapsed() >= PATIENCE;
        if self.bar.is_hidden() && is_time && std::io::stderr().is_terminal() {
            self.bar
                .set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
