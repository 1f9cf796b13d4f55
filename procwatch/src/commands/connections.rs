//! `procwatch connections`: whose sockets there are, and what went over them.

use std::{
    collections::HashSet,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;

use super::{listen::listen, source::Source};
use crate::{
    agent::{Events, Message, Plan},
    cli::{
        args::{ConnectionsArgs, TableFormat},
        connections,
        json::{ConnectionList, write_json},
        notice::notice,
        terminal::Terminal,
    },
    collector::{Answer, Freshness, Now, Request},
    model::{
        connection::{Connection, Peers, Protocol, SocketState},
        event::EventKind,
    },
};

/// Connections that are kept after their end: a day of a busy host would fill the memory.
const CLOSED_MAX: usize = 100_000;

pub(super) fn run(args: &ConnectionsArgs, source: Source) -> super::Result {
    let source = source.with(|start| start.kernel.connections = args.duration.is_some());
    let plan = Plan {
        interval: Duration::from_secs(1),
        samples_max: args.duration.is_none().then_some(1),
        events: match args.duration {
            Some(_) => Events::Live,
            None => Events::Silent,
        },
        freshness: Freshness::Economical,
        last_question: Some(Request::Connections),
    };
    let mut all: Vec<Connection> = Vec::new();
    let mut dropped = 0_u64;
    let mut living = Err("the list did not come".to_owned());
    let finished = listen(source, plan, args.duration, |message, _, _| {
        match message {
            Message::Events { batch, .. } => {
                for event in batch {
                    match event.kind {
                        EventKind::Close(_) if all.len() >= CLOSED_MAX => dropped += 1,
                        EventKind::Close(connection) => all.push(*connection),
                        _ => {}
                    }
                }
            }
            Message::Answer(Answer::Connections(list)) => living = list,
            _ => {}
        }
        Ok(())
    })?;
    if dropped > 0 {
        notice(format_args!(
            "procwatch: {dropped} closed connections are not listed: only {CLOSED_MAX} are kept; \
             try a shorter --duration, or events --kind close"
        ));
    }
    // Between the last record and the list a connection may have gone; it is in one of the two.
    let closed: HashSet<(u64, Option<u64>)> =
        all.iter().map(|one| (one.socket, one.opened_ns)).collect();
    let living = living
        .map_err(anyhow::Error::msg)
        .context("connections cannot be listed")?;
    all.extend(
        living
            .into_iter()
            .filter(|one| !closed.contains(&(one.socket, one.opened_ns))),
    );
    all.sort_by_key(|one| (one.owner, one.opened_ns, one.socket));

    let peers = Peers::of(&all);
    let shown: Vec<&Connection> = all
        .iter()
        .filter(|one| args.pid.is_none() || one.owner.map(|owner| owner.pid) == args.pid)
        .filter(|one| is_listed(one, args.listening))
        .collect();
    let now = Now::read();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        TableFormat::Table => {
            let width = Terminal::of_stdout().width;
            out.write_all(connections::table(&shown, &peers, now.boot_ns, width).as_bytes())
        }
        TableFormat::Csv => connections::csv(&mut out, &shown, &peers, now, Terminal::of_stdout()),
        TableFormat::Json => {
            let list = ConnectionList {
                connections: &shown,
                peers: &peers,
                loss: &finished.status.loss,
                now,
            };
            write_json(&mut out, &list).and_then(|()| out.write_all(b"\n"))
        }
    }
    .and_then(|()| out.flush())
    .context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// A TCP socket without another end is none yet, or waits for others.
fn is_listed(connection: &Connection, listening: bool) -> bool {
    match connection.protocol {
        Protocol::Udp => true,
        Protocol::Tcp if connection.state == SocketState::LISTEN => listening,
        Protocol::Tcp => connection.remote.is_some(),
    }
}
