//! `cargo xtask`: set-up, build, run, test and bench, in one command each.
//!
//! xtask only orchestrates: it installs what is missing, then calls cargo. It compiles nothing
//! itself and holds no test.

use std::{ffi::OsString, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bpf_linker;
mod build;
mod child;
mod deny;
mod fuzz;
mod fuzz_log;
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
use kernels::{Table, Tests};
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
    /// Set up, build, then boot other kernels under emulation and run kernel tests on each
    Kernels {
        /// The kernels, e.g. 5.10; all without one
        names: Vec<String>,
        /// Also the tests that are left out because they take long emulated, or judge speed
        #[arg(long)]
        all: bool,
        /// Make README's table of kernels anew
        #[arg(long)]
        update_readme: bool,
        /// Arguments for the test program, e.g. a filter; then of all tests
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Set up, then run fuzz targets for a while, from the corpus in fuzz/corpus
    Fuzz {
        /// The targets, e.g. btf; all without one
        names: Vec<String>,
        /// How long each runs
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        /// Try the same inputs as another run of this seed
        #[arg(long)]
        seed: Option<u32>,
    },
    /// Set up, build, and draw README's pictures of the live view anew, from a load of their own
    Gallery,
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
        Task::Kernels {
            names,
            all,
            update_readme,
            arguments,
        } => {
            let tests = if all || !arguments.is_empty() {
                Tests::Asked(&arguments)
            } else {
                Tests::Selected
            };
            let table = if update_readme {
                Table::Update
            } else {
                Table::Compare
            };
            return kernels::test(&names, &tests, table);
        }
        Task::Gallery => return test::gallery(),
        Task::Fuzz {
            names,
            seconds,
            seed,
        } => {
            let toolchain = setup::ensure(Purpose::Test)?;
            let time = Duration::from_secs(seconds);
            if !fuzz::run(toolchain, &names, fuzz::Search { time, seed })? {
                return Ok(ExitCode::FAILURE);
            }
        }
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
