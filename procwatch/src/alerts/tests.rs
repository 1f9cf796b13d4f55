use std::time::Duration;

use jiff::civil::time;

use super::*;
use crate::model::{
    alert::{Alert, AlertState, Severity},
    field::fixture::{Fixture, snapshot_of},
    mute::{Days, Maintenance, Silence, When},
    rule::Detector,
    totals::{Counter, Totals},
};

const SECOND: u64 = 1_000_000_000;
/// Of fixtures: when the host was started, since the epoch.
const BOOT_NS: u64 = 1_795_404_009_000_000_000;

struct Nothing;

impl Around for Nothing {
    fn curve(&mut self, _: &Subject, figure: &str, to_ns: u64) -> Vec<(u64, f64)> {
        assert_eq!(figure, "cpu_pct");
        vec![(to_ns, 1.0)]
    }

    fn replay(&self, time_ns: u64) -> String {
        format!("replay {time_ns}")
    }
}

fn rule(when: &str) -> Rule {
    Rule {
        name: when.to_owned(),
        scope: Scope::Process,
        test: Test::Filter {
            when: when.parse().unwrap(),
            until: None,
        },
        hold: Duration::ZERO,
        keep: Duration::ZERO,
        cooldown: Duration::ZERO,
        severity: Severity::Warning,
        inhibited_by: Vec::new(),
    }
}

/// `burner` with that much CPU, below `init`.
fn burning(second: u64, cpu_pct: u64) -> Snapshot {
    let process = |pid, comm: &str, cpu_pct: u64| {
        let mut fixture = Fixture::new(pid, comm);
        fixture.process.totals = Totals::ZERO.with(Counter::CpuTime, 1_000 * SECOND);
        fixture.delta = Totals::ZERO.with(Counter::CpuTime, cpu_pct * SECOND / 100);
        fixture
    };
    let mut burner = process(7, "burner", cpu_pct);
    burner.facts(|facts| facts.exe = Some("/usr/bin/burner".into()));
    burner.process.parent = Some(ProcessId::new(1, 0));
    snapshot_of(&[process(1, "init", 3), burner], second * SECOND)
}

fn engine(rules: Vec<Rule>) -> Engine {
    Engine::new(rules, Mutes::default(), Vec::new(), 1)
}

/// What is said of each second's CPU: state and whether somebody is told.
fn told(engine: &mut Engine, course: &[(u64, u64)]) -> Vec<String> {
    let mut told = Vec::new();
    for (second, cpu_pct) in course {
        for change in engine.observe(&burning(*second, *cpu_pct), &[], &mut Nothing) {
            told.push(match change {
                Change::Dropped { id } => format!("{second}: dropped {id}"),
                Change::Kept { kept, tell } => format!(
                    "{second}: {} {}{}{}",
                    kept.alert.state.name(),
                    kept.alert.id,
                    if tell { " told" } else { "" },
                    kept.muted_by
                        .map_or(String::new(), |by| format!(" by {by}")),
                ),
            });
        }
    }
    told
}

