//! Sockets of several threads and of several processes.

use procwatch_tests::{
    record::{array, number},
    skip::{has_ebpf, measures},
};

use crate::{
    network::{assert_flows, check, recorded},
    network_ends::{Connection, LOOPBACK, Path, connections},
};

#[test]
fn threads_of_one_process_sum_up() {
    check("threads", &["threads"]);
}

#[test]
fn what_ended_threads_moved_stays_with_the_process() {
    check("ended threads", &["ended-threads"]);
}

#[test]
fn an_exec_by_a_thread_that_is_not_the_leader_keeps_the_bytes() {
    check("a thread's exec", &["executed"]);
}

#[test]
fn a_socket_shared_over_fork_gives_each_process_its_own_bytes() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["forked"], 2);
    assert_flows("forked", &record, &told);
    let parties = array(&told, "parties");
    let sum = |first: usize, second: usize, flow: &str| {
        number(&parties[first], flow) + number(&parties[second], flow)
    };
    // The connection has the bytes of all, and is that of who opened and who accepted it.
    let (sent, answered) = (sum(0, 2, "net_sent_bytes"), sum(1, 3, "net_sent_bytes"));
    for connection in connections(&record, &told) {
        connection.assert_bytes(sent, answered);
    }
}

/// What is spliced out of a socket is the owner's, whoever did it: nothing tells who that was. No byte is
/// lost, and none is counted twice.
#[test]
fn what_a_child_splices_out_of_a_shared_socket_is_the_owners() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["spliced"], 0);
    let parties = array(&told, "parties");
    for flow in ["net_sent_bytes", "net_received_bytes"] {
        let truth: u64 = parties.iter().map(|party| number(party, flow)).sum();
        let counted: u64 = parties
            .iter()
            .map(|party| number(record.the("exit", number(party, "pid")), flow))
            .sum();
        assert_eq!(counted, truth, "{flow} of all");
    }
}

#[test]
fn a_connection_handed_down_is_accepted_by_who_first_used_it() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["handed-down"], 2);
    assert_flows("handed down", &record, &told);
    let path = Path {
        client_address: LOOPBACK,
        client_port: told["client_ports"][0].as_u64().expect("a port"),
        server_address: LOOPBACK,
        server_port: number(&told, "port"),
    };
    let (client, child) = (number(&told, "client"), number(&told, "child"));
    let connection = Connection::of(&record, path, client, child);
    connection.assert_bytes(3_001, 7_001);
}

#[test]
fn a_connection_passed_on_stays_that_of_who_opened_it() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["passed"], 2);
    assert_flows("passed", &record, &told);
    let parties = array(&told, "parties");
    let sent = number(&parties[2], "net_received_bytes");
    for connection in connections(&record, &told) {
        connection.assert_bytes(sent, 0);
    }
}
