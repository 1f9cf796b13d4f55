//! Connections, OOM kills and signals.

use super::*;
use crate::model::{
    connection::{Connection, Direction, Protocol, SocketState},
    observation::{ConnectionSeen, OomKilled, Signalled, Victim},
};

const A: ProcessId = ProcessId::new(10, 100);
const B: ProcessId = ProcessId::new(11, 110);
const INIT: ProcessId = ProcessId::new(1, 1);

fn events(ledger: &mut Ledger, observations: Vec<Observation>) -> Vec<Event> {
    let mut told = Vec::new();
    for observation in observations {
        ledger.observe(observation, &mut TestNames, &mut |event| told.push(event));
    }
    told
}

fn seen(owner: Option<ProcessId>, time_ns: u64) -> Box<ConnectionSeen> {
    Box::new(ConnectionSeen {
        time_ns,
        connection: Connection {
            socket: 1,
            owner,
            comm: Comm::new("fetcher"),
            protocol: Protocol::Tcp,
            state: SocketState(1),
            direction: Some(Direction::Incoming),
            local: "127.0.0.1:80".parse().unwrap(),
            remote: Some("127.0.0.1:5000".parse().unwrap()),
            network_namespace: 1,
            connecting_ns: None,
            opened_ns: Some(150),
            closed_ns: Some(190),
            sent_bytes: 1,
            received_bytes: 2,
            retransmits: Some(0),
            rtt_ns: None,
            error: None,
        },
    })
}

fn signalled(id: ProcessId, signal: u32, waits: bool) -> Observation {
    Observation::Signalled(Box::new(Signalled {
        time_ns: 103,
        id,
        comm: Comm::new("target"),
        signal,
        code: 0,
        sender: Some((B, Comm::new("killer"))),
        waits,
    }))
}

#[test]
fn a_connection_is_named_by_its_owners_last_account() {
    let mut ledger = Ledger::default();
    let told = events(
        &mut ledger,
        vec![
            forked(A, INIT),
            executed(A, INIT, "curl"),
            closed(A, cpu(1)),
            Observation::Disconnected(seen(Some(A), 200)),
        ],
    );
    let close = told.last().unwrap();
    assert_eq!(close.kind.name(), "close");
    assert_eq!(close.facts.exe.as_deref(), Some("/bin/curl"));
    assert_eq!((close.id, close.time_ns), (A, Some(190)));
}

#[test]
fn an_accept_is_dated_when_it_happened_and_not_when_it_showed() {
    let told = events(
        &mut Ledger::default(),
        vec![Observation::Accepted(seen(Some(A), 180))],
    );
    assert_eq!(told[0].time_ns, Some(150));
    assert_eq!(&*told[0].facts.comm, "fetcher", "all that is known");
}

fn ended_by(signal: u32) -> Observation {
    Observation::Closed(Closed {
        id: A,
        time_ns: 109,
        comm: Comm::new("child"),
        totals: cpu(1),
        peak_rss_bytes: 0,
        status: WaitStatus(signal),
    })
}

fn check_signals(observations: Vec<Observation>, expected: &[(&str, Option<&str>)]) {
    let told = events(&mut Ledger::default(), observations);
    let told: Vec<_> = told
        .iter()
        .map(|event| {
            let sender = match &event.kind {
                EventKind::Signal(signal) => signal.sender.as_ref().map(|sender| &*sender.comm),
                _ => None,
            };
            (event.kind.name(), sender)
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn a_signal_that_waits_is_told_when_it_has_ended_its_target() {
    let (fork, exit, signal) = (("fork", None), ("exit", None), ("signal", Some("killer")));
    // `closed` says exit code 3: the signal was taken, or it still waits.
    check_signals(
        vec![forked(A, INIT), signalled(A, 15, true), closed(A, cpu(1))],
        &[fork, exit],
    );
    check_signals(
        vec![forked(A, INIT), signalled(A, 15, true), ended_by(15)],
        &[fork, signal, exit],
    );
    check_signals(
        vec![
            forked(A, INIT),
            signalled(A, 15, true),
            signalled(A, 9, false),
            ended_by(9),
        ],
        &[fork, signal, exit],
    );
}

#[test]
fn an_end_by_a_signal_that_nobody_was_seen_to_send_is_told_as_such() {
    check_signals(
        vec![forked(A, INIT), signalled(A, 15, true), ended_by(9)],
        &[("fork", None), ("signal", None), ("exit", None)],
    );
}

#[test]
fn an_oom_kill_names_the_askers_cgroup_by_what_is_known_best() {
    let killed = |victim| {
        Observation::OomKilled(Box::new(OomKilled {
            time_ns: 300,
            victim,
            asker: B,
            asker_comm: Comm::new("hungry"),
            asker_cgroup_id: 5,
        }))
    };
    let told = events(
        &mut Ledger::default(),
        vec![forked(A, INIT), killed(Victim::Pid(10))],
    );
    let oom = told.last().unwrap();
    assert_eq!(oom.id, A, "kernels that tell a pid only");
    let EventKind::Oom(kill) = &oom.kind else {
        panic!("{oom:?}");
    };
    assert_eq!((kill.memory, kill.oom_score_adj), (None, None));
    assert_eq!(kill.asked_by.cgroup.as_deref(), Some("/five"));
}

#[test]
fn what_no_hook_counts_is_unknown() {
    let mut ledger = Ledger::watching_since(50, &Counter::NETWORK);
    events(&mut ledger, vec![forked(A, INIT)]);
    let process = ledger.process(A).unwrap();
    assert_eq!(process.totals.get(Counter::NetSent), None);
    assert_eq!(process.totals.get(Counter::BlockRead), Some(0));
    assert_eq!(process.flows_since_ns, Some(100), "its start");
}

#[test]
fn what_is_older_than_collection_counts_from_there() {
    let mut ledger = Ledger::watching_since(500, &[]);
    ledger.begin_pass(PassScope::All, 600);
    ledger.thread_seen(&thread(A, Some(INIT), cpu(1)), &mut TestNames);
    ledger.end_pass(600, &mut TestNames, &mut |_| ());
    assert_eq!(ledger.process(A).unwrap().flows_since_ns, Some(500));
}
