//! Tests and benches, step by step, with the wall time of each.
//!
//! A step that fails does not stop the others, so one run shows everything; a step that cannot run
//! says why. Tests that drive the release binary measure the host, so they run one at a time.
//!
//! Deliberately absent: tests themselves; they live beside the code and in `tests`.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    child,
    deny::{self, Advisories},
    fuzz,
    kernels::{self, Table, Tests},
    setup::{self, Purpose},
    toolchain::Toolchain,
};

/// Compiled for the BPF target by procwatch's build script, never for the host.
const KERNEL_CRATE: &str = "procwatch-ebpf";
/// Holds the tests and benches that drive the release binary.
pub const DRIVING_CRATE: &str = "procwatch-tests";
/// Tells those the absolute path of that binary.
pub const BINARY: &str = "PROCWATCH_BIN";

/// More tests than this do not fail by accident.
const ACCIDENTS_MAX: usize = 3;

enum Outcome {
    Passed,
    /// These failed, and passed when they were run again.
    PassedAgain(Vec<String>),
    Failed,
    Skipped(&'static str),
}

struct Step {
    name: &'static str,
    outcome: Outcome,
    wall_time: Duration,
}

/// Steps so far, in order.
#[derive(Default)]
struct Report {
    steps: Vec<Step>,
}

impl Report {
    fn step(&mut self, name: &'static str, action: impl FnOnce() -> Result<Outcome>) {
        println!("\n── {name}");
        let start = Instant::now();
        let outcome = action().unwrap_or_else(|error| {
            eprintln!("xtask: {}", crate::explain(&error));
            Outcome::Failed
        });
        if let Outcome::Skipped(why) = &outcome {
            println!("skipped: {why}");
        }
        self.steps.push(Step {
            name,
            outcome,
            wall_time: start.elapsed(),
        });
    }

    fn failed(&self, name: &str) -> bool {
        self.steps
            .iter()
            .any(|step| step.name == name && matches!(step.outcome, Outcome::Failed))
    }

    fn print(&self) -> ExitCode {
        println!();
        let mut code = ExitCode::SUCCESS;
        for step in &self.steps {
            let verdict = match &step.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::PassedAgain(tests) => {
                    format!("passed, at the second attempt: {}", tests.join(", "))
                }
                Outcome::Failed => {
                    code = ExitCode::FAILURE;
                    "FAILED".to_owned()
                }
                Outcome::Skipped(why) => format!("skipped: {why}"),
            };
            println!(
                "{:7.1} s  {:<14}  {verdict}",
                step.wall_time.as_secs_f64(),
                step.name
            );
        }
        code
    }
}

/// Set-up and every test; with `arguments`, the tests they select and no lints.
pub fn all(arguments: &[OsString]) -> Result<ExitCode> {
    let start = Instant::now();
    let toolchain = setup::ensure(Purpose::Test)?;
    let mut report = Report::default();
    report.steps.push(Step {
        name: "set-up",
        outcome: Outcome::Passed,
        wall_time: start.elapsed(),
    });
    if arguments.is_empty() {
        report.step("format", check_format);
        report.step("lints", || check_lints(toolchain));
        report.step("dependencies", check_dependencies);
    }
    report.step("release build", || {
        build::procwatch(toolchain, Profile::Release).map(|()| Outcome::Passed)
    });
    report.step("unit tests", || test_units(toolchain, arguments));
    if arguments.is_empty() {
        report.step("fuzz", || fuzz_briefly(toolchain));
    }
    if report.failed("release build") {
        report.step("driving tests", || {
            Ok(Outcome::Skipped("there is no release binary"))
        });
    } else {
        report.step("driving tests", || test_binary(toolchain, arguments));
        if arguments.is_empty() {
            report.step("kernels", test_kernels);
        }
    }
    Ok(report.print())
}

