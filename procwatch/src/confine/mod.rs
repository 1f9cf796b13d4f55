//! What procwatch itself may do: as little as its command needs, in the thread that needs it.
//!
//! Whoever takes over a monitor that runs as root would have the host. So rights go as soon as nothing needs
//! them: at start all that no command of this kind ever needs, in the collecting thread all but what reading
//! takes once everything is attached, in all other threads everything. What each command needs is one row in
//! [`needs`]. A measure that the host does not have, or does not let us take, is told by `status`, and is
//! no reason to fail. Deliberately changes no user id: /proc tells others' figures to root.

mod capabilities;
mod file_access;
mod needs;
mod report;
mod system_calls;

pub use needs::{Exemption, Needs};
pub use report::{Outcome, Report};

use rustix::thread::set_no_new_privs;

/// The steps of one process's confinement, and what became of those that were taken.
#[derive(Clone, Debug)]
pub struct Confinement {
    needs: Needs,
    report: Report,
}

impl Confinement {
    /// The first step: to be taken before there is a second thread, for all of this is each thread's own,
    /// and a thread takes over that of the one that starts it.
    pub fn begin(needs: Needs) -> Self {
        // What is created later is ours alone to read.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let report = Report {
            no_new_privs: Outcome::of(set_no_new_privs(true)),
            capabilities: capabilities::begin(needs.to_start),
            ..Report::default()
        };
        Self { needs, report }
    }

    /// The step of the collecting thread once everything is attached. What it does to system calls holds for
    /// every thread.
    #[must_use]
    pub fn collecting(mut self) -> Self {
        let kept = capabilities::keep(self.needs.to_collect);
        self.report.capabilities.add(kept);
        self.report.collecting = capabilities::names();
        self.report.system_calls = Outcome::of(system_calls::refuse(&self.needs.exemptions));
        self
    }

    /// The step of the thread that shows, once the collecting thread has been started: threads that it
    /// starts from now on have as little. A file that is to be written later has to be among the needs.
    #[must_use]
    pub fn showing(mut self) -> Self {
        let kept = capabilities::keep(self.needs.to_show);
        self.report.capabilities.add(kept);
        self.report.showing = capabilities::names();
        self.report.file_access = file_access::refuse(&self.needs);
        self
    }

    /// The step of a thread that starts programs for its user: they may do what any of that user's may, but for
    /// capabilities.
    #[must_use]
    pub fn starting_programs(mut self) -> Self {
        let kept = capabilities::keep(self.needs.to_show);
        self.report.capabilities.add(kept);
        self
    }

    /// What has been done. Each thread knows of its own steps; see [`Report::with`].
    pub fn report(&self) -> &Report {
        &self.report
    }
}
