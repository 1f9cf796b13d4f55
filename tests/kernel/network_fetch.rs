//! Three hundred processes, each of which fetches a million bytes and ends.

use procwatch_tests::{
    record::{array, number},
    skip::{figure, has_ebpf, measures},
};

use crate::{
    network::{differences, recorded},
    network_ends::{Connection, LOOPBACK, Path},
};

const CLIENTS: u64 = 300;
const BYTES: u64 = 1_000_000;
const WORKERS: u64 = 3;

#[test]
fn three_hundred_processes_fetch_a_million_bytes_each() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let arguments = [CLIENTS, BYTES, WORKERS].map(|number| number.to_string());
    let [clients, bytes, workers] = &arguments;
    let role = ["clients", clients, bytes, workers];
    let (record, told) = recorded(&role, 2 * CLIENTS as usize);
    record.assert_lossless();
    let (clients, workers) = (array(&told, "clients"), array(&told, "workers"));
    assert_eq!(clients.len() as u64, CLIENTS);

    let exits = clients
        .iter()
        .map(|client| record.the("exit", number(client, "pid")))
        .filter(|exit| exit["net_received_bytes"] == BYTES)
        .count() as u64;
    let of_port = |kind: &str, field: &str| {
        record
            .of_kind(kind)
            .filter(|event| event[field] == told["port"])
            .count() as u64
    };
    let events = [
        ("connect", of_port("connect", "remote_port")),
        ("accept", of_port("accept", "local_port")),
        ("close of a client", of_port("close", "remote_port")),
        ("close of a worker", of_port("close", "local_port")),
    ];
    figure(&format!(
        "fetch: {exits} of {CLIENTS} exits with {BYTES} bytes; {events:?}"
    ));
    let mut found = differences(&record, clients);
    found.extend(differences(&record, workers));
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(exits, CLIENTS);
    // The listener is a socket of that port as well, of whoever opened it, and its end may be told.
    for (kind, count) in events {
        let most = CLIENTS + u64::from(kind == "close of a worker");
        assert!((CLIENTS..=most).contains(&count), "{kind}: {count}");
    }

    for client in clients {
        let path = Path {
            client_address: LOOPBACK,
            client_port: number(client, "port"),
            server_address: LOOPBACK,
            server_port: number(&told, "port"),
        };
        let (pid, worker) = (number(client, "pid"), number(client, "worker"));
        let connection = Connection::of(&record, path, pid, worker);
        connection.assert_bytes(number(client, "net_sent_bytes"), BYTES);
    }
    // The one that listened has accepted nothing, and its workers have shared the work.
    assert!(record.of_pid("accept", number(&told, "pid")).is_empty());
    let served: Vec<_> = workers
        .iter()
        .map(|worker| record.of_pid("accept", number(worker, "pid")).len() as u64)
        .collect();
    figure(&format!("fetch: accepted by worker: {served:?}"));
    assert_eq!(served.iter().sum::<u64>(), CLIENTS);
}
