//! What goes wrong on a host, and what all detectors make of it: found or not, how late, and what else they told.

use std::sync::Arc;

use procwatch::{
    alerts::{Around, Change, Engine},
    model::{
        alert::{Alert, AlertState},
        identity::ProcessId,
        mute::Mutes,
        rule::Detector,
        sample::Sample,
        snapshot::Snapshot,
    },
};

use super::host::{Deed, Host, MIB};

/// When what is to be found begins; before it is the noisy hour.
const BEGIN: u64 = 3600;
const END: u64 = BEGIN + 900;
const LIMIT: u64 = 1 << 30;

struct Load {
    name: &'static str,
    /// Those of whom one has to tell, about whom.
    detectors: &'static [Detector],
    about: &'static str,
    /// Adds what goes wrong to a host.
    prepare: fn(&mut Host),
    /// What happens in a second besides.
    happen: fn(&mut Host, u64),
}

const NOTHING: fn(&mut Host, u64) = |_, _| {};

const LOADS: &[Load] = &[
    Load {
        name: "leak 1 MB/s",
        detectors: &[Detector::MemoryLeak],
        about: "leaky",
        prepare: |host| {
            host.add("leaky", |second, chance| {
                let leaked = second.saturating_sub(BEGIN) as f64 * 1e6;
                Some(Deed::of(
                    3.0,
                    100.0 * MIB + leaked + 4.0 * MIB * chance.normal(),
                ))
            });
        },
        happen: NOTHING,
    },
    Load {
        name: "CPU spike",
        detectors: &[Detector::CpuSpike],
        about: "spiky",
        prepare: |host| {
            host.add("spiky", |second, chance| {
                let usual = 8.0 * (0.6 * chance.normal()).exp();
                let spike = if (BEGIN..BEGIN + 60).contains(&second) {
                    90.0
                } else {
                    0.0
                };
                Some(Deed::of(usual + spike, 50.0 * MIB))
            });
        },
        happen: NOTHING,
    },
    Load {
        name: "I/O spike",
        detectors: &[Detector::IoSpike],
        about: "scanner",
        prepare: |host| {
            host.add("scanner", |second, chance| {
                let is_wrong = (BEGIN..BEGIN + 60).contains(&second);
                let read = if is_wrong {
                    200.0 * MIB
                } else {
                    0.5 * MIB * (0.5 * chance.normal()).exp()
                };
                Some(Deed {
                    read,
                    ..Deed::of(5.0, 50.0 * MIB)
                })
            });
        },
        happen: NOTHING,
    },
    Load {
        name: "fork storm",
        detectors: &[Detector::ForkStorm],
        about: "",
        prepare: |_| {},
        happen: |host, second| {
            if (BEGIN..BEGIN + 20).contains(&second) {
                for _ in 0..400 {
                    host.lives_shortly("bomb", 2, 0, 77);
                }
            }
        },
    },
    Load {
        name: "restart loop",
        detectors: &[Detector::RestartLoop],
        about: "crasher",
        prepare: |_| {},
        happen: |host, second| {
            if second >= BEGIN && second % 5 == 0 {
                host.lives_shortly("crasher", 150, 3, 1);
            }
        },
    },
    Load {
        name: "starvation",
        detectors: &[Detector::Starvation],
        about: "hungry",
        prepare: |host| {
            host.add("hungry", |second, chance| {
                let is_wrong = (BEGIN..BEGIN + 120).contains(&second);
                let wait_pct = if is_wrong {
                    80.0 + 5.0 * chance.normal()
                } else {
                    1.0
                };
                Some(Deed {
                    wait_pct,
                    ..Deed::of(15.0, 50.0 * MIB)
                })
            });
        },
        happen: NOTHING,
    },
    Load {
        name: "level shift",
        detectors: &[Detector::LevelShift, Detector::CpuSpike],
        about: "shifty",
        prepare: |host| {
            host.add("shifty", |second, chance| {
                let level = if second >= BEGIN { 55.0 } else { 20.0 };
                Some(Deed::of(level + 6.0 * chance.normal(), 50.0 * MIB))
            });
        },
        happen: NOTHING,
    },
    Load {
        name: "gone",
        detectors: &[Detector::Absence],
        about: "daemon",
        prepare: |host| {
            host.add("daemon", |second, _| {
                (second < BEGIN + 30).then(|| Deed::of(0.5, 9.0 * MIB))
            });
        },
        happen: NOTHING,
    },
    Load {
        name: "season, rightly",
        detectors: &[],
        about: "",
        prepare: |host| {
            host.add("tidal", |second, chance| {
                let wave = (second as f64 / 1800.0 * std::f64::consts::TAU).sin();
                Some(Deed::of(
                    40.0 + 25.0 * wave + 4.0 * chance.normal(),
                    50.0 * MIB,
                ))
            });
        },
        happen: NOTHING,
    },
];

