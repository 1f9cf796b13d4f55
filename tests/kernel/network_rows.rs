//! Bytes of the living, and of the host's interfaces.

use procwatch_tests::{
    dialogue::Dialogue,
    procwatch::Running,
    record::{array, number},
    skip::{figure, has_ebpf},
    wait::{PATIENCE, until},
};
use serde_json::Value;

use crate::WORKLOAD;

/// Rows of a process, snapshot by snapshot.
fn rows(lines: &[Value], pid: u64) -> Vec<&Value> {
    lines
        .iter()
        .flat_map(|line| array(line, "processes"))
        .filter(|row| row["pid"] == pid)
        .collect()
}

#[test]
fn a_living_process_has_its_bytes_and_from_when_they_count() {
    if !has_ebpf() {
        return;
    }
    let standing = ["net", "standing", "tcp4", "here"];
    let (mut older, older_told) = Dialogue::start(WORKLOAD, &standing);
    older.ask("move 900001 0");
    let mut top = Running::ready(&["top", "--format", "json", "--interval", "300ms"]);
    let (mut newer, newer_told) = Dialogue::start(WORKLOAD, &standing);
    older.ask("move 10007 20011");
    newer.ask("move 30011 1");
    let truths = [
        (number(&older_told, "client"), 10_007, 20_011),
        (number(&older_told, "server"), 20_011, 10_007),
        (number(&newer_told, "client"), 30_011, 1),
        (number(&newer_told, "server"), 1, 30_011),
    ];
    let is_told = |line: &Value| {
        let all = array(line, "processes");
        truths.iter().all(|(pid, sent, received)| {
            all.iter().any(|row| {
                row["pid"] == *pid
                    && row["net_sent_bytes"] == *sent
                    && row["net_received_bytes"] == *received
            })
        })
    };
    let deadline = std::time::Instant::now() + PATIENCE / 2;
    let lines = until("rows with the bytes", PATIENCE, || {
        let lines = top.lines_so_far();
        let is_over = std::time::Instant::now() > deadline && !lines.is_empty();
        (lines.last().is_some_and(is_told) || is_over).then_some(lines)
    });
    top.interrupt().done();
    for (pid, sent, received) in truths {
        let rows = rows(&lines, pid);
        let row = rows.last().unwrap_or_else(|| panic!("no row of {pid}"));
        let told = (&row["net_sent_bytes"], &row["net_received_bytes"]);
        assert!(*told.0 == sent && *told.1 == received, "{row}");
        assert!(
            row["unix_sent_bytes"] == 0 && row["unix_received_bytes"] == 0,
            "{row}"
        );
        assert!(row.get("net_sent_bytes_per_sec").is_some(), "{row}");
    }
    let flows_since = |pid| number(rows(&lines, pid)[0], "flows_since_ns");
    let start = |pid| number(rows(&lines, pid)[0], "start_time_ns");
    for end in ["client", "server"] {
        let (old, new) = (number(&older_told, end), number(&newer_told, end));
        assert_eq!(flows_since(new), start(new), "from its birth on");
        assert!(flows_since(old) > start(old), "not from its birth on");
        assert!(
            flows_since(old) <= start(new),
            "from when the hooks were attached"
        );
    }
    figure("rows: four living processes to the byte, two of them older than the collection");
}

#[test]
fn interfaces_have_the_bytes_of_the_interval() {
    if !has_ebpf() {
        return;
    }
    const BYTES: u64 = 30_000_001;
    let mut top = Running::ready(&["top", "--format", "json", "--interval", "300ms"]);
    crate::network::role(&["many-bytes", &BYTES.to_string()]);
    // Of all intervals together.
    let loopback = |lines: &[Value], field: &str| -> u64 {
        lines
            .iter()
            .flat_map(|line| array(&line["host"], "interfaces"))
            .filter(|interface| interface["name"] == "lo")
            .map(|interface| number(interface, field))
            .sum()
    };
    let lines = until("the bytes of loopback", PATIENCE, || {
        let lines = top.lines_so_far();
        (loopback(&lines, "received_bytes") >= BYTES).then_some(lines)
    });
    top.interrupt().done();
    let (sent, received) = (
        loopback(&lines, "sent_bytes"),
        loopback(&lines, "received_bytes"),
    );
    figure(&format!(
        "interfaces: lo sent {sent} and received {received} of {BYTES} bytes"
    ));
    // Headers and acknowledgements come with them.
    assert!(sent >= BYTES && received >= BYTES);
}
