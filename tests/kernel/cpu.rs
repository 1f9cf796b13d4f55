//! CPU time of short processes, against what wait4 told their parent.

use procwatch_tests::{
    record::{Recorder, array, assert_close, number},
    skip::{figure, has_ebpf},
};

use crate::workload;

#[test]
fn five_hundred_times_three_milliseconds() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start();
    let told = workload(&["burn", "500", "3"]);
    let record = recorder.stop();
    record.assert_lossless();
    let ended = array(&told, "ended");
    let (mut measured, mut truth, mut deviation_max, mut open) = (0, 0, 0, 0);
    for process in ended {
        let exit = record.the("exit", number(process, "pid"));
        let theirs = number(exit, "cpu_time_ns");
        let ours = number(&process["usage"], "cpu_time_ns");
        measured += theirs;
        truth += ours;
        if exit["totals_at"] == "final" {
            deviation_max = deviation_max.max(theirs.abs_diff(ours));
        } else {
            open += 1;
        }
    }
    assert!(
        truth > 500 * 3_000_000,
        "the processes burned what they were to: {truth}"
    );
    let off = assert_close("CPU time of 500 processes", measured, truth, 0.01);
    figure(&format!(
        "cpu: 500 processes, {:.1} ms by wait4, {off:+.4} % off; a single one at most {:.1} µs; {open} accounts not \
         closed",
        truth as f64 / 1e6,
        deviation_max as f64 / 1e3,
    ));
    // wait4 rounds user and system time down to microseconds, and is asked when the process may not
    // yet have left its CPU for the last time: that way is tens of microseconds, not a tick.
    assert!(
        deviation_max < 300_000,
        "one process is {deviation_max} ns off"
    );
}
