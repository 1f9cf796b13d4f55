//! The dependency policy of deny.toml, checked by cargo-deny.
//!
//! Licences, bans and sources are checked from Cargo.lock and the crates at hand. Advisories need a
//! database from the network, so they are checked only when asked for.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::child::{self, Progress};

const VERSION: &str = "^0.20";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Advisories {
    Leave,
    Fetch,
}

pub fn is_installed() -> bool {
    child::find("cargo-deny").is_some()
}

/// `cargo deny check …`, ready to run.
pub fn check(advisories: Advisories) -> Command {
    let mut cargo = child::workspace_cargo();
    cargo.args([
        "deny",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]);
    if advisories == Advisories::Fetch {
        cargo.arg("advisories");
    }
    cargo
}

pub fn install_and_check(advisories: Advisories) -> Result<ExitCode> {
    if !is_installed() {
        eprintln!(
            "xtask: installing cargo-deny {VERSION}: checks deny.toml's policy (several minutes)"
        );
        child::succeed(
            child::command("cargo").args([
                "install",
                "cargo-deny",
                "--version",
                VERSION,
                "--locked",
            ]),
            Progress::Show,
        )
        .context(
            "compiling cargo-deny\ntry: read cargo's messages above; it needs the crates registry",
        )?;
    }
    let status = check(advisories).status().context("starting cargo deny")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
