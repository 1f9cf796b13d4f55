//! The list of connections for people and for spreadsheets.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use crate::{
    cli::{csv::cell, json::rfc3339, terminal::Terminal},
    collector::Now,
    model::{
        connection::{Connection, Direction, Peers},
        escape::{fit, terminal},
        units::{format_bytes, format_nanoseconds},
    },
};

/// The table, cut to a width.
pub fn table(
    connections: &[&Connection],
    peers: &Peers<'_>,
    now_boot_ns: u64,
    width: usize,
) -> String {
    // Addresses are as wide as the widest there is: those of IPv6 would leave no room for all.
    let mut local_width = "LOCAL".len();
    let mut remote_width = "REMOTE".len();
    for connection in connections {
        local_width = local_width.max(connection.local.to_string().len());
        remote_width = remote_width.max(remote(connection).len());
    }
    let mut out = String::new();
    let heading = format!(
        "{:>7} {:<15} {:<5} {:<11} {:<3} {:<local_width$} {:<remote_width$} {:>7} {:>7} {:>8} {:>5} {:>8} PEER",
        "PID",
        "COMM",
        "PROTO",
        "STATE",
        "",
        "LOCAL",
        "REMOTE",
        "SENT",
        "RECV",
        "RTT",
        "RETR",
        "AGE"
    );
    out.push_str(&fit(&heading, width));
    out.push('\n');
    for connection in connections {
        let dash = || "-".to_owned();
        let line = format!(
            "{:>7} {:<15} {:<5} {:<11} {:<3} {:<local_width$} {:<remote_width$} {:>7} {:>7} {:>8} {:>5} {:>8} {}",
            connection
                .owner
                .map_or_else(dash, |owner| owner.pid.to_string()),
            terminal(&connection.comm.text()),
            connection.protocol.name(),
            connection.state.name(),
            match connection.direction.map(Direction::name) {
                Some("outgoing") => "out",
                Some(_) => "in",
                None => "",
            },
            connection.local.to_string(),
            remote(connection),
            format_bytes(connection.sent_bytes),
            format_bytes(connection.received_bytes),
            connection.rtt_ns.map_or_else(dash, format_nanoseconds),
            connection
                .retransmits
                .map_or_else(dash, |segments| segments.to_string()),
            connection
                .duration_ns(now_boot_ns)
                .map_or_else(dash, format_nanoseconds),
            peer_text(peers, connection),
        );
        out.push_str(&fit(line.trim_end(), width));
        out.push('\n');
    }
    if connections.iter().any(|one| one.is_older()) {
        let note =
            "Without an age: open before this began; what went over it is counted from then on.";
        out.push_str(&fit(note, width));
        out.push('\n');
    }
    out
}

fn peer_text(peers: &Peers<'_>, connection: &Connection) -> String {
    let mut text = String::new();
    if let Some(peer) = peers.of_connection(connection)
        && let Some(owner) = peer.owner
    {
        let _ = write!(text, "{} {}", owner.pid, terminal(&peer.comm.text()));
    }
    text
}

fn remote(connection: &Connection) -> String {
    connection
        .remote
        .map_or_else(|| "-".to_owned(), |remote| remote.to_string())
}

const CSV_NAMES: &str = "pid,start_time_ns,comm,protocol,state,direction,local_address,local_port,\
    remote_address,remote_port,sent_bytes,received_bytes,retransmits,rtt_ns,opened,closed,duration_ns,\
    peer_pid";

/// CSV by the names of the JSON; unknown is empty.
///
/// # Errors
/// When the output takes no more.
pub fn csv(
    out: &mut impl Write,
    connections: &[&Connection],
    peers: &Peers<'_>,
    now: Now,
    terminal: Terminal,
) -> io::Result<()> {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    write!(out, "{CSV_NAMES}\r\n")?;
    for connection in connections {
        let owner = connection.owner;
        let remote = connection.remote;
        let wall = |boot_ns: u64| rfc3339(now.wall_at(boot_ns));
        let peer = peers
            .of_connection(connection)
            .and_then(|peer| Some(peer.owner?.pid));
        let row = [
            text(owner.map(|owner| owner.pid)),
            text(owner.map(|owner| owner.start_time_ns)),
            cell(&connection.comm.text(), terminal).into_owned(),
            connection.protocol.name().to_owned(),
            connection.state.name().to_owned(),
            text(connection.direction.map(Direction::name)),
            connection.local.ip().to_string(),
            connection.local.port().to_string(),
            text(remote.map(|remote| remote.ip())),
            text(remote.map(|remote| remote.port())),
            connection.sent_bytes.to_string(),
            connection.received_bytes.to_string(),
            text(connection.retransmits),
            text(connection.rtt_ns),
            text(connection.opened_ns.map(wall)),
            text(connection.closed_ns.map(wall)),
            text(connection.duration_ns(now.boot_ns)),
            text(peer),
        ];
        write!(out, "{}\r\n", row.join(","))?;
    }
    Ok(())
}
