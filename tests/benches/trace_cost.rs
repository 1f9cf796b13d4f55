//! What a trace costs who is traced, and who is not: dd in blocks of one byte, bare, under `procwatch trace`, `perf
//! trace` and `strace -f`; and beside a traced sleeper dd and a compiler, which nobody traces; in alternation.

mod support;

use std::{
    process::{Child, Command, Stdio},
    time::Instant,
};

use support::{
    Running, command, find, is_quick, median, print_machine, procwatch, with_own_tracefs,
};

fn main() {
    print_machine(&[
        ("perf", "--version"),
        ("strace", "--version"),
        ("gcc", "--version"),
    ]);
    let rounds = if is_quick() { 2 } else { 8 };
    traced(rounds);
    beside(rounds);
}

/// The one that is traced.
fn traced(rounds: u32) {
    let calls = if is_quick() { 10_000 } else { 100_000 };
    let count = format!("count={calls}");
    let load = ["if=/dev/zero", "of=/dev/null", "bs=1", &count];
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("trace");
    let output = output.to_str().expect("a path in UTF-8");
    let ours = procwatch();
    let mut ways: Vec<(&str, String, Vec<&str>)> = vec![
        ("bare", "/usr/bin/dd".to_owned(), vec![]),
        (
            "procwatch trace",
            ours.clone(),
            vec!["trace", "--output", output, "--", "/usr/bin/dd"],
        ),
        (
            "procwatch trace --summary",
            ours,
            vec![
                "trace",
                "--summary",
                "--output",
                output,
                "--",
                "/usr/bin/dd",
            ],
        ),
    ];
    if let Some(perf) = find("perf") {
        ways.push((
            "perf trace",
            perf,
            vec!["trace", "-o", output, "--", "/usr/bin/dd"],
        ));
    }
    if let Some(strace) = find("strace") {
        ways.push(("strace -f", strace, vec!["-f", "-o", output, "/usr/bin/dd"]));
    }
    let mut took: Vec<Vec<f64>> = vec![vec![]; ways.len()];
    for _ in 0..rounds {
        for (way, (name, program, arguments)) in ways.iter().enumerate() {
            let all: Vec<&str> = arguments.iter().chain(&load).copied().collect();
            let mut command = with_own_tracefs(command(program, &all));
            let told = command.stderr(Stdio::piped()).output().expect(name);
            let text = String::from_utf8_lossy(&told.stderr);
            // What dd says itself: starting a tracer is not the traced program's time.
            match seconds_of_dd(&text) {
                Some(seconds) => took[way].push(seconds),
                None => println!("  {name} did not run: {}", text.trim()),
            }
        }
    }
    println!(
        "\ndd of {calls} bytes one by one, {rounds} rounds; median ± half the quartiles' distance"
    );
    let bare = median(&took[0]).0;
    for ((name, ..), took) in ways.iter().zip(&took).filter(|(_, took)| !took.is_empty()) {
        let (middle, spread) = median(took);
        println!(
            "  {name:<26} {middle:8.4} s ± {spread:.4}   {:6.1} times bare",
            middle / bare
        );
    }
}

/// Of "… bytes copied, 0.05 s, 2.0 MB/s".
fn seconds_of_dd(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains(" copied, "))?;
    line.split(" copied, ")
        .nth(1)?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// Those beside it.
fn beside(rounds: u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let source = directory.path().join("source.c");
    // Takes a compiler some tenths of a second.
    let functions: String = (0..400)
        .map(|number| format!("int f{number}(int x) {{ for (int i = 0; i < x; i++) x += i * {number}; return x; }}\n"))
        .collect();
    std::fs::write(&source, functions).expect("a source");
    let source = source.to_str().expect("a path in UTF-8");
    let mut loads = vec![(
        "dd, a call each 0.25 µs",
        "/usr/bin/dd".to_owned(),
        vec!["if=/dev/zero", "of=/dev/null", "bs=4096", "count=400000"],
    )];
    if let Some(gcc) = find("gcc") {
        loads.push(("gcc", gcc, vec!["-O2", "-c", "-o", "/dev/null", source]));
    }
    println!("\nbeside a traced sleeper, {rounds} rounds; median ± half the quartiles' distance");
    for (name, program, arguments) in loads {
        let seconds = || {
            let begun = Instant::now();
            let status = command(&program, &arguments).status().expect("the load");
            assert!(status.success(), "{program} failed");
            begun.elapsed().as_secs_f64()
        };
        seconds();
        let (mut alone, mut slower) = (vec![], vec![]);
        let mut before = seconds();
        for _ in 0..rounds {
            let sleeper = Sleeper::start();
            let pid = sleeper.0.id().to_string();
            let running = Running::ready(&["trace", "--pid", &pid], Stdio::null());
            let took = seconds();
            assert!(running.stop().success(), "the trace failed");
            drop(sleeper);
            let after = seconds();
            alone.push(after);
            // Between two runs alone, so that drift cancels out.
            slower.push((took / f64::midpoint(before, after) - 1.0) * 100.0);
            before = after;
        }
        let ((middle, _), (more, spread)) = (median(&alone), median(&slower));
        println!("  {name:<26} {middle:8.4} s alone   {more:+6.2} % ± {spread:.2}");
    }
}

struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let sleeper: &mut Command = &mut command("/usr/bin/sleep", &["1000"]);
        Self(sleeper.spawn().expect("a sleeper"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
