//! The file of a recording: whose it is, and whether it is one.

use std::{
    fs::File,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, schema};

/// Opens or makes the file, readable for its group, and follows no link there.
pub(super) fn open_file(path: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path);
    let file = match file {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(StoreError::Refused(
                "it is a symbolic link, which is not followed; name the file itself".to_owned(),
            ));
        }
        file => file?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(StoreError::Refused("it is no file".to_owned()));
    }
    if metadata.nlink() > 1 {
        return Err(StoreError::Refused(
            "the file has another name besides, by which somebody else may reach it".to_owned(),
        ));
    }
    Ok(file)
}

/// Makes a file that is not there yet, for its user and group to read.
pub(in crate::history) fn new_file(path: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .custom_flags(libc::O_CLOEXEC)
        .open(path);
    match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(
            StoreError::Refused("there is a file already; name another one".to_owned()),
        ),
        file => Ok(file?),
    }
}

/// A second connection to a recording that is being written, for what is kept beside samples.
///
/// # Errors
/// Those of SQLite.
pub(in crate::history) fn connect_beside(path: &Path) -> Result<Connection, StoreError> {
    // Looking at the file first would end the locks that the recorder's connection has on it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// Whether a file is a recording that this version knows, without touching it.
///
/// # Errors
/// What it is instead.
pub(in crate::history) fn check_file(path: &Path) -> Result<(), StoreError> {
    use std::io::Read as _;
    let mut head = [0; 100];
    let mut file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    let len = file.metadata()?.len();
    let foreign =
        || StoreError::Refused("it is no recording of procwatch, and is left as it is".to_owned());
    if file.read_exact(&mut head).is_err() || !head.starts_with(schema::MAGIC) {
        return Err(foreign());
    }
    let number =
        |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if number(68) != schema::APPLICATION_ID as u32 {
        return Err(foreign());
    }
    let version = number(60);
    if version > schema::VERSION as u32 {
        return Err(StoreError::Refused(format!(
            "it was written by a newer procwatch, in format {version}; this one knows formats up to {}",
            schema::VERSION
        )));
    }
    let page = match u64::from(u16::from_be_bytes([head[16], head[17]])) {
        1 => 65_536,
        page => page,
    };
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let has_log = std::fs::metadata(wal).is_ok_and(|log| log.len() > 0);
    if !has_log && len < page * u64::from(number(28)) {
        return Err(StoreError::Refused(format!(
            "the file has been cut off: {len} of {} bytes are there; it is left as it is",
            page * u64::from(number(28))
        )));
    }
    Ok(())
}
