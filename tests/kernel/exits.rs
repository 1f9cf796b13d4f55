//! How processes end, against what wait4 told their parent.

use procwatch_tests::{
    record::{Record, Recorder, array, assert_close, number, text},
    short,
    skip::{figure, has_ebpf},
    workload::argument,
};
use serde_json::Value;

use crate::{recorded_closed, workload};

/// Compares an exit with what wait4 told.
fn assert_ended_as<'a>(record: &'a Record, ended: &Value) -> &'a Value {
    let exit = record.the("exit", number(ended, "pid"));
    for field in ["exit_code", "exit_signal", "core_dumped"] {
        assert_eq!(
            exit[field], ended[field],
            "{field} of {exit}, which wait4 saw end as {ended}"
        );
    }
    exit
}

#[test]
fn every_exit_code() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let told = workload(&["codes"]);
    let record = recorder.stop();
    record.assert_lossless();
    let ended = array(&told, "ended");
    assert_eq!(ended.len(), 256);
    for (code, ended) in ended.iter().enumerate() {
        assert_eq!(number(ended, "exit_code"), code as u64);
        assert_ended_as(&record, ended);
    }
}

#[test]
fn signals_and_core_dumps() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let recorder = Recorder::start();
    let told = workload(&["signals", argument(directory.path())]);
    let record = recorder.stop();
    let ended = array(&told, "ended");
    for ended in ended {
        assert!(
            ended["exit_signal"].is_u64(),
            "the workload ends by signals: {ended}"
        );
        assert_ended_as(&record, ended);
    }
    let dumped = ended
        .iter()
        .filter(|ended| ended["core_dumped"] == true)
        .count();
    figure(&format!(
        "signals: {} ends by signal, {dumped} of them with a core",
        ended.len()
    ));
    assert!(
        dumped > 0,
        "no core was dumped: the flag has not been tested"
    );
}

#[test]
fn a_thread_that_is_not_the_main_one_ends_the_process() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let ended = workload(&["thread-ends-group", "57"]);
    let record = recorder.stop();
    assert_eq!(ended["exit_code"], 57);
    assert_ended_as(&record, &ended);
}

#[test]
fn a_process_whose_main_thread_leaves_first_ends_once_and_with_its_last() {
    if !has_ebpf() {
        return;
    }
    for how in ["exit", "exit_group"] {
        let (record, told) = recorded_closed(&["main-leaves", "11", how, "42"], |told| {
            vec![number(&told["ended"], "pid")]
        });
        let ended = &told["ended"];
        // What the parent gets is the last thread's code: of `exit` since synchronize_group_exit (Linux
        // 6.0), before that the main thread's.
        let is_kernel_old = how == "exit" && ended["exit_code"] == 11;
        assert!(
            ended["exit_code"] == 42 || is_kernel_old,
            "by {how}: {ended}"
        );
        let exit = assert_ended_as(&record, ended);
        let end_ns = number(exit, "start_time_ns") + number(exit, "lifetime_ns");
        let window = number(&told, "last_thread_left_ns")..=number(ended, "reaped_ns");
        assert!(
            window.contains(&end_ns),
            "it ended at {end_ns}, outside of {window:?}"
        );
        assert!(
            number(exit, "cpu_time_ns") >= 20_000_000,
            "the last thread's CPU is in it: {exit}"
        );
        let truth = number(&ended["usage"], "cpu_time_ns");
        assert_close(
            "CPU time of a process without main thread",
            number(exit, "cpu_time_ns"),
            truth,
            0.01,
        );
        assert_eq!(exit["totals_at"], "final", "{exit}");
    }
}

#[test]
fn exec_by_a_thread_that_is_not_the_leader_is_one_exec_and_no_exit() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let program = short::program(directory.path(), "short");
    let (record, ended) = recorded_closed(&["thread-executes", argument(&program)], |ended| {
        vec![number(ended, "pid")]
    });
    record.assert_lossless();
    let pid = number(&ended, "pid");
    let (fork, exec) = (record.the("fork", pid), record.the("exec", pid));
    let exit = assert_ended_as(&record, &ended);
    assert_eq!(ended["exit_code"], 33);
    assert_eq!(array(exec, "argv"), ["thread-executed", "33"]);
    for event in [exec, exit] {
        assert_eq!(
            event["start_time_ns"], fork["start_time_ns"],
            "one process, one identity"
        );
    }
    assert!(text(fork, "time") < text(exec, "time") && text(exec, "time") < text(exit, "time"));
    let off = assert_close(
        "CPU time before and after the exec",
        number(exit, "cpu_time_ns"),
        number(&ended["usage"], "cpu_time_ns"),
        0.01,
    );
    figure(&format!("thread's exec: CPU {off:+.3} % off wait4's"));
    assert_eq!(
        number(exit, "logical_write_bytes"),
        20_000,
        "both threads' writes, once"
    );
    for field in [
        "voluntary_switches",
        "involuntary_switches",
        "minor_faults",
        "major_faults",
    ] {
        let (measured, truth) = (number(exit, field), number(&ended["usage"], field));
        assert!(
            measured.abs_diff(truth) <= u64::from(field.ends_with("switches")),
            "{field}: {measured} for {truth}"
        );
    }
}
