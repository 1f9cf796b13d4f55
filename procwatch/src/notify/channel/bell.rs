//! A terminal's bell, and one line on it.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::{
    model::notifier::Bell,
    notify::{failure::Failure, letter::Letter, render::title},
};

pub(super) fn ring(bell: &Bell, letter: &Letter) -> Result<String, Failure> {
    let line = format!("\x07\r\nprocwatch: {}\r\n", title(letter));
    let rung = match &bell.terminal {
        Some(path) => write(path, &line).map_err(|error| format!("{}: {error}", path.display())),
        None if io::stderr().is_terminal() => io::stderr()
            .write_all(line.as_bytes())
            .map_err(|error| error.to_string()),
        None => Err("standard error is no terminal; name one in terminal".to_owned()),
    };
    rung.map(|()| "the bell was rung".to_owned())
        .map_err(Failure::temporary)
}

/// One that its user has stopped is not waited for.
fn write(path: &Path, line: &str) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path)?;
    if !file.is_terminal() {
        return Err(io::Error::other("it is no terminal"));
    }
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Read as _,
        os::{
            fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
            unix::fs::PermissionsExt as _,
        },
        sync::Arc,
    };

    use super::*;
    use crate::notify::made_up;

    fn letter() -> Letter {
        Letter {
            host: "db1".to_owned(),
            key: "k".to_owned(),
            made_ns: 1,
            alerts: vec![Arc::new(made_up::alert(1))],
        }
    }

    #[test]
    fn a_terminal_gets_the_bell_and_a_line() {
        let (mut ours, mut theirs) = (0, 0);
        let null = std::ptr::null_mut();
        // SAFETY: both are places for a descriptor, and the rest asks for nothing.
        let made = unsafe {
            libc::openpty(
                &raw mut ours,
                &raw mut theirs,
                null,
                null.cast(),
                null.cast(),
            )
        };
        assert_eq!(made, 0);
        // SAFETY: openpty has made them, and nobody else has them.
        let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let terminal = fs::read_link(format!("/proc/self/fd/{}", theirs.as_raw_fd())).unwrap();
        let bell = Bell {
            terminal: Some(terminal),
        };
        ring(&bell, &letter()).unwrap();
        let mut buffer = [0; 512];
        let length = File::from(ours).read(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(
            text.starts_with('\x07')
                && text.contains("procwatch: [FIRING] info: test of a notifier"),
            "{text:?}"
        );
    }

    #[test]
    fn what_is_no_terminal_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let bell = Bell {
            terminal: Some(file.path().to_owned()),
        };
        let failure = ring(&bell, &letter()).unwrap_err();
        assert!(failure.why().contains("it is no terminal"), "{failure}");
        assert_eq!(fs::read(file.path()).unwrap(), b"");
    }
}
