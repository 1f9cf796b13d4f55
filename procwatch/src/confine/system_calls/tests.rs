//! In a child of its own each, for what is refused stays refused.

use super::*;

/// Runs in a child that has been confined, and returns the number that it ends with.
fn in_child(exemptions: &[Exemption], body: fn() -> i32) -> i32 {
    const COULD_NOT: i32 = 99;
    // SAFETY: the child does nothing but system calls and what the C library makes safe after a fork.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let code = refuse(exemptions).map_or(COULD_NOT, |()| body());
            libc::_exit(code);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFEXITED(status), "it was killed: {status:#x}");
        libc::WEXITSTATUS(status)
    }
}

/// The error number of a call that yields -1; 0 when it did not.
fn errno_of(result: libc::c_long) -> i32 {
    match result {
        -1 => std::io::Error::last_os_error().raw_os_error().unwrap_or(-1),
        _ => 0,
    }
}

fn exec() -> i32 {
    let arguments = [c"true".as_ptr(), std::ptr::null()];
    // SAFETY: the path and the arguments end with a NUL, and their list with a null pointer.
    errno_of(libc::c_long::from(unsafe {
        libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr())
    }))
}

/// bpf(2) with attributes that no command takes.
fn bpf(command: libc::c_int) -> i32 {
    // SAFETY: the kernel reads nothing at a size of 0.
    errno_of(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::null::<u8>(), 0) })
}

fn socket(family: libc::c_int) -> i32 {
    // SAFETY: has no preconditions.
    errno_of(libc::c_long::from(unsafe {
        libc::socket(family, libc::SOCK_DGRAM, 0)
    }))
}

#[test]
fn no_program_is_started() {
    assert_eq!(in_child(&[], exec), libc::EPERM);
    // It goes on as another program, that ends with 0.
    assert_eq!(in_child(&[Exemption::Exec], exec), 0);
}

#[test]
fn no_bpf_program_is_loaded_and_maps_can_be_read() {
    const BPF_PROG_LOAD: libc::c_int = 5;
    const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
    assert_eq!(in_child(&[], || bpf(BPF_PROG_LOAD)), libc::EPERM);
    let refused_alike = bpf(BPF_MAP_LOOKUP_ELEM);
    assert_eq!(in_child(&[], || bpf(BPF_MAP_LOOKUP_ELEM)), refused_alike);
    let allowed = in_child(&[Exemption::Attaching], || bpf(BPF_PROG_LOAD));
    assert_eq!(allowed, bpf(BPF_PROG_LOAD));
}

#[test]
fn there_is_no_way_out() {
    assert_eq!(in_child(&[], || socket(libc::AF_INET)), libc::EPERM);
    assert_eq!(in_child(&[Exemption::Sockets], || socket(libc::AF_INET)), 0);
    let packets = || socket(libc::AF_PACKET);
    assert_eq!(in_child(&[Exemption::Sockets], packets), libc::EPERM);
}

#[test]
fn no_call_goes_by_its_other_number() {
    // SAFETY: getpid(2), by its number in the x32 ABI, or none.
    let by_x32 = || errno_of(unsafe { libc::syscall(libc::SYS_getpid | libc::c_long::from(X32)) });
    assert_eq!(in_child(&[], by_x32), libc::EPERM);
}

#[test]
fn what_a_monitor_does_goes_on() {
    let reading = || {
        let has_read = std::fs::read("/proc/self/stat").is_ok_and(|stat| !stat.is_empty());
        let thread = std::thread::Builder::new().spawn(|| 7);
        let has_run = thread.is_ok_and(|thread| thread.join().is_ok_and(|seven| seven == 7));
        i32::from(has_read) + i32::from(has_run)
    };
    assert_eq!(in_child(&[], reading), 2);
}

/// The error number of opening this file.
fn open(path: &std::ffi::CStr, flags: libc::c_int) -> i32 {
    // SAFETY: the path ends with a NUL; the descriptor is nobody's else.
    unsafe {
        let fd = libc::open(path.as_ptr(), flags);
        let errno = errno_of(libc::c_long::from(fd));
        libc::close(fd);
        errno
    }
}

#[test]
fn no_file_is_written() {
    assert_eq!(open(c"/dev/null", libc::O_RDWR), 0);
    assert_eq!(in_child(&[], || open(c"/dev/null", libc::O_RDONLY)), 0);
    for child in [
        in_child(&[], || open(c"/dev/null", libc::O_RDWR)),
        in_child(&[], || open(c"/dev/null", libc::O_WRONLY)),
        in_child(&[], || open(c"/dev/null", libc::O_RDONLY | libc::O_TRUNC)),
        // By the way around the refusal of `process_vm_writev`.
        in_child(&[], || open(c"/proc/self/mem", libc::O_RDWR)),
        in_child(&[], || {
            // SAFETY: the path ends with a NUL.
            errno_of(unsafe { libc::mkdir(c"/nowhere/x".as_ptr(), 0) }.into())
        }),
        // SAFETY: no descriptor is given.
        in_child(&[], || errno_of(unsafe { libc::fchmod(-1, 0o4755) }.into())),
    ] {
        assert_eq!(child, libc::EPERM);
    }
    let exempt = &[Exemption::Writing];
    assert_eq!(in_child(exempt, || open(c"/dev/null", libc::O_RDWR)), 0);
}

#[test]
fn no_namespace_comes_by_clone() {
    let clone = || {
        let flags = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
        // SAFETY: as fork(2), with the stack of the caller; a child would end at once.
        let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        if child == 0 {
            // SAFETY: has no preconditions.
            unsafe { libc::_exit(0) };
        }
        errno_of(child)
    };
    assert_eq!(in_child(&[], clone), libc::EPERM);
    // SAFETY: the kernel reads nothing at a size of 0.
    let clone3 = || errno_of(unsafe { libc::syscall(libc::SYS_clone3, 0, 0) });
    assert_eq!(in_child(&[], clone3), libc::ENOSYS);
}

#[test]
fn signals_are_for_oneself() {
    // SAFETY: take numbers; signal 0 is none.
    let to_self =
        || errno_of(unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), 0) });
    let to_parent = || {
        // SAFETY: as before.
        errno_of(unsafe { libc::syscall(libc::SYS_tgkill, libc::getppid(), libc::getppid(), 0) })
    };
    assert_eq!(in_child(&[], to_self), 0);
    assert_eq!(in_child(&[], to_parent), libc::EPERM);
    assert_eq!(in_child(&[Exemption::Signals], to_parent), 0);
}

#[test]
fn nothing_is_typed_into_the_terminal() {
    // SAFETY: there is no such descriptor.
    let type_one = || errno_of(unsafe { libc::ioctl(-1, libc::TIOCSTI, 0) }.into());
    assert_eq!(in_child(&[], type_one), libc::EPERM);
    // SAFETY: as before.
    let size = || errno_of(unsafe { libc::ioctl(-1, libc::TIOCGWINSZ, 0) }.into());
    assert_eq!(in_child(&[], size), libc::EBADF);
}
