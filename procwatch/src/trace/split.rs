//! How a thread spends its time: every nanosecond of it once.

use super::{cause::Cause, record::OffCpu};

/// Where the time of one thread, or of several together, has gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// From when it was first traced to its end, or to the end of tracing.
    pub wall_ns: u64,
    /// By [`Cause::ALL`]; running is what is left.
    off_ns: [u64; Cause::ALL.len()],
}

impl Split {
    /// Nanoseconds of a cause.
    pub fn of(&self, cause: Cause) -> u64 {
        match cause {
            Cause::Running => self.wall_ns.saturating_sub(self.off_ns.iter().sum()),
            other => self.off_ns[other as usize],
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.wall_ns += other.wall_ns;
        for (sum, more) in self.off_ns.iter_mut().zip(other.off_ns) {
            *sum += more;
        }
    }
}

/// One thread, while it is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub pid: u32,
    pub tid: u32,
    pub comm: Box<str>,
    /// When it was first traced.
    pub since_ns: u64,
    /// Its end. `None` while it lives.
    pub until_ns: Option<u64>,
    off_ns: [u64; Cause::ALL.len()],
}

impl Thread {
    pub fn new(pid: u32, tid: u32, comm: &str, since_ns: u64) -> Self {
        Self {
            pid,
            tid,
            comm: comm.into(),
            since_ns,
            until_ns: None,
            off_ns: [0; Cause::ALL.len()],
        }
    }

    /// A time off the CPU, which ended or goes on at `now_ns`.
    pub fn was_off(&mut self, off: &OffCpu, now_ns: u64) {
        let since_ns = off.since_ns.max(self.since_ns);
        let ready_ns = off.ready_ns.clamp(since_ns, now_ns.max(since_ns));
        self.spend(Cause::of(off), ready_ns - since_ns);
        self.spend(Cause::RunQueue, now_ns.saturating_sub(ready_ns));
    }

    pub fn spend(&mut self, cause: Cause, nanoseconds: u64) {
        self.off_ns[cause as usize] += nanoseconds;
    }

    /// As of a time, for a thread that lives.
    pub fn split(&self, now_ns: u64) -> Split {
        let until_ns = self.until_ns.unwrap_or(now_ns);
        Split {
            wall_ns: until_ns.saturating_sub(self.since_ns),
            off_ns: self.off_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::record::Sleep;

    fn off(since_ns: u64, ready_ns: u64, sleep: Sleep) -> OffCpu {
        OffCpu {
            since_ns,
            ready_ns,
            waker: None,
            sleep,
            call: None,
            file: None,
            stack: Vec::new(),
        }
    }

    #[test]
    fn the_shares_are_the_whole() {
        let mut thread = Thread::new(1, 2, "x", 100);
        thread.was_off(&off(200, 300, Sleep::ForDevice), 350);
        thread.was_off(&off(400, 400, Sleep::Ready), 420);
        thread.until_ns = Some(1100);
        let split = thread.split(9999);
        assert_eq!(split.wall_ns, 1000);
        assert_eq!(split.of(Cause::Disk), 100);
        assert_eq!(split.of(Cause::RunQueue), 70);
        assert_eq!(split.of(Cause::Running), 830);
        let sum: u64 = Cause::ALL.into_iter().map(|cause| split.of(cause)).sum();
        assert_eq!(sum, split.wall_ns);
    }

    #[test]
    fn what_was_before_tracing_does_not_count() {
        let mut thread = Thread::new(1, 2, "x", 100);
        thread.was_off(&off(10, 90, Sleep::Interruptible), 150);
        assert_eq!(thread.split(200).of(Cause::Other), 0);
        assert_eq!(thread.split(200).of(Cause::RunQueue), 50);
        assert_eq!(thread.split(200).of(Cause::Running), 50);
    }
}
