//! A fork bomb against a ring buffer of one page.

use std::collections::HashSet;

use procwatch_tests::{
    procfs::processes,
    procwatch::Running,
    record::{Record, Recorder, array, number},
    short,
    skip::{figure, has_ebpf},
    wait::until,
    workload::{argument, start, told},
};
use serde_json::Value;

use crate::WORKLOAD;

const SPAWNERS: u64 = 4;
const EACH: u64 = 1_250;
const PROCESSES: u64 = SPAWNERS * EACH;

/// Starts the bomb, waits for its end, and gives the CPU time of all its processes by getrusage: those
/// that it consists of and those that threw it.
fn explode(program: &str) -> u64 {
    let before = children_cpu_ns();
    let spawners: Vec<_> = (0..SPAWNERS)
        .map(|spawner| {
            let first = (spawner * EACH).to_string();
            start(
                WORKLOAD,
                &["spawn", program, "bomb", &first, &EACH.to_string()],
            )
        })
        .collect();
    let told: Vec<_> = spawners.into_iter().map(told).collect();
    assert!(told.iter().all(|spawner| number(spawner, "wrong") == 0));
    children_cpu_ns() - before
}

/// CPU time of all children that we have reaped, and of those that they have.
fn children_cpu_ns() -> u64 {
    // SAFETY: rusage is plain data, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to an rusage of ours.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let nanoseconds = |time: libc::timeval| {
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1000
    };
    nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
}

/// Of the bomb, or of those who threw it.
fn is_ours(row: &Value) -> bool {
    row["comm"] == "pwbomb" || row["comm"] == "workload"
}

fn identity(event: &Value) -> (u64, u64) {
    (number(event, "pid"), number(event, "start_time_ns"))
}

#[test]
fn what_was_lost_is_counted_one_by_one() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let program = short::program(directory.path(), "pwbomb");
    // Tells what else goes on on this host meanwhile: on a quiet one, nothing.
    let witness = Recorder::with(&["--ring-buffer", "64MiB"]);
    let recorder = Recorder::with(&["--ring-buffer", "4096"]);
    let recorder_pid = u64::from(recorder.0.pid());
    explode(argument(&program));
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
    let directory = short::directory();
    let program = short::program(directory.path(), "pwbomb");
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
    let truth = explode(argument(&program));
    let others_ns: u64 = {
        let witness: Record = witness.stop();
        witness.assert_lossless();
        let of_others = |exit: &&Value| !is_ours(exit) && number(exit, "pid") != top_pid;
        witness
            .of_kind("exit")
            .filter(of_others)
            .map(|exit| number(exit, "cpu_time_ns"))
            .sum()
    };

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
    check_accounts(
        &healed[..repaired],
        truth,
        others_ns,
        "once the living set is right",
    );

    // Accounts whose closing record was lost are closed for good after a while; nothing is counted
    // twice by then either.
    let lines = until(
        "all accounts to be closed",
        std::time::Duration::from_secs(30),
        || {
            let lines = top.lines_so_far();
            let is_open = |row: &Value| is_ours(row) && row["state"] != "exited";
            (!array(lines.last()?, "processes").iter().any(is_open)).then_some(lines)
        },
    );
    top.interrupt().done();
    check_accounts(&lines, truth, others_ns, "once all accounts are closed");
}

/// Named and nameless CPU time together are what the bomb cost, and the host's books balance.
fn check_accounts(lines: &[Value], truth: u64, others_ns: u64, when: &str) {
    let cpu = |row: &Value| number(row, "cpu_time_ns");
    let last = lines.last().expect("a snapshot");
    let ended: u64 = lines
        .iter()
        .flat_map(|line| array(line, "processes"))
        .filter(|row| is_ours(row) && row["state"] == "exited")
        .map(cpu)
        .sum();
    let open: u64 = array(last, "processes")
        .iter()
        .filter(|row| is_ours(row) && row["state"] != "exited")
        .map(cpu)
        .sum();
    let nameless = number(&last["nameless"], "cpu_time_ns");
    let lost = number(&last["loss"], "fork") + number(&last["loss"], "exit");
    let sum = ended + open + nameless;
    let busy: u64 = lines
        .iter()
        .map(|line| number(&line["host"], "cpu_busy_ns"))
        .sum();
    let unattributed: i64 = lines
        .iter()
        .map(|line| {
            line["host"]["unattributed_cpu_ns"]
                .as_i64()
                .expect("a number")
        })
        .sum();
    figure(&format!(
        "bomb, {when}: {:.1} ms by getrusage; ended {:.1} + open {:.1} + nameless {:.1} = {:.1} ms ({:+.2} %), {lost} \
         births and ends lost; of {:.0} ms busy {:+.1} ms unattributed",
        truth as f64 / 1e6,
        ended as f64 / 1e6,
        open as f64 / 1e6,
        nameless as f64 / 1e6,
        sum as f64 / 1e6,
        (sum as f64 / truth as f64 - 1.0) * 100.0,
        busy as f64 / 1e6,
        unattributed as f64 / 1e6,
    ));
    assert!(lost > 0, "the ring buffer of one page was to overflow");
    assert!(
        sum as f64 >= truth as f64 * 0.99,
        "{when}: {sum} ns are less than the {truth} ns of the bomb"
    );
    assert!(
        sum as f64 <= truth as f64 * 1.01 + others_ns as f64,
        "{when}: {sum} ns are more than the {truth} ns of the bomb and {others_ns} of others"
    );
    // Interrupts in the idle loop belong to nobody; a process counted twice makes this negative.
    let share = unattributed as f64 / busy as f64;
    assert!(
        share.abs() < 0.05,
        "{when}: {unattributed} of {busy} ns belong to nobody"
    );
}
