//! Who is whose child, and two processes of one pid.

use procwatch_tests::{
    record::{Recorder, array, number},
    short,
    skip::{figure, has_ebpf, skip},
    workload::argument,
};

use crate::workload;

#[test]
fn a_daemons_parent_at_birth_and_at_its_end() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let told = workload(&["daemon"]);
    let record = recorder.stop();
    let (middle, last) = (number(&told["middle"], "pid"), number(&told["last"], "pid"));
    let (fork, exit) = (record.the("fork", last), record.the("exit", last));
    assert_eq!(
        number(record.the("fork", middle), "ppid"),
        number(&told, "pid")
    );
    assert_eq!(number(fork, "ppid"), middle, "the parent at birth");
    assert_eq!(exit["exit_code"], 5);
    assert_eq!(
        number(exit, "ppid"),
        number(&told, "last_parent_at_end"),
        "the parent that getppid named just before the end"
    );
}

#[test]
fn clone_parent_makes_a_sibling() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let told = workload(&["clone-parent"]);
    let record = recorder.stop();
    let (caller, cloned) = (
        number(&told["caller"], "pid"),
        number(&told["cloned"], "pid"),
    );
    assert_eq!(
        number(record.the("fork", cloned), "ppid"),
        number(&told, "pid")
    );
    assert_eq!(record.the("exit", cloned)["exit_code"], 6);
    assert_eq!(record.the("exit", caller)["exit_code"], 7);
}

#[test]
fn posix_spawn_is_one_birth_one_exec_one_exit() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let told = workload(&["burn", "1", "1"]);
    let record = recorder.stop();
    let pid = number(&told["ended"][0], "pid");
    let events = ["fork", "exec", "exit"].map(|kind| record.the(kind, pid));
    assert!(
        events
            .iter()
            .all(|event| event["start_time_ns"] == events[0]["start_time_ns"])
    );
    assert_eq!(array(events[1], "argv"), ["burner", "spin", "1"]);
}

#[test]
fn processes_that_share_a_pid_are_not_mixed_up() {
    if !has_ebpf() {
        return;
    }
    const TIMES: u64 = 50;
    let directory = short::directory();
    let program = short::program(directory.path(), "short");
    let recorder = Recorder::start();
    let told = workload(&["same-pid", argument(&program), &TIMES.to_string()]);
    let record = recorder.stop();
    if let Some(refused) = told["refused"].as_str() {
        skip(&format!("clone3 with set_tid: {refused}"));
        return;
    }
    let pid = number(&told, "pid");
    // The first holder of the pid, which only reserved it, ended with 0.
    let births = record.of_pid("fork", pid);
    let execs = record.of_pid("exec", pid);
    let exits = record.of_pid("exit", pid);
    assert_eq!(
        (births.len(), execs.len(), exits.len()),
        (TIMES as usize + 1, TIMES as usize, TIMES as usize + 1),
        "births, execs and exits of pid {pid}"
    );
    let mut starts: Vec<_> = births
        .iter()
        .map(|birth| number(birth, "start_time_ns"))
        .collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), births.len(), "each has a start of its own");
    for exec in execs {
        let argv = array(exec, "argv");
        let of_same = |event: &&&serde_json::Value| event["start_time_ns"] == exec["start_time_ns"];
        let own: Vec<_> = exits.iter().filter(of_same).collect();
        assert_eq!(own.len(), 1, "{exec} ends once");
        assert_eq!(
            own[0]["exit_code"].to_string(),
            argv[1].as_str().expect("a code"),
            "{}",
            own[0]
        );
        assert_eq!(own[0]["argv"], exec["argv"]);
        assert_eq!(
            births.iter().filter(of_same).count(),
            1,
            "{exec} is born once"
        );
    }
    figure(&format!(
        "pid reuse: pid {pid} held by {} processes, all told apart",
        births.len()
    ));
}
