//! The configuration's file: where it is, whether it can be trusted, and what it says.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::{
    config::{self, Config, Format},
    model::escape::terminal,
};

/// Where it is when nobody says.
const DIRECTORY: &str = "/etc/procwatch";
/// In this order; only one may be there.
const NAMES: [&str; 2] = ["procwatch.toml", "procwatch.json"];
/// Larger than any configuration.
const LONGEST: u64 = 1 << 20;
/// Written by the group, or by anybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// What the named file says; without one, what that of the host says, if it has one.
///
/// # Errors
/// When it cannot be read or trusted, or there is a mistake in it.
pub(super) fn load(named: Option<&Path>) -> super::Result<Config> {
    match named {
        Some(path) => read(path),
        None => load_from(Path::new(DIRECTORY)),
    }
}

fn load_from(directory: &Path) -> super::Result<Config> {
    let present: Vec<PathBuf> = NAMES
        .iter()
        .map(|name| directory.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .collect();
    match present.as_slice() {
        [] => Ok(Config::default()),
        [path] => read(path),
        [one, other, ..] => bail!(
            "{} and {} are both there; keep one, or name one by --config",
            one.display(),
            other.display()
        ),
    }
}

/// Reads one file.
///
/// # Errors
/// As [`load`].
pub(super) fn read(path: &Path) -> super::Result<Config> {
    let shown = terminal(&path.display().to_string()).into_owned();
    let format = path
        .extension()
        .and_then(|ending| Format::of_ending(ending.to_str()?))
        .with_context(|| format!("{shown}: its name must end in .toml or .json"))?;
    let file = open(path, &shown)?;
    let mut text = String::new();
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > LONGEST => bail!("{shown}: larger than 1MiB"),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            bail!("{shown}: not UTF-8 text")
        }
        Err(error) => return Err(error).context(shown),
    }
    config::parse(&text, format).context(shown)
}

/// Whoever can write the file can tell root what to do.
fn open(path: &Path, shown: &str) -> super::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        // A pipe without a writer would be waited for.
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .with_context(|| format!("{shown}: the configuration cannot be read"))?;
    let metadata = file.metadata().with_context(|| shown.to_owned())?;
    if !metadata.is_file() {
        bail!("{shown}: not a regular file");
    }
    let is_ours_alone = metadata.uid() == 0 && metadata.mode() & WRITABLE_BY_OTHERS == 0;
    if rustix::process::geteuid().is_root() && !is_ours_alone {
        bail!(
            "{shown}: others than root can write to it, and procwatch runs as root; try chown root \
             {shown} and chmod go-w {shown}"
        );
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_configuration_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        assert_eq!(load_from(directory.path()).unwrap(), Config::default());
        write("procwatch.json", r#"{"record": {"niceness": 3}}"#);
        let config = load_from(directory.path()).unwrap();
        assert_eq!(config.record.niceness, Some(3));
        write("procwatch.toml", "");
        let error = load_from(directory.path()).unwrap_err().to_string();
        assert!(error.contains("both there"), "{error}");
    }
}
