//! The host's books under a mixed load, against /proc/stat.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use procwatch_tests::{
    procfs::CpuTimes,
    procwatch::Running,
    record::{array, assert_close, number},
    skip::{figure, has_ebpf, program},
};
use serde_json::Value;

#[test]
fn processes_and_unattributed_are_the_hosts_busy_time() {
    if !has_ebpf() {
        return;
    }
    let Some(stress) = program("stress-ng") else {
        return;
    };
    let seconds: u64 = if std::env::var_os("PROCWATCH_LONG").is_some() {
        60
    } else {
        20
    };
    // It is to outlast the measurement, and is ended below.
    let mut load = Load(
        Command::new(stress)
            .args(["--cpu", "2", "--fork", "2", "--io", "1", "--timeout"])
            .arg(format!("{}s", seconds + 30))
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting stress-ng"),
    );
    let interval = format!("{seconds}s");
    let running = Running::ready(&["top", "--once", "--interval", &interval, "--format", "json"]);
    let before = CpuTimes::read();
    let lines = running
        .wait_for(Duration::from_secs(seconds + 40))
        .done()
        .json_lines();
    let after = CpuTimes::read();
    let is_loaded = load.0.try_wait().expect("asking after stress-ng").is_none();
    drop(load);
    assert!(is_loaded, "stress-ng ended before the measurement did");

    let snapshot = &lines[0];
    let host = &snapshot["host"];
    let interval_s = number(snapshot, "interval_ns") as f64 / 1e9;
    let rows = array(snapshot, "processes");
    let by_rows: f64 = rows
        .iter()
        .filter_map(|row| row["cpu_time_ns_per_sec"].as_f64())
        .sum::<f64>()
        * interval_s;
    let nameless = number(&snapshot["nameless"], "cpu_time_ns");
    let busy = number(host, "cpu_busy_ns");
    let unattributed = host["unattributed_cpu_ns"].as_i64().expect("a number");
    let sum = by_rows as i64 + nameless.cast_signed() + unattributed;
    // Our readings lie a little outside of procwatch's, so the share of all CPU time is compared.
    let busy_share = {
        let (busy, other) = (
            after.busy_ns - before.busy_ns,
            after.other_ns - before.other_ns,
        );
        busy as f64 / (busy + other) as f64
    };
    let truth =
        (busy_share * number(snapshot, "interval_ns") as f64 * number(host, "cpus") as f64) as u64;
    let share = unattributed as f64 / busy as f64 * 100.0;
    let lost: u64 = snapshot["loss"]
        .as_object()
        .expect("losses")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    figure(&format!(
        "balance over {interval_s:.1} s: busy {:.3} s, by /proc/stat {:.3} s; {} rows {:.3} s, nameless {:.3} s \
         ({lost} lost), unattributed {share:+.3} %",
        busy as f64 / 1e9,
        truth as f64 / 1e9,
        rows.len(),
        by_rows / 1e9,
        nameless as f64 / 1e9,
    ));
    assert!(
        sum.abs_diff(busy.cast_signed()) < 1_000_000,
        "rows, nameless and unattributed make {sum}, busy is {busy}"
    );
    assert_close("busy time of the host", busy, truth, 0.01);
    assert!(
        share.abs() < 1.0,
        "{share} % of the busy time belongs to nobody"
    );
    // Whoever was born since the hooks were attached was either in the sample before or has all its
    // cost in this interval; and whoever was there before was in the sample before.
    let unknown: Vec<_> = rows
        .iter()
        .filter(|row| row["cpu_time_ns_per_sec"].is_null())
        .map(|row| {
            let fields = [
                "pid",
                "comm",
                "state",
                "start_time_ns",
                "lifetime_ns",
                "cpu_time_ns",
            ];
            fields
                .map(|field| format!("{field} {}", row[field]))
                .join(" ")
        })
        .collect();
    assert!(
        unknown.is_empty(),
        "{} processes without a rate: {unknown:#?}",
        unknown.len()
    );
}

/// stress-ng ends its workers when it is told to.
struct Load(std::process::Child);

impl Drop for Load {
    fn drop(&mut self) {
        // SAFETY: has no preconditions; the child is ours and not reaped.
        unsafe { libc::kill(self.0.id().cast_signed(), libc::SIGTERM) };
        let _ = self.0.wait();
    }
}
