//! Builds the kernel programs and leaves the object in `OUT_DIR`, so that plain `cargo build` works
//! once the tools are there. `cargo xtask setup` installs them.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain};

/// Set by xtask, which has already chosen; otherwise chosen here in the same way.
const CHOICE: &str = "PROCWATCH_BPF_TOOLCHAIN";
/// The name under which `cargo xtask setup` links a distribution's toolchain into rustup.
const LINKED: &str = "procwatch-bpf";

fn main() -> Result<()> {
    println!("cargo:rerun-if-env-changed={CHOICE}");
    println!("cargo:rerun-if-changed=../procwatch-common");
    if std::env::var_os("CARGO_CFG_FUZZING").is_some() {
        return leave_out_programs();
    }
    let toolchain = match std::env::var(CHOICE) {
        Ok(name) => name,
        Err(_) => installed_toolchain()?,
    };
    // SAFETY: a build script has one thread at this point.
    unsafe {
        // aya-build passes on what cargo prints as warnings: its progress is none.
        std::env::set_var("CARGO_TERM_QUIET", "true");
        if toolchain == LINKED {
            std::env::set_var("RUSTC_BOOTSTRAP", "1");
        }
    }
    let package = Package {
        name: "procwatch-ebpf",
        root_dir: "../procwatch-ebpf",
        ..Default::default()
    };
    aya_build::build_ebpf([package], Toolchain::Custom(&toolchain))
        .context("building the kernel programs; `cargo xtask setup` installs what they need")
}

/// Fuzz targets decode, and load no program: empty objects spare them half a minute.
fn leave_out_programs() -> Result<()> {
    let directory = std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?;
    for name in ["procwatch-ebpf", "procwatch-trace", "procwatch-latency"] {
        let object = Path::new(&directory).join(name);
        std::fs::write(&object, []).with_context(|| format!("writing {}", object.display()))?;
    }
    Ok(())
}

fn installed_toolchain() -> Result<String> {
    // The link is there only where set-up has found the nightly, if any, unfit.
    for name in [LINKED, "nightly"] {
        if has_core_sources(name) {
            return Ok(name.to_owned());
        }
    }
    bail!(
        "no Rust toolchain with the sources of `core` is installed; run `cargo xtask setup`, or \
         `rustup component add rust-src --toolchain nightly`"
    )
}

fn has_core_sources(toolchain: &str) -> bool {
    let Ok(output) = Command::new("rustup")
        .args(["run", toolchain, "rustc", "--print", "sysroot"])
        .output()
    else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&output.stdout);
    output.status.success()
        && Path::new(sysroot.trim())
            .join("lib/rustlib/src/rust/library/core")
            .exists()
}
