//! Signals that end a process, and signals that might have.
//!
//! Each case is a target, a child of this process, and what is done to it. It tells which signal ended the
//! target and who sent it, or that none did; wait4 has to agree before anybody else is asked.

mod cases;
mod mask;
mod threads;
mod unsent;

use std::io::Write as _;

use serde_json::{Value, json};

use crate::{
    child::{self, Ended, Shared},
    limit,
};

/// Who has sent a signal.
#[derive(Clone, Copy)]
pub enum Sender {
    /// This process.
    Parent,
    Target,
    Kernel,
    Process(i32),
    /// The kernel, on behalf of what a process did, which siginfo(7) names.
    ProcessOrKernel(i32),
}

/// What ended a target.
pub struct End {
    pub signal: i32,
    /// `None` where the kernel does not say.
    pub code: Option<i32>,
    pub sender: Sender,
}

/// Steps that a target and its parent go together.
pub struct Steps(Shared);

impl Steps {
    pub fn new() -> &'static Self {
        Box::leak(Box::new(Self(Shared::new(2))))
    }

    /// The target says that it has got so far.
    pub fn reach(&self, step: u64) {
        self.0.set(0, step);
    }

    pub fn reached(&self) -> u64 {
        self.0.get(0)
    }

    pub fn await_target(&self, step: u64) {
        child::until("the target", || self.0.get(0) >= step);
    }

    /// The parent lets the target go on.
    pub fn allow(&self, step: u64) {
        self.0.set(1, step);
    }

    pub fn await_parent(&self, step: u64) {
        child::until("the parent", || self.0.get(1) >= step);
    }
}

/// A target does `work`, and ends with 7 if nothing ends it before.
pub fn target(work: impl FnOnce()) -> i32 {
    child::fork(|| {
        limit::life();
        // SAFETY: plain system calls. A shell starts what is to run in the background with these ignored.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            libc::signal(libc::SIGQUIT, libc::SIG_DFL);
        }
        work();
        7
    })
}

/// A target that has done `first`, says so, and waits to be ended, or to be allowed to end.
pub fn waiting(first: impl FnOnce()) -> (i32, &'static Steps) {
    let steps = Steps::new();
    let pid = target(|| {
        first();
        steps.reach(1);
        steps.await_parent(1);
    });
    steps.await_target(1);
    (pid, steps)
}

pub fn kill(pid: i32, signal: i32) {
    // SAFETY: has no preconditions; the process is a child of ours, and not reaped.
    let error = unsafe { libc::kill(pid, signal) };
    assert_eq!(error, 0, "kill: {}", std::io::Error::last_os_error());
}

/// A case that is over: waits for the target, and tells.
pub fn over(name: &str, pid: i32, end: Option<&End>) -> Value {
    let ended = child::wait(pid);
    told(name, &ended, end)
}

pub fn told(name: &str, ended: &Ended, end: Option<&End>) -> Value {
    let status = ended.status;
    let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
    assert_eq!(signal, end.map(|end| end.signal), "how {name} ended");
    let expected = end.map(|end| {
        let own = std::process::id();
        let senders = match end.sender {
            Sender::Parent => json!([own]),
            Sender::Target => json!([ended.pid]),
            Sender::Kernel => json!([null]),
            Sender::Process(pid) => json!([pid]),
            Sender::ProcessOrKernel(pid) => json!([pid, null]),
        };
        json!({"signal": end.signal, "code": end.code, "senders": senders})
    });
    json!({"name": name, "pid": ended.pid, "expected": expected})
}

pub fn role(arguments: &[&str]) {
    limit::life();
    no_cores();
    let cases = match arguments {
        ["sent"] => cases::sent(),
        ["by-the-kernel"] => cases::by_the_kernel(),
        ["harmless"] => cases::harmless(),
        ["masked"] => mask::masked(),
        ["threads"] => threads::of_threads(),
        ["unsent"] => unsent::unsent(),
        ["masked-until-told"] => {
            mask::until_told();
            return;
        }
        other => panic!("unknown role of signals {other:?}"),
    };
    println!("{}", json!({"pid": std::process::id(), "cases": cases}));
    let _ = std::io::stdout().flush();
}

fn no_cores() {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a plain system call on an object of ours.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
}
