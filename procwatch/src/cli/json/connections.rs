//! The list of connections.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{LossCounts, happenings, rfc3339};
use crate::{
    collector::Now,
    model::{
        connection::{Connection, Peers},
        sample::Losses,
    },
};

/// These connections as one object; peers are looked for among them all.
pub struct ConnectionList<'a> {
    pub connections: &'a [&'a Connection],
    pub peers: &'a Peers<'a>,
    pub loss: &'a Losses,
    pub now: Now,
}

impl Serialize for ConnectionList<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(3))?;
        map.serialize_entry("time", &rfc3339(self.now.wall_ns))?;
        map.serialize_entry("loss", &LossCounts(self.loss))?;
        map.serialize_entry("connections", &Rows(self))?;
        map.end()
    }
}

struct Rows<'a>(&'a ConnectionList<'a>);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let list = self.0;
        out.collect_seq(list.connections.iter().map(|connection| Row {
            connection,
            peer: list.peers.of_connection(connection),
            now: list.now,
        }))
    }
}

struct Row<'a> {
    connection: &'a Connection,
    peer: Option<&'a Connection>,
    now: Now,
}

#[derive(Serialize)]
struct Peer {
    pid: u32,
    start_time_ns: u64,
    comm: String,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let connection = self.connection;
        let owner = connection.owner;
        let wall = |boot_ns: u64| rfc3339(self.now.wall_at(boot_ns));
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("pid", &owner.map(|owner| owner.pid))?;
        map.serialize_entry("start_time_ns", &owner.map(|owner| owner.start_time_ns))?;
        map.serialize_entry("comm", &owner.map(|_| connection.comm.text()))?;
        happenings::ends(&mut map, connection)?;
        map.serialize_entry("state", connection.state.name())?;
        happenings::flow(&mut map, connection)?;
        map.serialize_entry("opened", &connection.opened_ns.map(wall))?;
        map.serialize_entry("closed", &connection.closed_ns.map(wall))?;
        let duration_ns = connection.duration_ns(self.now.boot_ns);
        map.serialize_entry("duration_ns", &duration_ns)?;
        let peer = self.peer.and_then(|peer| {
            Some(Peer {
                pid: peer.owner?.pid,
                start_time_ns: peer.owner?.start_time_ns,
                comm: peer.comm.text(),
            })
        });
        map.serialize_entry("peer", &peer)?;
        map.end()
    }
}
