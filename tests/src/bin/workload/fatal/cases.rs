//! Who can send what.

use serde_json::Value;

use super::{
    End, Sender, Steps, kill,
    mask::{self, Action},
    over, target, waiting,
};
use crate::child;

const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TIMER: i32 = -2;
const SI_TKILL: i32 = -6;
const SI_KERNEL: i32 = 0x80;
const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const BUS_ADRERR: i32 = 2;

const fn end(signal: i32, code: i32, sender: Sender) -> Option<End> {
    Some(End {
        signal,
        code: Some(code),
        sender,
    })
}

/// By processes.
pub fn sent() -> Vec<Value> {
    let mut cases = Vec::new();
    let mut add = |name: &str, pid: i32, end: Option<End>| {
        cases.push(over(name, pid, end.as_ref()));
    };
    for signal in [
        libc::SIGKILL,
        libc::SIGTERM,
        libc::SIGQUIT,
        libc::SIGUSR1,
        libc::SIGRTMAX(),
    ] {
        let (pid, _) = waiting(|| {});
        kill(pid, signal);
        add("kill", pid, end(signal, SI_USER, Sender::Parent));
    }

    let (pid, _) = waiting(|| {});
    let value = libc::sigval {
        sival_ptr: std::ptr::null_mut(),
    };
    // SAFETY: the process is a child of ours, and not reaped.
    unsafe { libc::sigqueue(pid, libc::SIGTERM, value) };
    add(
        "sigqueue",
        pid,
        end(libc::SIGTERM, SI_QUEUE, Sender::Parent),
    );

    // The sender that siginfo(7) names is whoever the sender says that it is.
    let (pid, _) = waiting(|| {});
    queue_as(pid, 1);
    add(
        "sigqueue in the name of pid 1",
        pid,
        end(libc::SIGTERM, SI_QUEUE, Sender::Parent),
    );

    let (pid, _) = waiting(|| {});
    // SAFETY: as above; its main thread has its pid.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, pid, libc::SIGTERM) };
    add("tgkill", pid, end(libc::SIGTERM, SI_TKILL, Sender::Parent));

    let (pid, _) = waiting(|| {});
    // SAFETY: plain system calls.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
        let none = std::ptr::null::<libc::siginfo_t>();
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            descriptor,
            libc::SIGHUP,
            none,
            0,
        );
        libc::close(descriptor);
    }
    add(
        "pidfd_send_signal",
        pid,
        end(libc::SIGHUP, SI_USER, Sender::Parent),
    );

    // SAFETY: has no preconditions.
    let pid = target(|| kill(unsafe { libc::getpid() }, libc::SIGTERM));
    add(
        "kill of itself",
        pid,
        end(libc::SIGTERM, SI_USER, Sender::Target),
    );
    // SAFETY: as above.
    let pid = target(|| assert_eq!(unsafe { libc::raise(libc::SIGKILL) }, 0));
    add("raise", pid, end(libc::SIGKILL, SI_TKILL, Sender::Target));
    let pid = target(|| std::process::abort());
    add("abort", pid, end(libc::SIGABRT, SI_TKILL, Sender::Target));

    // Of a group of three, with one call.
    let leader = waiting(|| own_group(0)).0;
    let members = [
        leader,
        waiting(|| own_group(leader)).0,
        waiting(|| own_group(leader)).0,
    ];
    kill(-leader, libc::SIGTERM);
    for pid in members {
        add(
            "kill of a group",
            pid,
            end(libc::SIGTERM, SI_USER, Sender::Parent),
        );
    }

    // What is stopped takes nothing but SIGKILL.
    for signal in [libc::SIGTERM, libc::SIGQUIT] {
        let stopped = || {
            let (pid, _) = waiting(|| {});
            kill(pid, libc::SIGSTOP);
            mask::await_state(pid, 'T');
            kill(pid, signal);
            pid
        };
        let pid = stopped();
        kill(pid, libc::SIGKILL);
        let by = end(libc::SIGKILL, SI_USER, Sender::Parent);
        add("killed when stopped, while another waits", pid, by);
        let pid = stopped();
        child::wait(target(|| kill(pid, libc::SIGCONT)));
        add(
            "continued to its end",
            pid,
            end(signal, SI_USER, Sender::Parent),
        );
    }

    // Its parent's end, in the context of which the signal is sent.
    let steps = Steps::new();
    let (middle_pid, last_pid) = (child::Shared::new(1), child::Shared::new(1));
    // SAFETY: a plain system call.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let middle = target(|| {
        let last = target(|| {
            // SAFETY: a plain system call.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR2) };
            steps.reach(1);
            steps.await_parent(1);
        });
        last_pid.set(0, last as u64);
        steps.await_target(1);
    });
    middle_pid.set(0, middle as u64);
    add("whose child is to go with it", middle, None);
    let sender = Sender::Process(middle);
    add(
        "to go with its parent",
        last_pid.get(0) as i32,
        end(libc::SIGUSR2, SI_USER, sender),
    );
    cases
}

