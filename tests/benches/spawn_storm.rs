//! How much slower a storm of short processes gets when it is watched: bare, under `procwatch events`
//! writing JSON to a file, and under `execsnoop`, in alternation.

mod support;

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Command,
    time::Instant,
};

use support::{Running, command, find, is_quick, median, print_machine, toss, with_own_tracefs};

const SPAWNERS: usize = 4;

fn main() {
    if let Some(count) = std::env::args()
        .skip_while(|argument| argument != "--spawn")
        .nth(1)
    {
        return spawn(count.parse().expect("a number"));
    }
    print_machine(&[("execsnoop", "--version")]);
    let (rounds, each) = if is_quick() { (3, 250) } else { (15, 1_000) };
    let execsnoop = find("execsnoop");
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("output");
    let (mut bare, mut ours, mut theirs, mut own) = (vec![], vec![], vec![], vec![]);
    let mut snooped = 0;
    storm(each);
    for round in 0..rounds {
        let mut order = vec![Watcher::Procwatch];
        order.extend(execsnoop.clone().map(Watcher::Execsnoop));
        if toss() {
            order.reverse();
        }
        let mut before = storm(each);
        bare.push(before);
        for watcher in order {
            let file = File::create(&output).expect("a file");
            let running = watcher.start(file);
            let cpu_before = running.cpu_ns();
            let took = storm(each);
            let cpu = running.cpu_ns() - cpu_before;
            assert!(running.stop().success(), "a watcher failed");
            let after = storm(each);
            bare.push(after);
            // What is measured stands between two bare runs, so that drift cancels out.
            let slower = (took / f64::midpoint(before, after) - 1.0) * 100.0;
            before = after;
            match watcher {
                Watcher::Procwatch => {
                    check(&output, SPAWNERS * each);
                    ours.push(slower);
                    own.push(cpu as f64 * 100.0 / (took * 1e9));
                }
                Watcher::Execsnoop(_) => {
                    snooped += snooped_execs(&output);
                    theirs.push(slower);
                }
            }
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    let processes = SPAWNERS * each;
    let truth = processes * rounds;
    let (took, spread) = median(&bare);
    println!(
        "\n{processes} × /bin/true from {SPAWNERS} spawners, {rounds} rounds; median ± half the quartiles' distance"
    );
    println!(
        "  bare                 {:6.1} µs a process ± {:.1}, {took:.2} s a storm",
        took * 1e6 / processes as f64,
        spread * 1e6 / processes as f64
    );
    let (slower, spread) = median(&ours);
    println!(
        "  procwatch events     {slower:+6.2} % ± {spread:.2}   {truth} of {truth} execs and exits told, none lost"
    );
    println!(
        "                       own CPU {:.1} % of a core",
        median(&own).0
    );
    if !theirs.is_empty() {
        let (slower, spread) = median(&theirs);
        println!(
            "  execsnoop            {slower:+6.2} % ± {spread:.2}   {snooped} of {truth} execs told"
        );
    }
}

/// Who watches a storm, into a file.
enum Watcher {
    Procwatch,
    Execsnoop(String),
}

impl Watcher {
    fn start(&self, output: File) -> Running {
        match self {
            Self::Procwatch => Running::ready(&["events", "--format", "json"], output.into()),
            Self::Execsnoop(program) => {
                let mut command = command(program, &[]);
                command.stdout(output);
                Running::attached(with_own_tracefs(command))
            }
        }
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

/// Panics when not every exec and every exit of /bin/true was told once, or a record was lost.
fn check(output: &Path, truth: usize) {
    let (mut execs, mut exits, mut loss) = (0, 0, None);
    for line in BufReader::new(File::open(output).expect("the output")).lines() {
        let line: serde_json::Value =
            serde_json::from_str(&line.expect("text")).expect("a line is an object");
        let is_true = line["argv"][0] == "/bin/true";
        execs += usize::from(is_true && line["type"] == "exec");
        exits += usize::from(is_true && line["type"] == "exit" && line["exit_code"] == 0);
        if line["type"] == "summary" {
            let losses = line["loss"].as_object().expect("losses");
            let counts = losses.values().filter_map(serde_json::Value::as_u64);
            loss = Some(counts.sum::<u64>());
        }
    }
    assert_eq!(loss, Some(0), "records were lost, or there is no summary");
    assert_eq!((execs, exits), (truth, truth), "execs and exits told");
}

/// Lines in which execsnoop tells of /bin/true. It says nowhere what it lost.
fn snooped_execs(output: &Path) -> usize {
    let lines = BufReader::new(File::open(output).expect("the output")).split(b'\n');
    lines
        .map_while(Result::ok)
        .filter(|line| line.starts_with(b"true "))
        .count()
}
