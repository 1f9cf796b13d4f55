//! The kernel tests on other kernels: each is booted under emulation, runs the tests, and goes.
//!
//! Deliberately absent: installing a kernel, KVM (a machine that is itself virtual often has none that
//! works), and tests of its own; those are what `cargo xtask test` runs on this machine's kernel.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

mod closure;
mod guest;
mod images;
mod initramfs;
mod modules;
mod programs;
mod report;
mod results;

use crate::{
    build,
    setup::{self, Purpose},
};
use guest::Guest;
use images::Image;
use initramfs::Userland;
use programs::Programs;
use report::Report;
use results::Run;

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

/// Of one kernel with all its tests. Emulated, they take a multiple of what they take here.
const TIME_LIMIT: Duration = Duration::from_secs(40 * 60);

/// Boots the kernels of these names, or all, and runs the tests that `arguments` select on each.
pub fn test(names: &[String], arguments: &[OsString]) -> Result<ExitCode> {
    let kernels = choose(names)?;
    if std::env::consts::ARCH != "x86_64" {
        bail!(
            "the guests are x86-64, and run what this machine compiles\ntry: on an x86-64 machine"
        );
    }
    let toolchain = setup::ensure(Purpose::Kernels)?;
    let programs = Programs::build(toolchain)?;
    let directory = build::target_directory()?.join("kernels");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let userland = Userland::pack(&programs, arguments, &directory)?;

    let mut report = Report::default();
    for kernel in kernels {
        println!("\n── {}", kernel.name);
        let start = Instant::now();
        let run = boot(kernel, &userland, &directory).unwrap_or_else(|error| {
            eprintln!("xtask: {}", crate::explain(&error));
            Run::not_started()
        });
        report.add(kernel.name, run, start.elapsed());
    }
    let code = report.print();
    println!(
        "what the tests measured is in {}/*/console",
        directory.display()
    );
    Ok(code)
}

fn boot(kernel: &Kernel, userland: &Userland, directory: &Path) -> Result<Run> {
    let image = Image::at_hand(kernel)?;
    println!("{}", image.release);
    let place = directory.join(kernel.name);
    fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
    let guest = Guest::prepare(&image, userland, &place)?;
    guest.run(TIME_LIMIT)
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
