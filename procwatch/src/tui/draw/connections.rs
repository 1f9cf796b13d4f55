//! TCP connections and UDP sockets, with the process at each end.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::text::{Words, paint_line, put, put_line};
use crate::{
    model::{
        connection::{Connection, Direction, Peers, Protocol, SocketState},
        escape::terminal,
        identity::ProcessId,
        units::{format_bytes, format_nanoseconds},
    },
    tui::{data::Data, scene::Scene, state::State, theme::Meaning},
};

/// Those that are connections, those that moved most first.
pub fn listed(data: &Data) -> Vec<&Connection> {
    let Some(Ok(connections)) = &data.connections else {
        return Vec::new();
    };
    let mut listed: Vec<_> = connections.iter().filter(|one| is_listed(one)).collect();
    listed.sort_by_key(|one| {
        let moved = one.sent_bytes.saturating_add(one.received_bytes);
        (std::cmp::Reverse(moved), one.owner, one.socket)
    });
    listed
}

fn is_listed(connection: &Connection) -> bool {
    match connection.protocol {
        Protocol::Udp => true,
        Protocol::Tcp => connection.remote.is_some() && connection.state != SocketState::LISTEN,
    }
}

pub fn count(data: &Data) -> usize {
    listed(data).len()
}

/// Whose the connection in a line is.
pub fn owner(data: &Data, line: usize) -> Option<(ProcessId, String)> {
    let connection = *listed(data).get(line)?;
    let comm = connection.comm.text();
    Some((connection.owner?, terminal(&comm).into_owned()))
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, data: &Data, scene: &Scene<'_>) {
    let theme = state.theme;
    let why = match &data.connections {
        None => Some("listing connections…".to_owned()),
        Some(Err(why)) => Some(format!("connections cannot be listed: {why}")),
        Some(Ok(_)) => None,
    };
    if let Some(why) = why {
        put(
            buffer,
            area,
            0,
            &terminal(&why),
            theme.style(Meaning::Warning),
        );
        return;
    }
    let listed = listed(data);
    rows(buffer, area, state, data, scene, &listed);
}

/// The table of these connections.
pub fn rows(
    buffer: &mut Buffer,
    area: Rect,
    state: &State,
    data: &Data,
    scene: &Scene<'_>,
    listed: &[&Connection],
) {
    let address_width = |address: &dyn Fn(&Connection) -> String| {
        let longest = listed.iter().map(|one| address(one).len()).max();
        longest.unwrap_or(0).clamp(14, 40)
    };
    let (local, remote) = (
        address_width(&|one| one.local.to_string()),
        address_width(&remote_text),
    );
    let heading = format!(
        "{:>7} {:<15} {:<4} {:<11} {:<local$} {:<remote$} {:>7} {:>7} {:>8} {:>4} {:>8} {}",
        "PID",
        "NAME",
        "",
        "STATE",
        "LOCAL",
        "REMOTE",
        "SENT",
        "RECV",
        "RTT",
        "RETR",
        "AGE",
        "OTHER END"
    );
    put(
        buffer,
        area,
        0,
        &heading,
        state.theme.style(Meaning::Heading),
    );
    let none = Vec::new();
    let all = match &data.connections {
        Some(Ok(all)) => all,
        _ => &none,
    };
    let peers = Peers::of(all);
    let boot_ns = scene.snapshot.sample.boot_time_ns;
    let lines = usize::from(area.height.saturating_sub(1));
    let shown = listed
        .iter()
        .enumerate()
        .skip(state.cursor.offset)
        .take(lines);
    for (at, (number, connection)) in shown.enumerate() {
        let line = at as u16 + 1;
        let words = row(state, connection, &peers, boot_ns, (local, remote));
        put_line(buffer, area, line, &words);
        if number == state.cursor.line {
            paint_line(buffer, area, line, state.theme.style(Meaning::Cursor));
        }
    }
}

fn remote_text(connection: &Connection) -> String {
    connection
        .remote
        .map_or_else(|| "-".to_owned(), |remote| remote.to_string())
}

fn row(
    state: &State,
    connection: &Connection,
    peers: &Peers<'_>,
    boot_ns: u64,
    (local, remote): (usize, usize),
) -> Line<'static> {
    let dash = || "-".to_owned();
    let pid = connection
        .owner
        .map_or_else(dash, |owner| owner.pid.to_string());
    let way = match connection.direction {
        Some(Direction::Outgoing) => "→",
        Some(Direction::Incoming) => "←",
        None => "",
    };
    let protocol = format!("{way}{}", connection.protocol.name());
    let mut words = Words::new(state.theme)
        .add(Meaning::Text, format!("{pid:>7} "))
        .add(
            Meaning::Name,
            format!("{:<15} ", terminal(&connection.comm.text())),
        )
        .add(
            Meaning::Faint,
            format!("{protocol:<5}{:<11} ", connection.state.name()),
        )
        .add(
            Meaning::Text,
            format!("{:<local$} ", connection.local.to_string()),
        )
        .add(
            Meaning::Text,
            format!("{:<remote$} ", remote_text(connection)),
        )
        .add(
            Meaning::Text,
            format!("{:>7} ", format_bytes(connection.sent_bytes)),
        )
        .add(
            Meaning::Text,
            format!("{:>7} ", format_bytes(connection.received_bytes)),
        )
        .add(
            Meaning::Faint,
            format!(
                "{:>8} ",
                connection.rtt_ns.map_or_else(dash, format_nanoseconds)
            ),
        );
    let (meaning, segments) = match connection.retransmits {
        Some(0) => (Meaning::Faint, "0".to_owned()),
        Some(segments) => (Meaning::Warning, segments.to_string()),
        None => (Meaning::Faint, dash()),
    };
    words.push(meaning, format!("{segments:>4} "));
    let age = connection
        .duration_ns(boot_ns)
        .map_or_else(dash, format_nanoseconds);
    words.push(Meaning::Faint, format!("{age:>8} "));
    if let Some(peer) = peers.of_connection(connection)
        && let Some(owner) = peer.owner
    {
        words.push(
            Meaning::Name,
            format!("{} {}", owner.pid, terminal(&peer.comm.text())),
        );
    }
    words.line()
}
