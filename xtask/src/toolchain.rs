//! The toolchain that compiles the kernel programs. It must have the sources of `core`, which
//! rustup ships as nightly's component `rust-src` and Debian as `rust-web-src`.
//!
//! Deliberately absent: downloads through rustup. A nightly that has the sources is used; a nightly
//! that has not is left alone. User space is compiled by whatever cargo the user called.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    bpf_linker,
    child::{self, Progress},
    packages::{self, Package},
};

/// Tells procwatch's build script which toolchain to take. A user may set it too.
pub const CHOICE: &str = "PROCWATCH_BPF_TOOLCHAIN";

const NIGHTLY: &str = "nightly";
/// The name under which Debian's toolchain is linked into rustup.
const LINKED: &str = "procwatch-bpf";
const DEBIAN_SYSROOT: &str = "/usr";
const CORE: &str = "lib/rustlib/src/rust/library/core";
/// The oldest compiler that aya-ebpf and this workspace were tried with.
const OLDEST_RELEASE: (u32, u32) = (1, 95);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Toolchain {
    /// rustup's `nightly`, with the component `rust-src`.
    Nightly,
    /// Debian's compiler, cargo and sources, linked into rustup.
    Debian,
}

impl Toolchain {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nightly => NIGHTLY,
            Self::Debian => LINKED,
        }
    }
}

/// A toolchain, and the state it was found in.
pub struct Choice {
    pub toolchain: Toolchain,
    /// `None` while it is not installed, or too old.
    compiler: Option<Compiler>,
}

impl Choice {
    /// Nightly where it can build the kernel programs, Debian's packages elsewhere.
    pub fn make(linker: Option<bpf_linker::Installed>) -> Result<Self> {
        let sysroot = nightly_with_core()?;
        let wanted = env::var(CHOICE);
        match wanted.as_deref() {
            Ok(LINKED) => return Ok(Self::debian()),
            Ok(NIGHTLY) if sysroot.is_none() => bail!(
                "{CHOICE}={NIGHTLY}, but there is no nightly with the sources of `core`\n\
                 try: rustup toolchain install nightly --component rust-src"
            ),
            Ok(NIGHTLY) | Err(_) => {}
            Ok(other) => {
                bail!("{CHOICE}={other} is not known\ntry: unset it, or {NIGHTLY}, or {LINKED}")
            }
        }
        let Some(nightly) = sysroot.and_then(|sysroot| Compiler::of(&sysroot)) else {
            return Ok(Self::debian());
        };
        if let Err(why) = nightly.check(linker) {
            if wanted.is_ok() {
                bail!("{why}\ntry: unset {CHOICE}, which then takes Debian's toolchain");
            }
            eprintln!("xtask: taking Debian's toolchain: {why}");
            return Ok(Self::debian());
        }
        Ok(Self {
            toolchain: Toolchain::Nightly,
            compiler: Some(nightly),
        })
    }

    fn debian() -> Self {
        Self {
            toolchain: Toolchain::Debian,
            compiler: debian_compiler(),
        }
    }

    /// The LLVM whose bitcode the linker has to read.
    pub fn llvm_major(&self) -> u32 {
        // Debian's toolchain, while not there yet, comes with the LLVM that the linker is built on.
        self.compiler
            .as_ref()
            .map_or(bpf_linker::INSTALLABLE_LLVM_MAJOR, |found| found.llvm_major)
    }

    pub fn missing_packages(&self) -> Vec<&'static Package> {
        match (self.toolchain, &self.compiler) {
            (Toolchain::Nightly, _) => Vec::new(),
            (Toolchain::Debian, Some(_)) => packages::missing(packages::TOOLCHAIN),
            // The files of an older compiler prove nothing: have apt replace all of it.
            (Toolchain::Debian, None) => packages::TOOLCHAIN.iter().collect(),
        }
    }

    /// Makes the toolchain's name known to rustup, once its packages are there.
    pub fn link(&self) -> Result<()> {
        if self.toolchain == Toolchain::Nightly {
            return Ok(());
        }
        if self.compiler.is_none() && debian_compiler().is_none() {
            bail!(
                "{DEBIAN_SYSROOT}/bin/rustc does not start or is older than {}.{}\n\
                 try: enable Debian 12's security suite (bookworm-security main)",
                OLDEST_RELEASE.0,
                OLDEST_RELEASE.1
            );
        }
        let link = child::rustup_home()?.join("toolchains").join(LINKED);
        if fs::read_link(&link).is_ok_and(|target| target == Path::new(DEBIAN_SYSROOT)) {
            return Ok(());
        }
        eprintln!("xtask: linking {DEBIAN_SYSROOT} into rustup as {LINKED}: Debian's toolchain");
        child::succeed(
            child::command("rustup").args(["toolchain", "link", LINKED, DEBIAN_SYSROOT]),
            Progress::Hide,
        )
        .context("linking Debian's toolchain\ntry: install rustup, then the same command again")
    }
}

