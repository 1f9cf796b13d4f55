//! Processes that take part in some traffic, and what each moved by the return values of its own calls.

use serde_json::{Value, json};

use crate::child::{self, Shared};

/// No role takes this long; whoever does is ended by SIGALRM, and the test fails instead of hanging.
const LIMIT_S: u32 = 100;

/// In the order of [`Flow`].
const NAMES: [&str; 4] = [
    "net_sent_bytes",
    "net_received_bytes",
    "unix_sent_bytes",
    "unix_received_bytes",
];

#[derive(Clone, Copy)]
pub enum Flow {
    NetSent,
    NetReceived,
    UnixSent,
    UnixReceived,
}

/// Bytes by flow, in memory that forks share. Counting moves nothing itself.
pub struct Counts(Shared);

impl Counts {
    pub fn new() -> Self {
        Self(Shared::new(NAMES.len()))
    }

    pub fn add(&self, flow: Flow, bytes: u64) {
        self.0.add(flow as usize, bytes);
    }

    pub fn get(&self, flow: Flow) -> u64 {
        self.0.get(flow as usize)
    }

    /// With the names of procwatch.
    pub fn json(&self, who: &str, pid: i32) -> Value {
        let mut party = json!({"who": who, "pid": pid});
        for (slot, name) in NAMES.iter().enumerate() {
            party[*name] = self.0.get(slot).into();
        }
        party
    }
}

/// A child and its counts.
pub struct Party {
    who: String,
    pub pid: i32,
    pub counts: &'static Counts,
}

impl Party {
    /// Forks; the child does `work` and ends with 0, or with a panic.
    pub fn start(who: &str, work: impl FnOnce(&'static Counts)) -> Self {
        let counts: &'static Counts = Box::leak(Box::new(Counts::new()));
        let pid = fork(|| work(counts));
        Self {
            who: who.to_owned(),
            pid,
            counts,
        }
    }

    /// Waits for its end, which has to be the one of its work.
    pub fn ended(self) -> Value {
        ended_well(&self.who, self.pid);
        self.counts.json(&self.who, self.pid)
    }

    /// Kills it, and waits for its end.
    pub fn killed(self) -> Value {
        // SAFETY: has no preconditions; the child is ours and not reaped.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        let ended = child::wait(self.pid);
        assert_eq!(libc::WTERMSIG(ended.status), libc::SIGKILL, "{}", self.who);
        self.counts.json(&self.who, self.pid)
    }
}

/// Limits the life of the calling process.
pub fn limit_life() {
    // SAFETY: has no preconditions.
    unsafe { libc::alarm(LIMIT_S) };
}

/// Forks a process that ends with 0 after its work, in limited time, and not later than its parent.
pub fn fork(work: impl FnOnce()) -> i32 {
    // SAFETY: has no preconditions.
    let parent = unsafe { libc::getpid() };
    child::fork(|| {
        // SAFETY: plain system calls.
        let orphaned = unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::getppid() != parent
        };
        if orphaned {
            return 90;
        }
        limit_life();
        work();
        0
    })
}

pub fn ended_well(who: &str, pid: i32) {
    let ended = child::wait(pid);
    assert_eq!(ended.status, 0, "how {who} ended");
}

/// Waits as long as the process lives for what another one sets.
pub fn await_at_least(shared: &Shared, slot: usize, value: u64) {
    while shared.get(slot) < value {
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}
