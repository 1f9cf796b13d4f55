//! The file that a command was asked to write to.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, bail};

use crate::{history::MAGIC, model::escape::terminal};

/// For its user alone: command lines are in it. What is in a file already stays until there is something to write.
///
/// # Errors
/// When it cannot be made, or is a recording.
pub(super) fn open(path: &Path, what: &str) -> super::Result<File> {
    let shown = terminal(&path.display().to_string()).into_owned();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{shown} cannot be made"))?;
    if file.metadata().is_ok_and(|file| file.is_file()) {
        let mut head = [0; MAGIC.len()];
        if file.read_exact(&mut head).is_ok() && head == *MAGIC {
            bail!("{shown} is a recording, which {what} would replace; name another file");
        }
        file.rewind().with_context(|| shown.clone())?;
    }
    Ok(file)
}

/// The same, emptied.
///
/// # Errors
/// As above.
pub(super) fn open_empty(path: &Path, what: &str) -> super::Result<File> {
    let file = open(path, what)?;
    if file.metadata().is_ok_and(|file| file.is_file()) {
        file.set_len(0)
            .with_context(|| format!("emptying the file for {what}"))?;
    }
    Ok(file)
}