fn debian_compiler() -> Option<Compiler> {
    Compiler::of(Path::new(DEBIAN_SYSROOT)).filter(|compiler| compiler.release >= OLDEST_RELEASE)
}

/// The root of rustup's nightly for this machine, if it has the sources. Read from rustup's
/// directory: asking rustup costs 0.2 s and may start a download.
fn nightly_with_core() -> Result<Option<PathBuf>> {
    let toolchains = child::rustup_home()?.join("toolchains");
    let Ok(entries) = fs::read_dir(toolchains) else {
        return Ok(None);
    };
    Ok(entries
        .flatten()
        .filter(|entry| is_nightly_of_host(&entry.file_name()))
        .map(|entry| entry.path())
        .find(|sysroot| sysroot.join(CORE).exists()))
}

fn is_nightly_of_host(name: &OsStr) -> bool {
    let host = format!("{NIGHTLY}-{}-unknown-linux-", env::consts::ARCH);
    name == NIGHTLY || name.to_string_lossy().starts_with(&host)
}

#[derive(Debug, PartialEq, Eq)]
struct Compiler {
    release: (u32, u32),
    llvm_major: u32,
}

impl Compiler {
    /// Whether this nightly can build the kernel programs, or why not.
    fn check(&self, linker: Option<bpf_linker::Installed>) -> Result<(), String> {
        let (major, minor) = self.release;
        if self.release < OLDEST_RELEASE {
            return Err(format!("nightly {major}.{minor} is too old"));
        }
        let llvm_major = self.llvm_major;
        let newest = bpf_linker::INSTALLABLE_LLVM_MAJOR;
        if llvm_major > newest && !linker.is_some_and(|linker| linker.reads(llvm_major)) {
            return Err(format!(
                "nightly emits code of LLVM {llvm_major}, Debian's newest is {newest}, and no \
                 bpf-linker with LLVM {llvm_major} is installed"
            ));
        }
        Ok(())
    }

    fn of(sysroot: &Path) -> Option<Self> {
        Self::parse(&child::answer(
            child::command(sysroot.join("bin/rustc")).arg("-vV"),
        )?)
    }

    /// Reads what `rustc -vV` prints.
    fn parse(verbose: &str) -> Option<Self> {
        let field = |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name));
        let mut release = field("release: ")?.split('.').map(str::parse);
        let mut llvm = field("LLVM version: ")?.split('.').map(str::parse);
        Some(Self {
            release: (release.next()?.ok()?, release.next()?.ok()?),
            llvm_major: llvm.next()?.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_is_read_from_rustc_verbose_version() {
        let verbose = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nbinary: rustc\n\
                       release: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        let expected = Compiler {
            release: (1, 97),
            llvm_major: 22,
        };
        assert_eq!(Compiler::parse(verbose), Some(expected));
        assert_eq!(Compiler::parse("rustc 1.97.0\n"), None);
    }

    #[test]
    fn nightly_is_refused_when_old_or_ahead_of_every_linker() {
        let compiler = |minor, llvm_major| Compiler {
            release: (1, minor),
            llvm_major,
        };
        assert_eq!(compiler(97, 22).check(None), Ok(()));
        assert!(
            compiler(90, 20)
                .check(None)
                .unwrap_err()
                .contains("1.90 is too old")
        );
        assert!(
            compiler(99, 23)
                .check(None)
                .unwrap_err()
                .contains("LLVM 23")
        );
    }

    #[test]
    fn only_the_undated_nightly_of_this_machine_counts() {
        let arch = env::consts::ARCH;
        assert!(is_nightly_of_host(OsStr::new("nightly")));
        assert!(is_nightly_of_host(OsStr::new(&format!(
            "nightly-{arch}-unknown-linux-gnu"
        ))));
        assert!(!is_nightly_of_host(OsStr::new(&format!(
            "nightly-2024-01-01-{arch}-unknown-linux-gnu"
        ))));
        assert!(!is_nightly_of_host(OsStr::new(
            "nightly-sparc64-unknown-linux-gnu"
        )));
    }
}