fn alert(engine: &mut Engine, second: u64, cpu_pct: u64) -> Alert {
    let changes = engine.observe(&burning(second, cpu_pct), &[], &mut Nothing);
    match changes.into_iter().next_back() {
        Some(Change::Kept { kept, .. }) => kept.alert,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_has_to_hold_for_so_long() {
    let hold = Duration::from_secs(3);
    let mut engine = engine(vec![Rule {
        hold,
        ..rule("cpu_pct > 80")
    }]);
    let course = [
        (10, 90),
        (11, 90),
        (12, 50),
        (13, 90),
        (14, 95),
        (15, 85),
        (16, 99),
        (17, 5),
    ];
    assert_eq!(
        told(&mut engine, &course),
        [
            "10: pending 1",
            "12: dropped 1",
            "13: pending 2",
            "16: firing 2 told",
            "17: resolved 2 told",
        ]
    );
}

#[test]
fn an_alert_has_all_that_somebody_needs() {
    let hold = Duration::from_secs(2);
    let mut engine = engine(vec![Rule {
        hold,
        ..rule("cpu_pct > 80")
    }]);
    told(&mut engine, &[(10, 90), (11, 90)]);
    let firing = alert(&mut engine, 12, 95);
    assert_eq!(firing.state, AlertState::Firing);
    assert_eq!(
        firing.summary,
        "burner (7) has cpu_pct 95.0 %, above 80.0 %, for 2.000 s"
    );
    let at = |second: u64| BOOT_NS + second * SECOND;
    assert_eq!((firing.began_ns, firing.fired_ns), (at(10), Some(at(12))));
    let culprit = firing.culprit.as_ref().unwrap();
    assert_eq!(culprit.exe.as_deref(), Some("/usr/bin/burner"));
    assert_eq!(culprit.ancestry, ["init (1)"]);
    let top: Vec<_> = firing
        .top
        .iter()
        .map(|one| (&*one.comm, one.value))
        .collect();
    assert_eq!(top, [("burner", 95.0), ("init", 3.0)]);
    assert_eq!(firing.curve, [(at(12), 1.0)]);
    assert_eq!(firing.replay, format!("replay {}", at(10)));
    let resolved = alert(&mut engine, 15, 1);
    assert_eq!(resolved.state, AlertState::Resolved);
    // It held last at the sample before.
    assert_eq!(resolved.resolved_ns, Some(at(12)));
    assert!(
        resolved.summary.ends_with("; it lasted 3.000 s"),
        "{}",
        resolved.summary
    );
}

#[test]
fn what_ends_it_may_be_another_limit() {
    let test = Test::Filter {
        when: "cpu_pct > 80".parse().unwrap(),
        until: Some("cpu_pct < 60".parse().unwrap()),
    };
    let mut engine = engine(vec![Rule {
        test,
        ..rule("hot")
    }]);
    let course = [(10, 90), (11, 70), (12, 81), (13, 61), (14, 59), (15, 70)];
    assert_eq!(
        told(&mut engine, &course),
        ["10: firing 1 told", "14: resolved 1 told"]
    );
}

#[test]
fn what_comes_and_goes_is_one_alert() {
    let keep = Duration::from_secs(5);
    let mut engine = engine(vec![Rule {
        keep,
        ..rule("cpu_pct > 80")
    }]);
    let course = [(10, 90), (11, 1), (14, 90), (15, 1), (18, 1), (19, 1)];
    assert_eq!(
        told(&mut engine, &course),
        ["10: firing 1 told", "19: resolved 1 told"]
    );
}

#[test]
fn after_an_alert_there_is_silence_for_a_while() {
    let cooldown = Duration::from_secs(60);
    let rules = vec![Rule {
        cooldown,
        ..rule("cpu_pct > 80")
    }];
    let mut engine = engine(rules.clone());
    let course = [
        (10, 90),
        (20, 1),
        (30, 90),
        (40, 1),
        (69, 90),
        (70, 90),
        (71, 1),
    ];
    assert_eq!(
        told(&mut engine, &course),
        [
            "10: firing 1 told",
            "20: resolved 1 told",
            "70: firing 2 told",
            "71: resolved 2 told",
        ]
    );
    // Another engine goes on with what was kept of it.
    let Some(Change::Kept { kept, .. }) = engine
        .observe(&burning(200, 90), &[], &mut Nothing)
        .into_iter()
        .next()
    else {
        panic!("nothing is kept");
    };
    engine.observe(&burning(210, 1), &[], &mut Nothing);
    let resolved = KeptAlert {
        alert: Alert {
            resolved_ns: Some(BOOT_NS + 200 * SECOND),
            ..kept.alert
        },
        ..*kept
    };
    let mut later = Engine::new(rules, Mutes::default(), vec![resolved], 9);
    assert_eq!(
        told(&mut later, &[(259, 90), (260, 90)]),
        ["260: firing 9 told"]
    );
}

#[test]
fn a_restart_neither_repeats_nor_forgets() {
    let hold = Duration::from_secs(10);
    let rules = || {
        vec![Rule {
            hold,
            ..rule("cpu_pct > 80")
        }]
    };
    let mut kept = Vec::new();
    let mut first = engine(rules());
    for second in [10, 21] {
        for change in first.observe(&burning(second, 90), &[], &mut Nothing) {
            match change {
                Change::Kept { kept: one, .. } => kept = vec![*one],
                Change::Dropped { .. } => panic!("{change:?}"),
            }
        }
    }
    assert!(kept[0].is_told);
    let mut second = Engine::new(rules(), Mutes::default(), kept.clone(), 2);
    assert_eq!(
        told(&mut second, &[(30, 90), (31, 1)]),
        ["31: resolved 1 told"]
    );
    // It was over while nobody looked.
    let mut third = Engine::new(rules(), Mutes::default(), kept.clone(), 2);
    assert_eq!(told(&mut third, &[(30, 1)]), ["30: resolved 1 told"]);
    // Pending goes on from where it was.
    kept[0].alert.state = AlertState::Pending;
    kept[0].is_told = false;
    let mut fourth = Engine::new(rules(), Mutes::default(), kept.clone(), 2);
    assert_eq!(
        told(&mut fourth, &[(19, 90), (20, 90)]),
        ["20: firing 1 told"]
    );
    // Its rule is gone.
    kept[0].alert.state = AlertState::Firing;
    let mut fifth = Engine::new(vec![rule("cpu_pct > 500")], Mutes::default(), kept, 2);
    assert_eq!(told(&mut fifth, &[(30, 90)]), ["30: resolved 1"]);
}

#[test]
fn other_rules_take_over_what_those_of_their_name_found() {
    let mut engine = engine(vec![rule("cpu_pct > 80"), rule("cpu_pct > 50")]);
    assert_eq!(
        told(&mut engine, &[(10, 90)]),
        ["10: firing 1 told", "10: firing 2 told"]
    );
    engine.set_rules(vec![rule("cpu_pct > 50"), rule("cpu_pct > 10")]);
    assert_eq!(
        told(&mut engine, &[(11, 90), (12, 5)]),
        [
            "11: resolved 1 told",
            "11: firing 3 told",
            "12: resolved 2 told",
            "12: resolved 3 told",
        ]
    );
}

#[test]
fn who_is_silenced_is_kept_and_told_afterwards() {
    let mut engine = engine(vec![rule("cpu_pct > 80")]);
    let at = |second: u64| BOOT_NS + second * SECOND;
    let silence = |about: &str| Silence {
        id: 4,
        rule: Some("cpu_pct > 80".to_owned()),
        about: Some(about.to_owned()),
        from_ns: at(5),
        until_ns: at(12),
        reason: None,
        by: None,
    };
    let mutes = |about: &str| Mutes {
        silences: vec![silence(about)],
        ..Mutes::default()
    };
    engine.set_mutes(mutes("bin/burn"));
    assert_eq!(
        told(&mut engine, &[(10, 90), (11, 90), (12, 90), (13, 1)]),
        [
            "10: firing 1 by silence 4",
            "12: firing 1 told",
            "13: resolved 1 told",
        ]
    );
    // What was over before anybody was to know is nobody's business.
    assert_eq!(
        told(&mut engine, &[(8, 90), (9, 1)]),
        ["8: firing 2 by silence 4", "9: resolved 2 by silence 4"]
    );
    engine.set_mutes(mutes("another"));
    assert_eq!(told(&mut engine, &[(10, 90)]), ["10: firing 3 told"]);
}

#[test]
fn maintenance_is_of_days_and_goes_over_midnight() {
    let mut days = Days([false; 7]);
    days.0[4] = true;
    let night = Maintenance {
        name: "backup".to_owned(),
        when: When::Daily {
            from: time(23, 0, 0, 0),
            to: time(2, 0, 0, 0),
            days,
        },
        rules: Vec::new(),
    };
    let mutes = Mutes {
        maintenance: vec![night],
        ..Mutes::default()
    };
    let mut engine = engine(vec![rule("cpu_pct > 80")]);
    let alert = alert(&mut engine, 10, 90);
    let check = |time: &str, expected: bool| {
        let time: jiff::Timestamp = time.parse().unwrap();
        let muted_by = mutes.muted_by(&alert, u64::try_from(time.as_nanosecond()).unwrap());
        assert_eq!(muted_by.is_some(), expected, "{time}");
    };
    // The 6th is a Friday.
    check("2026-11-06T22:59:59Z", false);
    check("2026-11-06T23:00:00Z", true);
    check("2026-11-07T01:59:59Z", true);
    check("2026-11-07T02:00:00Z", false);
    check("2026-11-07T23:30:00Z", false);
    check("2026-11-06T01:00:00Z", false);
}

#[test]
fn a_rule_keeps_another_quiet_about_the_same() {
    let critical = rule("cpu_pct > 80");
    let warning = Rule {
        inhibited_by: vec![critical.name.clone()],
        ..rule("cpu_pct > 50")
    };
    let mut engine = engine(vec![warning, critical]);
    assert_eq!(
        told(&mut engine, &[(10, 60), (11, 90), (12, 60), (13, 1)]),
        [
            "10: firing 1 told",
            "11: firing 2 told",
            "11: firing 1 by rule cpu_pct > 80",
            "12: resolved 2 told",
            "12: firing 1",
            "13: resolved 1 told",
        ]
    );
}

#[test]
fn programs_are_added_up_and_the_host_has_rules_of_its_own() {
    let program = Rule {
        scope: Scope::Program,
        ..rule("cpu_pct > 80")
    };
    let host = Rule {
        scope: Scope::Host,
        test: Test::Host {
            when: "processes >= 2".parse().unwrap(),
            until: None,
        },
        ..rule("crowd")
    };
    let mut engine = engine(vec![program, host]);
    let changes = engine.observe(&burning(10, 90), &[], &mut Quiet);
    let summaries: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Kept { kept, .. } => Some((&kept.alert.subject, &*kept.alert.summary)),
            Change::Dropped { .. } => None,
        })
        .collect();
    assert_eq!(
        summaries,
        [
            (
                &Subject::Program("/usr/bin/burner".to_owned()),
                "/usr/bin/burner, as burner (7), has cpu_pct 90.0 %, above 80.0 %"
            ),
            (&Subject::Host, "the host has processes 2, above 2"),
        ]
    );
}

