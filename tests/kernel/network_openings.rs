//! Unusual ways to come to a connection, and attempts that come to none.

use procwatch_tests::{
    record::{array, number, text},
    skip::{figure, has_ebpf, measures, skip},
};

use crate::{
    network::{assert_flows, recorded},
    network_ends::{Connection, LOOPBACK, Path, connections},
};

#[test]
fn a_socket_that_connects_to_itself_has_opened_and_not_accepted() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["to-itself"], 1);
    assert_flows("to itself", &record, &told);
    let pid = number(&told, "client");
    let (connect, close) = (record.the("connect", pid), record.the("close", pid));
    for event in [connect, close] {
        for end in ["local", "remote"] {
            assert_eq!(event[format!("{end}_address")], LOOPBACK, "{event}");
            assert_eq!(event[format!("{end}_port")], told["port"], "{event}");
        }
    }
    assert!(connect["error"].is_null(), "{connect}");
    assert!(
        record.of_pid("accept", pid).is_empty(),
        "nobody accepted it"
    );
    assert_eq!(text(close, "direction"), "outgoing", "{close}");
    let sent = number(&told["parties"][0], "net_sent_bytes");
    let moved = (number(close, "sent_bytes"), number(close, "received_bytes"));
    assert_eq!(moved, (sent, sent), "{close}");
}

#[test]
fn an_attempt_that_is_given_up_is_not_told_as_a_connection() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["given-up"], 0);
    assert_flows("given up", &record, &told);
    for party in array(&told, "parties") {
        let told = record.of_pid("connect", number(party, "pid"));
        figure(&format!(
            "given up, {}: told {:?}",
            party["who"],
            told.iter()
                .map(|connect| [&connect["error"], &connect["latency_ns"]])
                .collect::<Vec<_>>()
        ));
        for connect in told {
            assert!(
                !connect["error"].is_null() && connect["latency_ns"].is_null(),
                "it was never established: {connect}"
            );
        }
    }
}

#[test]
fn one_socket_for_two_connections() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["used-twice"], 3);
    assert_flows("used twice", &record, &told);
    let (client, server) = (number(&told, "client"), number(&told, "server"));
    let parties = array(&told, "parties");
    let ports = array(&told, "client_ports");
    // The kernel destroys the client's socket once, after its second connection.
    let second = Path {
        client_address: LOOPBACK,
        client_port: ports[1].as_u64().expect("a port"),
        server_address: LOOPBACK,
        server_port: number(&told, "port"),
    };
    let connection = Connection::of(&record, second, client, server);
    connection.assert_bytes(20_011, 30_011);
    for (kind, pid) in [("connect", client), ("accept", server), ("close", server)] {
        let found = record.of_pid(kind, pid).len();
        assert_eq!(found, 2, "{kind} of process {pid}");
    }
    let total: u64 = record
        .of_pid("close", server)
        .iter()
        .map(|close| number(close, "received_bytes"))
        .sum();
    assert_eq!(total, number(&parties[1], "net_received_bytes"));
}

#[test]
fn bytes_that_come_with_the_request_to_connect() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["first-bytes"], 2);
    if let Some(why) = told["refused"].as_str() {
        skip(why);
        return;
    }
    figure(&format!(
        "fast open: {} connections with bytes in their first segment",
        told["fast_opens"]
    ));
    assert_flows("fast open", &record, &told);
    let client = &told["parties"][0];
    for connection in connections(&record, &told) {
        let (sent, received) = ("net_sent_bytes", "net_received_bytes");
        connection.assert_bytes(number(client, sent), number(client, received));
    }
}
