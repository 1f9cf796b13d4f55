//! Hosts that lack something, made around a single command: in a mount namespace of its own, with fewer
//! capabilities, under a filter of system calls, within limits.
//!
//! All of it happens between fork and exec, so that nothing of it outlives the command.

use std::{ffi::CString, io, os::unix::process::CommandExt as _, process::Command};

/// What a host is short of.
#[derive(Clone, Debug)]
pub enum Oddity {
    /// An empty directory stands where this one was.
    Empty(&'static str),
    /// This file stands where that one was.
    Replaced { file: &'static str, by: String },
    /// Nothing is mounted there.
    Unmounted(&'static str),
    /// A /proc that was mounted with these options.
    Proc(&'static str),
    /// bpf(2) answers with this errno, as a filter or a kernel without it makes it.
    Bpf(i32),
    /// Root, with these capabilities alone.
    Only(&'static [Capability]),
    /// Root, without these.
    Without(&'static [Capability]),
    /// A user without any right.
    Nobody,
    /// At most this much of a resource.
    Limit(libc::__rlimit_resource_t, u64),
    /// Root of a user namespace.
    UserNamespace,
    /// Another time since boot, ahead by so many seconds and nanoseconds.
    TimeNamespace(i64, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    SysAdmin = 21,
    SysResource = 24,
    Perfmon = 38,
    Bpf = 39,
}

const CAPABILITIES: libc::c_ulong = 64;
const NOBODY: u32 = 65_534;
/// Not in the libc crate for every target.
const CLONE_NEWTIME: libc::c_int = 0x80;

impl Oddity {
    /// Makes the host of this command so.
    ///
    /// # Panics
    /// When a path has a null byte.
    pub fn apply(&self, command: &mut Command) {
        let oddity = Prepared::of(self);
        // SAFETY: between fork and exec, of a process with threads, only system calls are made; what they need
        // was allocated before.
        unsafe {
            command.pre_exec(move || oddity.enter());
        }
    }
}

/// The same with all strings at hand: after a fork nothing may be allocated.
enum Prepared {
    Mount(Mount),
    Bpf(i32),
    Bounding(fn(Capability, &[Capability]) -> bool, &'static [Capability]),
    Nobody,
    Limit(libc::__rlimit_resource_t, u64),
    UserNamespace,
    TimeNamespace(CString),
}

enum Mount {
    Empty(CString),
    Bind { at: CString, from: CString },
    Nothing(CString),
    Proc(CString),
}

impl Prepared {
    fn of(oddity: &Oddity) -> Self {
        let c = |text: &str| CString::new(text).expect("no null byte");
        match oddity {
            Oddity::Empty(directory) => Self::Mount(Mount::Empty(c(directory))),
            Oddity::Replaced { file, by } => Self::Mount(Mount::Bind {
                at: c(file),
                from: c(by),
            }),
            Oddity::Unmounted(directory) => Self::Mount(Mount::Nothing(c(directory))),
            Oddity::Proc(options) => Self::Mount(Mount::Proc(c(options))),
            Oddity::Bpf(errno) => Self::Bpf(*errno),
            Oddity::Only(kept) => Self::Bounding(|one, kept| !kept.contains(&one), kept),
            Oddity::Without(lost) => Self::Bounding(|one, lost| lost.contains(&one), lost),
            Oddity::Nobody => Self::Nobody,
            Oddity::Limit(resource, most) => Self::Limit(*resource, *most),
            Oddity::UserNamespace => Self::UserNamespace,
            Oddity::TimeNamespace(seconds, nanoseconds) => {
                Self::TimeNamespace(c(&format!("boottime {seconds} {nanoseconds}\n")))
            }
        }
    }

    fn enter(&self) -> io::Result<()> {
        match self {
            Self::Mount(mount) => mount.enter(),
            Self::Bpf(errno) => refuse_bpf(*errno),
            Self::Bounding(is_lost, listed) => {
                for number in 0..CAPABILITIES {
                    let named = [
                        Capability::SysAdmin,
                        Capability::SysResource,
                        Capability::Perfmon,
                        Capability::Bpf,
                    ]
                    .into_iter()
                    .find(|one| *one as libc::c_ulong == number);
                    // Those that have no name here are as those that are not listed.
                    let is_lost = match named {
                        Some(one) => is_lost(one, listed),
                        None => is_lost(Capability::SysAdmin, &[]),
                    };
                    if is_lost {
                        // SAFETY: takes numbers. Those that the kernel does not know are refused, and not there.
                        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) };
                    }
                }
                Ok(())
            }
            Self::Nobody => {
                // SAFETY: take numbers; an empty list of groups needs no address.
                unsafe {
                    check(libc::setgroups(0, std::ptr::null()))?;
                    check(libc::setgid(NOBODY))?;
                    check(libc::setuid(NOBODY))
                }
            }
            Self::Limit(resource, most) => {
                let limit = libc::rlimit {
                    rlim_cur: *most,
                    rlim_max: *most,
                };
                // SAFETY: the structure lives until the call returns.
                check(unsafe { libc::setrlimit(*resource, &raw const limit) })
            }
            Self::UserNamespace => {
                // SAFETY: takes a number.
                check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
                write(c"/proc/self/setgroups", b"deny")?;
                write(c"/proc/self/uid_map", b"0 0 1")?;
                write(c"/proc/self/gid_map", b"0 0 1")
            }
            Self::TimeNamespace(offset) => {
                // SAFETY: takes a number.
                check(unsafe { libc::unshare(CLONE_NEWTIME) })?;
                write(c"/proc/self/timens_offsets", offset.to_bytes())
            }
        }
    }
}

impl Mount {
    fn enter(&self) -> io::Result<()> {
        // SAFETY: a number; strings that end with a null byte.
        unsafe {
            check(libc::unshare(libc::CLONE_NEWNS))?;
            mount(c"none", c"/", c"", libc::MS_REC | libc::MS_PRIVATE, c"")?;
            match self {
                Self::Empty(at) => mount(c"tmpfs", at, c"tmpfs", 0, c""),
                Self::Bind { at, from } => mount(from, at, c"", libc::MS_BIND, c""),
                Self::Nothing(at) => check(libc::umount2(at.as_ptr(), libc::MNT_DETACH)),
                Self::Proc(options) => mount(c"proc", c"/proc", c"proc", 0, options),
            }
        }
    }
}

/// # Safety
/// None beyond that of mount(2): the strings end with a null byte by their type.
unsafe fn mount(
    source: &std::ffi::CStr,
    target: &std::ffi::CStr,
    kind: &std::ffi::CStr,
    flags: libc::c_ulong,
    options: &std::ffi::CStr,
) -> io::Result<()> {
    // SAFETY: the caller's promise.
    check(unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            options.as_ptr().cast(),
        )
    })
}

fn write(path: &std::ffi::CStr, text: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends with a null byte, the text lives until the call returns, and the descriptor is ours.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(file)?;
        let written = libc::write(file, text.as_ptr().cast(), text.len());
        libc::close(file);
        check(if written < 0 { -1 } else { 0 })
    }
}

fn refuse_bpf(errno: i32) -> io::Result<()> {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD_NUMBER, 0, 0, 0),
        step(JUMP_IF_EQUAL, 0, 1, libc::SYS_bpf as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs()),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the program and its steps live until the calls return.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        ))
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
