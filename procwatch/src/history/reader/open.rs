//! Opening a recording to read, whoever it belongs to.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::HistoryError;

/// A connection that can only read. SQLite wants an index beside the file for that, which not everyone who can read
/// the file can make: a recording that nobody is writing to is then read as it lies there.
pub(super) fn open_connection(path: &Path) -> Result<Connection, HistoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let answers = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    };
    let refused = match Connection::open_with_flags(path, flags) {
        Ok(connection) => match answers(&connection) {
            Ok(()) => return Ok(connection),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let is_a_matter_of_rights = matches!(
        refused.sqlite_error_code(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
    );
    if !is_a_matter_of_rights {
        return Err(refused.into());
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        return Err(HistoryError::Refused(
            "a recorder has it, or had when it was killed, and only its user can read along; ask as that user"
                .to_owned(),
        ));
    }
    let connection =
        Connection::open_with_flags(unchanging(path), flags | OpenFlags::SQLITE_OPEN_URI)?;
    answers(&connection)?;
    Ok(connection)
}

/// A file's name as SQLite takes it with "nobody writes to it" behind.
fn unchanging(path: &Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let absolute = std::path::absolute(path);
    let path = absolute.as_deref().unwrap_or(path);
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                name.push(char::from(*byte));
            }
            // Memory takes all.
            _ => drop(write!(name, "%{byte:02x}")),
        }
    }
    name.push_str("?immutable=1");
    name
}
