//! Many processes that do nothing.

use std::io::{Read as _, Write as _};

/// Forks so many sleeping children, says `asleep`, and ends them all when its input ends.
pub fn role(count: usize) {
    let mut children = Vec::with_capacity(count);
    for _ in 0..count {
        // SAFETY: single-threaded; the child makes system calls alone.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: as above. With the parent it goes too.
                unsafe {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    loop {
                        libc::pause();
                    }
                }
            }
            -1 => panic!(
                "{} of {count}: {}",
                children.len(),
                std::io::Error::last_os_error()
            ),
            pid => children.push(pid),
        }
    }
    print!("asleep");
    std::io::stdout().flush().expect("standard output");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    for pid in children {
        // SAFETY: our own child, not waited for yet.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
    }
}
