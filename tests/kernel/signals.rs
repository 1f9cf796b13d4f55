//! Signals that end a process: who sent what, against wait4 and the senders themselves.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Command,
};

use procwatch_tests::{
    finished::{Owned, finish},
    record::{Record, Recorder, array, number, text},
    skip::{figure, has_ebpf, pid_1_is_hidden},
    wait::{PATIENCE, until},
    workload::start,
};
use serde_json::Value;

use crate::{WORKLOAD, workload};

/// Records a role, and compares every case.
fn check(role: &str) {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let told = workload(&["fatal", role]);
    let record = recorder.stop();
    let cases = array(&told, "cases");
    // Some hosts run no BPF program while a thread of pid 1 is current, which a timer may interrupt: of that
    // signal there is no more than the end that it made.
    let may_be_unseen = if pid_1_is_hidden() { 2 } else { 0 };
    let unseen = cases
        .iter()
        .filter(|case| is_unseen(&record, case))
        .take(may_be_unseen);
    let unseen: Vec<u64> = unseen.map(|case| number(case, "pid")).collect();
    let mut wrong: Vec<String> = cases
        .iter()
        .filter(|case| !unseen.contains(&number(case, "pid")))
        .filter_map(|case| Some((case, difference(&record, case)?)))
        .map(|(case, difference)| format!("{}: {difference}", text(case, "name")))
        .collect();
    figure(&format!(
        "signals {role}: {} cases, {} wrong; {} were sent on top of a hidden pid 1",
        cases.len(),
        wrong.len(),
        unseen.len()
    ));
    wrong.extend(unpaired(&record));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A signal of the kernel's of which only the number is told.
fn is_unseen(record: &Record, case: &Value) -> bool {
    let [signal] = record.of_pid("signal", number(case, "pid"))[..] else {
        return false;
    };
    let expected = &case["expected"];
    signal["signal"] == expected["signal"]
        && array_or_none(expected, "senders").contains(&Value::Null)
        && !expected["code"].is_null()
        && signal["code"].is_null()
        && signal["sender"].is_null()
}

/// What is wrong with what was told of a case.
fn difference(record: &Record, case: &Value) -> Option<String> {
    let pid = number(case, "pid");
    let signals = record.of_pid("signal", pid);
    let expected = &case["expected"];
    let [signal] = signals[..] else {
        let is_right = signals.is_empty() && expected.is_null();
        return (!is_right).then(|| format!("{} events, expected {expected}", signals.len()));
    };
    let sender = &signal["sender"];
    let is_sender = array_or_none(expected, "senders").contains(&sender["pid"]);
    let is_code = expected["code"].is_null() || signal["code"] == expected["code"];
    if signal["signal"] != expected["signal"] || !is_code || !is_sender {
        return Some(format!("{}, expected {expected}", brief(signal)));
    }
    // Both are processes of the recording, and are called what their own events call them.
    for (who, told) in [
        (pid, signal),
        (sender["pid"].as_u64().unwrap_or(pid), sender),
    ] {
        if told.is_null() {
            continue;
        }
        let known: Vec<_> = ["fork", "exec", "exit"]
            .iter()
            .flat_map(|kind| record.of_pid(kind, who))
            .collect();
        let is_known = |event: &&Value| {
            event["start_time_ns"] == told["start_time_ns"] && event["comm"] == told["comm"]
        };
        if !known.iter().any(is_known) {
            return Some(format!(
                "{told} is no process of the recording: {}",
                brief(signal)
            ));
        }
    }
    None
}

fn array_or_none<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object[name].as_array().map_or(&[], Vec::as_slice)
}

/// Every end by a signal has its signal, and every signal told has ended its target.
fn unpaired(record: &Record) -> Vec<String> {
    let is_same = |one: &Value, other: &Value| {
        one["start_time_ns"] == other["start_time_ns"] && one["signal"] == other["exit_signal"]
    };
    // Whoever was there before may have been sent its end before.
    let is_of_recording = |exit: &Value| {
        let births = record.of_pid("fork", number(exit, "pid"));
        births
            .iter()
            .any(|birth| birth["start_time_ns"] == exit["start_time_ns"])
    };
    let exits = record
        .of_kind("exit")
        .filter(|exit| !exit["exit_signal"].is_null() && is_of_recording(exit));
    let unsent = exits.filter(|exit| {
        let signals = record.of_pid("signal", number(exit, "pid"));
        signals
            .iter()
            .filter(|signal| is_same(signal, exit))
            .count()
            != 1
    });
    let harmless = record.of_kind("signal").filter(|signal| {
        let exits = record.of_pid("exit", number(signal, "pid"));
        !exits.iter().any(|exit| is_same(signal, exit))
    });
    unsent
        .chain(harmless)
        .map(|event| format!("unpaired: {}", brief(event)))
        .collect()
}

