//! bpf-linker: links the kernel programs' bitcode into one object. Found on PATH, or compiled with
//! `cargo install` against Debian's LLVM 22.
//!
//! Its LLVM must be at least as new as the compiler's: newer LLVM reads older bitcode, not the
//! other way round.
//!
//! Deliberately absent: other LLVM versions. Debian 12 packages none newer; where a newer one is
//! needed, a bpf-linker that the user put on PATH is taken.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::{
    child::{self, Progress},
    packages::{self, Package},
};

/// What [`install`] builds with.
pub const INSTALLABLE_LLVM_MAJOR: u32 = 22;
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const LLVM_FEATURE: &str = "llvm-22";

const VERSION: &str = "0.13.0";
const OLDEST_VERSION: (u32, u32) = (0, 13);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Installed {
    version: (u32, u32),
    /// `None` when it was not installed by cargo: then it is trusted.
    llvm_major: Option<u32>,
}

impl Installed {
    /// `None` when there is none that starts.
    pub fn find() -> Option<Self> {
        let line = child::answer(child::command("bpf-linker").arg("--version"))?;
        Some(Self {
            version: version_in(&line)?,
            llvm_major: llvm_major_recorded_by_cargo(),
        })
    }

    /// Whether bitcode of that LLVM can be linked.
    pub fn reads(self, llvm_major: u32) -> bool {
        self.version >= OLDEST_VERSION && self.llvm_major.is_none_or(|own| own >= llvm_major)
    }
}

fn version_in(line: &str) -> Option<(u32, u32)> {
    let mut parts = line
        .trim()
        .strip_prefix("bpf-linker ")?
        .split('.')
        .map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn llvm_major_recorded_by_cargo() -> Option<u32> {
    llvm_major_in(&fs::read_to_string(child::cargo_home().ok()?.join(".crates2.json")).ok()?)
}

/// Reads cargo's record of installed programs, which names the features of each.
fn llvm_major_in(installs: &str) -> Option<u32> {
    let (_, record) = installs.split_once("\"bpf-linker ")?;
    let (record, _) = record.split_once('}')?;
    let (_, features) = record.split_once("\"features\":[")?;
    let (features, _) = features.split_once(']')?;
    features
        .split(',')
        .filter_map(|feature| {
            feature
                .trim()
                .trim_matches('"')
                .strip_prefix("llvm-")?
                .parse()
                .ok()
        })
        .max()
}

pub fn missing_packages() -> Vec<&'static Package> {
    packages::missing(packages::LINKER)
}

/// Compiles bpf-linker, once its packages are there.
pub fn install() -> Result<()> {
    eprintln!(
        "xtask: installing bpf-linker {VERSION} with LLVM {INSTALLABLE_LLVM_MAJOR}: links the \
         kernel programs (a few minutes)"
    );
    // --force: what is there may be of that version and yet not start.
    child::succeed(
        child::command("cargo")
            .args([
                "install",
                "bpf-linker",
                "--version",
                VERSION,
                "--locked",
                "--force",
            ])
            .args(["--no-default-features", "--features", LLVM_FEATURE])
            .env("LLVM_PREFIX", LLVM_PREFIX),
        Progress::Show,
    )
    .context(
        "compiling bpf-linker\ntry: read cargo's messages above; it needs the crates registry",
    )?;
    if !Installed::find().is_some_and(|linker| linker.reads(INSTALLABLE_LLVM_MAJOR)) {
        bail!(
            "bpf-linker {VERSION} is installed, but another one comes first\n\
             try: remove or upgrade {}",
            child::find("bpf-linker").unwrap_or_default().display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_its_own_line() {
        assert_eq!(version_in("bpf-linker 0.13.0\n"), Some((0, 13)));
        assert_eq!(version_in("error: nothing\n"), None);
    }

    #[test]
    fn llvm_is_read_from_cargos_record() {
        let installs = r#"{"installs":{"a 1.0.0 (r)":{"features":["llvm-9"]},"bpf-linker 0.13.0 (r)":{"version_req":null,"features":["llvm-22"],"no_default_features":true}}}"#;
        assert_eq!(llvm_major_in(installs), Some(22));
        assert_eq!(llvm_major_in(r#"{"installs":{}}"#), None);
    }

    #[test]
    fn older_llvm_does_not_read_newer_bitcode() {
        let linker = |version, llvm_major| Installed {
            version,
            llvm_major,
        };
        assert!(linker((0, 13), Some(22)).reads(22));
        assert!(linker((0, 13), Some(23)).reads(22));
        assert!(linker((0, 13), None).reads(23));
        assert!(!linker((0, 13), Some(22)).reads(23));
        assert!(!linker((0, 9), Some(22)).reads(22));
    }
}
