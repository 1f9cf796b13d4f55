//! The fields that users and scripts hold on to.

use std::{collections::BTreeSet, process::Command};

use procwatch_tests::{
    procwatch::{Running, run, snapshot},
    record::{Record, Recorder, array, number},
};
use serde_json::Value;

/// Of a process, by the interface.
const PROCESS: &[&str] = &[
    "pid",
    "start_time_ns",
    "ppid",
    "comm",
    "exe",
    "argv",
    "argv_truncated",
    "uid",
    "user",
    "cgroup",
    "container",
    "threads",
    "cpu_time_ns",
    "cpu_pct",
    "run_queue_wait_ns",
    "voluntary_switches",
    "involuntary_switches",
    "rss_bytes",
    "peak_rss_bytes",
    "minor_faults",
    "major_faults",
    "read_bytes",
    "write_bytes",
    "cancelled_write_bytes",
    "logical_read_bytes",
    "logical_write_bytes",
    "block_read_bytes",
    "block_write_bytes",
    "block_latency_ns",
    "net_sent_bytes",
    "net_received_bytes",
];

/// Totals that have a rate.
const TOTALS: &[&str] = &[
    "cpu_time_ns",
    "run_queue_wait_ns",
    "voluntary_switches",
    "involuntary_switches",
    "minor_faults",
    "major_faults",
    "read_bytes",
    "write_bytes",
    "cancelled_write_bytes",
    "logical_read_bytes",
    "logical_write_bytes",
];

const IDENTITY: &[&str] = &[
    "pid",
    "start_time_ns",
    "ppid",
    "comm",
    "exe",
    "argv",
    "argv_truncated",
    "uid",
    "user",
    "cgroup",
    "container",
];

fn assert_has(object: &Value, names: &[&str]) {
    let object = object.as_object().expect("an object");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !object.contains_key(**name))
        .collect();
    assert!(missing.is_empty(), "missing {missing:?} in {object:?}");
}

#[test]
fn a_snapshot_has_every_field_of_every_process() {
    let snapshot = snapshot(&["--interval", "100ms"]);
    assert_has(
        &snapshot,
        &[
            "time",
            "interval_ns",
            "host",
            "processes",
            "loss",
            "sources",
        ],
    );
    assert_has(
        &snapshot["host"],
        &[
            "cpus",
            "cpu_busy_ns",
            "unattributed_cpu_ns",
            "memory_total_bytes",
            "memory_available_bytes",
        ],
    );
    assert_has(&snapshot["loss"], &["fork", "exec", "exit"]);
    assert!(number(&snapshot, "interval_ns").abs_diff(100_000_000) < 100_000_000);
    assert!(array(&snapshot, "processes").len() > 2);
    let rates: Vec<_> = TOTALS
        .iter()
        .map(|total| format!("{total}_per_sec"))
        .collect();
    let rates: Vec<_> = rates.iter().map(String::as_str).collect();
    for process in array(&snapshot, "processes") {
        assert_has(process, PROCESS);
        assert_has(process, &rates);
    }
}

#[test]
fn our_own_row_has_what_we_know_of_ourselves() {
    let snapshot = snapshot(&["--interval", "100ms"]);
    let own = array(&snapshot, "processes")
        .iter()
        .find(|row| row["pid"] == std::process::id())
        .expect("our own row");
    let argv: Vec<_> = std::env::args().collect();
    let told: Vec<_> = array(own, "argv")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(told, argv);
    let exe = std::env::current_exe().expect("our own path");
    assert_eq!(own["exe"].as_str(), exe.to_str());
    assert_eq!(own["ppid"], std::os::unix::process::parent_id());
    assert!(
        number(own, "rss_bytes") > 500_000
            && number(own, "peak_rss_bytes") >= number(own, "rss_bytes")
    );
    let cpu_pct = own["cpu_pct"].as_f64().expect("a rate");
    let per_sec = own["cpu_time_ns_per_sec"].as_f64().expect("a rate");
    assert!((cpu_pct - per_sec / 1e7).abs() < 1e-6, "{own}");
}

#[test]
fn events_have_identity_and_an_exit_every_total() {
    if !procwatch_tests::skip::has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    procwatch_tests::workload::run(crate::WORKLOAD, &["burn", "1", "1"]);
    let record = recorder.stop();
    for kind in ["fork", "exec", "exit"] {
        assert!(record.of_kind(kind).count() > 0, "no {kind}");
    }
    for event in &record.events {
        assert_has(event, &["type", "time"]);
        assert_has(event, IDENTITY);
        if event["type"] == "exit" {
            assert_has(event, TOTALS);
            assert_has(
                event,
                &[
                    "exit_code",
                    "exit_signal",
                    "core_dumped",
                    "lifetime_ns",
                    "peak_rss_bytes",
                ],
            );
        }
        let time = event["time"].as_str().expect("a time");
        // 2026-11-23T05:09:30.320597287Z
        assert!(
            time.len() == 30 && time.ends_with('Z') && time.as_bytes()[10] == b'T',
            "{time}"
        );
    }
    assert_has(&record.summary, &["type", "events", "loss"]);
    assert_has(&record.summary["loss"], &["fork", "exec", "exit"]);
}

