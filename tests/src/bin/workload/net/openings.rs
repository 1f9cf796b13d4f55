//! Unusual ways to come to a connection, and one that leads to none.

use std::os::fd::{AsRawFd as _, OwnedFd};

use serde_json::{Value, json};

use super::{
    namespace,
    party::{Flow, Party, await_at_least},
    socket::{self, Address, Family, Transport, moved},
};
use crate::child::{Shared, until};

/// A socket that connects to itself, without anybody who listens: both ends of the connection.
pub fn to_itself() -> Value {
    const BYTES: u64 = 12_347;
    let shared = Shared::new(1);
    let party = Party::start("both ends", |counts| {
        let fd = socket::bound(Family::V4, Transport::Tcp);
        shared.set(0, socket::local_port(&fd).into());
        socket::connect(&fd, &Address::of_socket(&fd));
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; BYTES as usize]));
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, BYTES));
    });
    let pid = party.pid;
    json!({"parties": [party.ended()], "client": pid, "port": shared.get(0)})
}

/// Attempts to connect that nobody answers: one that is given up, and one whose process is killed.
pub fn given_up() -> Value {
    let listener = socket::bound(Family::V4, Transport::Tcp);
    socket::listen(&listener, 0);
    let address = Address::of_socket(&listener);
    // Fills the queue.
    let filler = socket::connected(Family::V4, Transport::Tcp, address.port());
    let attempt = || {
        let fd = socket::open(Family::V4, Transport::Tcp);
        socket::set_nonblocking(&fd);
        let error = socket::try_connect(&fd, &address).expect_err("it does not wait");
        assert_eq!(error.raw_os_error(), Some(libc::EINPROGRESS));
        fd
    };
    let giving_up = Party::start("giving up", |_| drop(attempt()));
    let giving_up = giving_up.ended();
    let shared = Shared::new(1);
    let killed = Party::start("killed", |_| {
        let _fd = attempt();
        shared.set(0, 1);
        loop {
            std::thread::park();
        }
    });
    await_at_least(&shared, 0, 1);
    let killed = killed.killed();
    drop(filler);
    json!({"parties": [giving_up, killed], "port": address.port()})
}

/// One socket for two connections, one after the other.
pub fn used_twice() -> Value {
    const FIRST: u64 = 10_007;
    let shared = Shared::new(3);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let server = Party::start("server", |counts| {
        let first = socket::accept(&listener);
        counts.add(Flow::NetReceived, socket::receive_exact(&first, FIRST));
        counts.add(Flow::NetSent, socket::send_all(&first, &[7; 501]));
        shared.set(0, 1);
        let second = socket::accept(&listener);
        counts.add(Flow::NetReceived, socket::receive_all(&second));
        counts.add(Flow::NetSent, socket::send_all(&second, &[7; 30_011]));
    });
    let client = Party::start("client", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        shared.set(1, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; FIRST as usize]));
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, 501));
        await_at_least(&shared, 0, 1);
        socket::connect(&fd, &Address::unspecified());
        socket::connect(&fd, &Address::loopback(Family::V4, port));
        shared.set(2, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 20_011]));
        socket::shutdown(&fd, libc::SHUT_WR);
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    json!({
        "parties": [client.ended(), server.ended()],
        "client": client_pid,
        "server": server_pid,
        "port": port,
        "client_ports": [shared.get(1), shared.get(2)],
    })
}

/// The first bytes come with the request to connect, and are answered before it is established. In a
/// namespace whose kernel allows it.
pub fn with_the_first_bytes() -> Value {
    const SENT: usize = 1_001;
    const ANSWERED: u64 = 3_001;
    namespace::enter_new();
    let allowed = std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "0x603");
    if let Err(error) = allowed {
        return json!({"refused": format!("tcp_fastopen: {error}")});
    }
    let shared = Shared::new(1);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    socket::option(&listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 16);
    let address = Address::of_socket(&listener);
    let server = Party::start("server", |counts| {
        let fd = socket::accept(&listener);
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, SENT as u64));
        counts.add(
            Flow::NetSent,
            socket::send_all(&fd, &[7; ANSWERED as usize]),
        );
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    let client = Party::start("client", |counts| {
        let fd = socket::open(Family::V4, Transport::Tcp);
        counts.add(Flow::NetSent, send_first(&fd, &[7; SENT], &address));
        shared.set(0, socket::local_port(&fd).into());
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, ANSWERED));
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 513]));
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    let parties = [client.ended(), server.ended()];
    let taken = std::fs::read_to_string("/proc/self/net/netstat").unwrap_or_default();
    json!({
        "parties": parties,
        "client": client_pid,
        "server": server_pid,
        "port": address.port(),
        "client_ports": [shared.get(0)],
        "fast_opens": counter(&taken, "TCPFastOpenPassive"),
    })
}

fn send_first(fd: &OwnedFd, bytes: &[u8], address: &Address) -> u64 {
    let (pointer, length) = (address.pointer(), address.length);
    let start = bytes.as_ptr().cast();
    let flags = libc::MSG_FASTOPEN;
    // SAFETY: the pointer is to as many bytes, and to an address of its length.
    let sent = unsafe { libc::sendto(fd.as_raw_fd(), start, bytes.len(), flags, pointer, length) };
    moved("sending with the request to connect", sent)
}

/// Of a table whose names are a line before its values.
fn counter(table: &str, name: &str) -> Option<u64> {
    let lines: Vec<_> = table.lines().collect();
    lines.chunks(2).find_map(|pair| {
        let at = pair[0].split(' ').position(|field| field == name)?;
        pair.get(1)?.split(' ').nth(at)?.parse().ok()
    })
}

/// So many connections of two processes, open until standard input ends.
pub fn crowd(count: usize) -> Value {
    use std::io::{Read as _, Write as _};
    let shared = Shared::new(3);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let limit = libc::rlimit {
        rlim_cur: count as u64 + 100,
        rlim_max: count as u64 + 100,
    };
    // SAFETY: a limit of ours.
    moved(
        "setrlimit",
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } as isize,
    );
    let server = Party::start("server", |_| {
        let held: Vec<_> = (0..count).map(|_| socket::accept(&listener)).collect();
        shared.set(0, 1);
        await_at_least(&shared, 2, 1);
        drop(held);
    });
    let client = Party::start("client", |_| {
        let connect = |_| socket::connected(Family::V4, Transport::Tcp, port);
        let held: Vec<_> = (0..count).map(connect).collect();
        shared.set(1, 1);
        await_at_least(&shared, 2, 1);
        drop(held);
    });
    until("all connections", || shared.get(0) + shared.get(1) == 2);
    println!(
        "{}",
        json!({"client": client.pid, "server": server.pid, "port": port})
    );
    std::io::stdout().flush().expect("standard output");
    let _ = std::io::stdin().read(&mut [0]);
    shared.set(2, 1);
    json!({"parties": [client.ended(), server.ended()]})
}
