//! Connections of which one end outlives the other.

use std::os::fd::{AsRawFd as _, OwnedFd};

use serde_json::{Value, json};

use super::{
    party::{Flow, Party, await_at_least},
    socket::{self, Family, Transport},
};
use crate::child::{Shared, until};

/// The client says that it is done sending; the server answers, closes and is gone before the client
/// begins to read the answer, in small pieces.
pub fn half_closed() -> Value {
    const REQUEST: usize = 12_345;
    const ANSWER: usize = 2_000_003;
    let shared = Shared::new(2);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    // So that the whole answer has room on the way.
    socket::option(&listener, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 16 << 20);
    let port = socket::local_port(&listener);
    let server = Party::start("server", |counts| {
        let fd = socket::accept(&listener);
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
        counts.add(Flow::NetSent, socket::send_all(&fd, &vec![7; ANSWER]));
    });
    drop(listener);
    let client = Party::start("client", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        shared.set(1, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; REQUEST]));
        socket::shutdown(&fd, libc::SHUT_WR);
        await_at_least(&shared, 0, 1);
        let mut buffer = [0; 4_099];
        loop {
            let received = socket::receive(&fd, &mut buffer, 0);
            if received == 0 {
                break;
            }
            counts.add(Flow::NetReceived, received);
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    let server = server.ended();
    shared.set(0, 1);
    let client = client.ended();
    assert_eq!(client["net_received_bytes"], ANSWER);
    json!({
        "parties": [client, server],
        "client": client_pid,
        "server": server_pid,
        "port": port,
        "client_ports": [shared.get(1)],
    })
}

/// A sender that is killed inside of send(2), when only part of its bytes had room. What it had sent is
/// what the receiver then finds.
pub fn killed_sending() -> Value {
    const ENOUGH: i32 = 50_000;
    let shared = Shared::new(2);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let receiver = Party::start("receiver", |counts| {
        let fd = socket::accept(&listener);
        until("bytes to be on their way", || unread(&fd) > ENOUGH);
        shared.set(0, 1);
        await_at_least(&shared, 1, 1);
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    drop(listener);
    let sender = Party::start("sender killed in send", |_| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        let sent = socket::send_all(&fd, &vec![7; 256 << 20]);
        panic!("{sent} bytes had room");
    });
    await_at_least(&shared, 0, 1);
    let counts = sender.counts;
    let (who, pid) = ("sender killed in send", sender.pid);
    sender.killed();
    shared.set(1, 1);
    let arrived = receiver.counts;
    let receiver = receiver.ended();
    counts.add(Flow::NetSent, arrived.get(Flow::NetReceived));
    json!({"parties": [counts.json(who, pid), receiver]})
}

/// A receiver that is killed inside of a recv(2) that waits for more than has come.
pub fn killed_receiving() -> Value {
    const BYTES: usize = 300_007;
    let shared = Shared::new(1);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let sender = Party::start("sender", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        counts.add(Flow::NetSent, socket::send_all(&fd, &vec![7; BYTES]));
        await_at_least(&shared, 0, 1);
    });
    let fd = socket::accept(&listener);
    let receiver = Party::start("receiver killed in recv", |_| {
        let received = socket::receive(&fd, &mut vec![0; 2 * BYTES], libc::MSG_WAITALL);
        panic!("{received} bytes were enough");
    });
    until("all to be received", || {
        sender.counts.get(Flow::NetSent) == BYTES as u64 && unread(&fd) == 0
    });
    receiver.counts.add(Flow::NetReceived, BYTES as u64);
    let receiver = receiver.killed();
    shared.set(0, 1);
    json!({"parties": [sender.ended(), receiver]})
}

/// A server that closes before it has read everything: what it has not read it has not received.
pub fn unread_at_close() -> Value {
    let shared = Shared::new(3);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let server = Party::start("server", |counts| {
        let fd = socket::accept(&listener);
        await_at_least(&shared, 0, 1);
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, 5_003));
    });
    let client = Party::start("client", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        shared.set(2, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 30_011]));
        shared.set(0, 1);
        await_at_least(&shared, 1, 1);
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    let server = server.ended();
    shared.set(1, 1);
    json!({
        "parties": [client.ended(), server],
        "client": client_pid,
        "server": server_pid,
        "port": port,
        "client_ports": [shared.get(2)],
    })
}

/// Bytes that wait to be received.
fn unread(fd: &OwnedFd) -> i32 {
    let mut bytes = 0_i32;
    // SAFETY: an int of ours.
    let error = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    socket::moved("FIONREAD", error as isize);
    bytes
}