fn brief(event: &Value) -> String {
    let fields = [
        "type",
        "pid",
        "comm",
        "signal",
        "code",
        "exit_signal",
        "sender",
    ];
    let told = fields.iter().filter(|field| !event[**field].is_null());
    told.map(|field| format!("{field} {} ", event[*field]))
        .collect()
}

#[test]
fn by_processes_with_their_sender() {
    check("sent");
}

#[test]
fn by_the_kernel_without_sender() {
    check("by-the-kernel");
}

#[test]
fn what_ends_nobody_is_not_told() {
    check("harmless");
}

#[test]
fn blocked_ones_are_those_that_end_their_target_in_the_end() {
    check("masked");
}

#[test]
fn to_processes_of_several_threads() {
    check("threads");
}

/// The kernel decides by itself that a process is to end as if by a signal, or a tracer does.
#[test]
fn ends_by_signals_that_were_never_sent() {
    check("unsent");
}

#[test]
fn a_blocked_signal_is_not_told_before_it_is_taken() {
    if !has_ebpf() {
        return;
    }
    let mut recorder = Recorder::start();
    let mut target = Owned(start(WORKLOAD, &["fatal", "masked-until-told"]));
    let mut first = String::new();
    let stdout = target.0.stdout.as_mut().expect("a pipe was asked for");
    BufReader::new(stdout)
        .read_line(&mut first)
        .expect("the target tells when it is ready");
    let pid = target.pid();
    let sender = finish(Command::new("kill").args(["-TERM", &pid.to_string()])).pid;
    // What ended after the signal was sent has been told: the signal would have been as well.
    let later = finish(&mut Command::new("true")).pid;
    let told = |lines: &[Value], kind: &str, pid: u64| {
        lines
            .iter()
            .any(|line| line["type"] == kind && line["pid"] == pid)
    };
    until("the exit of a later process", PATIENCE, || {
        told(&recorder.0.lines_so_far(), "exit", later).then_some(())
    });
    assert!(
        !told(&recorder.0.lines_so_far(), "signal", pid),
        "it is told before it is taken"
    );
    writeln!(target.0.stdin.as_mut().expect("a pipe was asked for")).expect("it reads");
    let status = until("the end of the target", PATIENCE, || {
        target.0.try_wait().expect("waiting for our own child")
    });
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(libc::SIGTERM)
    );
    let record = recorder.stop();
    let signal = record.the("signal", pid);
    assert_eq!(number(&signal["sender"], "pid"), sender, "{signal}");
    assert_eq!(text(&signal["sender"], "comm"), "kill", "{signal}");
    assert_eq!(signal["code"], 0, "{signal}");
    assert_eq!(unpaired(&record), [""; 0]);
    figure(
        "signals: a blocked SIGTERM was told when its target took it, with its sender, which had ended",
    );
}

#[test]
fn signals_are_told_without_exits() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::with(&["--kind", "signal"]);
    let told = workload(&["fatal", "masked"]);
    let record = recorder.stop();
    let mut expected: Vec<u64> = array(&told, "cases")
        .iter()
        .filter(|case| !case["expected"].is_null())
        .map(|case| number(case, "pid"))
        .collect();
    let ours: Vec<u64> = array(&told, "cases")
        .iter()
        .map(|case| number(case, "pid"))
        .collect();
    let mut measured: Vec<u64> = record
        .of_kind("signal")
        .map(|signal| number(signal, "pid"))
        .filter(|pid| ours.contains(pid))
        .collect();
    expected.sort_unstable();
    measured.sort_unstable();
    assert_eq!(measured, expected);
    assert_eq!(
        record.summary["events"]["signal"].as_u64(),
        Some(record.of_kind("signal").count() as u64)
    );
}
