//! Why a host does not take the programs, in words that say what to try.
//!
//! The kernel answers with a number, and with the same one for a missing capability, a seccomp filter, a
//! locked-down kernel and a memory limit. What else the host tells of itself says which it was.

use std::{fmt, fs, io};

use rustix::process::{Resource, getrlimit};
use thiserror::Error;

use super::{
    btf::BtfError, layout::LayoutError, object::BTF_PATH, older::kernel_version, probes::Hook,
};

/// Why the programs could not be attached. The last words say what to try.
#[derive(Debug, Error)]
pub enum AttachError {
    #[error(
        "this kernel has no type information ({BTF_PATH}: {}); it needs CONFIG_DEBUG_INFO_BTF, which distributions' \
         kernels have since about 2021", without_number(.0)
    )]
    NoBtf(io::Error),
    #[error(
        "the kernel's type information ({BTF_PATH}) cannot be read: {0}; please report this with the output of `uname -a`"
    )]
    Btf(BtfError),
    #[error("{0}; please report this with the output of `uname -a`")]
    Layout(LayoutError),
    #[error("this kernel has no eBPF; it needs CONFIG_BPF_SYSCALL")]
    NoBpf,
    #[error("not permitted to load eBPF programs: {0}")]
    NotPermitted(Prohibition),
    #[error("the kernel did not take the programs: {0}")]
    Load(String),
    #[error("this kernel has no {hook}; {kernels} has it")]
    NoHook { hook: Hook, kernels: &'static str },
    #[error("this kernel cannot {what}")]
    Lacks { what: &'static str },
    #[error("{program} could not be attached to {hook}: {reason}")]
    Attach {
        program: &'static str,
        hook: Hook,
        /// The kernel's answer, where it was one.
        errno: Option<i32>,
        reason: String,
    },
}

impl AttachError {
    /// What to make of the system's refusal of something that everything else needs.
    pub(super) fn of_system(what: &str, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSYS) => Self::NoBpf,
            Some(libc::EPERM) => Self::NotPermitted(Prohibition::find()),
            _ => Self::Load(format!("{what}: {}", Refused(error))),
        }
    }

    /// The same of a program that everything else needs: that it is refused says that all would be.
    pub(super) fn of_needed(self) -> Self {
        match self {
            Self::Attach {
                errno: Some(libc::EPERM),
                ..
            } => Self::NotPermitted(Prohibition::find()),
            other => other,
        }
    }

    /// Whether the host lacks something, and has not refused what it has.
    pub(super) fn is_unsupported(&self) -> bool {
        match self {
            Self::NoBtf(_)
            | Self::Btf(_)
            | Self::Layout(_)
            | Self::NoBpf
            | Self::NoHook { .. }
            | Self::Lacks { .. } => true,
            Self::NotPermitted(_) | Self::Load(_) | Self::Attach { .. } => false,
        }
    }
}

/// What stands between this process and bpf(2), as far as the host tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prohibition {
    /// This process has not the right; the names of the capabilities that it lacks.
    Capabilities(&'static str),
    /// It has all rights, but within a user namespace only.
    UserNamespace,
    /// `RLIMIT_MEMLOCK`, in bytes, which bounds maps before 5.11.
    LockedMemory(u64),
    /// The kernel is locked down so that not even root may read its memory.
    Lockdown,
    /// A filter of system calls is on, as in containers.
    Seccomp,
    /// None of these.
    Unknown,
}

impl Prohibition {
    fn find() -> Self {
        // Other threads may have given up their rights by now.
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let user_namespace = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
        let locked_memory = getrlimit(Resource::Memlock).current;
        let is_bounded = kernel_version().is_some_and(|version| version < (5, 11));
        Self::of(
            &status,
            &user_namespace,
            &lockdown,
            locked_memory.filter(|_| is_bounded),
        )
    }

