//! A process through the files of a thread that lives.

use super::{
    directory::{FILE_MAX, ProcessDirectory},
    figures::{Io, Status},
    stat::Stat,
};
use crate::model::{
    identity::WaitStatus,
    sample::{Ending, State, TotalsAt},
};

/// A process through the files of its main thread; through those of another when that one has ended
/// before the rest: it has given up its memory and looks like a zombie.
pub(super) struct ThreadView {
    pub directory: ProcessDirectory,
    /// Of the process as a whole, where the main thread's own directory is not that.
    process: Option<ProcessDirectory>,
    pub state: u8,
    pub rss_pages: u64,
}

impl ThreadView {
    pub(super) fn living(process: ProcessDirectory, stat: &Stat, buffer: &mut Vec<u8>) -> Self {
        let other = (stat.is_dead() && stat.threads > 1)
            .then(|| {
                process.find_thread(|thread| {
                    let line = thread.read(c"stat", FILE_MAX, buffer).ok();
                    let other = line.and_then(Stat::parse)?;
                    (!other.is_dead()).then_some((thread, other))
                })
            })
            .flatten();
        match other {
            Some((thread, other)) => Self {
                directory: thread,
                process: Some(process),
                state: other.state,
                rss_pages: other.rss_pages,
            },
            None => Self {
                directory: process,
                process: None,
                state: stat.state,
                rss_pages: stat.rss_pages,
            },
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    pub(super) fn status(&self, buffer: &mut Vec<u8>) -> Status {
        let text = self.directory.read(c"status", FILE_MAX, buffer);
        text.map(Status::parse).unwrap_or_default()
    }

    pub(super) fn process_io(&self, buffer: &mut Vec<u8>) -> Io {
        let process = self.process.as_ref().unwrap_or(&self.directory);
        process
            .read(c"io", FILE_MAX, buffer)
            .map(Io::parse)
            .unwrap_or_default()
    }

    pub(super) fn process_state(&self, stat: &Stat, io: &Io) -> State {
        match self.state {
            b'R' => State::Running,
            b'D' => State::Uninterruptible,
            b'T' | b't' => State::Stopped,
            // Of more than one the others are on their way out too, and the next reading tells.
            _ if self.is_dead() && stat.threads <= 1 => State::Zombie(Ending {
                time_ns: None,
                // The kernel shows 0 in place of the status to whom it refuses io as well.
                status: (stat.exit_code != 0 || *io != Io::default())
                    .then_some(WaitStatus(stat.exit_code)),
                // Within the ticks: all that is left of it is the last step off its CPU.
                totals: TotalsAt::Final,
            }),
            _ => State::Sleeping,
        }
    }
}
