//! Histories in, text out; and histories with loss, duplicates and disorder.

use std::{collections::BTreeMap, fmt::Write as _};

use proptest::prelude::*;

use super::{
    passes::{CLOSING_RECORD_MAX_NS, RECORD_DELAY_MAX_NS, WAY_OUT_NS},
    *,
};
use crate::model::{
    event::EventKind,
    identity::WaitStatus,
    observation::{Activity, Closed, Executed, Exited, Forked, Observation, ThreadSeen},
    sample::{MemoryKinds, State, TotalsAt},
    totals::Counter,
};

mod crowd;
mod happenings;
mod secrets;

/// Knows user 7, and the cgroup 5.
struct TestNames;

impl Names for TestNames {
    fn user(&mut self, uid: u32) -> Option<Arc<str>> {
        (uid == 7).then(|| "seven".into())
    }

    fn cgroup(&mut self, id: u64) -> (Option<Arc<str>>, Option<Arc<str>>) {
        ((id == 5).then(|| "/five".into()), None)
    }
}

fn cpu(ns: u64) -> Totals {
    Totals::ZERO.with(Counter::CpuTime, ns)
}

fn forked(id: ProcessId, parent: ProcessId) -> Observation {
    Observation::Forked(Forked {
        id,
        time_ns: id.start_time_ns,
        parent,
        owner: Owner {
            uid: 7,
            cgroup_id: 5,
        },
        comm: Comm::new("child"),
        is_kernel_thread: false,
    })
}

fn executed(id: ProcessId, parent: ProcessId, program: &str) -> Observation {
    Observation::Executed(Executed {
        id,
        time_ns: id.start_time_ns + 1,
        parent,
        owner: Owner {
            uid: 7,
            cgroup_id: 5,
        },
        comm: Comm::new(program),
        exe: Some(format!("/bin/{program}").into()),
        argv: Some(format!("{program}\0-x\0").into()),
        argv_truncated: false,
    })
}

fn exited(id: ProcessId, parent: ProcessId, totals: Totals) -> Observation {
    Observation::Exited(Exited {
        id,
        time_ns: id.start_time_ns + 5,
        parent,
        uid: 7,
        comm: Comm::new("child"),
        totals,
        peak_rss_bytes: 4096,
        status: WaitStatus(3 << 8),
    })
}

fn closed(id: ProcessId, totals: Totals) -> Observation {
    Observation::Closed(Closed {
        id,
        time_ns: id.start_time_ns + 9,
        comm: Comm::new("child"),
        totals,
        peak_rss_bytes: 4096,
        status: WaitStatus(3 << 8),
    })
}

fn thread(id: ProcessId, parent: Option<ProcessId>, totals: Totals) -> ThreadSeen {
    ThreadSeen {
        id,
        parent,
        owner: Owner {
            uid: 7,
            cgroup_id: 5,
        },
        comm: Comm::new("child"),
        is_leader: true,
        is_kernel_thread: false,
        activity: Activity::Sleeping,
        exited: None,
        threads: 1,
        own: totals,
        ended: Totals::ZERO,
        memory: MemoryKinds {
            anon_bytes: 4096,
            ..MemoryKinds::default()
        },
        peak_rss_bytes: 4096,
    }
}

/// A ledger, and what it has told so far.
#[derive(Default)]
struct Books {
    ledger: Ledger,
    told: String,
    ends: BTreeMap<ProcessId, (u64, TotalsAt)>,
}

impl Books {
    fn with(&mut self, act: impl FnOnce(&mut Ledger, &mut dyn FnMut(Event))) {
        let (told, ends) = (&mut self.told, &mut self.ends);
        let mut tell = |event: Event| {
            let _ = write!(
                told,
                "{} {} {}",
                event.kind.name(),
                event.id.pid,
                event.facts.comm
            );
            if let EventKind::Exit(account) = &event.kind {
                let ending = account.state.ending().expect("an exit has an ending");
                let code = ending.status.and_then(WaitStatus::exit_code);
                let cpu = account.totals.get(Counter::CpuTime).unwrap_or(0);
                let _ = write!(told, " code {code:?} cpu {cpu} {}", ending.totals.name());
                let earlier = ends.insert(event.id, (cpu, ending.totals));
                assert_eq!(earlier, None, "{:?} ended twice", event.id);
            }
            told.push('\n');
        };
        act(&mut self.ledger, &mut tell);
    }

