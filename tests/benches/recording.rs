//! What it costs to record 2,000 processes that do next to nothing at 1 s: CPU, memory, and bytes on disk, those
//! beside `atop -w`.

mod support;

use std::{path::Path, process::Stdio, time::Duration};

use procwatch_tests::workload::argument;
use support::{Running, Sleepers, command, find, is_quick, print_machine};

const PROCESSES: usize = 2_000;

fn main() {
    print_machine(&[("atop", "-V")]);
    let span = Duration::from_secs(if is_quick() { 10 } else { 120 });
    let _sleepers = Sleepers::start(PROCESSES);
    let directory = tempfile::tempdir().expect("a directory");
    println!(
        "\n{PROCESSES} idle processes, and those of this host, recorded at 1 s for {} s:",
        span.as_secs()
    );

    let ours = directory.path().join("procwatch.db");
    let running = Running::ready(&["record", "--db", argument(&ours)], Stdio::null());
    std::thread::sleep(Duration::from_secs(2));
    let share = running.share_pct(span);
    let (now, peak) = running.memory_kb();
    running.stop();
    tell("procwatch record", share, (now, peak), &ours, span);

    let Some(atop) = find("atop") else {
        println!("  atop is not installed: nothing to compare with");
        return;
    };
    let theirs = directory.path().join("atop.log");
    let mut atop = command(&atop, &["-w", argument(&theirs), "1"]);
    // Else it switches on process accounting for the whole host, which stays on when it is killed.
    atop.env("ATOPACCT", "");
    let running = Running::start(atop);
    std::thread::sleep(Duration::from_secs(2));
    let share = running.share_pct(span);
    let memory = running.memory_kb();
    // It takes its time at SIGINT.
    drop(running);
    tell("atop -w", share, memory, &theirs, span);
}

fn tell(who: &str, share: f64, (now, peak): (u64, u64), file: &Path, span: Duration) {
    let bytes = std::fs::metadata(file).expect("the recording").len();
    let samples = (span.as_secs() + 2) as f64;
    println!(
        "  {who:<17} {share:6.3} % of a core, memory {now} kB, peak {peak} kB, {:.2} bytes a process and sample",
        bytes as f64 / samples / PROCESSES as f64
    );
}
