//! Calls that are refused for some of their arguments only.
//!
//! What a pointer leads to cannot be told by a filter: a call that has a newer form with a structure for its
//! arguments is as if this kernel did not have that form, and libraries take the older one.

use libc::{BPF_JEQ, BPF_JSET, SECCOMP_RET_ERRNO, sock_filter};

use super::{ALLOW, Exemption, REFUSE, ends, load, only_for, skip_if};

const NOT_HERE: u32 = SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Flags of clone(2) that make a namespace: in one of its own, a process has every capability again.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .cast_unsigned();

/// Of open(2): all but reading.
const TO_WRITE: u32 =
    (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC).cast_unsigned();

/// What types into the terminal, for the shell to read when we are gone.
const TYPING: &[u32] = &[libc::TIOCSTI as u32, libc::TIOCLINUX as u32];

/// Goes through those calls, each with a decision of its own. The number is in the accumulator before and
/// after it.
pub(super) fn decisions(exemptions: &[Exemption]) -> Vec<sock_filter> {
    let mut filter = only_for(libc::SYS_clone, refused_with(0, NAMESPACES));
    filter.extend(only_for(libc::SYS_clone3, vec![ends(NOT_HERE)]));
    filter.extend(only_for(libc::SYS_ioctl, typing()));
    if !exemptions.contains(&Exemption::Signals) {
        filter.extend(only_for(libc::SYS_tgkill, to_others()));
    }
    if !exemptions.contains(&Exemption::Writing) {
        #[cfg(target_arch = "x86_64")]
        filter.extend(only_for(libc::SYS_open, refused_with(1, TO_WRITE)));
        filter.extend(only_for(libc::SYS_openat, refused_with(2, TO_WRITE)));
        filter.extend(only_for(libc::SYS_openat2, vec![ends(NOT_HERE)]));
    }
    filter
}

/// Refused where an argument has any of these bits.
fn refused_with(argument: u32, bits: u32) -> Vec<sock_filter> {
    vec![
        load(offset_of(argument)),
        skip_if(BPF_JSET, bits, 0, 1),
        ends(REFUSE),
        ends(ALLOW),
    ]
}

fn typing() -> Vec<sock_filter> {
    let mut decision = vec![load(offset_of(1))];
    for request in TYPING {
        decision.extend([skip_if(BPF_JEQ, *request, 0, 1), ends(REFUSE)]);
    }
    decision.push(ends(ALLOW));
    decision
}

/// The C library ends a process by a signal to itself.
fn to_others() -> Vec<sock_filter> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    vec![
        load(offset_of(0)),
        skip_if(BPF_JEQ, own.cast_unsigned(), 0, 1),
        ends(ALLOW),
        ends(REFUSE),
    ]
}

/// Of the lower half of an argument, in `struct seccomp_data` of a little-endian machine: the upper half of
/// flags, requests and pids is nothing to the kernel.
fn offset_of(argument: u32) -> u32 {
    super::OFFSET_OF_FIRST_ARGUMENT + 8 * argument
}