    fn observe(&mut self, observation: Observation) -> &mut Self {
        self.with(|ledger, tell| ledger.observe(observation, &mut TestNames, tell));
        self
    }

    /// A pass over all threads; whoever is missing from it has vanished.
    fn pass(&mut self, now_ns: u64, threads: impl IntoIterator<Item = ThreadSeen>) -> &mut Self {
        self.with(|ledger, tell| {
            ledger.begin_pass(PassScope::All, now_ns);
            for thread in threads {
                ledger.thread_seen(&thread, &mut TestNames);
            }
            for id in ledger.end_pass(now_ns, &mut TestNames, tell) {
                if ledger.is_missing_for_long(id, now_ns) {
                    ledger.vanished(id, tell);
                }
            }
        });
        self
    }

    fn told(&mut self) -> String {
        std::mem::take(&mut self.told)
    }
}

const INIT: ProcessId = ProcessId::new(1, 1);
const A: ProcessId = ProcessId::new(10, 100);
const B: ProcessId = ProcessId::new(11, 110);

#[test]
fn a_whole_life_is_told_once_and_with_its_last_account() {
    let mut books = Books::default();
    books
        .observe(forked(A, INIT))
        .observe(executed(A, INIT, "true"))
        .observe(exited(A, INIT, cpu(50)));
    assert_eq!(books.told(), "fork 10 child\nexec 10 true\n");
    books.observe(closed(A, cpu(80)));
    assert_eq!(books.told(), "exit 10 child code Some(3) cpu 80 final\n");
    let processes = books.ledger.take_processes();
    assert_eq!(processes.len(), 1);
    assert_eq!(processes[0].state.name(), "exited");
    assert_eq!(processes[0].facts.user.as_deref(), Some("seven"));
    assert_eq!(processes[0].facts.cgroup.as_deref(), Some("/five"));
    assert!(books.ledger.take_processes().is_empty());
}

#[test]
fn doubled_and_late_records_change_nothing() {
    let mut books = Books::default();
    for _ in 0..2 {
        books.observe(exited(A, INIT, cpu(50)));
    }
    for _ in 0..2 {
        books.observe(closed(A, cpu(80)));
    }
    books
        .observe(forked(A, INIT))
        .observe(executed(A, INIT, "late"));
    assert_eq!(books.told(), "exit 10 child code Some(3) cpu 80 final\n");
    assert_eq!(books.ledger.take_processes().len(), 1);
}

#[test]
fn a_lost_exit_is_settled_by_the_next_pass() {
    let mut books = Books::default();
    books
        .observe(forked(A, INIT))
        .pass(200, [thread(A, Some(INIT), cpu(7))]);
    books.told();
    books.pass(300, []);
    assert_eq!(
        books.told(),
        "",
        "its record may be hidden behind one that is being written"
    );
    books.pass(300 + RECORD_DELAY_MAX_NS, []);
    assert_eq!(books.told(), "exit 10 child code None cpu 7 last_seen\n");
    assert_eq!(books.ledger.closed_without_record().processes, 1);
}

#[test]
fn a_lost_exit_whose_closing_record_comes_is_final() {
    let mut books = Books::default();
    books.observe(forked(A, INIT)).observe(closed(A, cpu(9)));
    assert!(
        books
            .told()
            .ends_with("exit 10 child code Some(3) cpu 9 final\n")
    );
}

#[test]
fn who_ended_before_anyone_watched_is_not_told() {
    let mut books = Books {
        ledger: Ledger::watching_since(500, &[]),
        ..Books::default()
    };
    let mut zombie = thread(A, Some(INIT), cpu(60));
    zombie.exited = Some(WaitStatus(0));
    books.pass(600, [zombie]);
    books.observe(closed(A, cpu(60))).observe(closed(B, cpu(5)));
    assert_eq!(books.told(), "");
}

#[test]
fn a_lost_fork_is_settled_by_the_next_pass() {
    let mut books = Books::default();
    books.pass(
        200,
        [thread(A, Some(INIT), cpu(1)), thread(B, Some(A), cpu(2))],
    );
    assert_eq!(books.ledger.tree().ancestry(B), [INIT, A, B]);
    assert_eq!(books.ledger.take_processes().len(), 2);
}

