//! Signals that are blocked for a while, and what becomes of them.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use super::{End, Sender, Steps, kill, over, target};
use crate::child;

/// What a process does about a signal.
#[derive(Clone, Copy)]
pub enum Action {
    Default,
    Ignore,
    Handle,
}

extern "C" fn nothing(_signal: i32) {}

pub fn set(signal: i32, action: Action) {
    let action = match action {
        Action::Default => libc::SIG_DFL,
        Action::Ignore => libc::SIG_IGN,
        Action::Handle => nothing as extern "C" fn(i32) as libc::sighandler_t,
    };
    // SAFETY: a handler that does nothing, or none.
    unsafe { libc::signal(signal, action) };
}

fn change_mask(how: i32, signals: &[i32]) {
    // SAFETY: plain data, for which zero is a value; then plain calls on an object of ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

pub fn block(signals: &[i32]) {
    change_mask(libc::SIG_BLOCK, signals);
}

pub fn unblock(signals: &[i32]) {
    change_mask(libc::SIG_UNBLOCK, signals);
}

pub fn sleep() -> ! {
    loop {
        // SAFETY: has no preconditions.
        unsafe { libc::pause() };
    }
}

pub fn await_state(pid: i32, state: char) {
    child::until("a state", || is_in_state(pid, state));
}

pub fn await_not_state(pid: i32, state: char) {
    child::until("another state", || !is_in_state(pid, state));
}

fn is_in_state(pid: i32, state: char) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a child");
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with(state))
}

/// Waits until no signal waits to be taken.
pub fn await_none_pending(pid: i32) {
    child::until("signals to be taken", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a child");
        let mut pending = status
            .lines()
            .filter(|line| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"));
        pending.all(|line| line.ends_with("0000000000000000"))
    });
}

/// Takes a blocked signal without being ended by it.
fn take(signal: i32) {
    // SAFETY: plain data, for which zero is a value; then plain calls on objects of ours.
    let taken = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        let limit = libc::timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const limit)
    };
    assert_eq!(taken, signal, "the signal was pending");
}

/// A target that has blocked a signal is sent it by another process than this; then does `then`.
fn sent_while_blocked(
    signal: i32,
    first: impl FnOnce(),
    then: impl FnOnce(&Steps),
) -> (i32, i32, &'static Steps) {
    let steps = Steps::new();
    let pid = target(|| {
        block(&[signal]);
        first();
        steps.reach(1);
        steps.await_parent(1);
        then(steps);
    });
    steps.await_target(1);
    let sender = target(|| kill(pid, signal));
    let ended = child::wait(sender);
    assert_eq!(libc::WEXITSTATUS(ended.status), 7, "the sender has sent");
    (pid, sender, steps)
}

pub fn masked() -> Vec<Value> {
    let mut cases = Vec::new();
    let by = |signal, sender: i32| End {
        signal,
        code: Some(0),
        sender: Sender::Process(sender),
    };
    let term = libc::SIGTERM;
    for signal in [term, libc::SIGQUIT, libc::SIGRTMIN() + 3] {
        // Whoever ends with the signal still pending was not ended by it.
        let (pid, _, steps) = sent_while_blocked(signal, || {}, |_| {});
        steps.allow(1);
        cases.push(over("never unblocked", pid, None));

        let (pid, sender, steps) = sent_while_blocked(signal, || {}, |_| unblock(&[signal]));
        // What comes second is not kept, or is not the first to be taken.
        kill(pid, signal);
        steps.allow(1);
        cases.push(over("unblocked", pid, Some(&by(signal, sender))));

        let (pid, _, steps) = sent_while_blocked(
            signal,
            || {},
            |_| {
                take(signal);
                unblock(&[signal]);
            },
        );
        steps.allow(1);
        cases.push(over("taken by sigtimedwait", pid, None));

        // The first was taken, the second ends it.
        let (pid, _, steps) = sent_while_blocked(
            signal,
            || {},
            |steps| {
                take(signal);
                unblock(&[signal]);
                steps.reach(2);
                sleep();
            },
        );
        steps.allow(1);
        steps.await_target(2);
        let second = target(|| kill(pid, signal));
        child::wait(second);
        cases.push(over(
            "taken, then sent again",
            pid,
            Some(&by(signal, second)),
        ));

        // Caught when it is unblocked, though nobody caught it when it was sent.
        let (pid, _, steps) = sent_while_blocked(
            signal,
            || {},
            |_| {
                set(signal, Action::Handle);
                unblock(&[signal]);
            },
        );
        steps.allow(1);
        cases.push(over("caught in the end", pid, None));

        let (pid, _, steps) = sent_while_blocked(
            signal,
            || {},
            |_| {
                set(signal, Action::Ignore);
                unblock(&[signal]);
            },
        );
        steps.allow(1);
        cases.push(over("ignored in the end", pid, None));

        // And the other way round: fatal only by the time that it is unblocked.
        for action in [Action::Handle, Action::Ignore] {
            let (pid, sender, steps) = sent_while_blocked(
                signal,
                || set(signal, action),
                |_| {
                    set(signal, Action::Default);
                    unblock(&[signal]);
                },
            );
            steps.allow(1);
            let end = by(signal, sender);
            cases.push(over(
                "caught or ignored only when it was sent",
                pid,
                Some(&end),
            ));
        }
    }

    // Ended by another signal than the one that waits.
    let (pid, _, _) = sent_while_blocked(term, || {}, |_| {});
    let killer = target(|| kill(pid, libc::SIGKILL));
    child::wait(killer);
    let end = by(libc::SIGKILL, killer);
    cases.push(over("killed while one waits", pid, Some(&end)));

    cases
}

/// Blocks SIGTERM and says so; takes it at the first line of standard input.
pub fn until_told() {
    block(&[libc::SIGTERM]);
    println!("{}", json!({"pid": std::process::id()}));
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read(&mut [0]);
    unblock(&[libc::SIGTERM]);
    // Without having got it.
    std::process::exit(7);
}
