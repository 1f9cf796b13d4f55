//! Started as nobody starts a program: without descriptors, without a directory, without an environment.

use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt as _,
    process::{Command, Output, Stdio},
};

use procwatch_tests::{procwatch, short};

const COMMANDS: [&[&str]; 6] = [
    &["top", "--once", "--interval", "100ms", "--format", "json"],
    &["top", "--once", "--interval", "100ms", "--no-ebpf"],
    &["events", "--duration", "200ms", "--format", "json"],
    &["tree"],
    &["status", "--duration", "200ms"],
    &["connections"],
];

fn command(arguments: &[&str]) -> Command {
    let mut command = procwatch::command();
    command.args(arguments).stdin(Stdio::null());
    command
}

/// It ended by itself, with what it says of a host that is degraded or not, and did not panic.
fn assert_ended_well(output: &Output, what: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let refuses = stderr.contains("procwatch: ");
    let code = output.status.code();
    assert!(
        matches!(code, Some(0 | 1)) || code == Some(2) && refuses,
        "{what}: {} {stderr}",
        output.status
    );
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
}

#[test]
fn descriptors_that_are_closed_are_missed_by_nobody() {
    for arguments in COMMANDS {
        check_without(arguments, &[0, 1, 2]);
    }
    for closed in [&[0][..], &[1], &[2]] {
        check_without(COMMANDS[0], closed);
    }
}

fn check_without(arguments: &[&str], closed: &'static [i32]) {
    let mut command = command(arguments);
    // SAFETY: between fork and exec only a system call is made.
    unsafe {
        command.pre_exec(move || {
            for fd in closed {
                libc::close(*fd);
            }
            Ok(())
        });
    }
    let output = command.output().expect("running procwatch");
    let what = format!("{arguments:?} without {closed:?}");
    assert_ended_well(&output, &what);
    assert_eq!(closed.contains(&1), output.stdout.is_empty(), "{what}");
    assert_eq!(closed.contains(&2), output.stderr.is_empty(), "{what}");
    // Nothing of the one went to the other.
    let lines = output.stderr.split(|byte| *byte == b'\n').count();
    assert!(
        lines <= 3,
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_full_disk_fails_every_command_once() {
    for arguments in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let output = command(arguments)
            .stdout(full.expect("/dev/full"))
            .output()
            .expect("running procwatch");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        let told = stderr
            .lines()
            .filter(|line| line.starts_with("procwatch: "));
        assert_eq!(told.count(), 1, "{arguments:?}: {stderr}");
    }
}

#[test]
fn neither_a_directory_nor_an_environment_is_needed() {
    for arguments in COMMANDS {
        let directory = short::directory();
        let path = std::ffi::CString::new(directory.path().to_str().expect("UTF-8"));
        let path = path.expect("no null byte");
        let mut command = command(arguments);
        command.env_clear().current_dir(directory.path());
        // SAFETY: between fork and exec only a system call is made, on a text that ends with a null byte.
        unsafe {
            command.pre_exec(move || {
                libc::rmdir(path.as_ptr());
                Ok(())
            });
        }
        let output = command.output().expect("running procwatch");
        assert!(!directory.path().exists(), "the directory was to go");
        assert_ended_well(&output, &format!("{arguments:?}"));
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
}
