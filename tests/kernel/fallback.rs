//! Where eBPF is refused: /proc alone, and said so.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use procwatch_tests::{
    procwatch::{Ended, Running, binary, command},
    record::{Record, array, number, text},
    short,
    skip::{program, skip},
    wait::until,
    workload::start,
};
use serde_json::Value;

use crate::WORKLOAD;

/// The refusal is told in one line, and nothing else is.
fn assert_told_once(ended: &Ended) {
    assert_eq!(ended.stderr.len(), 1, "{:?}", ended.stderr);
    assert!(
        ended.stderr[0].starts_with("ready") && ended.stderr[0].contains("/proc alone"),
        "{:?}",
        ended.stderr
    );
}

/// The name that the program has as a process, wherever it was built to.
fn own_name() -> String {
    let file = binary();
    let name = file.file_name().and_then(std::ffi::OsStr::to_str);
    name.expect("a file name").chars().take(15).collect()
}

fn assert_sources(sources: &Value) {
    for group in ["identity", "cpu", "memory", "io"] {
        assert_eq!(text(sources, group), "procfs");
    }
}

/// Every command, started by `command`, which may add to it what makes the host refuse.
fn check_commands(command: &dyn Fn(&[&str]) -> Command) {
    let run = |arguments: &[&str]| Running::spawn(&mut command(arguments)).wait();

    let top = run(&["top", "--once", "--interval", "100ms", "--format", "json"]).done();
    assert_told_once(&top);
    let snapshot = &top.json_lines()[0];
    assert_sources(&snapshot["sources"]);
    assert!(
        array(snapshot, "processes")
            .iter()
            .all(|row| row["source"] == "procfs")
    );
    assert!(
        array(snapshot, "processes")
            .iter()
            .any(|row| row["comm"] == own_name())
    );

    let table = run(&["top", "--once", "--interval", "100ms"]).done();
    assert_told_once(&table);
    let notices = table
        .text()
        .lines()
        .filter(|line| line.contains("/proc alone"))
        .count();
    assert_eq!(notices, 1, "the table says so once: {}", table.text());

    let tree = run(&["tree", "--format", "json"]).done();
    assert_told_once(&tree);
    assert!(
        tree.json_lines()
            .iter()
            .any(|row| row["comm"] == own_name())
    );

    let events = run(&["events", "--duration", "1s", "--format", "json"]).done();
    assert_told_once(&events);
    Record::of(&events);

    let status = run(&["status", "--format", "json"]);
    assert_eq!(
        status.code,
        Some(1),
        "a degraded host is a finding: {:?}",
        status.stderr
    );
    assert_told_once(&status);
    let status = &status.json_lines()[0];
    assert_sources(&status["sources"]);
    assert!(status["degraded"].is_string(), "{status}");
}

#[test]
fn proc_alone_was_asked_for() {
    check_commands(&|arguments| {
        let mut command = command();
        command.args(arguments).arg("--no-ebpf");
        command
    });
}

#[test]
fn an_unprivileged_user() {
    // SAFETY: has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        skip("it takes root to become nobody");
        return;
    }
    // The build may lie where nobody may look.
    let directory = short::directory();
    let copy: PathBuf = directory.path().join(own_name());
    std::fs::copy(binary(), &copy).expect("a copy of procwatch");
    check_commands(&|arguments| {
        let mut command = Command::new(&copy);
        command
            .args(arguments)
            .uid(65_534)
            .gid(65_534)
            .current_dir("/");
        command
    });
}

#[test]
fn another_pid_namespace() {
    let Some(unshare) = program("unshare") else {
        return;
    };
    let can = Command::new(&unshare)
        .args(["-pf", "--mount-proc", "true"])
        .status();
    if !can.is_ok_and(|status| status.success()) {
        skip("pid namespaces are refused here");
        return;
    }
    check_commands(&|arguments| {
        let mut command = Command::new(&unshare);
        command
            .args(["-pf", "--mount-proc"])
            .arg(binary())
            .args(arguments);
        command
    });
}

#[test]
fn births_and_ends_are_told_from_proc() {
    let mut running = Running::ready(&["events", "--format", "json", "--no-ebpf"]);
    let mut child = start(WORKLOAD, &["linger", "watched"]);
    let pid = u64::from(child.id());
    let mut seen = |kind: &str| {
        until(kind, Duration::from_secs(10), || {
            let events = running.lines_so_far();
            events
                .into_iter()
                .find(|event| event["type"] == kind && event["pid"] == pid)
        })
    };
    let fork = seen("fork");
    assert_eq!(text(&fork, "source"), "procfs");
    assert_eq!(number(&fork, "ppid"), u64::from(std::process::id()));
    child.kill().expect("killing our own child");
    child.wait().expect("waiting for our own child");
    let exit = seen("exit");
    assert_eq!(exit["start_time_ns"], fork["start_time_ns"]);
    assert_eq!(text(&exit, "source"), "procfs");
    assert!(
        exit["exit_code"].is_null(),
        "nobody has seen how it ended: {exit}"
    );
    assert!(Path::new(text(&exit, "exe")).ends_with("workload"));
    Record::of(&running.interrupt().done());
}
