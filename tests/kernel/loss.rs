//! A fork bomb against a ring buffer of one page.

use std::collections::HashSet;

use procwatch_tests::{
    procfs::processes,
    procwatch::Running,
    record::{Recorder, array, number},
    skip::{figure, has_ebpf},
    wait::until,
};
use serde_json::Value;

use crate::bomb::{Bomb, PROCESSES, SPAWNERS};

fn identity(event: &Value) -> (u64, u64) {
    (number(event, "pid"), number(event, "start_time_ns"))
}

#[test]
fn what_was_lost_is_counted_one_by_one() {
    if !has_ebpf() {
        return;
    }
    // Tells what else goes on on this host meanwhile: on a quiet one, nothing.
    let witness = Recorder::with(&["--ring-buffer", "64MiB"]);
    let recorder = Recorder::with(&["--ring-buffer", "4096"]);
    let recorder_pid = u64::from(recorder.0.pid());
    Bomb::explode();
    let record = recorder.stop();
    let witness = witness.stop();
    witness.assert_lossless();

    for (kind, ours) in [
        ("fork", PROCESSES + SPAWNERS),
        ("exec", PROCESSES + SPAWNERS),
        ("exit", PROCESSES + SPAWNERS),
    ] {
        let seen = number(&record.summary["events"], kind);
        let lost = number(&record.summary["loss"], kind);
        let all = witness
            .of_kind(kind)
            .filter(|event| number(event, "pid") != recorder_pid)
            .count() as u64;
        let others = all
            .checked_sub(ours)
            .unwrap_or_else(|| panic!("the witness saw {all} of {ours} {kind}s"));
        figure(&format!(
            "bomb: {kind}: {seen} seen, {lost} lost, {ours} true (and up to {others} of others)"
        ));
        assert!(lost > 0, "the ring buffer of one page was to overflow");
        if kind == "exit" {
            // An end has two records, and is told when either comes through.
            let closing_lost = number(&record.summary["loss"], "final_totals");
            assert!(seen <= ours + others, "an end is told once");
            let untold = ours.saturating_sub(seen);
            assert!(
                untold <= lost.min(closing_lost),
                "{untold} ends untold, {lost} and {closing_lost} records lost"
            );
        } else {
            assert!(
                (ours..=ours + others).contains(&(seen + lost)),
                "{kind}: {seen} seen + {lost} lost is not {ours} (to {})",
                ours + others
            );
        }
    }
    for kind in ["fork", "exec", "exit"] {
        let mut told = HashSet::new();
        for event in record.of_kind(kind) {
            assert!(told.insert(identity(event)), "told twice: {event}");
        }
    }
}

#[test]
fn the_books_balance_and_the_living_set_heals_after_losses() {
    if !has_ebpf() {
        return;
    }
    let witness = Recorder::with(&["--ring-buffer", "64MiB"]);
    let mut top = Running::ready(&[
        "top",
        "--format",
        "json",
        "--interval",
        "500ms",
        "--ring-buffer",
        "4KiB",
    ]);
    let top_pid = u64::from(top.pid());
    let bomb = Bomb::explode();
    let truth = bomb.cpu_time_ns;
    let witness = witness.stop();
    witness.assert_lossless();
    let others_ns = bomb.of_others_ns(&witness, &[top_pid]);

    // The tree is repaired by the next pass: soon the living are those of /proc again.
    let shown_at_end = top.lines_so_far().len();
    let repaired = until(
        "a living set like /proc's",
        std::time::Duration::from_secs(5),
        || {
            let before = processes();
            let lines = top.lines_so_far();
            let last = lines.last().filter(|_| lines.len() >= shown_at_end + 3)?;
            let living: HashSet<u64> = array(last, "processes")
                .iter()
                .filter(|row| {
                    !["exited", "zombie"].contains(&row["state"].as_str().unwrap_or_default())
                })
                .map(|row| number(row, "pid"))
                .collect();
            let after = processes();
            let is_same = before
                .iter()
                .filter(|(_, listed)| !listed.is_zombie)
                .all(|(pid, _)| living.contains(pid) || !after.contains_key(pid))
                && living
                    .iter()
                    .all(|pid| before.contains_key(pid) || after.contains_key(pid));
            is_same.then_some(lines.len())
        },
    );
    let healed = top.lines_so_far();
    let told = bomb.told(&healed[..repaired]);
    assert!(told.lost > 0, "the ring buffer of one page was to overflow");
    figure(&told.check(truth, others_ns, "once the living set is right"));

    // Accounts whose closing record was lost are closed for good after a while; nothing is counted
    // twice by then either.
    let lines = until(
        "all accounts to be closed",
        std::time::Duration::from_secs(30),
        || {
            let lines = top.lines_so_far();
            (!bomb.is_any_open(lines.last()?)).then_some(lines)
        },
    );
    top.interrupt().done();
    figure(
        &bomb
            .told(&lines)
            .check(truth, others_ns, "once all accounts are closed"),
    );
}
