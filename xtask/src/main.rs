//! `cargo xtask`: set-up, build, run, test and bench, in one command each.
//!
//! xtask only orchestrates: it installs what is missing, then calls cargo. It compiles nothing
//! itself and holds no test.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bpf_linker;
mod build;
mod child;
mod deny;
mod kernels;
mod packages;
mod privilege;
mod release;
mod run;
mod setup;
mod test;
mod toolchain;

use build::Profile;
use deny::Advisories;
use setup::Purpose;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Sets up, builds, runs and tests procwatch"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the build needs and this machine lacks; instant when nothing is missing
    Setup {
        /// Also what only tests and benches need
        #[arg(long)]
        tests: bool,
        /// Also what booting other kernels needs
        #[arg(long)]
        kernels: bool,
    },
    /// Set up, then build procwatch
    Build {
        /// Build target/release/procwatch instead of target/debug/procwatch
        #[arg(long)]
        release: bool,
    },
    /// Set up, build procwatch in release and start it, as root where sudo allows
    Run {
        /// Arguments for procwatch, e.g. `cargo xtask run -- top --once --format json`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Set up, then format check, lints, every test and the dependency policy
    Test {
        /// Arguments for the test programs, e.g. a filter; lints are then left out
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Set up, build procwatch in release, then run the benches, or the one named
    Bench {
        name: Option<String>,
        /// Arguments for the bench program
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Set up, build, then boot other kernels under emulation and run the kernel tests on each
    Kernels {
        /// The kernels, e.g. 5.10; all without one
        names: Vec<String>,
        /// Arguments for the test program, e.g. a filter
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Check licences, bans and sources of every dependency; installs cargo-deny if missing
    Deny {
        /// Also check for known vulnerabilities; fetches the advisory database
        #[arg(long)]
        advisories: bool,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {}", explain(&error));
            ExitCode::from(2)
        }
    }
}

/// The chain of causes in one line, then what to try. A message in the chain that knows a remedy
/// has it after a line break; the outermost one counts.
fn explain(error: &anyhow::Error) -> String {
    let messages: Vec<String> = error.chain().map(ToString::to_string).collect();
    let parts = messages
        .iter()
        .map(|message| message.split_once('\n').unwrap_or((message, "")));
    let (causes, remedies): (Vec<&str>, Vec<&str>) = parts.unzip();
    let mut text = causes.join(": ");
    if let Some(remedy) = remedies.into_iter().find(|remedy| !remedy.is_empty()) {
        text.push('\n');
        text.push_str(remedy);
    }
    text
}

fn perform(task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup { tests, kernels } => {
            let purpose = match (kernels, tests) {
                (true, _) => Purpose::Kernels,
                (false, true) => Purpose::Test,
                (false, false) => Purpose::Build,
            };
            setup::announce(setup::ensure(purpose)?);
        }
        Task::Build { release } => {
            let profile = if release {
                Profile::Release
            } else {
                Profile::Dev
            };
            build::procwatch(setup::ensure(Purpose::Build)?, profile)?;
        }
        Task::Run { arguments } => return run::procwatch(&arguments),
        Task::Test { arguments } => return test::all(&arguments),
        Task::Bench { name, arguments } => return test::bench(name.as_deref(), &arguments),
        Task::Kernels { names, arguments } => return kernels::test(&names, &arguments),
        Task::Deny { advisories } => {
            return deny::install_and_check(if advisories {
                Advisories::Fetch
            } else {
                Advisories::Leave
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedy_comes_last_whoever_knew_it() {
        let cause = || anyhow::anyhow!("no such file\ntry: inner");
        assert_eq!(
            explain(&cause().context("starting")),
            "starting: no such file\ntry: inner"
        );
        let outer = cause().context("linking\ntry: outer").context("setting up");
        assert_eq!(
            explain(&outer),
            "setting up: linking: no such file\ntry: outer"
        );
        assert_eq!(explain(&anyhow::anyhow!("alone")), "alone");
    }
}
