//! What rules and detectors cost: 10,000 processes, a snapshot a second.

use std::{sync::Arc, time::Instant};

use procwatch::{
    alerts::{Around, Engine, OpenFiles},
    config::{Config, Format, parse},
    model::{
        identity::ProcessId,
        mute::Mutes,
        rule::{Rule, Test},
        sample::Sample,
        snapshot::Snapshot,
        totals::Counter,
    },
};

use super::{
    families::Chance,
    host::{SECOND, process, sample},
};

const PROCESSES: u32 = 10_000;
const PROGRAMS: u32 = 300;
const ROUNDS: u32 = 40;

struct Nothing;

impl Around for Nothing {
    fn open_files(&mut self, _: ProcessId) -> Option<OpenFiles> {
        Some(OpenFiles {
            open: 40,
            limit: Some(1024),
        })
    }
}

/// Thirty rules as people write them, and the detectors.
fn rules() -> Vec<Rule> {
    let whens = [
        "cpu_pct > 380",
        "cpu_pct > 95 and user != root",
        "rss_bytes > 64GiB",
        "rss_bytes > 8GiB and comm == postgres",
        "run_queue_wait_ns_per_sec > 900ms",
        "read_bytes_per_sec > 500MiB",
        "write_bytes_per_sec > 500MiB",
        "threads > 5000",
        "major_faults_per_sec > 1000",
        "net_sent_bytes_per_sec > 1GiB",
        "exit_signal == 11",
        "exit_code == 137 and comm == java",
        "state == uninterruptible and comm == rsync",
        "comm ~ miner",
        "exe ~ '/tmp/'",
    ];
    let mut text = String::new();
    for (number, when) in whens.iter().cycle().take(30).enumerate() {
        text += &format!(
            "[[alerts.rules]]\nname = \"rule {number}\"\nwhen = \"{when}\"\nfor = \"5s\"\n"
        );
    }
    let config: Config = parse(&text, Format::Toml).expect("rules");
    config.alerts.rules
}

fn samples(changing: f64) -> Vec<Arc<Sample>> {
    let mut chance = Chance(5);
    let mut now = sample();
    now.processes = (0..PROCESSES)
        .map(|number| process(number + 1, 1000, &format!("program-{}", number % PROGRAMS)))
        .collect();
    (0..ROUNDS)
        .map(|_| {
            now.time_ns += SECOND;
            now.boot_time_ns += SECOND;
            for process in &mut now.processes {
                if chance.uniform() < changing {
                    let before = process.totals.get(Counter::CpuTime).unwrap_or(0);
                    let more = (chance.uniform() * 2e7) as u64;
                    process.totals.set(Counter::CpuTime, before + more);
                }
            }
            Arc::new(now.clone())
        })
        .collect()
}

pub fn table() {
    println!(
        "\n10,000 processes of 300 programs a second: milliseconds, of which 10 are 1 % of a core"
    );
    let all = rules();
    let is_rule = |rule: &&Rule| !matches!(rule.test, Test::Detector(_));
    let written: Vec<Rule> = all.iter().filter(is_rule).cloned().collect();
    let detectors: Vec<Rule> = all.iter().filter(|rule| !is_rule(rule)).cloned().collect();
    for (what, changing) in [("one in 20 busy", 0.05), ("all busy", 1.0)] {
        let samples = samples(changing);
        for (rules, name) in [
            (&written, "30 rules"),
            (&detectors, "13 detectors"),
            (&all, "both"),
        ] {
            let mut engine = Engine::new(rules.clone(), Mutes::default(), Vec::new(), 1);
            let mut took = Vec::new();
            for pair in samples.windows(2) {
                let snapshot = Snapshot::derive(&pair[0], Arc::clone(&pair[1]));
                let begun = Instant::now();
                std::hint::black_box(engine.observe(&snapshot, &[], &mut Nothing));
                took.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            took.sort_by(f64::total_cmp);
            println!("{what:<16} {name:<14} {:>7.2}", took[took.len() / 2]);
        }
        let begun = Instant::now();
        for pair in samples.windows(2) {
            std::hint::black_box(Snapshot::derive(&pair[0], Arc::clone(&pair[1])));
        }
        let each = begun.elapsed().as_secs_f64() * 1e3 / f64::from(ROUNDS - 1);
        println!("{what:<16} {:<14} {each:>7.2}", "the snapshot");
    }
}
