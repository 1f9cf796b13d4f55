//! Tests that the host cannot run say so where it is seen.

use std::{io::Write as _, path::Path, sync::OnceLock};

use serde_json::Value;

/// Says on the real standard error, past the capture of the test harness, why a test did not run.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("SKIPPED {test}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Says the same of a part of a test, of which the rest runs.
pub fn skip_part(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("PARTLY {test}: {why}\n");
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

/// Whether this kernel lets a group of figures be measured, by procwatch's own status; else says why the test
/// is skipped. A group that is refused where it could be had does not skip the test: that has to be seen.
///
/// # Panics
/// When procwatch fails, or knows no such group.
pub fn measures(figures: &str) -> bool {
    match unsupported(figures) {
        Some(why) => {
            skip(&format!("no {figures} here: {why}"));
            false
        }
        None => true,
    }
}

/// Why a group of figures cannot be had on this kernel.
///
/// # Panics
/// As [`measures`].
pub fn unsupported(figures: &str) -> Option<String> {
    let hooks = status()["hooks"].as_array().expect("hooks");
    let mut group = hooks
        .iter()
        .filter(|hook| hook["figures"] == figures)
        .peekable();
    assert!(group.peek().is_some(), "there are no {figures}: {hooks:?}");
    let missing = group.find(|hook| hook["state"] == "unsupported")?;
    Some(missing["reason"].as_str().expect("a reason").to_owned())
}

/// What `procwatch status` says, asked once: under emulation that takes seconds.
fn status() -> &'static Value {
    static STATUS: OnceLock<Value> = OnceLock::new();
    STATUS.get_or_init(|| {
        let ended = crate::procwatch::run(&["status", "--format", "json"]);
        ended.json_lines().pop().expect("a status")
    })
}

/// Whether this is a machine that was booted for the tests alone: its name, and that a script is its first process.
pub fn is_guest() -> bool {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let first = std::fs::read("/proc/1/cmdline").unwrap_or_default();
    let words: Vec<_> = first.split(|byte| *byte == 0).collect();
    name.trim() == "guest" && words.iter().any(|word| word.ends_with(b"/init"))
}

/// How far a closed account may lie from what `wait4` told, nanoseconds: the parent is woken before the process is
/// off its CPU, and an emulated CPU takes a thousand times as long over the rest.
pub fn way_out_ns() -> u64 {
    if is_guest() { 10_000_000 } else { 2_000 }
}
