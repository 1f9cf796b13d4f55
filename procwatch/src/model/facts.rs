//! Who a process is: what changes rarely, and is therefore shared between samples.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What is known of a process besides its figures. Text is as the process chose it, and therefore
/// hostile: bytes that are not UTF-8 stand as `\xNN`, control characters are still in it, and every
/// face escapes what its medium needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Facts {
    /// The kernel's name of the main thread, at most 15 bytes. Empty when only the process's end
    /// was seen and that record had no name.
    pub comm: Box<str>,
    /// What `/proc/PID/exe` points to. `None` for kernel threads and when it could not be read.
    pub exe: Option<Box<str>>,
    /// The arguments of the last exec, each ended by a NUL. `None` when they could not be read.
    pub argv: Option<Box<str>>,
    /// The command line was longer than the 4096 bytes that are kept.
    pub argv_truncated: bool,
    /// The real user id, in the initial user namespace.
    pub uid: Option<u32>,
    /// The name that belongs to `uid` in /etc/passwd.
    pub user: Option<Arc<str>>,
    /// The cgroup's path below the mount of its hierarchy.
    pub cgroup: Option<Arc<str>>,
    /// The container's id or name, read off the cgroup's path. `None` when it has none.
    pub container: Option<Arc<str>>,
    pub is_kernel_thread: bool,
}

impl Facts {
    /// The arguments one by one.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.argv
            .iter()
            .flat_map(|argv| argv.split_terminator('\0'))
    }

    /// The command line as one line, or the name in brackets where there is none, as `ps` shows it.
    pub fn command_line(&self) -> String {
        let mut arguments = self.arguments().peekable();
        if arguments.peek().is_none() {
            return format!("[{}]", self.comm);
        }
        arguments.collect::<Vec<_>>().join(" ")
    }
}

/// Text from the kernel: UTF-8 as it stands, any other byte as `\xNN`.
pub fn kernel_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_spelled_out() {
        assert_eq!(
            kernel_text(b"caf\xc3\xa9 \xff\x80!"),
            "caf\u{e9} \\xff\\x80!"
        );
    }

    #[test]
    fn a_command_line_falls_back_to_the_name() {
        let mut facts = Facts {
            comm: "kthreadd".into(),
            ..Facts::default()
        };
        assert_eq!(facts.command_line(), "[kthreadd]");
        facts.argv = Some("sh\0-c\0\0".into());
        assert_eq!(facts.arguments().collect::<Vec<_>>(), ["sh", "-c", ""]);
        assert_eq!(facts.command_line(), "sh -c ");
    }
}
