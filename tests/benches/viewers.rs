//! What 20 viewers cost the recorder that they look at: its CPU time with them and without them, in alternation.

mod support;

use std::{process::Stdio, time::Duration};

use procwatch_tests::workload::argument;
use support::{Running, Sleepers, is_quick, median, print_machine};

const PROCESSES: usize = 2_000;
const VIEWERS: usize = 20;

fn main() {
    print_machine(&[]);
    let (rounds, span) = if is_quick() {
        (1, Duration::from_secs(3))
    } else {
        (7, Duration::from_secs(20))
    };
    let _sleepers = Sleepers::start(PROCESSES);
    let directory = tempfile::tempdir().expect("a directory");
    let db = directory.path().join("recording.db");
    let socket = directory.path().join("socket");
    let at = ["--socket", argument(&socket)];
    let recorder = Running::ready(
        &[&["record", "--db", argument(&db)], &at[..]].concat(),
        Stdio::null(),
    );
    std::thread::sleep(Duration::from_secs(2));
    let (mut without, mut with, mut more) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let alone = recorder.share_pct(span);
        let viewers: Vec<_> = (0..VIEWERS)
            .map(|_| {
                let arguments = [&["top", "--format", "csv", "--limit", "1"], &at[..]].concat();
                Running::ready(&arguments, Stdio::null())
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        let watched = recorder.share_pct(span);
        for viewer in viewers {
            viewer.stop();
        }
        std::thread::sleep(Duration::from_secs(1));
        println!("  round {round}: {alone:.3} % alone, {watched:.3} % with {VIEWERS} viewers");
        without.push(alone);
        with.push(watched);
        more.push((watched / alone - 1.0) * 100.0);
    }
    println!(
        "recorder of {PROCESSES} idle processes: {:.3} % of a core alone, {:.3} % with {VIEWERS} viewers: {:+.1} % (median of {rounds})",
        median(&without).0,
        median(&with).0,
        median(&more).0
    );
    let (now, peak) = recorder.memory_kb();
    println!("  memory {now} kB, peak {peak} kB");
    recorder.stop();
}
