//! The fork tree, with an ancestor that is dead.

use std::io::{BufRead as _, BufReader};

use procwatch_tests::{
    procwatch::{Running, run},
    record::number,
    skip::has_ebpf,
};
use serde_json::Value;

#[test]
fn a_dead_ancestor_stands_between_the_living() {
    if !has_ebpf() {
        return;
    }
    let running = Running::ready(&["tree", "--format", "json", "--duration", "2s"]);
    let mut child = procwatch_tests::workload::start(crate::WORKLOAD, &["orphan"]);
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe was asked for");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the pids");
    let pids: Value = serde_json::from_str(&line).expect("the pids");
    let ended = running.wait().done();
    drop(child.stdin.take());
    child.wait().expect("waiting for the workload");

    let rows = ended.json_lines();
    let position = |name: &str| {
        let pid = number(&pids, name);
        let found: Vec<_> = (0..rows.len())
            .filter(|at| rows[*at]["pid"] == pid)
            .collect();
        assert_eq!(found.len(), 1, "{name}, pid {pid}, stands in the tree once");
        found[0]
    };
    let (first, middle, last) = (position("first"), position("middle"), position("last"));
    assert!(
        first < middle && middle + 1 == last,
        "parents stand above their children"
    );
    let [first, middle, last] = [first, middle, last].map(|at| &rows[at]);
    assert_eq!(
        number(first, "birth_parent_pid"),
        u64::from(std::process::id())
    );
    assert_eq!(middle["birth_parent_pid"], first["pid"]);
    assert_eq!(last["birth_parent_pid"], middle["pid"], "{last}");
    assert_eq!(
        last["ppid"], first["pid"],
        "the parent now is who adopted it: {last}"
    );
    assert_eq!(number(middle, "depth"), number(first, "depth") + 1);
    assert_eq!(number(last, "depth"), number(first, "depth") + 2);
    assert_eq!(middle["state"], "exited", "{middle}");
    assert_eq!(middle["exit_code"], 44);
    assert_ne!(last["state"], "exited");
    // A subtree is the sum of its parts.
    let cpu = |row: &Value| number(&row["totals"], "cpu_time_ns");
    assert_eq!(
        number(&middle["subtree_totals"], "cpu_time_ns"),
        cpu(middle) + cpu(last)
    );
    assert_eq!(
        number(&first["subtree_totals"], "cpu_time_ns"),
        cpu(first) + cpu(middle) + cpu(last)
    );
}

#[test]
fn one_process_with_its_ancestors() {
    let own = std::process::id().to_string();
    let rows = run(&["tree", "--format", "json", "--pid", &own])
        .done()
        .json_lines();
    let depths: Vec<_> = rows.iter().map(|row| number(row, "depth")).collect();
    let at = rows
        .iter()
        .position(|row| row["pid"] == std::process::id())
        .expect("our own row");
    assert_eq!(
        depths[..=at],
        (0..=at as u64).collect::<Vec<_>>(),
        "one line of ancestors"
    );
    assert_eq!(
        rows[at]["birth_parent_pid"],
        std::os::unix::process::parent_id()
    );
    assert!(
        depths[at + 1..].iter().all(|depth| *depth > at as u64),
        "descendants only below"
    );
    assert!(
        rows[at + 1..].iter().any(|row| row["exe"]
            .as_str()
            .is_some_and(|exe| exe.contains("procwatch"))
            || row["comm"] == "procwatch"),
        "procwatch is our child"
    );
}
