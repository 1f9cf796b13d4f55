//! Limits of procwatch's own cost: detail is left out and named, and totals stay exact.

use std::{path::PathBuf, time::Duration};

use procwatch_tests::{
    procwatch::{Running, run},
    record::{array, number, text},
    short,
    skip::{figure, has_ebpf},
    wait::until,
};
use serde_json::Value;

/// Less than any collection costs: every step is taken, one after the other.
const HOPELESS: &str = "[limits]\ncpu = \"0.0001%\"\n";

struct Configuration {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Configuration {
    fn of(text: &str) -> Self {
        let directory = short::directory();
        let path = directory.path().join("procwatch.toml");
        std::fs::write(&path, text).expect("a configuration");
        Self {
            path,
            _directory: directory,
        }
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let path = self.path.to_str().expect("UTF-8");
        let mut all = vec!["--config", path];
        all.extend(arguments);
        Running::ready(&all)
    }
}

fn leaves_out(line: &Value, what: &str) -> bool {
    let names = line["left_out"].as_array().or(line["shed"].as_array());
    names.is_some_and(|names| names.iter().any(|name| name == what))
}

#[test]
fn connection_events_go_first_and_bytes_stay_exact() {
    if !has_ebpf() {
        return;
    }
    let configuration = Configuration::of(HOPELESS);
    let mut running = configuration.start(&["events", "--format", "json"]);
    let before = until("something left out", Duration::from_secs(30), || {
        let lines = running.lines_so_far();
        let shed = lines.iter().position(|line| line["type"] == "shed")?;
        assert!(leaves_out(&lines[shed], "connection_events"));
        Some(lines.len())
    });
    let told = crate::workload(&["net", "clients", "20", "100000", "2"]);
    let ended = running.interrupt().done();
    let late = ended.json_lines().split_off(before);
    let of_connections = late
        .iter()
        .filter(|line| ["connect", "accept", "close"].contains(&text(line, "type")));
    // What was on its way when they were turned off may still come.
    let ours = of_connections
        .filter(|line| line["local_port"] == told["port"] || line["remote_port"] == told["port"]);
    assert_eq!(ours.count(), 0, "connections are told after all");
    for client in array(&told, "clients") {
        let exit = late
            .iter()
            .find(|line| line["type"] == "exit" && line["pid"] == client["pid"])
            .expect("every exit is told");
        assert_eq!(number(exit, "net_received_bytes"), 100_000);
        assert_eq!(exit["net_sent_bytes"], client["net_sent_bytes"]);
    }
    assert_eq!(late.last().expect("a summary")["loss"]["exit"], 0);
}

#[test]
fn samples_and_command_lines_go_next_and_cpu_stays_exact() {
    if !has_ebpf() {
        return;
    }
    let configuration = Configuration::of(HOPELESS);
    let only_ours = ["--filter", "comm == workload"];
    let often = ["top", "--format", "json", "--interval", "10ms"];
    let mut top = configuration.start(&[often.as_slice(), &only_ours].concat());
    let stretched = until("command lines left out", Duration::from_secs(60), || {
        let lines = top.lines_so_far();
        let last = lines.last()?;
        leaves_out(last, "command_lines").then(|| last.clone())
    });
    figure(&format!("limits: {}", stretched["shed"]));
    let names = array(&stretched, "shed").iter();
    let samples = names.filter_map(Value::as_str);
    assert_eq!(samples.filter(|name| name.ends_with(" samples")).count(), 1);

    let told = crate::workload(&["burn", "8", "3"]);
    let burners = array(&told, "ended");
    let rows = until("the burners' last rows", Duration::from_secs(30), || {
        let rows: Vec<Value> = top
            .lines_so_far()
            .iter()
            .flat_map(|line| array(line, "processes").to_vec())
            .filter(|row| row["state"] == "exited")
            .collect();
        let of = |burner: &Value| rows.iter().find(|row| row["pid"] == burner["pid"]).cloned();
        burners.iter().map(of).collect::<Option<Vec<_>>>()
    });
    for (row, burner) in rows.iter().zip(burners) {
        assert_eq!(row["argv_truncated"], true, "{row}");
        assert!(array(row, "argv").is_empty(), "{row}");
        if row["totals_at"] == "final" {
            let truth = number(&burner["usage"], "cpu_time_ns");
            let off = number(row, "cpu_time_ns").abs_diff(truth);
            assert!(off < 300_000, "{off} ns off: {row} {burner}");
        }
    }
    top.interrupt().done();
}

#[test]
fn within_its_limits_nothing_is_left_out() {
    let configuration = Configuration::of("[limits]\ncpu = \"100%\"\nmemory = \"1GiB\"\n");
    let path = configuration.path.to_str().expect("UTF-8");
    let status = run(&[
        "--config",
        path,
        "status",
        "--duration",
        "3s",
        "--format",
        "json",
    ]);
    let status = &status.json_lines()[0];
    assert!(array(status, "shed").is_empty(), "{status}");
}
