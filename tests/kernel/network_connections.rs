//! What `connections` lists, against who holds the sockets.

use std::collections::HashSet;

use procwatch_tests::{
    dialogue::Dialogue,
    procwatch::{Ended, Running, run},
    record::{array, number},
    skip::{figure, has_ebpf, measures},
    wait::PATIENCE,
};
use serde_json::Value;

use crate::{
    WORKLOAD,
    network_standing::{End, Standing},
};

/// The one object of a run.
fn listed(ended: &Ended) -> Value {
    let text = ended.text();
    let listed = serde_json::from_str(text);
    listed.unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

const NAMES: [&str; 5] = ["tcp4", "tcp6", "dual", "udp4", "udp6"];

#[test]
fn sockets_opened_before_anybody_watched_have_their_owners_and_peers() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let mut standing = NAMES.map(|name| Standing::start(name, "here"));
    for connection in &mut standing {
        connection.role.ask("move 1001 2002");
    }
    // They have no part in any call from here on.
    let listed = listed(&run(&["connections", "--format", "json"]).done());
    for connection in &standing {
        connection.assert_older(&listed, (0, 0), (1_001, 2_002));
        connection.assert_live(&listed);
    }
    figure(&format!(
        "connections: {} listed, {} of ours with owner and peer",
        array(&listed, "connections").len(),
        2 * standing.len()
    ));
}

#[test]
fn what_is_opened_moved_and_closed_while_it_watches_is_listed() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let mut idle = Standing::start("tcp4", "here");
    let mut older = Standing::start("tcp6", "here");
    for connection in [&mut idle, &mut older] {
        connection.role.ask("move 1001 2002");
    }
    let arguments = ["connections", "--format", "json", "--duration", "4s"];
    let watching = Running::ready(&arguments);
    older.role.ask("move 7 9");
    older.role.ask("close");
    let mut living = NAMES.map(|name| Standing::start(name, "here"));
    let mut closed = ["tcp4", "tcp6", "dual"].map(|name| Standing::start(name, "here"));
    for connection in living.iter_mut().chain(&mut closed) {
        connection.role.ask("move 10007 20011");
        connection.role.ask("move 3 0");
    }
    for connection in &mut closed {
        connection.role.ask("close");
    }
    let listed = listed(&watching.wait_for(PATIENCE).done());

    idle.assert_older(&listed, (0, 0), (1_001, 2_002));
    idle.assert_live(&listed);
    older.assert_older(&listed, (7, 9), (1_008, 2_011));
    older.assert_closed(&listed);
    for connection in &living {
        connection.assert_new(&listed, 10_010, 20_011);
        connection.assert_live(&listed);
    }
    for connection in &closed {
        connection.assert_new(&listed, 10_010, 20_011);
        connection.assert_closed(&listed);
        for end in [End::Client, End::Server] {
            let row = connection.row(&listed, end);
            assert!(number(row, "duration_ns") > 0, "{row}");
        }
    }
    figure(&format!(
        "connections: of {} listed {} new and living, {} new and closed, 2 older, all with both ends",
        array(&listed, "connections").len(),
        living.len(),
        closed.len()
    ));
}

#[test]
fn a_connected_socket_for_datagrams_has_a_peer() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    // Which is bound where the client's datagrams go, and is not connected itself.
    let standing = ["udp4", "udp6"].map(|name| Standing::start(name, "here"));
    let listed = listed(&run(&["connections", "--format", "json"]).done());
    for connection in &standing {
        connection.assert_peer(connection.row(&listed, End::Client), End::Client);
    }
    figure("connections: the peers of two connected sockets for datagrams");
}

#[test]
fn connections_of_the_same_addresses_in_two_namespaces_are_told_apart() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let mut older = [(); 2].map(|()| Standing::start("tcp4", "apart"));
    for connection in &mut older {
        connection.role.ask("move 11 13");
    }
    let arguments = ["connections", "--format", "json", "--duration", "3s"];
    let watching = Running::ready(&arguments);
    let mut newer = [(); 2].map(|()| Standing::start("tcp4", "apart"));
    for (number, connection) in newer.iter_mut().enumerate() {
        connection
            .role
            .ask(&format!("move {} {}", 1_001 + number, 3_001 + number));
    }
    let listed = listed(&watching.wait_for(PATIENCE).done());
    for connection in &older {
        connection.assert_older(&listed, (0, 0), (11, 13));
        connection.assert_live(&listed);
    }
    for (number, connection) in newer.iter().enumerate() {
        let number = number as u64;
        connection.assert_new(&listed, 1_001 + number, 3_001 + number);
        connection.assert_live(&listed);
    }
    figure("connections: four of the same addresses and ports told apart by their namespaces");
}

#[test]
fn only_those_of_a_process_and_in_every_format() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let standing = Standing::start("tcp4", "here");
    let pid = standing.pid(End::Client).to_string();
    let arguments = ["connections", "--pid", &pid, "--format"];
    let with = |format: &'static str| {
        let mut all = arguments.to_vec();
        all.push(format);
        run(&all).done()
    };
    let listed = listed(&with("json"));
    let rows = array(&listed, "connections");
    assert_eq!(rows.len(), 1, "{listed}");
    standing.assert_ends(standing.row(&listed, End::Client), End::Client);
    let port = standing.port(End::Server).to_string();
    for format in ["table", "csv"] {
        let ended = with(format);
        assert!(
            ended.text().contains(&port) && ended.text().contains(&pid),
            "{format}: {}",
            ended.text()
        );
    }
    let csv = with("csv");
    let lines: Vec<_> = csv.text().lines().collect();
    assert_eq!(lines.len(), 2, "a head and a row: {lines:?}");
    let columns = |line: &str| line.split(',').count();
    assert_eq!(columns(lines[0]), columns(lines[1]), "{lines:?}");
    figure("connections: one row of one process in three formats");
}

#[test]
fn thousands_of_connections_are_listed_each_with_its_peer() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    const COUNT: usize = 4_000;
    let (role, told) = Dialogue::start(WORKLOAD, &["net", "crowd", &COUNT.to_string()]);
    let listed = listed(&run(&["connections", "--format", "json"]).done());
    role.end();
    let ends = |end: &str, other: &str| -> HashSet<u64> {
        array(&listed, "connections")
            .iter()
            .filter(|row| row["pid"] == told[end] && row["peer"]["pid"] == told[other])
            .map(|row| {
                let of_client = if end == "client" {
                    "local_port"
                } else {
                    "remote_port"
                };
                number(row, of_client)
            })
            .collect()
    };
    let (clients, servers) = (ends("client", "server"), ends("server", "client"));
    figure(&format!(
        "connections: of {COUNT} connections {} client ends and {} server ends with their peers",
        clients.len(),
        servers.len()
    ));
    assert_eq!((clients.len(), servers.len()), (COUNT, COUNT));
    assert!(clients == servers, "the ends match up by their ports");
}
