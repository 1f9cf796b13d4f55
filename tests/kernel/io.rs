//! I/O of a process, against what the kernel told it.

use procwatch_tests::{
    record::{Recorder, number},
    skip::{figure, has_ebpf},
    workload::argument,
};
use serde_json::Value;

use crate::workload;

const COUNTERS: [&str; 5] = [
    "logical_read_bytes",
    "logical_write_bytes",
    "read_bytes",
    "write_bytes",
    "cancelled_write_bytes",
];

fn assert_same(exit: &Value, truth: &Value) {
    for counter in COUNTERS {
        assert_eq!(
            exit[counter], truth[counter],
            "{counter}: {exit} for {truth}"
        );
    }
}

#[test]
fn own_io_is_that_of_the_process_to_the_byte() {
    if !has_ebpf() {
        return;
    }
    // On the disk of the build, for /tmp may be a tmpfs, which has no storage to read from.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let recorder = Recorder::start();
    let told = workload(&["files", argument(directory.path())]);
    let record = recorder.stop();
    let exit = record.the("exit", number(&told["ended"], "pid"));
    assert_same(exit, &told["io"]);
    assert_eq!(
        number(exit, "logical_write_bytes"),
        number(&told, "written")
    );
    let figures: Vec<_> = COUNTERS
        .iter()
        .map(|counter| exit[*counter].to_string())
        .collect();
    figure(&format!(
        "io: {} = {}",
        COUNTERS.join(" "),
        figures.join(" ")
    ));
    assert!(
        number(exit, "write_bytes") > 1_000_000,
        "dirtied pages were counted"
    );
    assert!(
        number(exit, "cancelled_write_bytes") > 0,
        "cut-off pages were counted"
    );
}

#[test]
fn the_io_of_reaped_children_is_not_the_parents() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let told = workload(&["reaper", "50"]);
    let record = recorder.stop();
    assert!(
        number(&told, "logical_write_bytes_of_group") > 50_000_000,
        "the kernel has folded the children's I/O into the parent's group"
    );
    let exit = record.the("exit", number(&told["ended"], "pid"));
    assert_same(exit, &told["io"]);
    assert_eq!(number(exit, "logical_write_bytes"), 1234);
}
