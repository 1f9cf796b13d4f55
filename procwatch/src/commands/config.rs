//! `procwatch config`: whether a configuration would do, a commented one to begin with, and the schema for editors.

use std::{
    fs::{DirBuilder, File},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use super::config_file;
use crate::{
    cli::args::{ConfigArgs, ConfigCommand},
    config::{commented, schema},
    model::escape::terminal,
};

/// Where it is looked for when nobody says.
const PATH: &str = "/etc/procwatch/procwatch.toml";

pub(super) fn run(args: &ConfigArgs) -> super::Result {
    let told = match &args.command {
        ConfigCommand::Check { file } => {
            config_file::read(file)?;
            let shown = file.display().to_string();
            format!("{}: ok\n", terminal(&shown))
        }
        ConfigCommand::Init { file } => match file.as_deref() {
            Some(path) if path == Path::new("-") => commented(),
            path => init(path.unwrap_or(Path::new(PATH)))?,
        },
        ConfigCommand::Schema => format!("{:#}\n", schema()),
    };
    io::stdout()
        .write_all(told.as_bytes())
        .context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Nothing that is there is written over.
fn init(path: &Path) -> super::Result<String> {
    let shown = terminal(&path.display().to_string()).into_owned();
    if let Some(directory) = path
        .parent()
        .filter(|parent| *parent == Path::new("/etc/procwatch"))
    {
        DirBuilder::new()
            .mode(0o755)
            .recursive(true)
            .create(directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
    }
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path);
    let mut file = match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} is there already; name another file, or - for standard output")
        }
        made => made.with_context(|| format!("{shown} cannot be made"))?,
    };
    file.write_all(commented().as_bytes())
        .with_context(|| format!("{shown} cannot be written"))?;
    Ok(format!(
        "{shown} is written; every key in it is a comment\n"
    ))
}
