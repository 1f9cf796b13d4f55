//! Sockets: both ends, whose they are, and what went over them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hashbrown::HashMap;

use serde::{Deserialize, Serialize};

use super::{identity::ProcessId, observation::Comm};

/// One socket of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Names the socket for as long as the kernel has it.
    pub socket: u64,
    /// Who connected, or first used what was accepted, or holds it open. `None` when nobody is known to.
    pub owner: Option<ProcessId>,
    /// The owner's name at that time.
    pub comm: Comm,
    pub protocol: Protocol,
    pub state: SocketState,
    /// `None` for what was open before collection began, and for UDP.
    pub direction: Option<Direction>,
    pub local: SocketAddr,
    /// `None` while it is not connected.
    pub remote: Option<SocketAddr>,
    /// The inode of its network namespace.
    pub network_namespace: u32,
    /// When it began to connect, nanoseconds since boot. `None` for what was accepted.
    pub connecting_ns: Option<u64>,
    /// When it was established. `None` when it was not, or before collection began.
    pub opened_ns: Option<u64>,
    /// When both ends had closed. `None` while they have not.
    pub closed_ns: Option<u64>,
    /// By its applications, since it was opened or, when it is older, since collection began.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Segments that had to be sent again. `None` for UDP, which does not.
    pub retransmits: Option<u32>,
    /// Smoothed round-trip time. `None` when none was measured.
    pub rtt_ns: Option<u64>,
    /// Why it could not connect: an errno, `ECANCELED` when the process gave it up. `None` when it did.
    pub error: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Who began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// The owner connected.
    Outgoing,
    /// The owner accepted.
    Incoming,
}

impl Direction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Incoming => "incoming",
        }
    }
}

/// The states of TCP (RFC 9293), by the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketState(pub u8);

impl SocketState {
    pub const CLOSE: Self = Self(7);
    pub const LISTEN: Self = Self(10);

    /// In the words of `ss`; of UDP, `established` means connected and `close` means not.
    pub const fn name(self) -> &'static str {
        match self.0 {
            1 => "established",
            2 => "syn-sent",
            3 | 12 => "syn-recv",
            4 => "fin-wait-1",
            5 => "fin-wait-2",
            6 => "time-wait",
            7 => "closed",
            8 => "close-wait",
            9 => "last-ack",
            10 => "listen",
            11 => "closing",
            _ => "unknown",
        }
    }
}

impl Connection {
    /// A connection that was open before collection began: its bytes count from there.
    pub fn is_older(&self) -> bool {
        let is_connection = self.protocol == Protocol::Tcp && self.remote.is_some();
        is_connection && self.opened_ns.is_none() && self.connecting_ns.is_none()
    }

    /// From the first SYN to establishment. `None` for what was accepted, and what failed.
    pub fn connect_latency_ns(&self) -> Option<u64> {
        Some(self.opened_ns?.saturating_sub(self.connecting_ns?))
    }

    /// From establishment to the end. `None` while it lives, and when either was not seen.
    pub fn lifetime_ns(&self) -> Option<u64> {
        Some(self.closed_ns?.saturating_sub(self.opened_ns?))
    }

    /// From establishment to the end, or to `now_ns` while it lives. `None` when the establishment was not
    /// seen.
    pub fn duration_ns(&self, now_ns: u64) -> Option<u64> {
        let opened_ns = self.opened_ns?;
        Some(self.closed_ns.unwrap_or(now_ns).saturating_sub(opened_ns))
    }
}

/// Finds the other ends of connections that have both ends on this host.
#[derive(Debug)]
pub struct Peers<'a> {
    connected: HashMap<Ends, &'a Connection>,
    /// UDP sockets that take datagrams from anybody.
    open: HashMap<(u32, SocketAddr), &'a Connection>,
}

/// Loopback addresses mean another host in each namespace; others do not.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ends {
    namespace: u32,
    protocol: Protocol,
    local: SocketAddr,
    remote: SocketAddr,
}

impl<'a> Peers<'a> {
    pub fn of(connections: &'a [Connection]) -> Self {
        let mut peers = Self {
            connected: HashMap::new(),
            open: HashMap::new(),
        };
        for connection in connections {
            let local = connection.local;
            if let Some(remote) = connection.remote {
                let ends = Ends::new(connection, local, remote);
                peers.connected.insert(ends, connection);
            } else if connection.protocol == Protocol::Udp {
                let namespace = connection.namespace_of(local.ip());
                peers.open.insert((namespace, local), connection);
            }
        }
        peers
    }

