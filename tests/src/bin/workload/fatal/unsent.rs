//! Ends by a signal that nobody has sent.

use serde_json::Value;

use super::{End, Sender, mask, over, target};

pub fn unsent() -> Vec<Value> {
    let mut cases = Vec::new();
    // Whoever breaks the rules of seccomp(2)'s strict mode ends as if by SIGKILL.
    let pid = target(|| {
        // SAFETY: plain system calls, the second of which ends the process.
        unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, 1, 0, 0, 0);
            libc::getppid();
        }
    });
    let end = End {
        signal: libc::SIGKILL,
        code: None,
        sender: Sender::Kernel,
    };
    cases.push(over("strict seccomp", pid, Some(&end)));

    // A tracer has its target take another signal than the one that was sent.
    let pid = target(|| {
        // SAFETY: plain system calls.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGUSR1);
        }
    });
    mask::await_state(pid, 't');
    let none = std::ptr::null_mut::<libc::c_void>();
    let mut status = 0;
    // SAFETY: the target is a child of ours, and stopped.
    unsafe {
        libc::waitpid(pid, &raw mut status, libc::__WALL);
        libc::ptrace(libc::PTRACE_CONT, pid, none, i64::from(libc::SIGTERM));
    }
    let end = End {
        signal: libc::SIGTERM,
        code: None,
        sender: Sender::ProcessOrKernel(std::process::id().cast_signed()),
    };
    cases.push(over("put in by a tracer", pid, Some(&end)));
    cases
}
