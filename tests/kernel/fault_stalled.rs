//! A consumer that does not read: collection goes on, and what it misses is counted.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Stdio},
    time::Duration,
};

use procwatch_tests::{
    finished::Owned,
    procwatch::command,
    record::{array, number},
    skip::{figure, has_ebpf},
    workload::{start, told},
};
use serde_json::Value;

use crate::WORKLOAD;

const SPAWNERS: u64 = 4;
const EACH: u64 = 20_000;

/// procwatch with its output in a pipe that nobody reads yet.
struct Stalled {
    child: Child,
    pub output: BufReader<ChildStdout>,
}

impl Stalled {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting procwatch");
        let mut ready = String::new();
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe was asked for"));
        stderr.read_line(&mut ready).expect("a line");
        assert!(ready.starts_with("ready"), "{ready}");
        // The rest goes nowhere, and must not end procwatch.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let stdout = child.stdout.take().expect("a pipe was asked for");
        Self {
            child,
            output: BufReader::new(stdout),
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn interrupt(&self) {
        // SAFETY: a child of ours that has not been reaped.
        unsafe { libc::kill(self.pid().cast_signed(), libc::SIGINT) };
    }

    /// Reads to the end, and waits for it.
    fn rest(mut self) -> Vec<Value> {
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("UTF-8");
        let status = self.child.wait().expect("waiting for procwatch");
        assert!(status.success(), "{status}");
        text.lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Births and ends, and what they cost by getrusage: the vanished, and those who made them.
fn vanish() -> (u64, Vec<Value>) {
    let spawners: Vec<_> = (0..SPAWNERS)
        .map(|_| start(WORKLOAD, &["vanish", &EACH.to_string()]))
        .collect();
    let told: Vec<_> = spawners.into_iter().map(told).collect();
    let vanished = told.iter().map(|one| number(one, "vanished")).sum();
    (vanished, told)
}

fn rss_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    procwatch_tests::procfs::colon_number(&status, "VmRSS").expect("VmRSS") * 1024
}

#[test]
fn events_that_nobody_reads_are_dropped_and_counted() {
    if !has_ebpf() {
        return;
    }
    let kinds = ["--kind", "fork,exit", "--ring-buffer", "64MiB"];
    let stalled = Stalled::start(&[&["events", "--format", "json"][..], &kinds].concat());
    let rss_before = rss_bytes(stalled.pid());
    let (vanished, spawners) = vanish();
    let grown = rss_bytes(stalled.pid()).saturating_sub(rss_before);
    stalled.interrupt();
    let mut lines = stalled.rest();
    let summary = lines.pop().expect("a summary");
    assert_eq!(summary["type"], "summary");
    let dropped = number(&summary["loss"], "output");
    for kind in ["fork", "exit", "final_totals"] {
        assert_eq!(
            number(&summary["loss"], kind),
            0,
            "collection went on: {summary}"
        );
    }
    assert!(dropped > 0, "the listener was to be overrun: {summary}");
    let parents: HashSet<u64> = spawners.iter().map(|one| number(one, "pid")).collect();
    let is_ours = |event: &&Value| {
        parents.contains(&number(event, "pid"))
            || event["ppid"]
                .as_u64()
                .is_some_and(|ppid| parents.contains(&ppid))
    };
    let ours = lines.iter().filter(is_ours).count() as u64;
    let all = lines.len() as u64;
    let truth = 2 * (vanished + SPAWNERS);
    figure(&format!(
        "stalled events: {ours} of {truth} births and ends told ({all} with others'), {dropped} dropped and counted; \
         {:.1} MB more in memory",
        grown as f64 / 1e6
    ));
    // Events of others, of other kinds among them, are dropped too.
    assert!(ours + dropped >= truth, "{ours} + {dropped} of {truth}");
    assert!(
        ours + dropped <= truth + truth / 20 + (all - ours),
        "{ours} + {dropped} of {truth}"
    );
    // The newest are those that are kept: the spawners' own ends come last.
    for spawner in &parents {
        let is_end = |event: &&Value| event["type"] == "exit" && event["pid"] == *spawner;
        assert_eq!(
            lines.iter().filter(is_end).count(),
            1,
            "the end of {spawner}"
        );
    }
    for spawner in &spawners {
        let exit = lines
            .iter()
            .find(|event| event["type"] == "exit" && event["pid"] == spawner["pid"])
            .expect("found above");
        let truth = number(&spawner["own_usage"], "cpu_time_ns");
        let told = number(exit, "cpu_time_ns");
        // It has used a little more until its end.
        assert!(told >= truth && told - truth < 20_000_000, "{told} {truth}");
    }
}

#[test]
fn a_table_that_nobody_reads_goes_on_with_the_right_totals() {
    if !has_ebpf() {
        return;
    }
    let mut stalled = Stalled::start(&["top", "--format", "json", "--interval", "10ms"]);
    let rss_before = rss_bytes(stalled.pid());
    let spawner = told(start(WORKLOAD, &["vanish", "5000"]));
    let truth: u64 = ["usage", "own_usage"]
        .iter()
        .map(|whose| number(&spawner[whose], "cpu_time_ns"))
        .sum();
    let grown = rss_bytes(stalled.pid()).saturating_sub(rss_before);
    // It is read again, and shows what there is now.
    let (mut told_ns, mut seen) = (0, 0_u64);
    let mut worker = Owned(start(WORKLOAD, &["work"]));
    let pid = worker.pid();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let mut lines = 0;
    let mut line = String::new();
    let last = loop {
        line.clear();
        stalled.output.read_line(&mut line).expect("a line");
        let snapshot: Value = serde_json::from_str(&line).expect("JSON");
        lines += 1;
        let rows = array(&snapshot, "processes");
        let ended = |row: &&Value| row["state"] == "exited" && row["comm"] == "workload";
        for row in rows.iter().filter(ended) {
            told_ns += number(row, "cpu_time_ns");
            seen += 1;
        }
        let is_fresh = rows.iter().any(|row| row["pid"] == pid);
        let is_closed = rows
            .iter()
            .filter(|row| row["comm"] == "workload")
            .all(|row| row["state"] == "exited");
        let is_late = std::time::Instant::now() >= deadline;
        assert!(
            !is_late,
            "waited in vain for a snapshot of now: {seen} ends told"
        );
        if is_fresh && is_closed && seen > 5000 {
            break snapshot;
        }
    };
    drop(worker.0.stdin.take());
    let nameless = number(&last["nameless"], "cpu_time_ns");
    figure(&format!(
        "stalled table: {seen} ends told in {lines} snapshots, {:.1} + {:.1} ms nameless of {:.1} ms by getrusage; {:.1} \
         MB more in memory",
        told_ns as f64 / 1e6,
        nameless as f64 / 1e6,
        truth as f64 / 1e6,
        grown as f64 / 1e6
    ));
    // The spawner has used a little more until its end.
    let range = truth - truth / 100..truth + truth / 100 + 20_000_000;
    let told_ns = told_ns + nameless;
    assert!(range.contains(&told_ns), "{told_ns} is not {truth}");
    stalled.interrupt();
    stalled.rest();
}