/// Ends its target by sigqueue, and says that another process does.
fn queue_as(pid: i32, sender: i32) {
    // `siginfo_t` as rt_sigqueueinfo(2) takes it: signo, errno, code; the sender's pid at 16.
    let mut info = [0_i32; 32];
    info[0] = libc::SIGTERM;
    info[2] = SI_QUEUE;
    info[4] = sender;
    // SAFETY: an object of the size of a siginfo_t.
    let error =
        unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, libc::SIGTERM, info.as_ptr()) };
    assert_eq!(error, 0, "rt_sigqueueinfo");
}

/// Makes the caller a member of a process group, or its leader.
fn own_group(leader: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::setpgid(0, leader) };
}

/// By the kernel.
pub fn by_the_kernel() -> Vec<Value> {
    let mut cases = Vec::new();
    let mut add = |name: &str, pid: i32, end: Option<End>| {
        cases.push(over(name, pid, end.as_ref()));
    };
    let kernel = |signal, code| end(signal, code, Sender::Kernel);
    add(
        "no memory there",
        target(|| store(0, 0)),
        kernel(libc::SIGSEGV, SEGV_MAPERR),
    );
    let pid = target(|| store(libc::PROT_READ, 4096));
    add(
        "memory that is not to be written",
        pid,
        kernel(libc::SIGSEGV, SEGV_ACCERR),
    );
    // What the kernel forces on a process nobody blocks or ignores.
    let pid = target(|| {
        mask::block(&[libc::SIGSEGV]);
        store(0, 0);
    });
    add(
        "no memory there, blocked",
        pid,
        kernel(libc::SIGSEGV, SEGV_MAPERR),
    );
    let pid = target(|| {
        mask::set(libc::SIGSEGV, Action::Ignore);
        store(0, 0);
    });
    add(
        "no memory there, ignored",
        pid,
        kernel(libc::SIGSEGV, SEGV_MAPERR),
    );
    let pid = target(beyond_a_file);
    add(
        "beyond the end of a file",
        pid,
        kernel(libc::SIGBUS, BUS_ADRERR),
    );

    let pid = target(|| {
        // SAFETY: has no preconditions.
        unsafe { libc::alarm(1) };
        mask::sleep();
    });
    add("alarm", pid, kernel(libc::SIGALRM, SI_KERNEL));
    // The code is below 0, as those of processes are, and no process has sent it: whatever runs when the
    // timer expires is interrupted.
    for _ in 0..5 {
        let pid = target(|| {
            timer(libc::SIGTERM);
            mask::sleep();
        });
        add("timer", pid, kernel(libc::SIGTERM, SI_TIMER));
    }
    let pid = target(|| {
        timer(libc::SIGUSR1);
        loop {
            std::hint::spin_loop();
        }
    });
    add(
        "timer of one that runs",
        pid,
        kernel(libc::SIGUSR1, SI_TIMER),
    );
    let pid = target(|| {
        let limit = libc::rlimit {
            rlim_cur: 1,
            rlim_max: 60,
        };
        // SAFETY: a plain system call on an object of ours.
        unsafe { libc::setrlimit(libc::RLIMIT_CPU, &raw const limit) };
        loop {
            std::hint::spin_loop();
        }
    });
    add("out of CPU time", pid, kernel(libc::SIGXCPU, SI_KERNEL));
    let pid = target(|| {
        mask::set(libc::SIGPIPE, Action::Default);
        let mut ends = [0; 2];
        // SAFETY: an array of two descriptors, and a buffer of one byte.
        unsafe {
            libc::pipe(ends.as_mut_ptr());
            libc::close(ends[0]);
            libc::write(ends[1], [0_u8].as_ptr().cast(), 1);
        }
    });
    let sender = Sender::ProcessOrKernel(pid);
    add(
        "a pipe that nobody reads",
        pid,
        end(libc::SIGPIPE, SI_USER, sender),
    );
    cases
}

