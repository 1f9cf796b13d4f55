//! The agent is stopped in the midst of a storm, and goes on after it.

use std::time::Duration;

use procwatch_tests::{
    dialogue::Dialogue,
    procwatch::Running,
    record::{Recorder, array, number},
    skip::{figure, has_ebpf},
    wait::until,
};
use serde_json::Value;

use crate::{
    WORKLOAD,
    bomb::{Bomb, PROCESSES, SPAWNERS},
};

/// Waits until every thread of a process is stopped, as the kernel tells it.
fn stop(running: &Running) {
    running.signal(libc::SIGSTOP);
    let pid = running.pid();
    until("all threads to stop", Duration::from_secs(10), || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
        let is_stopped = |entry: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(entry.expect("a thread").path().join("stat"));
            stat.is_ok_and(|stat| stat.contains(") T "))
        };
        threads.into_iter().all(is_stopped).then_some(())
    });
}

#[test]
fn what_happens_while_it_is_stopped_is_in_the_books_afterwards() {
    if !has_ebpf() {
        return;
    }
    let witness = Recorder::with(&["--ring-buffer", "64MiB"]);
    let events = Recorder::with(&["--ring-buffer", "256KiB"]);
    let mut top = Running::ready(&[
        "top",
        "--format",
        "json",
        "--interval",
        "500ms",
        "--ring-buffer",
        "256KiB",
    ]);
    let pids = [u64::from(top.pid()), u64::from(events.0.pid())];
    // One that was there before, works meanwhile, and stays; and one that is born meanwhile and stays.
    let (mut old, _) = Dialogue::start(WORKLOAD, &["work"]);
    let before = old.ask("20");
    until("a row of the worker", Duration::from_secs(10), || {
        let lines = top.lines_so_far();
        row(lines.last()?, number(&before, "pid")).map(|_| ())
    });
    stop(&top);
    stop(&events.0);
    let (mut young, _) = Dialogue::start(WORKLOAD, &["work"]);
    young.ask("30");
    let bomb = Bomb::explode();
    let truth = bomb.cpu_time_ns;
    let living = [old.ask("50"), young.ask("50")];
    let shown = top.lines_so_far().len();
    top.signal(libc::SIGCONT);
    events.0.signal(libc::SIGCONT);

    let record = events.stop();
    let witness = witness.stop();
    witness.assert_lossless();
    for kind in ["fork", "exec"] {
        let seen = number(&record.summary["events"], kind);
        let lost = number(&record.summary["loss"], kind);
        // The young worker is one more; who else there was, the witness tells.
        let ours = PROCESSES + SPAWNERS + 1;
        let all = witness
            .of_kind(kind)
            .filter(|event| number(event, "pid") != pids[1])
            .count() as u64;
        figure(&format!(
            "stopped: {kind}: {seen} seen, {lost} lost, {ours} true (to {all})"
        ));
        assert!(lost > 0, "the ring buffer was to overflow");
        assert!(
            (ours..=all).contains(&(seen + lost)),
            "{kind}: {seen} + {lost}"
        );
    }

    let healed = until("rows of both workers", Duration::from_secs(20), || {
        let lines = top.lines_so_far();
        let last = lines.last().filter(|_| lines.len() > shown + 2)?;
        let rows = [
            row(last, number(&living[0], "pid")),
            row(last, number(&living[1], "pid")),
        ];
        Some((lines.len(), [rows[0]?.clone(), rows[1]?.clone()]))
    });
    for (row, told) in healed.1.iter().zip(&living) {
        let usage = &told["usage"];
        let off = number(row, "cpu_time_ns").abs_diff(number(usage, "cpu_time_ns"));
        assert!(off < 1_000_000, "{off} ns off: {row} {told}");
        for counter in ["minor_faults", "major_faults"] {
            let off = number(row, counter).abs_diff(number(usage, counter));
            assert!(off <= 8, "{counter} {off} off: {row} {told}");
        }
    }
    // They end with accounts of their own, and are no part of the bomb.
    drop((old, young));
    let lines = until("all accounts to be closed", Duration::from_secs(30), || {
        let lines = top.lines_so_far();
        (lines.len() > healed.0 + 2 && !bomb.is_any_open(lines.last()?)).then_some(lines)
    });
    top.interrupt().done();
    let told = bomb.told(&lines);
    assert!(told.lost > 0, "the ring buffer was to overflow");
    figure(&told.check(
        truth,
        bomb.of_others_ns(&witness, &pids),
        "stopped meanwhile",
    ));
}

fn row(line: &Value, pid: u64) -> Option<&Value> {
    let mut rows = array(line, "processes").iter();
    rows.find(|row| row["pid"] == pid && row["state"] != "exited")
}
