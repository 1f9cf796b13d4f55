//! What it costs to watch processes that do nothing: 2,000 once a second beside `top`, and 10,000 ten
//! times a second. In alternation, for the machine is noisy.

mod support;

use std::{process::Stdio, time::Duration};

use support::{Running, Sleepers, command, find, is_quick, median, print_machine, procwatch};

/// What is started and how, in the order of a round: ours beside theirs.
const WAYS: [&str; 4] = [
    "procwatch, terminal",
    "top, terminal",
    "procwatch, batch",
    "top -b",
];

fn main() {
    print_machine(&[("top", "-V")]);
    let (rounds, span) = if is_quick() { (2, 5) } else { (4, 20) };
    let span = Duration::from_secs(span);
    let settle = Duration::from_secs(2);
    beside_top(rounds, span, settle);
    ten_thousand(rounds, span, settle);
}

fn beside_top(rounds: usize, span: Duration, settle: Duration) {
    let _sleepers = Sleepers::start(2_000);
    let top = find("top");
    let ways: &[usize] = if top.is_some() {
        &[0, 1, 2, 3]
    } else {
        &[0, 2]
    };
    let top = top.unwrap_or_default();
    let mut shares: [Vec<f64>; 4] = Default::default();
    let mut memory = [(0, 0); 4];
    for _ in 0..rounds {
        for &way in ways {
            let running = match way {
                0 => Running::on_terminal(
                    &procwatch(),
                    &["top", "--interval", "1s", "--limit", "40"],
                ),
                1 => Running::on_terminal(&top, &["-d", "1"]),
                2 => Running::ready(&["top", "--interval", "1s", "--limit", "40"], Stdio::null()),
                _ => Running::start(command(&top, &["-b", "-d", "1"])),
            };
            std::thread::sleep(settle);
            let drawn = running.bytes();
            shares[way].push(running.share_pct(span));
            assert!(
                way > 1 || running.bytes() > drawn,
                "{} draws nothing",
                WAYS[way]
            );
            memory[way] = running.memory_kb();
            running.stop();
        }
    }
    println!(
        "\n2,000 idle processes at 1 s: share of a core, median of {rounds} × {} s ± half the quartiles' distance",
        span.as_secs()
    );
    for &way in ways {
        let (share, spread) = median(&shares[way]);
        let (now, peak) = memory[way];
        println!(
            "  {:<20} {share:6.3} % ± {spread:.3}   memory {now} kB, peak {peak} kB",
            WAYS[way]
        );
    }
    for (ours, theirs) in [(0, 1), (2, 3)] {
        let pairs = shares[ours].iter().zip(&shares[theirs]);
        let ratios: Vec<f64> = pairs.map(|(ours, theirs)| theirs / ours).collect();
        if !ratios.is_empty() {
            let (ratio, spread) = median(&ratios);
            println!(
                "  {} costs {ratio:.1} ± {spread:.1} times as much as {}",
                WAYS[theirs], WAYS[ours]
            );
        }
    }
}

fn ten_thousand(rounds: usize, span: Duration, settle: Duration) {
    const LIMIT: u64 = 20;
    let _sleepers = Sleepers::start(10_000);
    let limit = LIMIT.to_string();
    let running = Running::ready(
        &[
            "top",
            "--interval",
            "100ms",
            "--limit",
            &limit,
            "--format",
            "csv",
        ],
        Stdio::piped(),
    );
    std::thread::sleep(settle);
    let lines = running.lines();
    let shares: Vec<f64> = (0..rounds).map(|_| running.share_pct(span)).collect();
    // A snapshot is a header and the rows. One that comes late is cheap, and no good figure.
    let snapshots = (running.lines() - lines) as f64 / (LIMIT + 1) as f64;
    let (now, peak) = running.memory_kb();
    running.stop();
    let (share, spread) = median(&shares);
    println!("\n10,000 idle processes at 100 ms:");
    println!("  procwatch            {share:6.3} % of a core ± {spread:.3}");
    println!(
        "  {:.2} snapshots a second",
        snapshots / (rounds as f64 * span.as_secs_f64())
    );
    println!("  memory {now} kB, peak {peak} kB");
}