struct Quiet;

impl Around for Quiet {}

#[test]
fn a_rule_that_everybody_matches_is_bounded() {
    let mut engine = engine(vec![rule("cpu_pct >= 0")]);
    let fixtures: Vec<_> = (0..1000)
        .map(|pid| {
            let mut fixture = Fixture::new(pid, "one of many");
            fixture.process.totals = Totals::ZERO;
            fixture.delta = Totals::ZERO;
            fixture
        })
        .collect();
    let changes = engine.observe(&snapshot_of(&fixtures, SECOND), &[], &mut Quiet);
    assert_eq!((changes.len(), engine.crowded_out()), (256, 744));
}

#[test]
fn every_detector_has_a_rule() {
    for detector in Detector::ALL {
        assert_eq!(Detector::from_name(&detector.rule().name), Some(detector));
    }
}

#[test]
fn what_was_learned_says_where_programs_are_going() {
    let detectors = || Detector::ALL.map(Detector::rule).to_vec();
    let mut first = engine(detectors());
    for minute in 1..20 {
        first.observe(&burning(60 * minute, 40), &[], &mut Quiet);
    }
    let hour = 3600 * SECOND;
    let mut later = engine(detectors());
    assert_eq!(later.forecasts(hour), []);
    later.remember(b"of another form");
    assert_eq!(later.forecasts(hour), []);
    later.remember(&first.learned());
    let forecasts = later.forecasts(hour);
    assert_eq!(forecasts, first.forecasts(hour));
    let burner = forecasts
        .iter()
        .find(|one| &*one.program == "/usr/bin/burner");
    let ahead = burner.and_then(|one| one.cpu_pct).expect("a forecast");
    assert!((ahead.expected - 40.0).abs() < 1.0, "{ahead:?}");
    assert!(ahead.low <= ahead.expected && ahead.expected <= ahead.high);
}
