//! What a running procwatch may still do, thread by thread, as the kernel tells it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use procwatch_tests::{
    procwatch::{Running, binary, run},
    record::array,
    skip::{has_ebpf, program, skip},
};
use serde_json::Value;

use crate::WORKLOAD;

const DAC_READ_SEARCH: u64 = 1 << 2;
const SYS_PTRACE: u64 = 1 << 19;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;
const COLLECTING: u64 = DAC_READ_SEARCH | SYS_PTRACE | PERFMON | BPF;
/// `CAP_SETPCAP`, `CAP_SETUID`, `CAP_SYS_MODULE`, `CAP_NET_ADMIN`, `CAP_DAC_OVERRIDE`.
const NEVER: u64 = 1 << 8 | 1 << 7 | 1 << 16 | 1 << 12 | 1 << 1;

/// By name, what /proc tells of each thread of a process.
fn threads(pid: u32) -> BTreeMap<String, String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    tasks
        .map(|task| {
            let directory = task.expect("a thread").path();
            let name = fs::read_to_string(directory.join("comm")).expect("its name");
            let status = fs::read_to_string(directory.join("status")).expect("its status");
            (name.trim().to_owned(), status)
        })
        .collect()
}

fn figure(status: &str, name: &str, radix: u32) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let text = line
        .unwrap_or_else(|| panic!("no {name} in {status}"))
        .trim();
    u64::from_str_radix(text, radix).expect("a number")
}

#[test]
fn each_thread_has_what_it_needs_and_no_more() {
    if !has_ebpf() {
        return;
    }
    for arguments in [
        ["events", "--format", "json"],
        ["top", "--format", "json"],
        ["top", "--no-ebpf", "--format=json"],
    ] {
        let running = Running::ready(&arguments);
        let threads = threads(running.pid());
        assert!(threads.contains_key("collector"), "{:?}", threads.keys());
        for (name, status) in &threads {
            let allowed = if name == "collector" { COLLECTING } else { 0 };
            for set in ["CapEff", "CapPrm"] {
                let held = figure(status, set, 16);
                assert_eq!(
                    held & !allowed,
                    0,
                    "{set} {held:#x} of {name}, {arguments:?}"
                );
            }
            for set in ["CapInh", "CapAmb"] {
                assert_eq!(figure(status, set, 16), 0, "{set} of {name}");
            }
            assert_eq!(figure(status, "CapBnd", 16) & NEVER, 0, "CapBnd of {name}");
            assert_eq!(figure(status, "NoNewPrivs", 10), 1, "{name}");
            assert_eq!(figure(status, "Seccomp", 10), 2, "{name}");
        }
        assert_eq!(figure(&threads["collector"], "CapEff", 16), COLLECTING);
        running.interrupt().done();
    }
}

/// Somebody who is not root, with a command line, a program and I/O of their own.
fn stranger() -> std::process::Child {
    let mut command = Command::new(WORKLOAD);
    command.args(["linger", "stranger"]);
    command.uid(65534).gid(65534);
    // The workload may be where only root gets.
    command.current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("starting the workload");
    let stdout = child.stdout.as_mut().expect("a pipe was asked for");
    std::io::Read::read_exact(stdout, &mut [0; 4]).expect("a word of the workload");
    child
}

#[test]
fn others_are_seen_as_before() {
    if !has_ebpf() {
        return;
    }
    // Started before procwatch, so that /proc has to tell its program.
    let mut child = stranger();
    let pid = child.id();
    for arguments in [
        ["--interval", "100ms", "--pss"].as_slice(),
        &["--interval", "100ms", "--pss", "--no-ebpf"],
    ] {
        let snapshot = procwatch_tests::procwatch::snapshot(arguments);
        let row = array(&snapshot, "processes")
            .iter()
            .find(|row| row["pid"] == pid)
            .expect("the stranger's row");
        let exe = fs::read_link(format!("/proc/{pid}/exe")).expect("its program");
        assert_eq!(row["exe"].as_str(), exe.to_str(), "{arguments:?}");
        assert_eq!(row["argv"][1], "linger");
        assert_eq!(row["uid"], 65534);
        for known in [
            "pss_bytes",
            "read_bytes",
            "logical_write_bytes",
            "rss_bytes",
        ] {
            assert!(row[known].is_u64(), "{known} with {arguments:?}: {row}");
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn status_tells_what_is_on_and_why_not() {
    let ended = run(&["status", "--format", "json"]);
    let confinement = &ended.json_lines()[0]["confinement"];
    for measure in ["capabilities", "no_new_privs", "seccomp", "landlock"] {
        let told = &confinement[measure];
        match told["state"].as_str() {
            Some("on") => assert!(told["reason"].is_null(), "{told}"),
            Some("off" | "partly") => assert!(told["reason"].is_string(), "{told}"),
            _ => panic!("{measure}: {told}"),
        }
    }
    assert_eq!(confinement["no_new_privs"]["state"], "on");
    assert_eq!(confinement["seccomp"]["state"], "on");
    let text = run(&["status"]);
    assert!(
        text.text().contains("\nConfined   capabilities "),
        "{}",
        text.text()
    );
}

/// A host, or a user, that lets us take fewer measures, or needs fewer.
fn check_starts(wrapper: &[&str], expected: &[(&str, &str)]) {
    if program(wrapper[0]).is_none() {
        return;
    }
    let mut probe = Command::new(wrapper[0]);
    probe.args(&wrapper[1..]).arg("true").stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        skip(&format!("{wrapper:?} does not work here"));
        return;
    }
    // Where anybody can execute it.
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("procwatch");
    fs::copy(binary(), &copy).expect("a copy");
    fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("its mode");
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(&copy).current_dir("/");
    command.args(["status", "--format", "json", "--duration", "100ms"]);
    let ended = Running::spawn(&mut command).wait();
    assert!(
        matches!(ended.code, Some(0 | 1)),
        "{wrapper:?}: {:?}",
        ended.stderr
    );
    let status: Value = ended.json_lines().remove(0);
    for (measure, state) in expected {
        assert_eq!(
            status["confinement"][measure]["state"], *state,
            "{wrapper:?}: {status}"
        );
    }
}

#[test]
fn it_starts_wherever_it_is() {
    // SAFETY: has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        skip("it needs root");
        return;
    }
    let all = [
        ("capabilities", "on"),
        ("no_new_privs", "on"),
        ("seccomp", "on"),
    ];
    check_starts(&["env"], &all);
    check_starts(
        &["setpriv", "--bounding-set=-setpcap", "--inh-caps=-setpcap"],
        &[
            ("capabilities", "partly"),
            ("no_new_privs", "on"),
            ("seccomp", "on"),
        ],
    );
    check_starts(
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ],
        &all,
    );
    check_starts(&["setpriv", "--no-new-privs"], &all);
    check_starts(&["unshare", "--user", "--map-root-user"], &all);
    check_starts(
        &[
            "unshare",
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--mount-proc",
        ],
        &all,
    );
}
