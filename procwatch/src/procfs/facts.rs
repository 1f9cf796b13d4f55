//! Who a process is: its program, arguments, user and cgroup, off /proc.

use super::{
    cgroup::Membership,
    directory::{FILE_MAX, ProcessDirectory},
    stat::Stat,
};
use crate::model::{
    facts::{Facts, kernel_text},
    ledger::Names,
};

/// Bytes of a command line that are kept, as of an exec record.
const ARGV_MAX: usize = 4096;

/// Reads the facts of a process. `directory` is of any of its threads that lives: a main thread that
/// has ended before the others has no program and no arguments any more.
pub(super) fn facts(
    directory: &ProcessDirectory,
    stat: &Stat,
    uid: Option<u32>,
    names: &mut dyn Names,
    buffer: &mut Vec<u8>,
) -> Facts {
    let (argv, argv_truncated) = match directory.read(c"cmdline", ARGV_MAX + 1, buffer) {
        Ok(bytes) if !bytes.is_empty() => (Some(argv(bytes)), bytes.len() > ARGV_MAX),
        _ => (None, false),
    };
    let membership = directory
        .read(c"cgroup", FILE_MAX, buffer)
        .ok()
        .and_then(|bytes| Membership::parse(&kernel_text(bytes)));
    Facts {
        comm: stat.comm.text().into(),
        // As the kernel shows it: with ` (deleted)` behind a program that was removed or replaced.
        exe: directory.link(c"exe").map(|path| kernel_text(&path).into()),
        argv,
        argv_truncated,
        uid,
        user: uid.and_then(|uid| names.user(uid)),
        container: membership.as_ref().and_then(Membership::container),
        cgroup: membership.map(|membership| membership.path),
        is_kernel_thread: stat.is_kernel_thread(),
    }
}

/// A process may write over its arguments, and leave out the last NUL; so does the cut.
pub fn argv(bytes: &[u8]) -> Box<str> {
    let mut text = kernel_text(&bytes[..bytes.len().min(ARGV_MAX)]);
    if !text.ends_with('\0') {
        text.push('\0');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_with_a_nul() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(&*argv(bytes), expected);
        check(b"sh\0-c\0\0", "sh\0-c\0\0");
        check(b"nginx: worker", "nginx: worker\0");
        check(b"a\xff\0", "a\\xff\0");
        assert_eq!(argv(&[b'x'; ARGV_MAX + 1]).len(), ARGV_MAX + 1);
    }
}
