//! Who is whose parent, and who has whose pid.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::child::{Shared, execute, fork, until, wait};

/// A forks B, B forks C and ends, C ends once it has another parent: us, for we adopt.
pub fn daemon() -> Value {
    // SAFETY: plain system calls.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let shared = Shared::new(2);
    let middle = fork(|| {
        // SAFETY: has no preconditions.
        let middle = unsafe { libc::getpid() };
        let last = fork(|| {
            // SAFETY: has no preconditions.
            until("another parent", || unsafe { libc::getppid() } != middle);
            // SAFETY: has no preconditions.
            shared.set(1, unsafe { libc::getppid() } as u64);
            5
        });
        shared.set(0, last as u64);
        4
    });
    let middle = wait(middle);
    let last = wait(shared.get(0) as i32);
    json!({
        "pid": std::process::id(),
        "middle": middle.json(),
        "last": last.json(),
        "last_parent_at_end": shared.get(1),
    })
}

/// A child that clones with CLONE_PARENT: the new process is our child, not its.
pub fn clone_parent() -> Value {
    let shared = Shared::new(1);
    let caller = fork(|| {
        let flags = libc::CLONE_PARENT | libc::SIGCHLD;
        // SAFETY: without CLONE_VM this is a fork; this process has one thread.
        let cloned = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        if cloned == 0 {
            return 6;
        }
        shared.set(0, cloned as u64);
        7
    });
    let caller = wait(caller);
    let cloned = wait(shared.get(0) as i32);
    json!({"pid": std::process::id(), "caller": caller.json(), "cloned": cloned.json()})
}

/// The same pid again and again, each time for a process of other arguments and another exit code.
pub fn same_pid(program: &str, times: u64) -> Value {
    // `struct clone_args`, see clone3(2).
    #[repr(C)]
    #[derive(Default)]
    struct CloneArguments {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    let pid = wait(fork(|| 0)).pid;
    let mut ended = Vec::new();
    for number in 0..times {
        let tid: libc::pid_t = pid;
        let arguments = CloneArguments {
            exit_signal: libc::SIGCHLD as u64,
            set_tid: (&raw const tid) as u64,
            set_tid_size: 1,
            ..CloneArguments::default()
        };
        // SAFETY: without CLONE_VM this is a fork; this process has one thread.
        let cloned = unsafe {
            libc::syscall(
                libc::SYS_clone3,
                &raw const arguments,
                size_of::<CloneArguments>(),
            )
        };
        if cloned == 0 {
            let code = (number + 1).to_string();
            execute(program, &[&format!("same-pid-{number}"), &code]);
        }
        if cloned < 0 {
            let error = std::io::Error::last_os_error();
            return json!({"refused": error.to_string(), "errno": error.raw_os_error()});
        }
        ended.push(wait(pid).json());
    }
    json!({"pid": pid, "ended": ended})
}

/// Processes one after the other, the first of which have the last pids there are.
pub fn wrap(program: &str, times: u64) -> Value {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{file}"));
    let pid_max: u64 = read("pid_max")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .expect("pid_max");
    let last = (pid_max - times / 2).to_string();
    if let Err(error) = std::fs::write("/proc/sys/kernel/ns_last_pid", last) {
        return json!({"refused": error.to_string()});
    }
    let mut ended = Vec::new();
    for number in 0..times {
        let mark = format!("wrap-{number}");
        let pid = fork(|| execute(program, &[&mark, &(number % 200).to_string()]));
        ended.push(wait(pid).json());
    }
    json!({"pid": std::process::id(), "pid_max": pid_max, "ended": ended})
}

/// A, whose child B has a child C and ends. Tells the pids at once; C lives until standard input ends.
pub fn orphan() -> ! {
    // SAFETY: plain system calls.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let shared = Shared::new(1);
    let middle = fork(|| {
        let last = fork(|| {
            let _ = std::io::stdin().read(&mut [0]);
            0
        });
        shared.set(0, last as u64);
        44
    });
    wait(middle);
    println!(
        "{}",
        json!({"first": std::process::id(), "middle": middle, "last": shared.get(0)})
    );
    wait(shared.get(0) as i32);
    std::process::exit(0);
}
