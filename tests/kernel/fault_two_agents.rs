//! Three agents at once, one of which is killed: the other two tell the same, and nothing is left behind.

use std::time::Duration;

use procwatch_tests::{
    bpf::{Objects, pins},
    record::{Record, Recorder, array, number},
    skip::{figure, has_ebpf},
    wait::until,
    workload::{start, told},
};

use crate::WORKLOAD;

/// What wait4 tells too, and how many may be counted after it: the parent may be told before the process has left its
/// CPU for the last time.
const COUNTERS: [(&str, u64); 4] = [
    ("minor_faults", 0),
    ("major_faults", 0),
    ("voluntary_switches", 1),
    ("involuntary_switches", 1),
];
/// getrusage tells microseconds, of user and system each.
const CUT_OFF_NS: u64 = 2_000;
/// What a process may still do after its parent was told.
const WAY_OUT_NS: u64 = 1_000_000;

#[test]
fn agents_do_not_see_less_for_each_other() {
    if !has_ebpf() {
        return;
    }
    let pins_before = pins();
    let agents = [Recorder::start(), Recorder::start()];
    let victim = Recorder::start();
    let held = [&agents[0], &agents[1], &victim].map(|agent| Objects::of_process(agent.0.pid()));
    assert!(held.iter().all(|held| held.programs.len() >= 4));
    assert!(
        held[0].also_in(&held[1]).programs.is_empty(),
        "each has its own"
    );

    let workers = start(WORKLOAD, &["burn", "400", "2"]);
    victim.0.signal(libc::SIGKILL);
    let ended = victim.0.wait();
    assert_eq!(ended.code, None, "SIGKILL ended it");
    let told = told(workers);
    let records = agents.map(Recorder::stop);
    records.iter().for_each(Record::assert_lossless);

    let (mut compared, mut interrupted, mut worst_ns) = (0, 0, 0);
    let all = array(&told, "ended");
    for burner in all {
        let (pid, usage) = (number(burner, "pid"), &burner["usage"]);
        let exits = records.each_ref().map(|record| record.the("exit", pid));
        assert_eq!(exits[0]["start_time_ns"], exits[1]["start_time_ns"]);
        // An account that was not closed is as of the exit: see `storm`.
        if exits.iter().any(|exit| exit["totals_at"] != "final") {
            continue;
        }
        compared += 1;
        for (counter, later) in COUNTERS {
            for exit in exits {
                let (measured, truth) = (number(exit, counter), number(usage, counter));
                assert!(
                    (truth..=truth + later).contains(&measured),
                    "{counter}: {exit} {burner}"
                );
            }
        }
        let cpu = exits.map(|exit| number(exit, "cpu_time_ns"));
        assert_eq!(cpu[0], cpu[1], "{} {}", exits[0], exits[1]);
        let off = cpu[0].abs_diff(number(usage, "cpu_time_ns"));
        worst_ns = worst_ns.max(off);
        // With that last switch comes what it did until then.
        let switches = |told: &serde_json::Value| {
            number(told, "voluntary_switches") + number(told, "involuntary_switches")
        };
        let was_on_its_way = switches(exits[0]) > switches(usage);
        let allowed = if was_on_its_way {
            WAY_OUT_NS
        } else {
            CUT_OFF_NS
        };
        // An interrupt on the way out is charged to whom it interrupts, without a switch.
        interrupted += usize::from(off > allowed);
        assert!(off <= WAY_OUT_NS, "{off} ns off: {} {burner}", exits[0]);
    }
    figure(&format!(
        "two agents, a third killed: {compared} of {} accounts closed in both, equal to each other and within \
         {worst_ns} ns of wait4",
        all.len()
    ));
    assert!(
        interrupted * 50 <= compared,
        "{interrupted} of {compared} are off by more than {CUT_OFF_NS} ns"
    );
    assert!(
        compared * 10 >= all.len() * 9,
        "too few accounts are closed"
    );

    until("programs and maps to go", Duration::from_secs(5), || {
        let host = Objects::of_host();
        held.iter()
            .all(|held| held.also_in(&host).is_empty())
            .then_some(())
    });
    assert_eq!(pins(), pins_before, "nothing is pinned");
}
