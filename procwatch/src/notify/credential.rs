//! Reading secrets: from files that nobody else can read, and from the environment.

use std::{
    fs::File,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::failure::Failure;
use crate::model::{notifier::SecretSource, secret::Secret};

/// A key or password is far shorter.
const LONGEST: u64 = 64 << 10;

/// The secret, without the end of its line.
pub(super) fn read(source: &SecretSource, what: &str) -> Result<Secret, Failure> {
    let text = match source {
        SecretSource::Written(secret) => return Ok(secret.clone()),
        SecretSource::Environment(name) => std::env::var(name).map_err(|_| {
            Failure::temporary(format!(
                "{what}: the environment has no readable {name}; set it where procwatch is started"
            ))
        })?,
        SecretSource::File(path) => file(path)
            .map_err(|why| Failure::temporary(format!("{what}: {}: {why}", path.display())))?,
    };
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() || secret.contains(char::is_control) {
        return Err(Failure::temporary(format!(
            "{what}: what was read is not one line of text; write nothing but the secret there"
        )));
    }
    Ok(Secret::new(secret.to_owned()))
}

fn file(path: &Path) -> Result<String, String> {
    // It is not waited for that somebody writes to a pipe.
    let mut file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "others than its owner have rights to it (mode {mode:04o}); run chmod 600 on it"
        ));
    }
    let mut text = String::new();
    (&mut file)
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_secret_is_read_from_a_file_that_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let source = SecretSource::File(path.clone());
        let check = |bytes: &[u8], mode: u32, expected: Result<&str, &str>| {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (read(&source, "password_file"), expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.reveal(), expected),
                (Err(failure), Err(expected)) => {
                    assert!(failure.why().contains(expected), "{failure}");
                    assert!(!failure.why().contains("hunter2"), "{failure}");
                }
                (read, expected) => panic!("{read:?}, and not {expected:?}"),
            }
        };
        check(b"hunter2 \n", 0o600, Ok("hunter2 "));
        check(b"hunter2\r\n", 0o400, Ok("hunter2"));
        check(b"hunter2", 0o640, Err("mode 0640); run chmod 600"));
        check(b"hunter2", 0o604, Err("mode 0604"));
        check(b"\n", 0o600, Err("not one line"));
        check(b"hunter2\nhunter2\n", 0o600, Err("not one line"));
        check(b"hunter2\xff", 0o600, Err("UTF-8"));
        let nowhere = SecretSource::File(directory.path().join("nowhere"));
        assert!(
            read(&nowhere, "password_file")
                .unwrap_err()
                .why()
                .contains("No such file")
        );
        let inner = SecretSource::File(directory.path().to_owned());
        assert!(read(&inner, "x").unwrap_err().why().contains("regular"));
        let unset = SecretSource::Environment("PROCWATCH_NO_SUCH_VARIABLE".to_owned());
        assert!(
            read(&unset, "password_env")
                .unwrap_err()
                .why()
                .contains("set it")
        );
    }
}