#[test]
fn a_fork_record_that_a_pass_overtakes_is_told_all_the_same() {
    let mut books = Books::default();
    books
        .observe(forked(A, INIT))
        .observe(executed(A, INIT, "shell"));
    books.told();
    books.pass(
        200,
        [thread(A, Some(INIT), cpu(1)), thread(B, Some(A), cpu(2))],
    );
    assert_eq!(books.told(), "");
    books.observe(forked(B, A)).observe(forked(B, A));
    assert_eq!(books.told(), "fork 11 child\n");
    let child = books.ledger.process(B).unwrap();
    assert_eq!(
        child.facts.exe.as_deref(),
        Some("/bin/shell"),
        "its parent's image"
    );
}

#[test]
fn a_process_younger_than_the_pass_is_not_missing_from_it() {
    let mut books = Books::default();
    books.pass(50, []);
    books.observe(forked(A, INIT));
    books.told();
    books.pass(90, []);
    assert_eq!(books.told(), "");
}

#[test]
fn a_zombie_is_told_by_a_pass_once_it_is_off_its_cpu() {
    let mut zombie = thread(A, Some(INIT), cpu(60));
    zombie.exited = Some(WaitStatus(3 << 8));
    let mut books = Books::default();
    books
        .observe(forked(A, INIT))
        .observe(exited(A, INIT, cpu(50)));
    books.told();
    books.pass(A.start_time_ns + 6, [zombie.clone()]);
    assert_eq!(books.told(), "", "it may still be on its way out");
    books.pass(A.start_time_ns + 6 + WAY_OUT_NS, [zombie]);
    assert_eq!(books.told(), "exit 10 child code Some(3) cpu 60 final\n");
    books.observe(closed(A, cpu(60)));
    assert_eq!(books.told(), "", "and is not told again");
}

#[test]
fn an_end_that_is_dated_beyond_all_time_is_not_settled() {
    let mut exited = exited(A, INIT, cpu(50));
    if let Observation::Exited(exited) = &mut exited {
        exited.time_ns = u64::MAX;
    }
    let mut zombie = thread(A, Some(INIT), cpu(60));
    zombie.exited = Some(WaitStatus(3 << 8));
    let mut books = Books::default();
    books.observe(forked(A, INIT)).observe(exited);
    books.told();
    books.pass(A.start_time_ns + 6, [zombie]);
    assert_eq!(books.told(), "");
}

#[test]
fn a_closing_record_that_never_comes_is_waited_for_and_then_given_up() {
    let mut books = Books::default();
    books
        .observe(forked(A, INIT))
        .observe(exited(A, INIT, cpu(50)));
    books.told();
    books.pass(1_000_000_000, []);
    assert_eq!(books.told(), "");
    books.pass(CLOSING_RECORD_MAX_NS + 1_000, []);
    assert_eq!(books.told(), "exit 10 child code Some(3) cpu 50 exit\n");
}

#[test]
fn a_child_is_its_parents_image_until_it_executes() {
    let mut books = Books::default();
    books
        .observe(forked(A, INIT))
        .observe(executed(A, INIT, "shell"))
        .observe(forked(B, A));
    let child = books.ledger.process(B).unwrap();
    assert_eq!(child.facts.exe.as_deref(), Some("/bin/shell"));
    assert_eq!(child.facts.arguments().collect::<Vec<_>>(), ["shell", "-x"]);
}

#[test]
fn a_pid_that_comes_back_is_another_process() {
    let again = ProcessId::new(A.pid, A.start_time_ns + 50);
    let mut books = Books::default();
    books
        .observe(forked(A, INIT))
        .observe(forked(again, INIT))
        .observe(exited(A, INIT, cpu(1)));
    books.observe(closed(A, cpu(1)));
    assert_eq!(books.ledger.holder(A.pid), Some(again));
    assert_eq!(
        books
            .ledger
            .process(again)
            .unwrap()
            .totals
            .get(Counter::CpuTime),
        Some(0)
    );
}

/// A process of a made-up history: who it is, who bore it, what it cost, whether it still lives.
#[derive(Clone, Debug)]
struct Life {
    id: ProcessId,
    parent: ProcessId,
    cost: u64,
    is_over: bool,
}

