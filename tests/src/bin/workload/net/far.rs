//! Two namespaces, and a link between them that holds every packet for a while and loses some.

use std::{
    collections::VecDeque,
    fs::File,
    io::{Read as _, Seek as _},
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    namespace,
    party::{Flow, Party},
    socket::{self, Address, Family, Transport, moved},
    tcp_info::{TcpInfo, unacknowledged},
};
use crate::child::{Shared, until};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const PORT: u16 = 5_001;
const BYTES: usize = 200_003;
/// Of the client's packets with data, counted from one: these are lost.
const LOST: [u64; 3] = [5, 6, 17];
const DATA_MIN: usize = 200;

/// The client connects, sends, and closes once everything is acknowledged.
pub fn connection(delay_ms: u64) -> Value {
    let shared = Shared::new(6);
    namespace::enter_new();
    let server_link = match namespace::open_tun(SERVER) {
        Ok(link) => link,
        Err(error) => return json!({"refused": format!("/dev/net/tun: {error}")}),
    };
    let listener = socket::open(Family::V4, Transport::Tcp);
    socket::bind(&listener, &Address::v4(SERVER, PORT));
    socket::listen(&listener, 1);
    let server = Party::start("server", |counts| {
        let fd = socket::accept(&listener);
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, BYTES as u64));
        assert_eq!(socket::receive_all(&fd), 0);
        shared.set(0, TcpInfo::of(&fd).retransmits.into());
    });
    drop(listener);
    let server_table = SocketTable::of_own_namespace();
    namespace::enter_new();
    let client_link = namespace::open_tun(CLIENT).expect("a second link");
    let client_table = SocketTable::of_own_namespace();
    let client = Party::start("client", |counts| {
        let fd = socket::open(Family::V4, Transport::Tcp);
        socket::connect(&fd, &Address::v4(SERVER, PORT));
        shared.set(1, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &vec![7; BYTES]));
        until("everything to be acknowledged", || unacknowledged(&fd) == 0);
        let info = TcpInfo::of(&fd);
        shared.set(2, info.retransmits.into());
        shared.set(3, info.rtt_us.into());
    });
    // The link outlives both: what is on its way when they end has to arrive.
    let (server_pid, client_pid) = (server.pid, client.pid);
    let relay = Party::start("the link", |_| {
        relay(
            &client_link,
            &server_link,
            Duration::from_millis(delay_ms),
            &shared,
        );
    });
    let parties = [client.ended(), server.ended()];
    for (whose, mut table) in [("client", client_table), ("server", server_table)] {
        until(&format!("the {whose}'s socket to be gone"), || {
            table.is_empty()
        });
    }
    shared.set(5, 1);
    relay.ended();
    let lost = shared.get(4);
    json!({
        "parties": parties,
        "client": client_pid,
        "server": server_pid,
        "client_address": CLIENT.to_string(),
        "server_address": SERVER.to_string(),
        "port": PORT,
        "client_ports": [shared.get(1)],
        "retransmits": shared.get(2),
        "server_retransmits": shared.get(0),
        "rtt_us": shared.get(3),
        "lost_packets": lost,
    })
}

/// The TCP sockets of the namespace in which it was opened.
struct SocketTable(File);

impl SocketTable {
    fn of_own_namespace() -> Self {
        Self(File::open("/proc/self/net/tcp").expect("the table of sockets"))
    }

    /// But for those in TIME_WAIT (06), which are no sockets any more.
    fn is_empty(&mut self) -> bool {
        let mut table = String::new();
        let read = self
            .0
            .rewind()
            .and_then(|()| self.0.read_to_string(&mut table));
        read.expect("reading the table of sockets");
        table.lines().skip(1).all(|line| line.contains(" 06 "))
    }
}

struct OnTheWay {
    due: Instant,
    to_server: bool,
    packet: Vec<u8>,
}

/// Carries packets both ways, in order, until it is told to end.
fn relay(client: &OwnedFd, server: &OwnedFd, delay: Duration, shared: &Shared) {
    let mut on_the_way: VecDeque<OnTheWay> = VecDeque::new();
    let mut with_data = 0;
    while shared.get(5) == 0 {
        let mut polled = [client, server].map(|link| libc::pollfd {
            fd: link.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        });
        // SAFETY: an array of ours.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), 2, 1) };
        moved("poll", ready as isize);
        for (end, polled) in polled.iter().enumerate() {
            if polled.revents & libc::POLLIN == 0 {
                continue;
            }
            let mut packet = vec![0; 65_536];
            // SAFETY: the buffer is as long.
            let length = unsafe { libc::read(polled.fd, packet.as_mut_ptr().cast(), packet.len()) };
            packet.truncate(moved("reading a packet", length) as usize);
            let to_server = end == 0;
            if to_server && packet.len() > DATA_MIN {
                with_data += 1;
                if LOST.contains(&with_data) {
                    shared.add(4, 1);
                    continue;
                }
            }
            on_the_way.push_back(OnTheWay {
                due: Instant::now() + delay,
                to_server,
                packet,
            });
        }
        while on_the_way
            .front()
            .is_some_and(|first| first.due <= Instant::now())
        {
            let first = on_the_way.pop_front().expect("a first");
            let link = if first.to_server { server } else { client };
            // SAFETY: the pointer is to as many bytes.
            let written = unsafe {
                libc::write(
                    link.as_raw_fd(),
                    first.packet.as_ptr().cast(),
                    first.packet.len(),
                )
            };
            moved("writing a packet", written);
        }
    }
}
