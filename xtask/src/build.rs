//! Builds procwatch. Its build script compiles the kernel programs into it.
//!
//! Deliberately absent: set-up, which yields the toolchain that these functions ask for.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    child::{self, Progress},
    toolchain::{self, Toolchain},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

pub fn procwatch(toolchain: Toolchain, profile: Profile) -> Result<()> {
    let mut cargo = cargo(toolchain);
    cargo.args(["build", "--package", "procwatch"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    child::succeed(&mut cargo, Progress::Show).context(
        "building procwatch\ntry: read the first error above; `cargo xtask setup` if a tool is missing",
    )
}

/// cargo for this workspace, with the choice that procwatch's build script reads.
pub fn cargo(toolchain: Toolchain) -> Command {
    let mut cargo = child::workspace_cargo();
    cargo.env(toolchain::CHOICE, toolchain.name());
    cargo
}

/// The absolute path of the release binary.
pub fn release_binary() -> Result<PathBuf> {
    Ok(target_directory()?.join("release/procwatch"))
}

/// The target directory that xtask itself is in.
pub fn target_directory() -> Result<PathBuf> {
    let xtask = env::current_exe().context("finding the target directory")?;
    let target = xtask.ancestors().nth(2);
    Ok(target
        .context("xtask is not in a target directory")?
        .to_owned())
}
