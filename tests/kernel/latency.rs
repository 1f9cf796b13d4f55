//! `procwatch latency`: what it adds up of a process, against the kernel's own account of it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use procwatch_tests::{
    finished::{Owned, finish},
    loop_device::{self, Backing},
    procwatch::{self, Running},
    record::{array, number},
    skip::{figure, has_ebpf},
    workload::argument,
};
use serde_json::Value;

const MS: u64 = 1_000_000;

/// What is measured of the host while `act` runs.
fn measured(arguments: &[&str], act: impl FnOnce()) -> Value {
    let mut all = vec!["latency", "--format", "json"];
    all.extend(arguments);
    let running = Running::ready(&all);
    act();
    let mut lines = running.interrupt().done().json_lines();
    let told = lines.pop().expect("what was measured");
    for (kind, count) in told["loss"].as_object().expect("losses") {
        assert_eq!(count, 0, "{kind}");
    }
    told
}

/// Of all that have ended under this name.
fn ended<'a>(told: &'a Value, comm: &str) -> &'a Value {
    let mut rows = array(told, "processes").iter();
    rows.find(|row| row["comm"] == comm && row["ended"].is_number())
        .unwrap_or_else(|| panic!("no {comm}"))
}

fn runs_here() -> bool {
    if !has_ebpf() {
        return false;
    }
    let told = procwatch::run(&["latency", "--duration", "100ms"]);
    if told.code == Some(2) && told.stderr.iter().any(|line| line.contains("5.13")) {
        procwatch_tests::skip::skip(&told.stderr.join(" "));
        return false;
    }
    true
}

#[test]
fn waits_and_runs_are_those_of_the_kernels_account() {
    if !runs_here() {
        return;
    }
    // A shell under a name of its own, that tells what the kernel has counted of it last of all.
    let directory = tempfile::tempdir().expect("a directory");
    let shell = directory.path().join("pw-latency-sh");
    std::fs::copy("/bin/sh", &shell).expect("a copy of the shell");
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; read account < /proc/$$/schedstat; echo $account";
    let mut accounts = Vec::new();
    let told = measured(&["--name", "pw-latency-sh"], || {
        // Two on one CPU, so that they wait for it.
        let start = || {
            Command::new("taskset")
                .args(["-c", "0", argument(&shell), "-c", script])
                .stdout(Stdio::piped())
                .spawn()
                .expect("a shell")
        };
        for shell in [start(), start()] {
            let output = shell.wait_with_output().expect("a shell's end");
            let account = String::from_utf8(output.stdout).expect("text");
            let account = account.split_ascii_whitespace();
            let account: Vec<u64> = account
                .map(|word| word.parse().expect("a number"))
                .collect();
            accounts.push(account);
        }
    });
    let row = ended(&told, "pw-latency-sh");
    assert_eq!(number(row, "ended"), 2);
    let sum = |field: usize| accounts.iter().map(|account| account[field]).sum::<u64>();
    let (ran_ns, waited_ns, times) = (sum(0), sum(1), sum(2));
    let (on_cpu, run_queue) = (&row["on_cpu"], &row["run_queue"]);
    // The account is read before the end, and stands where the last tick or switch has left it.
    let since_then = 2 * 10 * MS;
    let told_waited_ns = number(run_queue, "total_ns");
    assert!(
        waited_ns > 20 * MS,
        "they waited for each other: {waited_ns} ns"
    );
    assert!(
        (waited_ns..waited_ns + since_then).contains(&told_waited_ns),
        "{told_waited_ns} ns told, {waited_ns} ns waited"
    );
    let told_times = number(run_queue, "count");
    assert!(
        (times..times + 20).contains(&told_times),
        "{told_times} told, {times} times on a CPU"
    );
    // What interrupts and the hypervisor take is time on the CPU that the kernel does not charge.
    let told_ran_ns = number(on_cpu, "total_ns");
    assert!(
        told_ran_ns >= ran_ns && told_ran_ns < ran_ns + ran_ns / 4 + since_then,
        "{told_ran_ns} ns told, {ran_ns} ns ran"
    );
    figure(&format!(
        "latency: waited {told_waited_ns} ns by us, {waited_ns} ns by the kernel; ran {told_ran_ns} and {ran_ns} ns; {told_times} and {times} times"
    ));
}

