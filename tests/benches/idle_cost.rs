//! What it costs to watch processes that do nothing: 2,000 once a second beside `top`, and 10,000 ten
//! times a second. In alternation, for the machine is noisy.

mod support;

use std::{process::Stdio, time::Duration};

use support::{Running, Sleepers, command, find, is_quick, median, print_machine, procwatch};

fn main() {
    print_machine();
    let (rounds, span) = if is_quick() { (1, 3) } else { (4, 10) };
    let span = Duration::from_secs(span);
    let settle = Duration::from_secs(2);
    beside_top(rounds, span, settle);
    ten_thousand(span, settle);
}

fn beside_top(rounds: usize, span: Duration, settle: Duration) {
    let _sleepers = Sleepers::start(2_000);
    let Some(top) = find("top") else {
        println!("top is absent: package procps");
        return;
    };
    let mut shares: [Vec<f64>; 4] = Default::default();
    let mut memory = (0, 0);
    for _ in 0..rounds {
        for (way, shares) in shares.iter_mut().enumerate() {
            let running = match way {
                0 => Running::on_terminal(&procwatch(), &["top", "--interval", "1s"]),
                1 => Running::on_terminal(&top, &["-d", "1"]),
                2 => Running::ready(&["top", "--interval", "1s", "--limit", "40"], Stdio::null()),
                _ => Running::start(command(&top, &["-b", "-d", "1"])),
            };
            std::thread::sleep(settle);
            shares.push(running.share_pct(span));
            if way == 0 {
                memory = running.memory_kb();
            }
        }
    }
    let names = [
        "procwatch, terminal",
        "top, terminal",
        "procwatch, batch",
        "top -b",
    ];
    println!(
        "\n2,000 idle processes at 1 s: share of a core, median of {rounds} ± half the quartiles' distance"
    );
    for (name, shares) in names.iter().zip(&shares) {
        let (share, spread) = median(shares);
        println!("  {name:<20} {share:6.3} % ± {spread:.3}");
    }
    for (ours, theirs) in [(0, 1), (2, 3)] {
        let ratios: Vec<f64> = shares[ours]
            .iter()
            .zip(&shares[theirs])
            .map(|(ours, theirs)| theirs / ours)
            .collect();
        let (ratio, spread) = median(&ratios);
        println!(
            "  {} costs {ratio:.1} ± {spread:.1} times as much as {}",
            names[theirs], names[ours]
        );
    }
    println!(
        "  memory of procwatch: {} kB, at most {} kB (at start)",
        memory.0, memory.1
    );
}

fn ten_thousand(span: Duration, settle: Duration) {
    let _sleepers = Sleepers::start(10_000);
    let running = Running::ready(
        &[
            "top",
            "--interval",
            "100ms",
            "--limit",
            "20",
            "--format",
            "csv",
        ],
        Stdio::null(),
    );
    std::thread::sleep(settle);
    let share = running.share_pct(span);
    let (now, peak) = running.memory_kb();
    println!("\n10,000 idle processes at 100 ms:");
    println!("  procwatch            {share:6.3} % of a core");
    println!("  memory: {now} kB, at most {peak} kB (at start)");
}
