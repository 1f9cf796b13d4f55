//! The live view beside `htop` with 2,000 idle processes at 1 s, and how long a key waits for its frame with
//! 10,000.

mod support;

use std::time::{Duration, Instant};

use procwatch_tests::{procwatch::command, terminal::OnTerminal};
use support::{Running, Sleepers, find, is_quick, median, print_machine, procwatch};

fn main() {
    print_machine(&[("htop", "--version")]);
    let (rounds, span) = if is_quick() { (2, 5) } else { (4, 20) };
    beside_htop(rounds, Duration::from_secs(span));
    answers_to_keys(if is_quick() { 20 } else { 100 });
}

fn beside_htop(rounds: usize, span: Duration) {
    let _sleepers = Sleepers::start(2_000);
    let htop = find("htop");
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..rounds {
        ours.push(share(&procwatch(), &["--interval", "1s"], span));
        if let Some(htop) = &htop {
            theirs.push(share(htop, &["-d", "10"], span));
        }
    }
    println!(
        "\n2,000 idle processes at 1 s on a terminal of 80 by 24: share of a core, median of {rounds} × {} s",
        span.as_secs()
    );
    let (share, spread) = median(&ours);
    println!("  procwatch {share:6.3} % ± {spread:.3}");
    if !theirs.is_empty() {
        let (share, spread) = median(&theirs);
        let ratios: Vec<f64> = ours
            .iter()
            .zip(&theirs)
            .map(|(ours, theirs)| theirs / ours)
            .collect();
        let (ratio, ratio_spread) = median(&ratios);
        println!(
            "  htop      {share:6.3} % ± {spread:.3}: {ratio:.1} ± {ratio_spread:.1} times as much"
        );
    }
}

fn share(program: &str, arguments: &[&str], span: Duration) -> f64 {
    let running = Running::on_terminal(program, arguments);
    std::thread::sleep(Duration::from_secs(2));
    let drawn = running.bytes();
    let share = running.share_pct(span);
    assert!(running.bytes() > drawn, "{program} draws nothing");
    running.stop();
    share
}

/// From a key's being pressed to the frame's being there, while no sample comes in between.
fn answers_to_keys(count: usize) {
    let _sleepers = Sleepers::start(10_000);
    let mut command = command();
    command.args(["--interval", "30s"]);
    let mut live = OnTerminal::start(&mut command, 120, 40);
    // The first frame needs two samples.
    live.wait_so_long_for("the table", Duration::from_secs(90), |text| {
        text.contains("COMMAND")
    });
    let mut waits = Vec::new();
    for turn in 0..count {
        // A page down, another column, reversed, a tree, and back: each changes the text of the picture.
        let key = ["\x1b[6~", ">", "r", "t", "t", "r", "<"][turn % 7];
        let before = live.text();
        let start = Instant::now();
        live.press(key);
        live.wait_for("a new frame", |text| text != before);
        waits.push(start.elapsed().as_secs_f64() * 1e3);
    }
    live.press("q");
    live.end();
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!("\n10,000 processes, a key's answer, {count} keys:");
    println!(
        "  median {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
