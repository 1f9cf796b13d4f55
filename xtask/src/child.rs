//! Child processes: where programs are found, what environment they get, what a failure says.
//!
//! `cargo run` marks the environment of everything below it (toolchain, manifest, library path).
//! Children start without those marks, so that a program of another toolchain is not confused and
//! a nested cargo sees what a cargo typed by hand would see.
//!
//! Deliberately absent: output parsing; each caller knows its program.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The toolchain that `cargo +NAME xtask` asked for: kept for cargo in this workspace only.
const RUSTUP_TOOLCHAIN: &str = "RUSTUP_TOOLCHAIN";

/// What cargo and rustup's proxies set below themselves, next to `CARGO_PKG_*`.
const MARKS: &[&str] = &[
    RUSTUP_TOOLCHAIN,
    "RUSTUP_TOOLCHAIN_SOURCE",
    "RUST_RECURSION_COUNT",
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "RUSTC",
    "RUSTDOC",
    "RUSTC_WORKSPACE_WRAPPER",
];

const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// A program outside this workspace.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    remove_marks_of_cargo(&mut command);
    command.env("PATH", search_path());
    command
}

/// The cargo that runs xtask, for work in this workspace.
pub fn workspace_cargo() -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if let Some(toolchain) = env::var_os(RUSTUP_TOOLCHAIN) {
        cargo.env(RUSTUP_TOOLCHAIN, toolchain);
    }
    cargo
}

pub fn remove_marks_of_cargo(command: &mut Command) {
    for mark in MARKS {
        command.env_remove(mark);
    }
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(name);
        }
    }
    match library_path_of_caller() {
        Some(path) => command.env(LIBRARY_PATH, path),
        None => command.env_remove(LIBRARY_PATH),
    };
}

/// `LD_LIBRARY_PATH` without the directories that `cargo run` put in front.
fn library_path_of_caller() -> Option<OsString> {
    let build = env::current_exe().ok()?.parent()?.to_owned();
    let toolchains = rustup_home().ok()?.join("toolchains");
    let path = env::var_os(LIBRARY_PATH)?;
    let kept: Vec<PathBuf> = env::split_paths(&path)
        .filter(|directory| !directory.starts_with(&build) && !directory.starts_with(&toolchains))
        .collect();
    if kept.is_empty() {
        None
    } else {
        env::join_paths(kept).ok()
    }
}

/// `PATH` with cargo's bin directory in it, where `cargo install` puts programs, and with the
/// system directories that Debian keeps from users other than root.
pub fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = env::split_paths(&path).collect();
    if let Ok(home) = cargo_home() {
        let bin = home.join("bin");
        if !directories.contains(&bin) {
            directories.insert(0, bin);
        }
    }
    for system in ["/usr/sbin", "/sbin"] {
        if !directories
            .iter()
            .any(|directory| directory == Path::new(system))
        {
            directories.push(system.into());
        }
    }
    env::join_paths(directories).unwrap_or(path)
}

/// Where `program` is on [`search_path`].
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path())
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

pub fn cargo_home() -> Result<PathBuf> {
    home_of("CARGO_HOME", ".cargo")
}

pub fn rustup_home() -> Result<PathBuf> {
    home_of("RUSTUP_HOME", ".rustup")
}

/// A directory of ours for what is fetched once and can be fetched again (XDG Base Directories).
pub fn cache() -> Result<PathBuf> {
    Ok(home_of("XDG_CACHE_HOME", ".cache")?.join("procwatch"))
}

fn home_of(variable: &str, default: &str) -> Result<PathBuf> {
    if let Some(home) = env::var_os(variable).filter(|home| !home.is_empty()) {
        return Ok(home.into());
    }
    let home = env::home_dir().with_context(|| {
        format!(
            "neither {variable} nor HOME is set\ntry: set HOME to the home of the user who installed rustup"
        )
    })?;
    Ok(home.join(default))
}

/// What becomes of a child's standard output. Its errors are always shown.
#[derive(Clone, Copy)]
pub enum Progress {
    /// On stderr, because stdout belongs to procwatch.
    Show,
    Hide,
}

/// Runs a child that needs no input, to success.
pub fn succeed(command: &mut Command, progress: Progress) -> Result<()> {
    let stdout = match progress {
        Progress::Show => io::stderr()
            .as_fd()
            .try_clone_to_owned()
            .context("duplicating stderr")?
            .into(),
        Progress::Hide => Stdio::null(),
    };
    command.stdin(Stdio::null()).stdout(stdout);
    let line = line_of(command);
    let status = command
        .status()
        .with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// The standard output of a child that has to succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The standard output of a child that answers a question, or `None` if it cannot.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it, without its environment.
pub fn line_of(command: &Command) -> String {
    let mut line = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
