//! Signals to processes of several threads.

use serde_json::Value;

use super::{End, Sender, Steps, kill, mask, over, target};

pub fn of_threads() -> Vec<Value> {
    let mut cases = Vec::new();
    let by_us = |signal| End {
        signal,
        code: Some(0),
        sender: Sender::Parent,
    };
    for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGRTMIN() + 1] {
        // Only a thread that is not the main one takes it.
        let steps = Steps::new();
        let pid = target(|| {
            std::thread::spawn(|| {
                steps.reach(1);
                mask::sleep();
            });
            mask::block(&[signal]);
            steps.await_target(1);
            steps.reach(2);
            mask::sleep();
        });
        steps.await_target(2);
        kill(pid, signal);
        cases.push(over(
            "blocked by the main thread",
            pid,
            Some(&by_us(signal)),
        ));

        // The main thread has left.
        let steps = Steps::new();
        let pid = target(|| {
            std::thread::spawn(|| {
                steps.reach(1);
                mask::sleep();
            });
            // SAFETY: ends this thread alone; nothing of its stack is used by the other.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
        steps.await_target(1);
        mask::await_state(pid, 'Z');
        kill(pid, signal);
        cases.push(over("without a main thread", pid, Some(&by_us(signal))));
    }

    // To a thread that blocks it, while others would not.
    let steps = Steps::new();
    let pid = target(|| {
        let term = libc::SIGTERM;
        std::thread::spawn(move || {
            mask::block(&[term]);
            // SAFETY: has no preconditions.
            steps.reach(unsafe { libc::gettid() } as u64);
            steps.await_parent(1);
            mask::unblock(&[term]);
        });
        mask::sleep();
    });
    steps.await_target(1);
    let thread = steps.reached();
    // SAFETY: has no preconditions; the thread is one of a child of ours.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, thread, libc::SIGTERM) };
    steps.allow(1);
    let end = End {
        code: Some(-6),
        ..by_us(libc::SIGTERM)
    };
    cases.push(over("to a thread that blocks it", pid, Some(&end)));

    // A thread's own fault, and a thread that sends.
    let pid = target(|| {
        std::thread::spawn(|| {
            // SAFETY: ends the process, as is wanted.
            unsafe { std::ptr::null_mut::<u8>().wrapping_add(8).write_volatile(1) };
        });
        mask::sleep();
    });
    let end = End {
        signal: libc::SIGSEGV,
        code: Some(1),
        sender: Sender::Kernel,
    };
    cases.push(over("a thread's fault", pid, Some(&end)));
    let pid = target(|| {
        std::thread::spawn(|| {
            // SAFETY: has no preconditions.
            kill(unsafe { libc::getpid() }, libc::SIGTERM);
        });
        mask::sleep();
    });
    let end = End {
        signal: libc::SIGTERM,
        code: Some(0),
        sender: Sender::Target,
    };
    cases.push(over("a thread kills its process", pid, Some(&end)));
    cases
}
