//! Starts procwatch in place of xtask, so that the terminal, signals and the exit code are its own.
//!
//! Deliberately absent: a fallback of its own. Without rights procwatch reads /proc alone and says
//! so itself.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    child,
    privilege::Privilege,
    setup::{self, Purpose},
};

/// What sudo would drop and procwatch reads.
const KEPT_BY_SUDO: &str = "--preserve-env=NO_COLOR,COLORTERM,TZ,RUST_BACKTRACE";

/// Returns only if procwatch cannot be started.
pub fn procwatch(arguments: &[OsString]) -> Result<ExitCode> {
    build::procwatch(setup::ensure(Purpose::Build)?, Profile::Release)?;
    let binary = build::release_binary()?;
    let mut command = match Privilege::of_this_process() {
        Privilege::Root => Command::new(&binary),
        Privilege::Sudo => {
            let mut sudo = Command::new("sudo");
            sudo.args([KEPT_BY_SUDO, "--"]).arg(&binary);
            sudo
        }
        Privilege::User => {
            eprintln!(
                "xtask: neither root nor sudo: procwatch falls back to /proc, without kernel programs"
            );
            Command::new(&binary)
        }
    };
    child::remove_marks_of_cargo(&mut command);
    command.args(arguments);
    io::stderr().flush().context("writing to stderr")?;
    let error = command.exec();
    Err(error).with_context(|| {
        format!(
            "starting `{}`\ntry: cargo xtask build --release",
            child::line_of(&command)
        )
    })
}