    fn of(status: &str, user_namespace: &str, lockdown: &str, locked_memory: Option<u64>) -> Self {
        const SYS_ADMIN: u64 = 1 << 21;
        const PERFMON: u64 = 1 << 38;
        const BPF: u64 = 1 << 39;
        let line = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        let capabilities = line("CapEff")
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(u64::MAX);
        let has = |mask| capabilities & (mask | SYS_ADMIN) != 0;
        match (has(BPF), has(PERFMON)) {
            (false, false) => return Self::Capabilities("CAP_BPF and CAP_PERFMON"),
            (false, true) => return Self::Capabilities("CAP_BPF"),
            (true, false) => return Self::Capabilities("CAP_PERFMON"),
            (true, true) => {}
        }
        let all_users = ["0", "0", "4294967295"];
        if !user_namespace.is_empty() && !user_namespace.split_whitespace().eq(all_users) {
            return Self::UserNamespace;
        }
        if let Some(bytes) = locked_memory {
            return Self::LockedMemory(bytes);
        }
        if lockdown.contains("[confidentiality]") {
            return Self::Lockdown;
        }
        match line("Seccomp").map(str::trim) {
            Some("2") => Self::Seccomp,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Prohibition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capabilities(lacking) => write!(
                out,
                "{lacking} is missing; run as root, or with CAP_BPF and CAP_PERFMON"
            ),
            Self::UserNamespace => out.write_str(
                "root is root of a user namespace here; run on the host, or in a container without one",
            ),
            Self::LockedMemory(bytes) => write!(
                out,
                "this kernel counts maps as locked memory, of which {bytes} bytes are allowed; try `ulimit -l unlimited`, \
                 or LimitMEMLOCK=infinity in the unit"
            ),
            Self::Lockdown => out.write_str(
                "the kernel is locked down for confidentiality; boot with lockdown=integrity",
            ),
            Self::Seccomp => out.write_str(
                "a seccomp filter is on, as in containers; let it allow bpf(2), or run on the host",
            ),
            Self::Unknown => out.write_str(
                "a security module may have refused it; look into the audit log",
            ),
        }
    }
}

/// A refusal with its errno's name and what to try, as far as the number alone tells.
pub(super) struct Refused<'a>(pub &'a io::Error);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((name, remedy)) = self.0.raw_os_error().and_then(known) else {
            return self.0.fmt(out);
        };
        write!(out, "{name} ({}); {remedy}", without_number(self.0))
    }
}

/// Name and remedy of the numbers that bpf(2) answers with.
fn known(errno: i32) -> Option<(&'static str, &'static str)> {
    /// Not among those that user space should ever see.
    const ENOTSUPP: i32 = 524;
    Some(match errno {
        libc::EPERM => (
            "EPERM",
            "programs of this kind are refused here: a sandbox, a lockdown or a security module does that",
        ),
        libc::EACCES => (
            "EACCES",
            "the kernel's verifier does not accept the program; please report this",
        ),
        libc::E2BIG => (
            "E2BIG",
            "the program is too long for this kernel's verifier; please report this",
        ),
        libc::EINVAL => (
            "EINVAL",
            "this kernel does not know the program's kind, or something that it uses",
        ),
        libc::ENOMEM => (
            "ENOMEM",
            "raise the memory limit of the unit or container, or free memory",
        ),
        libc::EBUSY => (
            "EBUSY",
            "another program is at this function; detach it first",
        ),
        libc::EMFILE | libc::ENFILE => ("EMFILE", "try `ulimit -n 1024`"),
        libc::EOPNOTSUPP | ENOTSUPP => (
            "ENOTSUPP",
            "this kernel was built without what the hook needs (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)",
        ),
        _ => return None,
    })
}

/// Without "(os error N)".
fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "CapEff:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n";
    const HOST: &str = "         0          0 4294967295\n";

    #[test]
    fn what_prohibits_it_is_found_out_from_what_the_host_tells() {
        let check = |status: &str, users, lockdown, memory, expected| {
            assert_eq!(Prohibition::of(status, users, lockdown, memory), expected);
        };
        let capabilities = |mask: &str| format!("CapEff:\t{mask}\nSeccomp:\t2\n");
        let lacks = Prohibition::Capabilities;
        let none = capabilities("0000000000000000");
        check(&none, HOST, "", None, lacks("CAP_BPF and CAP_PERFMON"));
        let bpf = capabilities("0000008000000000");
        check(&bpf, HOST, "", None, lacks("CAP_PERFMON"));
        let perfmon = capabilities("0000004000000000");
        check(&perfmon, HOST, "", None, lacks("CAP_BPF"));
        let admin = capabilities("0000000000200000");
        check(&admin, HOST, "", None, Prohibition::Seccomp);
        check(ALL, "0 1000 1\n", "", None, Prohibition::UserNamespace);
        let memory = Prohibition::LockedMemory(65_536);
        check(ALL, HOST, "", Some(65_536), memory);
        let lockdown = "none integrity [confidentiality]\n";
        check(ALL, HOST, lockdown, None, Prohibition::Lockdown);
        check(ALL, HOST, "[none] integrity", None, Prohibition::Unknown);
        check("", "", "", None, Prohibition::Unknown);
    }

    #[test]
    fn numbers_come_with_a_name_and_a_remedy() {
        let told = |errno| Refused(&io::Error::from_raw_os_error(errno)).to_string();
        assert_eq!(
            told(libc::ENOMEM),
            "ENOMEM (Cannot allocate memory); raise the memory limit of the unit or container, or free memory"
        );
        assert!(told(524).starts_with("ENOTSUPP"));
        assert_eq!(told(libc::EIO), "Input/output error (os error 5)");
    }
}