/// Who leaks is in a cgroup with a limit, and nobody else.
struct Limits(Option<ProcessId>);

impl Around for Limits {
    fn memory_limit_bytes(&mut self, id: ProcessId) -> Option<u64> {
        (self.0 == Some(id)).then_some(LIMIT)
    }
}

/// What fired in a run, and in which second.
fn run(load: &Load, seed: u64) -> Vec<(u64, Alert)> {
    let mut host = Host::noisy(seed);
    (load.prepare)(&mut host);
    let rules = Detector::ALL.map(Detector::rule).to_vec();
    let mut engine = Engine::new(rules, Mutes::default(), Vec::new(), 1);
    let mut previous: Option<Arc<Sample>> = None;
    let mut fired = Vec::new();
    for second in 0..END {
        host.helpers();
        (load.happen)(&mut host, second);
        let sample = Arc::new(host.step());
        let events = std::mem::take(&mut host.events);
        if let Some(previous) = previous.replace(Arc::clone(&sample)) {
            let snapshot = Snapshot::derive(&previous, sample);
            let mut views = snapshot.processes();
            let limited = views
                .find(|view| &*view.process.facts.comm == "leaky")
                .map(|view| view.process.id);
            for change in engine.observe(&snapshot, &events, &mut Limits(limited)) {
                if let Change::Kept { kept, tell: true } = change
                    && kept.alert.state == AlertState::Firing
                {
                    fired.push((second, kept.alert));
                }
            }
        }
    }
    fired
}

pub fn table(seeds: u64) {
    println!(
        "\n{:<16} {:>7} {:>18} {:>14}   false ones",
        "load", "found", "delay, s (most)", "false an hour"
    );
    let (mut all_false, mut hours) = (0, 0.0);
    for load in LOADS {
        let (mut found, mut wrong, mut delays) = (0, 0, Vec::new());
        let mut kinds: Vec<String> = Vec::new();
        let (mut used, mut off) = (0.0_f64, 0.0_f64);
        for seed in 0..seeds {
            let mut is_found = false;
            for (second, alert) in run(load, seed) {
                let is_meant = load.detectors.iter().any(|one| one.name() == alert.rule)
                    && alert.program().ends_with(load.about)
                    && second >= BEGIN;
                if !is_meant {
                    // What a load brings besides is a finding as well, if it is about it.
                    if load.about.is_empty()
                        || !alert.program().ends_with(load.about)
                        || second < BEGIN
                    {
                        wrong += 1;
                        kinds.push(format!("{} {}", alert.rule, alert.program()));
                    }
                    continue;
                }
                if !std::mem::replace(&mut is_found, true) {
                    found += 1;
                    delays.push(second - BEGIN);
                    let figure = alert.figure.as_ref();
                    if let Some(until_ns) = figure.and_then(|figure| figure.time_until_ns) {
                        let value = figure.map_or(0.0, |figure| figure.value);
                        used = used.max(value / LIMIT as f64);
                        let truth = (LIMIT as f64 - value) / 1e6;
                        off = off.max((until_ns as f64 / 1e9 / truth - 1.0).abs());
                    }
                }
            }
        }
        delays.sort_unstable();
        let delay = match (delays.get(delays.len() / 2), delays.last()) {
            (Some(middle), Some(most)) => format!("{middle} ({most})"),
            _ => "-".to_owned(),
        };
        let expected = if load.detectors.is_empty() { 0 } else { seeds };
        let an_hour = seeds as f64 * END as f64 / 3600.0;
        kinds.sort();
        kinds.dedup();
        println!(
            "{:<16} {found:>3}/{expected:<3} {delay:>18} {:>14.2}   {}",
            load.name,
            f64::from(wrong) / an_hour,
            kinds.join(", ")
        );
        if off > 0.0 {
            println!(
                "{:<16} told at {:.0} % of the limit at the latest; the time until it {:.0} % off at most",
                "",
                used * 100.0,
                off * 100.0
            );
        }
        all_false += wrong;
        hours += an_hour;
    }
    println!(
        "{all_false} false alarms in {hours:.0} hours of a host with 200 noisy processes, {:.2} an hour",
        f64::from(all_false) / hours
    );
}
