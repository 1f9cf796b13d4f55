//! The own fields of events of connections, OOM kills and signals.

use serde::{Serialize, ser::SerializeMap};

use crate::model::{
    connection::{Connection, Direction},
    errno,
    event::{EventKind, Party},
};

pub(super) fn fields<M: SerializeMap>(map: &mut M, kind: &EventKind) -> Result<(), M::Error> {
    match kind {
        EventKind::Fork | EventKind::Exec | EventKind::Exit(_) => Ok(()),
        EventKind::Connect(connection) => {
            ends(map, connection)?;
            map.serialize_entry("latency_ns", &connection.connect_latency_ns())?;
            map.serialize_entry("error", &connection.error.map(errno::name))
        }
        EventKind::Accept(connection) => ends(map, connection),
        EventKind::Close(connection) => {
            ends(map, connection)?;
            flow(map, connection)?;
            map.serialize_entry("duration_ns", &connection.lifetime_ns())
        }
        EventKind::Oom(kill) => {
            let memory = kill.memory;
            map.serialize_entry("anon_rss_bytes", &memory.map(|memory| memory.anon_bytes))?;
            map.serialize_entry("file_rss_bytes", &memory.map(|memory| memory.file_bytes))?;
            map.serialize_entry("shmem_rss_bytes", &memory.map(|memory| memory.shmem_bytes))?;
            map.serialize_entry("oom_score_adj", &kill.oom_score_adj)?;
            map.serialize_entry("asked_by", &PartyFields::from(&kill.asked_by))
        }
        EventKind::Signal(signal) => {
            map.serialize_entry("signal", &signal.signal)?;
            map.serialize_entry("code", &signal.code)?;
            let sender = signal.sender.as_ref().map(PartyFields::from);
            map.serialize_entry("sender", &sender)
        }
    }
}

/// What names a connection.
pub(super) fn ends<M: SerializeMap>(map: &mut M, connection: &Connection) -> Result<(), M::Error> {
    let remote = connection.remote;
    map.serialize_entry("protocol", connection.protocol.name())?;
    map.serialize_entry("local_address", &connection.local.ip())?;
    map.serialize_entry("local_port", &connection.local.port())?;
    map.serialize_entry("remote_address", &remote.map(|remote| remote.ip()))?;
    map.serialize_entry("remote_port", &remote.map(|remote| remote.port()))
}

/// What went over it.
pub(super) fn flow<M: SerializeMap>(map: &mut M, connection: &Connection) -> Result<(), M::Error> {
    let direction = connection.direction.map(Direction::name);
    map.serialize_entry("direction", &direction)?;
    map.serialize_entry("sent_bytes", &connection.sent_bytes)?;
    map.serialize_entry("received_bytes", &connection.received_bytes)?;
    map.serialize_entry("retransmits", &connection.retransmits)?;
    map.serialize_entry("rtt_ns", &connection.rtt_ns)
}

#[derive(Serialize)]
struct PartyFields<'a> {
    pid: u32,
    start_time_ns: u64,
    comm: &'a str,
    cgroup: Option<&'a str>,
}

impl<'a> From<&'a Party> for PartyFields<'a> {
    fn from(party: &'a Party) -> Self {
        Self {
            pid: party.id.pid,
            start_time_ns: party.id.start_time_ns,
            comm: &party.comm,
            cgroup: party.cgroup.as_deref(),
        }
    }
}
