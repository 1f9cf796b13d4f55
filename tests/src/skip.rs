//! Tests that the host cannot run say so where it is seen.

use std::{io::Write as _, path::Path};

/// Says on the real standard error, past the capture of the test harness, why a test did not run.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("SKIPPED {test}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Prints a figure past the capture of the test harness: every run shows what it measured.
pub fn figure(text: &str) {
    let line = format!("    figure: {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// True as root with eBPF at hand; else says why the test is skipped.
pub fn has_ebpf() -> bool {
    // SAFETY: has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        skip("it needs root");
        return false;
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        skip("this kernel has no BTF");
        return false;
    }
    true
}

/// Where a program of that name is. Says that the test is skipped when it is nowhere.
pub fn program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.exists());
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Whether this host runs no BPF program on behalf of pid 1, so that its figures come from /proc, and what
/// the kernel frees on top of it has no closing record.
///
/// # Panics
/// When procwatch fails.
pub fn pid_1_is_hidden() -> bool {
    let snapshot = crate::procwatch::snapshot(&["--interval", "100ms"]);
    let rows = snapshot["processes"].as_array().expect("processes");
    rows.iter()
        .any(|row| row["pid"] == 1 && row["source"] == "procfs")
}