    /// The other end. `None` when it is elsewhere.
    pub fn of_connection(&self, connection: &Connection) -> Option<&'a Connection> {
        let remote = connection.remote?;
        let other = Ends::new(connection, remote, connection.local);
        let connected = self.connected.get(&other).copied();
        connected.or_else(|| {
            (connection.protocol == Protocol::Udp)
                .then(|| self.open_at(connection, remote))
                .flatten()
        })
    }

    /// A socket at this address, or, of loopback, at every address.
    fn open_at(&self, connection: &Connection, remote: SocketAddr) -> Option<&'a Connection> {
        let at = |ip: IpAddr| {
            let address = SocketAddr::new(ip, remote.port());
            let namespace = connection.namespace_of(remote.ip());
            self.open.get(&(namespace, address)).copied()
        };
        let exactly = at(remote.ip());
        let everywhere =
            || at(Ipv4Addr::UNSPECIFIED.into()).or_else(|| at(Ipv6Addr::UNSPECIFIED.into()));
        exactly.or_else(|| remote.ip().is_loopback().then(everywhere).flatten())
    }
}

impl Connection {
    /// What tells apart hosts of this address: loopback and wildcard addresses are every namespace's own.
    fn namespace_of(&self, ip: IpAddr) -> u32 {
        if ip.is_loopback() || ip.is_unspecified() {
            self.network_namespace
        } else {
            0
        }
    }
}

impl Ends {
    fn new(connection: &Connection, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            namespace: connection.namespace_of(local.ip()),
            protocol: connection.protocol,
            local,
            remote,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(socket: u64, namespace: u32, local: &str, remote: &str) -> Connection {
        Connection {
            socket,
            owner: None,
            comm: Comm::default(),
            protocol: Protocol::Tcp,
            state: SocketState(1),
            direction: None,
            local: local.parse().unwrap(),
            remote: Some(remote.parse().unwrap()),
            network_namespace: namespace,
            connecting_ns: None,
            opened_ns: Some(100),
            closed_ns: None,
            sent_bytes: 0,
            received_bytes: 0,
            retransmits: Some(0),
            rtt_ns: None,
            error: None,
        }
    }

    #[test]
    fn the_other_end_has_the_ends_the_other_way_round() {
        let connections = [
            connection(1, 7, "127.0.0.1:80", "127.0.0.1:5000"),
            connection(2, 7, "127.0.0.1:5000", "127.0.0.1:80"),
            connection(3, 8, "127.0.0.1:5000", "127.0.0.1:80"),
            connection(4, 7, "10.0.0.1:80", "10.0.0.2:9"),
            connection(5, 8, "10.0.0.2:9", "10.0.0.1:80"),
            connection(6, 8, "10.0.0.2:9", "10.0.0.1:81"),
        ];
        let peers = Peers::of(&connections);
        let peer_of = |index: usize| {
            peers
                .of_connection(&connections[index])
                .map(|peer| peer.socket)
        };
        assert_eq!(peer_of(0), Some(2));
        assert_eq!(peer_of(1), Some(1));
        assert_eq!(peer_of(2), None, "loopback of another namespace");
        assert_eq!(peer_of(3), Some(5));
        assert_eq!(peer_of(5), None);
    }

    #[test]
    fn an_open_udp_socket_is_the_other_end_of_those_that_connect_to_it() {
        let mut connections = [
            connection(1, 7, "127.0.0.1:5000", "127.0.0.1:53"),
            connection(2, 7, "0.0.0.0:53", "0.0.0.0:0"),
            connection(3, 7, "127.0.0.1:5001", "127.0.0.1:54"),
            connection(4, 8, "0.0.0.0:54", "0.0.0.0:0"),
            connection(5, 7, "10.0.0.1:5002", "10.0.0.2:55"),
            connection(6, 8, "10.0.0.2:55", "0.0.0.0:0"),
        ];
        for (index, connection) in connections.iter_mut().enumerate() {
            connection.protocol = Protocol::Udp;
            if index % 2 == 1 {
                connection.remote = None;
            }
        }
        let peers = Peers::of(&connections);
        let peer_of = |index: usize| {
            peers
                .of_connection(&connections[index])
                .map(|peer| peer.socket)
        };
        assert_eq!(peer_of(0), Some(2));
        assert_eq!(peer_of(2), None, "another namespace's loopback");
        assert_eq!(peer_of(4), Some(6));
    }

    #[test]
    fn only_what_was_open_before_is_older() {
        let mut connection = connection(1, 1, "[::1]:1", "[::1]:2");
        assert!(!connection.is_older());
        connection.opened_ns = None;
        assert!(connection.is_older());
        connection.connecting_ns = Some(90);
        assert!(!connection.is_older(), "it has begun to connect");
        connection.connecting_ns = None;
        connection.remote = None;
        assert!(!connection.is_older(), "a listener");
    }

    #[test]
    fn a_connection_lasts_until_it_is_closed() {
        let mut connection = connection(1, 1, "[::1]:1", "[::1]:2");
        assert_eq!(connection.duration_ns(150), Some(50));
        assert_eq!(connection.lifetime_ns(), None, "its end was not seen");
        connection.closed_ns = Some(130);
        assert_eq!(connection.duration_ns(150), Some(30));
        assert_eq!(connection.lifetime_ns(), Some(30));
        connection.opened_ns = None;
        assert_eq!(connection.duration_ns(150), None);
    }
}
