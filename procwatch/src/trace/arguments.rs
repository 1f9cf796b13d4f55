//! The arguments of a system call, as a programmer would write them.

use std::fmt::Write as _;

use super::{
    calls::{Argument, OPEN, SOCKET, shape},
    record::{Call, Ends, FileId, FileKind},
};
use crate::model::signal_name;

const AT_FDCWD: i32 = -100;

/// Writes the arguments of a call as a programmer would, each followed by what it names where that is known.
pub fn write(
    out: &mut String,
    call: &Call,
    mut name_of: impl FnMut(&mut String, FileId, Option<Ends>),
) {
    let Some(shape) = shape(call.number) else {
        for (place, argument) in call.arguments.iter().enumerate() {
            separate(out, place);
            let _ = write!(out, "{argument:#x}");
        }
        return;
    };
    let mut texts = call.texts.iter();
    for (place, (kind, value)) in shape.arguments.iter().zip(call.arguments).enumerate() {
        separate(out, place);
        match kind {
            Argument::Descriptor | Argument::SecondDescriptor => {
                let _ = write!(out, "{}", value as i32);
                let file = match kind {
                    Argument::Descriptor if !shape.returns_descriptor => call.file,
                    Argument::Descriptor => None,
                    _ => call.second_file,
                };
                if let Some(file) = file {
                    let ends = call.ends.filter(|_| file.kind == FileKind::Socket);
                    out.push('<');
                    name_of(out, file, ends);
                    out.push('>');
                }
            }
            Argument::Directory if value as i32 == AT_FDCWD => out.push_str("AT_FDCWD"),
            Argument::Directory => {
                let _ = write!(out, "{}", value as i32);
            }
            Argument::Path | Argument::SecondPath | Argument::Address => {
                match texts.next().and_then(Option::as_deref) {
                    Some(text) if *kind == Argument::Address => out.push_str(text),
                    Some(text) => {
                        let _ = write!(out, "{text:?}");
                    }
                    None if value == 0 => out.push_str("NULL"),
                    None => {
                        let _ = write!(out, "{value:#x}");
                    }
                }
            }
            Argument::Number => {
                let _ = match value as i64 {
                    // Most are ints, of which only the lower half counts.
                    long if i64::from(long as i32) as u64 as u32 == value as u32
                        && value >> 32 == 0 =>
                    {
                        write!(out, "{}", value as i32)
                    }
                    long => write!(out, "{long}"),
                };
            }
            Argument::Hexadecimal if value == 0 => out.push_str("NULL"),
            Argument::Hexadecimal => {
                let _ = write!(out, "{value:#x}");
            }
            Argument::Octal => {
                let _ = write!(out, "{value:#o}");
            }
            Argument::Signal => out.push_str(&signal_name::name(value as u32)),
            Argument::Flags(names) => write_flags(out, value, names),
            Argument::Choice(names) => write_choice(out, value, names),
        }
    }
}

fn separate(out: &mut String, place: usize) {
    if place > 0 {
        out.push_str(", ");
    }
}

fn write_flags(out: &mut String, value: u64, names: &[(u64, &str)]) {
    let start = out.len();
    // Access modes are no flags: 0 means one as well.
    if names == OPEN && value & 3 == 0 {
        out.push_str("O_RDONLY");
    }
    let mut rest = value;
    for (bits, name) in names {
        if rest & bits == *bits {
            rest &= !bits;
            if out.len() > start {
                out.push('|');
            }
            out.push_str(name);
        }
    }
    if rest != 0 || out.len() == start {
        if out.len() > start {
            out.push('|');
        }
        let _ = match rest {
            0 => write!(out, "0"),
            rest => write!(out, "{rest:#x}"),
        };
    }
}

fn write_choice(out: &mut String, value: u64, names: &[(u64, &str)]) {
    // Types of sockets carry flags of open(2).
    const CARRIED: u64 = 0o2_004_000;
    let carried = if names == SOCKET { value & CARRIED } else { 0 };
    match names.iter().find(|(number, _)| *number == value & !carried) {
        Some((_, name)) => out.push_str(name),
        None => {
            let _ = write!(out, "{}", value & !carried);
        }
    }
    if carried & 0o4000 != 0 {
        out.push_str("|SOCK_NONBLOCK");
    }
    if carried & 0o2_000_000 != 0 {
        out.push_str("|SOCK_CLOEXEC");
    }
}

#[cfg(test)]
mod tests {
    use syscalls::Sysno;

    use super::*;
    use crate::trace::calls::label;

    fn call(name: &str, arguments: [u64; 6], text: Option<&str>) -> Call {
        Call {
            number: name.parse::<Sysno>().unwrap().id() as u32,
            entered_ns: Some(1),
            result: 0,
            arguments,
            file: None,
            second_file: None,
            ends: None,
            texts: [text.map(Into::into), None],
            blocked_ns: 0,
            waited_ns: 0,
        }
    }

    fn written(call: &Call) -> String {
        let mut out = String::new();
        write(&mut out, call, |out, file, _| {
            let _ = write!(out, "inode {}", file.inode);
        });
        out
    }

    #[test]
    fn arguments_are_written_as_a_programmer_would() {
        let open = call(
            "openat",
            [u64::from(-100i32 as u32), 0xdead, 0o2_000_101, 0o644, 0, 0],
            Some("a\"\u{1b}b"),
        );
        assert_eq!(
            written(&open),
            r#"AT_FDCWD, "a\"\u{1b}b", O_WRONLY|O_CREAT|O_CLOEXEC, 0o644"#
        );
        let mut read = call("read", [3, 0x1000, 4096, 0, 0, 0], None);
        read.file = Some(FileId {
            device: 1,
            inode: 77,
            kind: FileKind::Regular,
        });
        assert_eq!(written(&read), "3<inode 77>, 0x1000, 4096");
        let socket = call("socket", [2, 0o2_000_001, 0, 0, 0, 0], None);
        assert_eq!(written(&socket), "AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0");
        let kill = call("kill", [-1i64 as u64, 15, 0, 0, 0, 0], None);
        assert_eq!(written(&kill), "-1, SIGTERM");
        let seek = call("lseek", [3, 1 << 40, 7, 0, 0, 0], None);
        assert_eq!(written(&seek), "3, 1099511627776, 7");
    }

    #[test]
    fn a_call_without_a_line_shows_its_numbers() {
        let unknown = call("kexec_load", [1, 0, 0, 0, 0, 6], None);
        assert_eq!(written(&unknown), "0x1, 0x0, 0x0, 0x0, 0x0, 0x6");
        assert_eq!(label(100_000), "syscall 100000");
    }
}
