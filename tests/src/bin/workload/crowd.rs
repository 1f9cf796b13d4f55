//! More processes than anybody needs.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::child::{usage_of_children, usage_of_self, wait};

/// Enough for a signal-free sleep.
const STACK: usize = 4096;

/// Processes that end as soon as they are born, one after the other, in our own memory: next to nothing but births
/// and ends.
pub fn vanish(count: u64) -> Value {
    let mut stack = vec![0_u128; STACK / 16];
    let top = stack.as_mut_ptr_range().end.cast();
    for _ in 0..count {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the end of a stack that is nobody else's: we go on when the child has ended.
        let pid = unsafe { libc::clone(end, top, flags, std::ptr::null_mut()) };
        assert!(pid > 0, "clone: {}", std::io::Error::last_os_error());
        wait(pid);
    }
    json!({
        "pid": std::process::id(),
        "vanished": count,
        "usage": usage_of_children(),
        "own_usage": usage_of_self(),
    })
}

/// Processes that sleep in our own memory until standard input ends. Tells how many there are, and which was refused.
pub fn crowd(count: usize) -> Value {
    let bytes = count * STACK;
    // SAFETY: a new mapping, which stays for as long as this program runs.
    let stacks = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    assert_ne!(stacks, libc::MAP_FAILED, "mmap");
    let mut pids = Vec::with_capacity(count);
    let mut refused = None;
    for number in 1..=count {
        // SAFETY: the end of a stack that is nobody else's; the child makes system calls only, and shares our
        // memory for as long as it lives, which is no longer than we do.
        let pid = unsafe {
            let top = stacks.cast::<u8>().add(number * STACK).cast();
            libc::clone(
                sleep,
                top,
                libc::CLONE_VM | libc::SIGCHLD,
                std::ptr::null_mut(),
            )
        };
        if pid < 0 {
            refused = Some(std::io::Error::last_os_error().to_string());
            break;
        }
        pids.push(pid);
    }
    println!(
        "{}",
        json!({"pid": std::process::id(), "children": pids.len(), "refused": refused})
    );
    let _ = std::io::stdin().read(&mut [0]);
    for pid in &pids {
        // SAFETY: a child of ours that has not been reaped.
        unsafe { libc::kill(*pid, libc::SIGKILL) };
    }
    for pid in pids {
        wait(pid);
    }
    json!({"usage": usage_of_children()})
}

extern "C" fn end(_: *mut libc::c_void) -> libc::c_int {
    0
}

extern "C" fn sleep(_: *mut libc::c_void) -> libc::c_int {
    loop {
        // SAFETY: system calls without pointers.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::pause();
        }
    }
}
