//! A storm under the eyes of a reader of /proc: processes go between any two reads.

use std::collections::HashMap;

use procwatch_tests::{
    procwatch::Running,
    record::{array, number},
    workload::{start, told},
};

use crate::WORKLOAD;

/// A tick of user and a tick of system time may both be ahead of what was really run.
const TICKS_NS: u64 = 20_000_000;

#[test]
fn a_storm_is_read_from_proc_without_an_error_or_a_wrong_figure() {
    let arguments = ["top", "--format", "json", "--interval", "10ms", "--no-ebpf"];
    let running = Running::ready(&arguments);
    let own_pid = u64::from(running.pid());
    let storm = start(WORKLOAD, &["vanish", "5000"]);
    // Known to the nanosecond, by wait4.
    let burnt = told(start(WORKLOAD, &["burn", "40", "25"]));
    let storm = told(storm);
    let ended = running.interrupt().done();
    assert_eq!(ended.stderr.len(), 1, "{:?}", ended.stderr);
    let lines = ended.json_lines();

    let truth: HashMap<u64, u64> = array(&burnt, "ended")
        .iter()
        .map(|burner| {
            let usage = number(&burner["usage"], "cpu_time_ns");
            (number(burner, "pid"), usage)
        })
        .collect();
    let (mut compared, mut before) = (0, HashMap::new());
    for line in &lines {
        for row in array(line, "processes") {
            let (pid, start) = (number(row, "pid"), number(row, "start_time_ns"));
            let cpu = number(row, "cpu_time_ns");
            let earlier = before.insert((pid, start), cpu).unwrap_or(0);
            assert!(cpu >= earlier, "a total fell from {earlier}: {row}");
            if let Some(truth) = truth.get(&pid)
                && row["argv"][0] == "burner"
            {
                compared += 1;
                assert!(cpu <= truth + TICKS_NS, "{truth}: {row}");
            }
            if row["ppid"] == storm["pid"] {
                let most = number(&storm["usage"], "cpu_time_ns");
                assert!(cpu <= most + TICKS_NS, "{row}");
            }
        }
    }
    assert!(compared > 0, "no burner was seen");
    let is_own = |row: &&serde_json::Value| row["pid"] == own_pid;
    let last = lines.last().expect("a snapshot");
    assert!(array(last, "processes").iter().any(|row| is_own(&row)));
    procwatch_tests::skip::figure(&format!(
        "/proc alone in a storm: {} snapshots, {} processes seen, {compared} readings of burners, none wrong",
        lines.len(),
        before.len()
    ));
}
