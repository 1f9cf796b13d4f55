//! Set-up: looks at what is there, and installs the rest in one go. Costs some tens of
//! milliseconds, no network and no package manager when nothing is missing.
//!
//! Deliberately absent: what each part consists of; see `toolchain`, `bpf_linker` and `packages`.

use anyhow::{Context as _, Result};

use crate::{
    bpf_linker::{self, Installed},
    packages,
    toolchain::{Choice, Toolchain},
};

/// Each needs what those before it need.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Build,
    /// Tests and benches: loads and reference programs as well.
    Test,
    /// Tests on other kernels: an emulator as well.
    Kernels,
}

/// Returns the toolchain that compiles the kernel programs.
pub fn ensure(purpose: Purpose) -> Result<Toolchain> {
    ensure_parts(purpose).context("setting up")
}

fn ensure_parts(purpose: Purpose) -> Result<Toolchain> {
    let linker = Installed::find();
    let choice = Choice::make(linker)?;
    let linker_fits = linker.is_some_and(|linker| linker.reads(choice.llvm_major()));

    let mut missing = choice.missing_packages();
    if !linker_fits {
        missing.extend(bpf_linker::missing_packages());
    }
    if purpose >= Purpose::Test {
        missing.extend(packages::missing(packages::TESTS));
    }
    packages::install(&missing)?;
    if purpose >= Purpose::Kernels {
        packages::install_beside(&packages::missing(packages::EMULATION))?;
    }

    choice.link()?;
    if !linker_fits {
        bpf_linker::install()?;
    }
    Ok(choice.toolchain)
}

pub fn announce(toolchain: Toolchain) {
    eprintln!(
        "xtask: all there; the kernel programs build with {}",
        toolchain.name()
    );
}