/// Set-up, release build, then every bench or the one called `name`.
pub fn bench(name: Option<&str>, arguments: &[OsString]) -> Result<ExitCode> {
    let toolchain = setup::ensure(Purpose::Test)?;
    build::procwatch(toolchain, Profile::Release)?;
    let mut cargo = build::cargo(toolchain);
    cargo
        .args([
            "bench",
            "--package",
            DRIVING_CRATE,
            "--package",
            "procwatch",
        ])
        .env(BINARY, build::release_binary()?);
    match name {
        Some(name) => cargo.args(["--bench", name]),
        None => cargo.arg("--benches"),
    };
    let outcome = run(cargo.arg("--").args(arguments))?;
    Ok(if matches!(outcome, Outcome::Passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Set-up, release build, then the program that draws the live view to `docs/gallery`.
pub fn gallery() -> Result<ExitCode> {
    let toolchain = setup::ensure(Purpose::Test)?;
    build::procwatch(toolchain, Profile::Release)?;
    let mut cargo = build::cargo(toolchain);
    cargo
        .args([
            "run",
            "--package",
            DRIVING_CRATE,
            "--bin",
            "gallery",
            "--",
            "docs/gallery",
        ])
        .env(BINARY, build::release_binary()?);
    let outcome = run(&mut cargo)?;
    Ok(if matches!(outcome, Outcome::Passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn check_format() -> Result<Outcome> {
    if !has_component("fmt") {
        return Ok(Outcome::Skipped(
            "no rustfmt; `rustup component add rustfmt` adds it",
        ));
    }
    run(child::workspace_cargo().args(["fmt", "--all", "--check"]))
}

fn check_lints(toolchain: Toolchain) -> Result<Outcome> {
    if !has_component("clippy") {
        return Ok(Outcome::Skipped(
            "no clippy; `rustup component add clippy` adds it",
        ));
    }
    run(build::cargo(toolchain)
        .args([
            "clippy",
            "--workspace",
            "--exclude",
            KERNEL_CRATE,
            "--all-targets",
        ])
        .args(["--", "--deny", "warnings"]))
}

fn check_dependencies() -> Result<Outcome> {
    if !deny::is_installed() {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed; `cargo xtask deny` installs it",
        ));
    }
    run(&mut deny::check(Advisories::Leave))
}

fn test_units(toolchain: Toolchain, arguments: &[OsString]) -> Result<Outcome> {
    run(build::cargo(toolchain)
        .args(["test", "--no-fail-fast", "--workspace"])
        .args(["--exclude", KERNEL_CRATE, "--exclude", DRIVING_CRATE, "--"])
        .args(arguments))
}

fn fuzz_briefly(toolchain: Toolchain) -> Result<Outcome> {
    Ok(if fuzz::run(toolchain, &[], fuzz::BRIEF)? {
        Outcome::Passed
    } else {
        Outcome::Failed
    })
}

/// What these tests compare with happens on a host that others use too: a hypervisor that takes a CPU away at the
/// one instant that matters makes a right figure look wrong. So a few that fail are run once more, and named.
fn test_binary(toolchain: Toolchain, arguments: &[OsString]) -> Result<Outcome> {
    let binary = build::release_binary()?;
    let attempt = |arguments: &[OsString]| {
        let mut cargo = build::cargo(toolchain);
        cargo
            .args(["test", "--no-fail-fast", "--package", DRIVING_CRATE])
            .args(["--", "--test-threads=1"])
            .args(arguments)
            .env(BINARY, &binary);
        run_telling(&mut cargo)
    };
    let (has_passed, output) = attempt(arguments)?;
    if has_passed {
        return Ok(Outcome::Passed);
    }
    let failed = failures(&output);
    if failed.is_empty() || failed.len() > ACCIDENTS_MAX {
        return Ok(Outcome::Failed);
    }
    println!("\nonce more: {}", failed.join(", "));
    let names = failed.iter().map(OsString::from);
    let again: Vec<_> = std::iter::once("--exact".into()).chain(names).collect();
    let (has_passed, _) = attempt(&again)?;
    Ok(if has_passed {
        Outcome::PassedAgain(failed)
    } else {
        Outcome::Failed
    })
}

/// The tests that a harness lists as failed at its end.
fn failures(output: &str) -> Vec<String> {
    let mut failed: Vec<String> = Vec::new();
    let mut is_list = false;
    for line in output.lines() {
        match line.strip_prefix("    ") {
            _ if line == "failures:" => is_list = true,
            Some(name) if is_list && !name.contains(' ') => {
                if !failed.iter().any(|known| known == name) {
                    failed.push(name.to_owned());
                }
            }
            _ => is_list = false,
        }
    }
    failed
}

fn test_kernels() -> Result<Outcome> {
    if std::env::consts::ARCH != "x86_64" {
        return Ok(Outcome::Skipped("the kernels that are fetched are x86-64"));
    }
    let code = kernels::test(&[], &Tests::Selected, Table::Compare)?;
    Ok(if code == ExitCode::SUCCESS {
        Outcome::Passed
    } else {
        Outcome::Failed
    })
}

fn has_component(subcommand: &str) -> bool {
    child::answer(child::workspace_cargo().args([subcommand, "--version"])).is_some()
}

/// Shows what a program writes to its standard output, and returns it, and whether the program ended well.
fn run_telling(command: &mut Command) -> Result<(bool, String)> {
    let line_of = child::line_of(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting `{line_of}`"))?;
    let mut output = Vec::new();
    let mut pipe = child.stdout.take().context("its standard output")?;
    let mut buffer = [0; 4096];
    loop {
        let length = pipe
            .read(&mut buffer)
            .with_context(|| format!("reading from `{line_of}`"))?;
        if length == 0 {
            break;
        }
        io::stdout().write_all(&buffer[..length])?;
        output.extend_from_slice(&buffer[..length]);
    }
    let status = child
        .wait()
        .with_context(|| format!("waiting for `{line_of}`"))?;
    Ok((
        status.success(),
        String::from_utf8_lossy(&output).into_owned(),
    ))
}

fn run(command: &mut Command) -> Result<Outcome> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting `{}`", child::line_of(command)))?;
    Ok(if status.success() {
        Outcome::Passed
    } else {
        Outcome::Failed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_those_of_the_list_at_the_end() {
        let output = "\
test a::b ... FAILED
failures:

---- a::b stdout ----
    figure: 12 of 13

failures:
    a::b
    c::d

test result: FAILED. 1 passed; 2 failed
failures:
    e::f
";
        assert_eq!(failures(output), ["a::b", "c::d", "e::f"]);
    }
}
