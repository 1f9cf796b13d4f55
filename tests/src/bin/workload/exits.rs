//! Ways to end.

use serde_json::{Value, json};

use crate::{
    child::{Shared, execute, fork, text, until, wait},
    clock::{boot_ns, spin_thread},
};

/// Every exit code.
pub fn codes() -> Value {
    let ended: Vec<_> = (0..=255).map(|code| wait(fork(|| code)).json()).collect();
    json!({"ended": ended})
}

/// Signals, with and without a core dump, which goes to `directory`.
pub fn signals(directory: &str) -> Value {
    let directory = text(directory);
    let mut ended = Vec::new();
    for signal in [
        libc::SIGHUP,
        libc::SIGKILL,
        libc::SIGTERM,
        libc::SIGSEGV,
        libc::SIGABRT,
        libc::SIGQUIT,
        libc::SIGUSR1,
        libc::SIGRTMAX(),
    ] {
        for core_limit in [0, libc::RLIM_INFINITY] {
            let pid = fork(|| {
                let limit = libc::rlimit {
                    rlim_cur: core_limit,
                    rlim_max: core_limit,
                };
                // SAFETY: plain system calls on objects of ours.
                unsafe {
                    libc::chdir(directory.as_ptr());
                    libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
                    libc::signal(signal, libc::SIG_DFL);
                    libc::kill(libc::getpid(), signal);
                }
                99
            });
            ended.push(wait(pid).json());
        }
    }
    json!({"ended": ended})
}

/// A thread that is not the main one ends the process while the main one sleeps.
pub fn thread_ends_group(code: i32) -> Value {
    let pid = fork(|| {
        let thread = std::thread::spawn(move || {
            spin_thread(5_000_000);
            // SAFETY: ends the process.
            unsafe { libc::syscall(libc::SYS_exit_group, code) };
        });
        let _ = thread.join();
        98
    });
    wait(pid).json()
}

/// The main thread leaves with one code; another thread then burns 20 ms and leaves by `exit` (its
/// thread only, the last) or by `exit_group`. Also tells when the last thread was about to leave.
pub fn main_leaves(leader_code: i32, how: &str, code: i32) -> Value {
    let shared: &'static Shared = Box::leak(Box::new(Shared::new(1)));
    let call = match how {
        "exit" => libc::SYS_exit,
        "exit_group" => libc::SYS_exit_group,
        other => panic!("unknown way to leave {other:?}"),
    };
    let pid = fork(|| {
        std::thread::spawn(move || {
            until("the main thread to be gone", || {
                std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| stat.contains(") Z "))
            });
            spin_thread(20_000_000);
            shared.set(0, boot_ns());
            // SAFETY: ends this thread, or the process.
            unsafe { libc::syscall(call, code) };
        });
        // SAFETY: ends the main thread alone; nothing of its stack is used by the other.
        unsafe { libc::syscall(libc::SYS_exit, leader_code) };
        97
    });
    let ended = wait(pid).json();
    json!({"ended": ended, "last_thread_left_ns": shared.get(0)})
}

/// Main thread and another burn 20 ms each and write 10,000 bytes each to nowhere; then the other, not
/// the leader, executes the program, which ends with 33.
pub fn thread_executes(program: &str) -> Value {
    let program = program.to_owned();
    let pid = fork(|| {
        let work = || {
            spin_thread(20_000_000);
            std::fs::write("/dev/null", [0; 10_000]).expect("writing to nowhere");
        };
        work();
        std::thread::spawn(move || {
            work();
            execute(&program, &["thread-executed", "33"]);
        });
        loop {
            std::thread::park();
        }
    });
    wait(pid).json()
}
