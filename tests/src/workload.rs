//! The `workload` program, which does what is to be watched and tells what it did.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// Runs a role to its end, and returns what it told.
///
/// # Panics
/// When it fails or tells nothing.
pub fn run(program: &str, arguments: &[&str]) -> Value {
    told(start(program, arguments))
}

/// Starts a role.
///
/// # Panics
/// When it cannot be started.
pub fn start(program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("starting {program}: {error}"))
}

/// What a role told at its end.
///
/// # Panics
/// When it failed or told nothing.
pub fn told(role: Child) -> Value {
    let output = role.wait_with_output().expect("waiting for the workload");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "the workload failed: {} {text}",
        output.status
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// A path as an argument.
///
/// # Panics
/// When it is not UTF-8.
pub fn argument(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