#[test]
fn a_sleep_is_off_the_cpu_for_as_long_as_it_was() {
    if !runs_here() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let sleep = directory.path().join("pw-latency-nap");
    std::fs::copy("/bin/sleep", &sleep).expect("a copy of sleep");
    let told = measured(&["--name", "pw-latency-nap"], || {
        for _ in 0..10 {
            finish(Command::new(&sleep).arg("0.05"));
        }
    });
    let row = ended(&told, "pw-latency-nap");
    assert_eq!(number(row, "ended"), 10);
    let buckets = array(&row["off_cpu"], "latencies").iter();
    let long = buckets.filter(|bucket| bucket[1].as_u64() > Some(50 * MS));
    let long: u64 = long.map(|bucket| bucket[2].as_u64().unwrap_or(0)).sum();
    assert_eq!(long, 10, "{row}");
    assert!(number(&row["off_cpu"], "total_ns") >= 500 * MS);
}

#[test]
fn calls_and_block_io_are_counted_one_by_one() {
    if !runs_here() {
        return;
    }
    loop_device::with(Backing::Memory, 4 << 20, |device| {
        let from = format!("if={}", device.path());
        let told = measured(&["--syscalls"], || {
            finish(Command::new("dd").args([
                &from,
                "of=/dev/null",
                "bs=4096",
                "count=300",
                "iflag=direct",
            ]));
        });
        let row = ended(&told, "dd");
        let block = &row["block"];
        // And what of the program itself was not in memory.
        let requests = number(block, "count");
        assert!((300..350).contains(&requests), "{row}");
        assert!(number(block, "total_ns") < number(&row["syscall"], "total_ns"));
        // 300 that read and 300 that write, and what every program begins with.
        let calls = number(&row["syscall"], "count");
        assert!((600..1500).contains(&calls), "{calls} calls");
        let reads = array(&told, "syscalls").iter();
        let mut reads = reads.filter(|call| call["syscall"] == "read");
        assert!(number(reads.next().expect("reads"), "count") >= 300);
    });
}

#[test]
fn intervals_together_have_everything_once() {
    if !runs_here() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let [nap, shell] = ["pw-latency-one", "pw-latency-two"].map(|name| directory.path().join(name));
    std::fs::copy("/bin/sleep", &nap).expect("a copy of sleep");
    std::fs::copy("/bin/sh", &shell).expect("a copy of the shell");
    // Waits, and goes on at each line.
    let mut living = Owned(
        Command::new(&shell)
            .args(["-c", "while read line; do :; done"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell"),
    );
    let mut lines = living.0.stdin.take().expect("a pipe");
    let running = Running::ready(&[
        "latency",
        "--format",
        "json",
        "--interval",
        "250ms",
        "--name",
        "pw-latency-one,pw-latency-two",
    ]);
    let times = || {
        let account = format!("/proc/{}/schedstat", living.pid());
        let account = std::fs::read_to_string(account).expect("the kernel's account");
        let times = account.split_ascii_whitespace().nth(2);
        times
            .and_then(|times| times.parse::<u64>().ok())
            .expect("a number")
    };
    let before = times();
    for _ in 0..20 {
        lines.write_all(b"line\n").expect("the shell");
        finish(Command::new(&nap).arg("0.05"));
    }
    let after = times();
    let spans = running.interrupt().done().json_lines();
    assert!(spans.len() >= 4, "{} spans", spans.len());
    let rows = |comm| {
        let rows = spans.iter().flat_map(|span| array(span, "processes"));
        rows.filter(move |row| row["comm"] == comm)
    };
    // One that lives at the end of a span has a row of its own there, with its pid.
    let ended: u64 = rows("pw-latency-one")
        .filter_map(|row| row["ended"].as_u64())
        .sum();
    assert_eq!(ended, 20, "each ends in one span");
    let told: u64 = rows("pw-latency-two")
        .filter(|row| row["pid"] == living.pid())
        .map(|row| number(&row["run_queue"], "count"))
        .sum();
    // It had one of the times before, and may have the last still.
    let count = after - before;
    assert!(
        count >= 20 && told.abs_diff(count) <= 1,
        "{told} told, {count} times on a CPU"
    );
}

#[test]
fn what_cannot_be_measured_is_said() {
    for (arguments, expected) in [
        (&["latency", "--no-ebpf"][..], "cannot be had from /proc"),
        (&["latency", "--sort", "syscall"], "needs --syscalls"),
    ] {
        let ended = procwatch::run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        let told = ended.stderr.join("\n");
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
}
