//! Pids that come round again.

use std::collections::HashSet;

use procwatch_tests::{
    record::{Recorder, array, number},
    short,
    skip::{figure, has_ebpf, skip, way_out_ns},
    workload::argument,
};

use crate::workload;

#[test]
fn pids_that_wrap_around_tear_no_life_apart() {
    if !has_ebpf() {
        return;
    }
    const TIMES: usize = 400;
    let directory = short::directory();
    let program = short::program(directory.path(), "short");
    let recorder = Recorder::start();
    let told = workload(&["wrap", argument(&program), &TIMES.to_string()]);
    let record = recorder.stop();
    if let Some(refused) = told["refused"].as_str() {
        skip(&format!("ns_last_pid: {refused}"));
        return;
    }
    record.assert_lossless();
    let (mut high, mut low) = (0, 0);
    let mut identities = HashSet::new();
    for (number_of, ended) in array(&told, "ended").iter().enumerate() {
        let pid = number(ended, "pid");
        high += u64::from(pid > number(&told, "pid_max") - TIMES as u64);
        low += u64::from(pid < number(&told, "pid_max") / 2);
        // Another of this host may have had the pid before or after.
        let mark = format!("wrap-{number_of}");
        let is_marked = |event: &&&serde_json::Value| event["argv"][0] == mark.as_str();
        let execs = record.of_pid("exec", pid);
        let own: Vec<_> = execs.iter().filter(is_marked).collect();
        assert_eq!(own.len(), 1, "execs of {mark} as {pid}: {execs:?}");
        let start = &own[0]["start_time_ns"];
        assert!(identities.insert((pid, number(own[0], "start_time_ns"))));
        let is_same = |event: &&&serde_json::Value| event["start_time_ns"] == *start;
        let births = record.of_pid("fork", pid);
        let births: Vec<_> = births.iter().filter(is_same).collect();
        assert_eq!(births.len(), 1, "births of {mark} as {pid}");
        assert_eq!(births[0]["ppid"], told["pid"]);
        let exits = record.of_pid("exit", pid);
        let exits: Vec<_> = exits.iter().filter(is_same).collect();
        assert_eq!(exits.len(), 1, "ends of {mark} as {pid}");
        assert_eq!(exits[0]["exit_code"], ended["exit_code"]);
        assert_eq!(exits[0]["argv"], own[0]["argv"]);
        if exits[0]["totals_at"] == "final" {
            let truth = number(&ended["usage"], "cpu_time_ns");
            let off = number(exits[0], "cpu_time_ns").abs_diff(truth);
            assert!(off <= way_out_ns(), "{off} ns off: {} {ended}", exits[0]);
        }
    }
    assert!(
        high > 0 && low > 0,
        "pids were to wrap around: {high} high, {low} low"
    );
    figure(&format!(
        "pid wrap: {high} processes before and {low} after the largest pid, all told apart"
    ));
}