/// Stores to address 0, or to a mapping of that length and protection.
fn store(protection: i32, length: usize) {
    // SAFETY: ends the process, as is wanted.
    unsafe {
        let mut memory = std::ptr::null_mut();
        if length > 0 {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            memory = libc::mmap(memory, length, protection, flags, -1, 0);
        }
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov byte ptr [{}], 1", in(reg) memory);
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("strb wzr, [{}]", in(reg) memory);
    }
}

/// Reads from a mapping where its file has ended.
fn beyond_a_file() {
    // SAFETY: ends the process, as is wanted.
    unsafe {
        let file = libc::memfd_create(c"short".as_ptr(), 0);
        let none = std::ptr::null_mut();
        let memory = libc::mmap(none, 4096, libc::PROT_READ, libc::MAP_SHARED, file, 0);
        memory.cast::<u8>().read_volatile();
    }
}

/// A timer of timer_create(2) that sends a signal in two milliseconds.
fn timer(signal: i32) {
    // SAFETY: plain data, for which zero is a value; then plain system calls on objects of ours.
    unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = signal;
        let mut timer: libc::timer_t = std::ptr::null_mut();
        let error = libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer);
        assert_eq!(error, 0, "timer_create");
        let mut when: libc::itimerspec = std::mem::zeroed();
        when.it_value.tv_nsec = 2_000_000;
        libc::timer_settime(timer, 0, &raw const when, std::ptr::null_mut());
    }
}

/// Signals that end nobody.
pub fn harmless() -> Vec<Value> {
    let mut cases = Vec::new();
    let mut add = |name: &str, pid: i32| cases.push(over(name, pid, None));
    for action in [Action::Handle, Action::Ignore] {
        let signals = [
            libc::SIGTERM,
            libc::SIGQUIT,
            libc::SIGSEGV,
            libc::SIGRTMIN(),
        ];
        let (pid, steps) = waiting(|| {
            for signal in signals {
                mask::set(signal, action);
            }
        });
        for signal in signals {
            kill(pid, signal);
        }
        mask::await_none_pending(pid);
        steps.allow(1);
        add("handled or ignored", pid);
    }
    // A group of its own, with a parent outside of it: what stops at a terminal does not stop a group whose
    // parents have all gone, and ours may be one.
    let (pid, steps) = waiting(|| {
        // SAFETY: has no preconditions.
        unsafe { libc::setpgid(0, 0) };
    });
    for signal in [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT] {
        kill(pid, signal);
    }
    for signal in [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN] {
        kill(pid, signal);
        mask::await_state(pid, 'T');
        kill(pid, libc::SIGCONT);
        mask::await_not_state(pid, 'T');
    }
    steps.allow(1);
    add("that end nobody by default", pid);

    // A child's end is a SIGCHLD.
    let pid = target(|| {
        child::wait(target(|| {}));
    });
    add("a child's end", pid);

    // Whoever has ended is not ended again.
    let pid = target(|| {});
    mask::await_state(pid, 'Z');
    kill(pid, libc::SIGKILL);
    kill(pid, libc::SIGTERM);
    add("to a zombie", pid);

    // Signal 0 is none; and what is refused is not sent.
    let (pid, steps) = waiting(|| {});
    kill(pid, 0);
    let sender = target(|| {
        // SAFETY: plain system calls.
        unsafe {
            libc::setuid(65534);
            assert_eq!(libc::kill(pid, libc::SIGKILL), -1, "nobody may");
        }
    });
    add("refused sender", sender);
    steps.allow(1);
    add("refused", pid);

    // A tracer sees the signal, and lets its target go on without.
    let pid = target(|| {
        // SAFETY: plain system calls.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGTERM);
        }
    });
    mask::await_state(pid, 't');
    let none = std::ptr::null_mut::<libc::c_void>();
    let mut status = 0;
    // SAFETY: the target is a child of ours, and stopped.
    unsafe {
        libc::waitpid(pid, &raw mut status, libc::__WALL);
        libc::ptrace(libc::PTRACE_CONT, pid, none, none);
    }
    add("taken away by a tracer", pid);
    cases
}
