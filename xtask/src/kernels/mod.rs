//! The kernel tests on other kernels: each is booted under emulation, runs the tests, and goes.
//!
//! Deliberately absent: installing a kernel, KVM (a machine that is itself virtual often has none that
//! works), and tests of its own; those are what `cargo xtask test` runs on this machine's kernel.

use std::{
    ffi::OsString,
    fs,
    num::NonZero,
    path::Path,
    process::ExitCode,
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

mod capabilities;
mod closure;
mod guest;
mod hooks;
mod images;
mod initramfs;
mod modules;
mod programs;
mod readme;
mod report;
mod results;
mod selection;

use crate::{
    build,
    setup::{self, Purpose},
};
use guest::Guest;
use images::Image;
use initramfs::Userland;
use programs::Programs;
pub use readme::Table;
use report::Report;
use results::Run;
use selection::Selection;

/// A kernel that the tests run on, and the release of Debian that has it.
pub struct Kernel {
    pub name: &'static str,
    suite: &'static str,
}

pub const KERNELS: &[Kernel] = &[
    Kernel {
        name: "5.10",
        suite: "bullseye",
    },
    Kernel {
        name: "6.1",
        suite: "bookworm",
    },
    Kernel {
        name: "6.12",
        suite: "trixie",
    },
    Kernel {
        name: "7.2",
        suite: "sid",
    },
];

/// Of one kernel with the tests that are meant to run emulated: several times what they take.
const TIME_LIMIT: Duration = Duration::from_secs(8 * 60);
/// Of one kernel with whatever tests were asked for.
const TIME_LIMIT_OF_ALL: Duration = Duration::from_secs(60 * 60);

/// What is to run in the guests.
pub enum Tests<'a> {
    /// Those that are meant to run emulated.
    Selected,
    /// All, or those that arguments of the test program select.
    Asked(&'a [OsString]),
}

/// Boots the kernels of these names, or all, runs the tests on each, and compares README's table with what
/// was seen when that were all kernels, or updates it.
pub fn test(names: &[String], tests: &Tests<'_>, table: Table) -> Result<ExitCode> {
    let kernels = choose(names)?;
    if matches!(table, Table::Update) && kernels.len() < KERNELS.len() {
        bail!("README's table has all kernels\ntry: the same without names of kernels");
    }
    if std::env::consts::ARCH != "x86_64" {
        bail!(
            "the guests are x86-64, and run what this machine compiles\ntry: on an x86-64 machine"
        );
    }
    let toolchain = setup::ensure(Purpose::Kernels)?;
    let programs = Programs::build(toolchain)?;
    let directory = build::target_directory()?.join("kernels");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let (arguments, limit) = match tests {
        Tests::Selected => (selected(&programs)?, TIME_LIMIT),
        Tests::Asked(arguments) => (arguments.to_vec(), TIME_LIMIT_OF_ALL),
    };
    let userland = Userland::pack(&programs, &arguments, &directory)?;

    let report = boot_all(&kernels, &userland, &directory, limit);
    report.print();
    println!(
        "what the tests measured is in {}/*/console",
        directory.display()
    );
    let mut has_failed = report.has_failed();
    if kernels.len() == KERNELS.len()
        && let Some(hooks) = report.hooks()
        && let Err(error) = readme::settle(table, &hooks)
    {
        println!("{}", crate::explain(&error));
        has_failed = true;
    }
    Ok(if has_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Arguments for the test program. Says what is left out.
fn selected(programs: &Programs) -> Result<Vec<OsString>> {
    let tests = programs.list_tests()?;
    let stale = Selection::stale(&tests);
    if !stale.is_empty() {
        bail!(
            "no test is called {}; try: correct xtask/src/kernels/selection.rs",
            stale.join(", ")
        );
    }
    let selection = Selection::of(&tests);
    for (topic, why, tests) in selection.reasons() {
        println!("left out: {topic}: {why}: {}", tests.join(", "));
    }
    if selection.run.is_empty() {
        bail!("no test is selected\ntry: see TOPICS in xtask/src/kernels/selection.rs");
    }
    let exact = std::iter::once("--exact".into());
    Ok(exact
        .chain(selection.run.into_iter().map(OsString::from))
        .collect())
}

/// As many guests at a time as this machine has CPUs.
fn boot_all(
    kernels: &[&'static Kernel],
    userland: &Userland,
    directory: &Path,
    limit: Duration,
) -> Report {
    let at_a_time = thread::available_parallelism().map_or(1, NonZero::get);
    // Fetched one after another, for apt's sake, and before anything measures time.
    let images = kernels
        .iter()
        .map(|kernel| (kernel.name, Image::at_hand(kernel)));
    let waiting = Mutex::new(images.collect::<Vec<_>>().into_iter());
    let (ended, ends) = mpsc::channel();
    let mut report = Report::default();
    thread::scope(|scope| {
        for _ in 0..at_a_time.min(kernels.len()) {
            let (ended, waiting) = (ended.clone(), &waiting);
            scope.spawn(move || {
                // A bound of its own: the lock is held for the choice alone.
                let next = || waiting.lock().ok()?.next();
                while let Some((name, image)) = next() {
                    let start = Instant::now();
                    let run =
                        image.and_then(|image| boot(name, &image, userland, directory, limit));
                    let run = run.unwrap_or_else(|error| {
                        eprintln!("{name}: {}", crate::explain(&error));
                        Run::not_started()
                    });
                    let _ = ended.send((name, run, start.elapsed()));
                }
            });
        }
        drop(ended);
        for (kernel, run, wall_time) in ends {
            report.add(kernel, run, wall_time);
        }
    });
    report
}

fn boot(
    name: &str,
    image: &Image,
    userland: &Userland,
    directory: &Path,
    limit: Duration,
) -> Result<Run> {
    println!("{name:4}  {}", image.release);
    let place = directory.join(name);
    fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
    let guest = Guest::prepare(image, userland, &place)?;
    guest.run(limit, |test| {
        let (seconds, verdict) = (test.wall_time.as_secs_f64(), &test.verdict);
        println!("{name:4}  {seconds:7.1} s  {verdict:10}  {}", test.name);
    })
}

fn choose(names: &[String]) -> Result<Vec<&'static Kernel>> {
    if names.is_empty() {
        return Ok(KERNELS.iter().collect());
    }
    let of_name = |name: &String| {
        let known = || KERNELS.iter().map(|kernel| kernel.name).collect::<Vec<_>>();
        KERNELS
            .iter()
            .find(|kernel| kernel.name == name)
            .with_context(|| {
                format!(
                    "there is no kernel {name} here\ntry: {}",
                    known().join(", ")
                )
            })
    };
    names.iter().map(of_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_chosen_by_name_and_all_without_one() {
        assert_eq!(choose(&[]).expect("all").len(), KERNELS.len());
        let chosen = choose(&["7.2".to_owned()]).expect("one");
        assert_eq!(chosen.len(), 1);
        assert_eq!(chosen[0].name, "7.2");
        let refused = choose(&["4.19".to_owned()]).err().expect("an error");
        assert!(refused.to_string().ends_with("try: 5.10, 6.1, 6.12, 7.2"));
    }
}
