//! What is told of the two ends of a connection: by whom it was opened and accepted, and how it ended.

use procwatch_tests::record::{Record, array, number, text};
use serde_json::Value;

pub const LOOPBACK: &str = "127.0.0.1";

/// All that was told of one connection.
pub struct Connection<'a> {
    pub connect: &'a Value,
    pub accept: &'a Value,
    pub client_close: &'a Value,
    pub server_close: &'a Value,
}

/// Where a connection is, as seen from its client.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    pub client_address: &'a str,
    pub client_port: u64,
    pub server_address: &'a str,
    pub server_port: u64,
}

impl Path<'_> {
    fn is_of_client(&self, event: &Value) -> bool {
        event["protocol"] == "tcp"
            && event["local_address"] == self.client_address
            && event["local_port"] == self.client_port
            && event["remote_address"] == self.server_address
            && event["remote_port"] == self.server_port
    }

    fn is_of_server(&self, event: &Value) -> bool {
        event["protocol"] == "tcp"
            && event["local_address"] == self.server_address
            && event["local_port"] == self.server_port
            && event["remote_address"] == self.client_address
            && event["remote_port"] == self.client_port
    }
}

impl<'a> Connection<'a> {
    /// What was told of the connection of these two processes: each of its events once, with the right
    /// ends, directions and identities.
    pub fn of(record: &'a Record, path: Path<'_>, client: u64, server: u64) -> Self {
        Self::accepted_by(record, path, client, server, server)
    }

    /// The same where the process that first used the connection is not the one that closes it.
    pub fn accepted_by(
        record: &'a Record,
        path: Path<'_>,
        client: u64,
        acceptor: u64,
        server: u64,
    ) -> Self {
        let one = |kind: &str, pid: u64, is_it: &dyn Fn(&Value) -> bool| {
            let of_pid = record.of_pid(kind, pid);
            let found: Vec<_> = of_pid.iter().filter(|event| is_it(event)).collect();
            let near = |event: &&Value| {
                let ports = ["local_port", "remote_port"].map(|port| event[port].as_u64());
                event["pid"] == pid || ports.contains(&Some(path.client_port))
            };
            assert_eq!(
                found.len(),
                1,
                "process {pid} was to have one {kind} of {path:?}; near that are {:#?}",
                record
                    .of_kind(kind)
                    .filter(near)
                    .take(5)
                    .map(summary)
                    .collect::<Vec<_>>()
            );
            let event: &'a Value = found[0];
            assert_eq!(
                event["start_time_ns"],
                record.the("fork", pid)["start_time_ns"],
                "{event}"
            );
            assert_eq!(event["ppid"], record.the("fork", pid)["ppid"], "{event}");
            assert_eq!(text(event, "comm"), "workload", "{event}");
            event
        };
        let connect = one("connect", client, &|event| path.is_of_client(event));
        assert!(connect["error"].is_null(), "{connect}");
        assert!(number(connect, "latency_ns") > 0, "{connect}");
        let accept = one("accept", acceptor, &|event| path.is_of_server(event));
        let client_close = one("close", client, &|event| path.is_of_client(event));
        let server_close = one("close", server, &|event| path.is_of_server(event));
        for (close, direction) in [(client_close, "outgoing"), (server_close, "incoming")] {
            assert_eq!(text(close, "direction"), direction, "{close}");
            assert!(number(close, "duration_ns") > 0, "{close}");
        }
        Self {
            connect,
            accept,
            client_close,
            server_close,
        }
    }

    /// Compares bytes of both ends, from the client to the server and back.
    pub fn assert_bytes(&self, sent: u64, answered: u64) {
        for (close, sent, received) in [
            (self.client_close, sent, answered),
            (self.server_close, answered, sent),
        ] {
            let told = (number(close, "sent_bytes"), number(close, "received_bytes"));
            assert_eq!(told, (sent, received), "{close}");
        }
    }
}

/// What a failure is read from.
fn summary(event: &Value) -> String {
    let fields = [
        "type",
        "pid",
        "local_address",
        "local_port",
        "remote_address",
        "remote_port",
        "direction",
        "error",
    ];
    fields
        .iter()
        .filter_map(|field| Some(format!("{field} {}", event.get(field)?)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The connections that a role told of, all between its client and its server on loopback. Nobody else
/// connects to that port, and nobody is told to.
pub fn connections<'a>(record: &'a Record, told: &Value) -> Vec<Connection<'a>> {
    let (client, server) = (number(told, "client"), number(told, "server"));
    let server_port = number(told, "port");
    let ports = array(told, "client_ports");
    let connects = record
        .of_kind("connect")
        .filter(|event| event["remote_port"] == server_port)
        .count();
    assert_eq!(connects, ports.len(), "connections to port {server_port}");
    let accepts = record
        .of_kind("accept")
        .filter(|event| event["local_port"] == server_port)
        .count();
    assert_eq!(accepts, ports.len(), "connections at port {server_port}");
    ports
        .iter()
        .map(|port| {
            let path = Path {
                client_address: LOOPBACK,
                client_port: port.as_u64().expect("a port"),
                server_address: LOOPBACK,
                server_port,
            };
            Connection::of(record, path, client, server)
        })
        .collect()
}
