//! A sender and a receiver in two processes, for every way to send and every way to receive.

use std::os::fd::OwnedFd;

use serde_json::{Value, json};

use super::{
    party::{Flow, Party},
    receiving::{self, CUT_BYTES, Receiver},
    sending::{self, Sender},
    socket::{self, Address, Family, Transport},
    uring::Ring,
};

const STREAM: &[usize] = &[1, 2, 999, 4_099, 65_537, 300_007, 1_000_003];
const DATAGRAMS: &[usize] = &[1, 3, 511, 1_473, 9_001, 40_009, 65_507];
/// Room for all datagrams at once, so that none is dropped.
const ROOM: i32 = 16 << 20;

/// `name` is a transport and a family, as in `tcp6`.
pub fn every_way(name: &str) -> Value {
    let (family, transport) = socket::parse(name);
    let plain = (sending::by("send"), receiving::by("recv"));
    let senders = sending::WAYS.iter().map(|way| (way, plain.1));
    let receivers = receiving::WAYS
        .iter()
        .map(|way| (sending::by(way.partner), way));
    let pairs: Vec<_> = senders
        .chain(receivers)
        .filter(|(sending, receiving)| (sending.is_for)(transport) && (receiving.is_for)(transport))
        .map(|(sending, receiving)| pair(family, transport, sending, receiving))
        .collect();
    json!({"pid": std::process::id(), "pairs": pairs})
}

fn pair(
    family: Family,
    transport: Transport,
    sending: &'static sending::Way,
    receiving: &'static receiving::Way,
) -> Value {
    let mut told = json!({"sending": sending.name, "receiving": receiving.name, "parties": []});
    for operation in [sending.needs, receiving.needs].into_iter().flatten() {
        if let Err(why) = Ring::supports(operation) {
            told["refused"] = why.into();
            return told;
        }
    }
    let is_stream = transport.is_stream();
    let pieces = if is_stream { STREAM } else { DATAGRAMS };
    let receiver_fd = socket::bound(family, transport);
    socket::option(&receiver_fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, ROOM);
    if transport.is_accepted() {
        socket::listen(&receiver_fd, 1);
    }
    let address = Address::of_socket(&receiver_fd);
    let (sent_flow, received_flow) = if transport.is_unix() {
        (Flow::UnixSent, Flow::UnixReceived)
    } else {
        (Flow::NetSent, Flow::NetReceived)
    };
    let expected: u64 = pieces.iter().map(|piece| *piece as u64).sum();
    let kept: u64 = pieces
        .iter()
        .map(|piece| (*piece).min(CUT_BYTES) as u64)
        .sum();
    let until = if receiving.cuts { kept } else { expected };

    let who = format!("receiver by {}", receiving.name);
    let mapped = crate::child::Shared::new(1);
    let receiver = Party::start(&who, |counts| {
        let fd = if transport.is_accepted() {
            socket::accept(&receiver_fd)
        } else {
            receiver_fd.try_clone().expect("a descriptor")
        };
        let mut receiver = Receiver::new(fd, transport, receiving);
        counts.add(received_flow, receiver.receive(until));
        mapped.set(0, receiver.window.map_or(0, |window| window.mapped));
    });
    drop(receiver_fd);
    let who = format!("sender by {}", sending.name);
    let sender = Party::start(&who, |counts| {
        let fd = socket::open(family, transport);
        // A datagram of sendto(2) has its address with it.
        if transport.is_accepted() || sending.name != "sendto" {
            socket::connect(&fd, &address);
        }
        counts.add(sent_flow, send(fd, address, sending, pieces));
    });
    let counts = (sender.counts, receiver.counts);
    let parties = [sender.ended(), receiver.ended()];
    // The two ends have to agree before anybody else is asked.
    assert_eq!(counts.0.get(sent_flow), expected, "{}", sending.name);
    assert_eq!(counts.1.get(received_flow), until, "{}", receiving.name);
    told["parties"] = json!(parties);
    told["mapped_bytes"] = mapped.get(0).into();
    told
}

fn send(fd: OwnedFd, peer: Address, way: &'static sending::Way, pieces: &[usize]) -> u64 {
    let largest = pieces.iter().max().expect("a piece");
    let bytes = vec![7; *largest];
    let mut sender = Sender::new(fd, peer, way);
    let sent = pieces
        .iter()
        .map(|piece| sender.send(&bytes[..*piece]))
        .sum();
    sender.finish();
    sent
}

/// So many bytes by one blocking send(2), received by one recv(2) that waits for all of them.
pub fn single_call(bytes: usize) -> Value {
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let receiver = Party::start("receiver by one recv", |counts| {
        let fd = socket::accept(&listener);
        let received = socket::receive(&fd, &mut vec![0; bytes], libc::MSG_WAITALL);
        assert_eq!(received, bytes as u64, "one recv takes all");
        counts.add(Flow::NetReceived, received);
        assert_eq!(socket::receive_all(&fd), 0);
    });
    let sender = Party::start("sender by one send", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        let sent = socket::send(&fd, &vec![7; bytes], 0);
        assert_eq!(sent, bytes as u64, "one send takes all");
        counts.add(Flow::NetSent, sent);
    });
    json!({"parties": [sender.ended(), receiver.ended()]})
}

/// More bytes over one connection than 32 bits count. The receiver throws them away, which costs least.
pub fn many_bytes(bytes: u64) -> Value {
    const PIECE: u64 = 16 << 20;
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let receiver = Party::start("receiver", |counts| {
        let fd = socket::accept(&listener);
        let mut buffer = vec![0; PIECE as usize];
        loop {
            let received = socket::receive(&fd, &mut buffer, libc::MSG_TRUNC);
            if received == 0 {
                break;
            }
            counts.add(Flow::NetReceived, received);
        }
    });
    let sender = Party::start("sender", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        let buffer = vec![7; PIECE as usize];
        let mut rest = bytes;
        while rest > 0 {
            let sent = socket::send_all(&fd, &buffer[..rest.min(PIECE) as usize]);
            counts.add(Flow::NetSent, sent);
            rest -= sent;
        }
    });
    drop(listener);
    let parties = [sender.ended(), receiver.ended()];
    assert_eq!(parties[1]["net_received_bytes"], bytes);
    json!({"port": port, "parties": parties})
}
