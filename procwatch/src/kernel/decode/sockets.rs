//! Records of sockets.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use procwatch_common::connections::{Connection as Raw, ConnectionRecord, Ends};
use zerocopy::FromBytes as _;

use super::process_id;
use crate::model::{
    connection::{Connection, Direction, Protocol, SocketState},
    observation::{Comm, ConnectionSeen},
};

/// A record of a connect, accept or close.
pub(super) fn seen(bytes: &[u8]) -> Option<Box<ConnectionSeen>> {
    let (record, _) = ConnectionRecord::read_from_prefix(bytes).ok()?;
    Some(Box::new(ConnectionSeen {
        time_ns: record.header.time_ns,
        connection: connection(&record)?,
    }))
}

/// `None` for what is neither TCP nor UDP over IP.
pub(super) fn connection(record: &ConnectionRecord) -> Option<Connection> {
    let (raw, ends) = (&record.connection, &record.ends);
    let protocol = match i32::from(ends.protocol) {
        libc::IPPROTO_TCP => Protocol::Tcp,
        libc::IPPROTO_UDP => Protocol::Udp,
        _ => return None,
    };
    let owner = process_id(raw.owner);
    let has = |flag| raw.flags & flag != 0;
    let known = |time_ns: u64| (time_ns != 0).then_some(time_ns);
    Some(Connection {
        socket: record.socket,
        owner: (owner.pid != 0).then_some(owner),
        comm: Comm(raw.comm),
        protocol,
        state: SocketState(ends.state as u8),
        direction: if has(Raw::OUTGOING) {
            Some(Direction::Outgoing)
        } else if has(Raw::INCOMING) {
            Some(Direction::Incoming)
        } else {
            None
        },
        local: SocketAddr::new(address(ends, &ends.local_address)?, ends.local_port),
        remote: match ends.remote_port {
            0 => None,
            port => Some(SocketAddr::new(address(ends, &ends.remote_address)?, port)),
        },
        network_namespace: ends.network_namespace,
        connecting_ns: known(raw.connecting_ns),
        opened_ns: known(raw.opened_ns),
        closed_ns: known(raw.closed_ns),
        sent_bytes: raw.sent_bytes,
        received_bytes: raw.received_bytes,
        retransmits: (protocol == Protocol::Tcp).then_some(record.retransmits),
        rtt_ns: (record.rtt_us != 0).then(|| u64::from(record.rtt_us) * 1000),
        error: error(record),
    })
}

/// Why a connect failed.
fn error(record: &ConnectionRecord) -> Option<u32> {
    if record.error == 0 && record.connection.flags & Raw::FAILED != 0 {
        // The process closed the socket before there was an answer.
        return Some(libc::ECANCELED.unsigned_abs());
    }
    (record.error != 0).then_some(record.error)
}

/// An IPv4 address that a socket of the other family wraps is shown as what it is.
fn address(ends: &Ends, bytes: &[u8; 16]) -> Option<IpAddr> {
    match i32::from(ends.family) {
        libc::AF_INET => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(*bytes).to_canonical()),
        _ => None,
    }
}