/// Histories of up to 24 processes, of few pids, so that pids come back.
fn history() -> impl Strategy<Value = Vec<Life>> {
    proptest::collection::vec(
        (
            0u32..6,
            any::<prop::sample::Index>(),
            0u64..1000,
            any::<bool>(),
        ),
        1..24,
    )
    .prop_map(|lives| {
        let mut history: Vec<Life> = Vec::new();
        for (at, (pid, parent, cost, is_over)) in lives.into_iter().enumerate() {
            let id = ProcessId::new(10 + pid, 100 * (at as u64 + 1));
            let parent = if at == 0 {
                INIT
            } else {
                history[parent.index(at)].id
            };
            // One pid has one living holder at most.
            for earlier in history.iter_mut().filter(|life| life.id.pid == id.pid) {
                earlier.is_over = true;
            }
            history.push(Life {
                id,
                parent,
                cost,
                is_over,
            });
        }
        history
    })
}

fn records(history: &[Life]) -> Vec<Observation> {
    let mut records = Vec::new();
    for life in history {
        records.push(forked(life.id, life.parent));
        records.push(executed(life.id, life.parent, "program"));
        if life.is_over {
            records.push(exited(life.id, life.parent, cpu(life.cost / 2)));
            records.push(closed(life.id, cpu(life.cost)));
        }
    }
    records
}

const NOW: u64 = 1_000_000;

fn living(history: &[Life]) -> Vec<ThreadSeen> {
    let living = history.iter().filter(|life| !life.is_over);
    living
        .map(|life| thread(life.id, Some(life.parent), cpu(life.cost)))
        .collect()
}

proptest! {
    #[test]
    fn whatever_order_records_come_in_the_books_are_the_same(
        (history, order) in history().prop_flat_map(|history| {
            let records = records(&history).len();
            (Just(history), Just((0..records).collect::<Vec<_>>()).prop_shuffle())
        }),
    ) {
        let records = records(&history);
        let mut books = Books::default();
        for at in order {
            books.observe(records[at].clone());
        }
        books.pass(NOW, living(&history));
        let shown: BTreeMap<_, _> = books.ledger.take_processes().into_iter()
            .map(|process| (process.id, process)).collect();
        for life in &history {
            let process = &shown[&life.id];
            prop_assert_eq!(process.totals.get(Counter::CpuTime), Some(life.cost));
            prop_assert_eq!(matches!(process.state, State::Exited(_)), life.is_over);
            prop_assert_eq!(books.ends.contains_key(&life.id), life.is_over);
        }
        prop_assert_eq!(shown.len(), history.len());
    }

    #[test]
    fn loss_and_duplicates_are_settled_by_a_pass(
        history in history(),
        keep in proptest::collection::vec(0usize..3, 96),
        passes in proptest::collection::vec(any::<bool>(), 96),
    ) {
        let mut books = Books::default();
        let mut seen: BTreeMap<ProcessId, u64> = BTreeMap::new();
        for (at, record) in records(&history).into_iter().enumerate() {
            for _ in 0..keep[at % keep.len()] {
                books.observe(record.clone());
            }
            if passes[at % passes.len()] {
                // A pass so early that everything is younger than it settles nothing, and must not.
                books.pass(0, []);
            }
            for process in books.ledger.take_processes() {
                let total = process.totals.get(Counter::CpuTime).unwrap_or(0);
                let before = seen.insert(process.id, total).unwrap_or(0);
                prop_assert!(total >= before, "a total fell");
            }
        }
        books.pass(NOW, living(&history));
        // Those whose closing record was lost are given up.
        books.pass(NOW + 2 * CLOSING_RECORD_MAX_NS, living(&history));
        let processes = books.ledger.take_processes();
        let now_living: Vec<_> = processes.iter()
            .filter(|process| process.state.ending().is_none()).map(|process| process.id).collect();
        let mut truly: Vec<_> = living(&history).iter().map(|thread| thread.id).collect();
        truly.sort();
        prop_assert_eq!(now_living, truly);
        for life in history.iter().filter(|life| life.is_over) {
            if let Some((cost, at)) = books.ends.get(&life.id) {
                prop_assert!(*cost <= life.cost);
                prop_assert!(*at != TotalsAt::Final || *cost == life.cost);
            }
        }
        let tree = books.ledger.tree();
        let sums = tree.all_subtree_totals(|id| {
            history.iter().find(|life| life.id == id).map(|life| cpu(life.cost))
        });
        for life in &history {
            let members: u64 = tree.descend(life.id).iter()
                .filter_map(|(_, id)| history.iter().find(|life| life.id == *id))
                .map(|life| life.cost)
                .sum();
            if let Some(sum) = sums.get(&life.id) {
                prop_assert_eq!(sum.get(Counter::CpuTime), Some(members));
            }
            prop_assert!(tree.ancestry(life.id).len() <= history.len() + 1);
        }
    }
}
