//! How much slower a storm of short processes gets when it is watched: bare, under `procwatch events`
//! writing JSON to a file, and under `execsnoop`, in alternation.

mod support;

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use support::{Running, command, find, is_quick, median, print_machine};

const SPAWNERS: usize = 4;

fn main() {
    if let Some(count) = std::env::args()
        .skip_while(|argument| argument != "--spawn")
        .nth(1)
    {
        return spawn(count.parse().expect("a number"));
    }
    print_machine();
    let (rounds, each) = if is_quick() { (3, 250) } else { (15, 1_000) };
    let execsnoop = find("execsnoop");
    if execsnoop.is_none() {
        println!("execsnoop is absent: package libbpf-tools");
    }
    let output = std::env::temp_dir().join(format!("procwatch-storm-{}", std::process::id()));
    let (mut bare, mut ours, mut theirs, mut own) = (vec![], vec![], vec![], vec![]);
    let mut told = (0, 0);
    storm(each);
    for round in 0..rounds {
        let before = storm(each);
        let watched = {
            let file = File::create(&output).expect("a file");
            let running = Running::ready(&["events", "--format", "json"], Stdio::from(file));
            let cpu_before = running.cpu_ns();
            let took = storm(each);
            own.push((running.cpu_ns() - cpu_before) as f64 * 100.0 / (took * 1e9));
            took
        };
        let (execs, lost) = tally(&output);
        assert_eq!(lost, 0, "records were lost");
        told.0 += execs;
        told.1 += SPAWNERS * each;
        let between = storm(each);
        let snooped = execsnoop.as_ref().map(|execsnoop| {
            let _running = Running::start(command(execsnoop, &[]));
            std::thread::sleep(Duration::from_secs(1));
            storm(each)
        });
        let after = storm(each);
        // What is measured stands between two bare runs, so that drift cancels out.
        ours.push((watched / ((before + between) / 2.0) - 1.0) * 100.0);
        theirs.extend(snooped.map(|took| (took / ((between + after) / 2.0) - 1.0) * 100.0));
        bare.extend([before, between, after]);
        eprintln!("round {} of {rounds}", round + 1);
    }
    let _ = std::fs::remove_file(&output);
    let processes = SPAWNERS * each;
    let (took, spread) = median(&bare);
    println!(
        "\n{processes} × /bin/true from {SPAWNERS} spawners, {rounds} rounds; median ± half the quartiles' distance"
    );
    println!(
        "  bare                 {:6.1} µs a process ± {:.1}",
        took * 1e6 / processes as f64,
        spread * 1e6 / processes as f64
    );
    let (slower, spread) = median(&ours);
    println!(
        "  procwatch events     {slower:+6.2} % ± {spread:.2}   {} of {} execs told, none lost",
        told.0, told.1
    );
    println!(
        "                       own CPU {:.1} % of a core",
        median(&own).0
    );
    if !theirs.is_empty() {
        let (slower, spread) = median(&theirs);
        println!("  execsnoop            {slower:+6.2} % ± {spread:.2}");
    }
}

/// Seconds that a storm takes.
fn storm(each: usize) -> f64 {
    let start = Instant::now();
    let spawners: Vec<_> = (0..SPAWNERS)
        .map(|_| {
            let this = std::env::current_exe().expect("our own path");
            Command::new(this)
                .args(["--spawn", &each.to_string()])
                .spawn()
                .expect("a spawner")
        })
        .collect();
    for mut spawner in spawners {
        assert!(
            spawner.wait().expect("a spawner").success(),
            "a spawner failed"
        );
    }
    start.elapsed().as_secs_f64()
}

fn spawn(count: usize) {
    for _ in 0..count {
        let status = Command::new("/bin/true").status().expect("/bin/true");
        assert!(status.success());
    }
}

/// Execs of /bin/true in the output, and losses by its summary.
fn tally(output: &std::path::Path) -> (usize, u64) {
    let (mut execs, mut lost) = (0, 0);
    for line in BufReader::new(File::open(output).expect("the output")).lines() {
        let line: serde_json::Value =
            serde_json::from_str(&line.expect("text")).expect("a line is an object");
        execs += usize::from(line["type"] == "exec" && line["argv"][0] == "/bin/true");
        if line["type"] == "summary" {
            let losses = line["loss"].as_object().expect("losses");
            lost = losses.values().filter_map(serde_json::Value::as_u64).sum();
        }
    }
    (execs, lost)
}