#[test]
fn sort_limit_and_filter_do_what_they_say() {
    let pids = |arguments: &[&str]| -> Vec<u64> {
        let mut all = vec!["--interval", "100ms"];
        all.extend(arguments);
        let snapshot = snapshot(&all);
        array(&snapshot, "processes")
            .iter()
            .map(|row| number(row, "pid"))
            .collect()
    };
    let sorted = pids(&["--sort", "pid"]);
    assert!(
        sorted.is_sorted() || sorted.is_sorted_by(|a, b| a >= b),
        "{sorted:?}"
    );
    assert!(sorted.len() > 3);
    assert_eq!(pids(&["--limit", "3"]).len(), 3);
    assert_eq!(pids(&["--filter", "pid == 1"]), [1]);
    let own = std::process::id();
    assert_eq!(
        pids(&["--filter", &format!("pid == {own} and uid >= 0")]),
        [u64::from(own)]
    );
    assert_eq!(pids(&["--filter", "pid == 1 and pid == 2"]), [0_u64; 0]);
}

#[test]
fn only_the_kinds_that_were_asked_for() {
    if !procwatch_tests::skip::has_ebpf() {
        return;
    }
    for (asked, kinds) in [("exec", vec!["exec"]), ("fork,exit", vec!["exit", "fork"])] {
        let recorder = Recorder::with(&["--kind", asked]);
        procwatch_tests::workload::run(crate::WORKLOAD, &["burn", "2", "1"]);
        let record = recorder.stop();
        let told: BTreeSet<_> = record
            .events
            .iter()
            .filter_map(|event| event["type"].as_str())
            .collect();
        assert_eq!(told.into_iter().collect::<Vec<_>>(), kinds);
    }
}

#[test]
fn a_duration_ends_by_itself_with_a_summary() {
    let begun = std::time::Instant::now();
    let ended = run(&["events", "--format", "json", "--duration", "700ms"]).done();
    assert!(begun.elapsed().as_millis() >= 700);
    Record::of(&ended);
    let text = run(&["events", "--duration", "100ms"]).done();
    let last: Vec<_> = text.text().lines().rev().take(2).collect();
    assert!(
        last[1].starts_with("events: ") && last[0].starts_with("lost: "),
        "{last:?}"
    );
}

#[test]
fn status_tells_every_hook_and_its_own_cost() {
    let running = Running::ready(&["status", "--format", "json"]);
    let birth = Command::new("true").status();
    assert!(birth.is_ok_and(|status| status.success()));
    let ended = running.wait();
    let status = &ended.json_lines()[0];
    let is_degraded = status["degraded"].is_string();
    assert_eq!(ended.code, Some(i32::from(is_degraded)), "{status}");
    let hooks = array(status, "hooks");
    assert!(hooks.len() >= 4);
    for hook in hooks {
        let state = hook["state"].as_str().expect("a state");
        assert!(
            ["active", "fallback", "unsupported", "failed"].contains(&state),
            "{hook}"
        );
        assert!(state == "active" || hook["reason"].is_string(), "{hook}");
    }
    for hook in hooks {
        let ways = array(hook, "ways");
        assert!(ways[0]["loses"].is_null());
        assert!(ways.iter().all(|way| way["kernels"].is_string()));
    }
    assert!(array(status, "shed").is_empty());
    let cost = &status["own_cost"];
    assert!(number(cost, "cpu_time_ns") > 0 && number(cost, "rss_bytes") > 0);
    assert!(number(cost, "interval_ns") >= 1_000_000_000 && cost["cpu_pct"].is_f64());
    if is_degraded {
        assert!(cost["kernel"].is_null());
        return;
    }
    let kernel = &cost["kernel"];
    let ring = &kernel["ring_buffer"];
    let peak = number(ring, "peak_bytes");
    assert!(peak > 0 && peak <= number(ring, "size_bytes"), "{ring}");
    let has = |list: &str, name: &str, figure: &str| {
        let key = list.trim_end_matches('s');
        let entry = array(kernel, list).iter().find(|one| one[key] == name);
        number(entry.unwrap_or_else(|| panic!("no {name}")), figure)
    };
    assert!(has("programs", "pw_tasks", "runs") > 0);
    assert!(has("programs", "pw_tasks", "run_time_ns") > 0);
    assert!(has("maps", "UNSENT", "entries_max") >= has("maps", "UNSENT", "entries"));
    assert!(number(kernel, "memory_bytes") > 0);
}
