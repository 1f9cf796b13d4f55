//! Pipes that close early, and terminals that are none.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
    time::Duration,
};

use procwatch_tests::{procwatch::command, wait::until};

#[test]
fn a_reader_who_has_seen_enough_ends_it_quietly() {
    if !procwatch_tests::skip::has_ebpf() {
        return;
    }
    for format in ["json", "text"] {
        let mut child = command()
            .args(["events", "--format", format])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting procwatch");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe was asked for"));
        let mut ready = String::new();
        stderr.read_line(&mut ready).expect("the first line");
        assert!(ready.starts_with("ready"), "{ready:?}");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        procwatch_tests::workload::run(crate::WORKLOAD, &["burn", "2", "1"]);
        let mut line = String::new();
        stdout.read_line(&mut line).expect("an event");
        drop(stdout);
        let status = until("the end of procwatch", Duration::from_secs(10), || {
            // Something to write is what makes it notice.
            procwatch_tests::workload::run(crate::WORKLOAD, &["burn", "1", "1"]);
            child.try_wait().expect("waiting for procwatch")
        });
        assert_eq!(status.code(), Some(0), "{format}: {status}");
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).expect("the rest");
        assert_eq!(rest, "", "{format}: nothing more on standard error");
    }
}

#[test]
fn a_full_disk_is_a_failure_that_is_told() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let output = command()
        .args(["top", "--once", "--interval", "100ms", "--format", "json"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .expect("running procwatch");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("procwatch: "))
        .collect();
    assert_eq!(told.len(), 1, "{stderr}");
    assert!(told[0].contains("No space left"), "{stderr}");
}

#[test]
fn output_to_a_pipe_is_plain() {
    for arguments in [
        &["top", "--once", "--interval", "100ms"][..],
        &["tree"],
        &["status"],
    ] {
        let output = command()
            .args(arguments)
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .output()
            .expect("running procwatch");
        assert!(
            !output.stdout.contains(&0x1b),
            "{arguments:?} writes escape sequences to a pipe"
        );
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for argument in ["--help", "--version"] {
        let output = command().arg(argument).output().expect("running procwatch");
        assert_eq!(output.status.code(), Some(0));
        assert!(
            output.stderr.is_empty() && !output.stdout.is_empty(),
            "{argument}"
        );
    }
}
