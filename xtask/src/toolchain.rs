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
    bpf_linker, child,
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

    /// Nightly where it can build the kernel programs, Debian's packages elsewhere.
    pub fn choose(linker: Option<bpf_linker::Installed>) -> Result<Self> {
        let nightly = nightly_with_core()?;
        match env::var(CHOICE).as_deref() {
            Ok(NIGHTLY) if nightly.is_none() => bail!(
                "{CHOICE}={NIGHTLY}, but there is no nightly with the sources of `core`\n\
                 try: rustup toolchain install nightly --component rust-src"
            ),
            Ok(NIGHTLY) => return Ok(Self::Nightly),
            Ok(LINKED) => return Ok(Self::Debian),
            Ok(other) => {
                bail!("{CHOICE}={other} is not known\ntry: unset it, or {NIGHTLY}, or {LINKED}")
            }
            Err(_) => {}
        }
        let Some(compiler) = nightly.and_then(|sysroot| Compiler::of(&sysroot)) else {
            return Ok(Self::Debian);
        };
        if compiler.release < OLDEST_RELEASE {
            let (major, minor) = compiler.release;
            eprintln!("xtask: nightly {major}.{minor} is too old: taking Debian's toolchain");
            return Ok(Self::Debian);
        }
        let linkable = compiler.llvm_major <= bpf_linker::INSTALLABLE_LLVM_MAJOR
            || linker.is_some_and(|linker| linker.reads(compiler.llvm_major));
        if !linkable {
            eprintln!(
                "xtask: nightly emits LLVM {} code, Debian's newest is LLVM {}: taking Debian's \
                 toolchain (a bpf-linker for LLVM {} on PATH would let nightly be used)",
                compiler.llvm_major,
                bpf_linker::INSTALLABLE_LLVM_MAJOR,
                compiler.llvm_major
            );
            return Ok(Self::Debian);
        }
        Ok(Self::Nightly)
    }

    /// `None` while the toolchain is not installed.
    pub fn llvm_major(self) -> Result<Option<u32>> {
        let sysroot = match self {
            Self::Nightly => nightly_with_core()?,
            Self::Debian => Some(PathBuf::from(DEBIAN_SYSROOT)),
        };
        Ok(sysroot
            .and_then(|sysroot| Compiler::of(&sysroot))
            .map(|compiler| compiler.llvm_major))
    }

    pub fn missing_packages(self) -> Vec<&'static Package> {
        match self {
            Self::Nightly => Vec::new(),
            // The file of an older compiler proves nothing: have apt replace all of it.
            Self::Debian if !debian_is_recent() => packages::TOOLCHAIN.iter().collect(),
            Self::Debian => packages::missing(packages::TOOLCHAIN),
        }
    }

    /// Makes the name known to rustup, once the packages are there.
    pub fn link(self) -> Result<()> {
        if self == Self::Nightly {
            return Ok(());
        }
        if !debian_is_recent() {
            bail!(
                "{DEBIAN_SYSROOT}/bin/rustc is older than {}.{}\n\
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
        child::succeed(child::command("rustup").args(["toolchain", "link", LINKED, DEBIAN_SYSROOT]))
            .context("linking Debian's toolchain\ntry: install rustup, then the same command again")
    }
}

fn debian_is_recent() -> bool {
    Compiler::of(Path::new(DEBIAN_SYSROOT))
        .is_some_and(|compiler| compiler.release >= OLDEST_RELEASE)
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
