//! Bytes that are spliced out of a connection by a process that neither opened nor accepted it, and that
//! ends long before the connection does.

use std::os::fd::{AsRawFd as _, OwnedFd};

use serde_json::{Value, json};

use super::{
    party::{Counts, Flow, Party, await_at_least, ended_well, fork},
    pipe::{self, Pipe},
    socket::{self, Family, Transport},
};
use crate::child::Shared;

const OF_CHILD: u64 = 70_009;
const OF_PARENT: usize = 30_011;

pub fn by_a_child() -> Value {
    let of_child: &'static Counts = Box::leak(Box::new(Counts::new()));
    let shared = Shared::new(2);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let server = Party::start("server", |counts| {
        let fd = socket::accept(&listener);
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, 1));
        let child = fork(|| of_child.add(Flow::NetReceived, splice_exact(&fd, OF_CHILD)));
        shared.set(0, child as u64);
        ended_well("the server's child", child);
        shared.set(1, 1);
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    let client = Party::start("client", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        let first = vec![7; 1 + OF_CHILD as usize];
        counts.add(Flow::NetSent, socket::send_all(&fd, &first));
        await_at_least(&shared, 1, 1);
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; OF_PARENT]));
    });
    let parties = [client.ended(), server.ended()];
    let [client, server] = parties;
    let child = of_child.json("server's child, by splice", shared.get(0) as i32);
    json!({"parties": [client, server, child]})
}

fn splice_exact(fd: &OwnedFd, bytes: u64) -> u64 {
    let mut pipe = Pipe::open();
    let mut received = 0;
    while received < bytes {
        let piece = pipe::splice(fd.as_raw_fd(), pipe.writer(), (bytes - received) as usize);
        assert_ne!(piece, 0, "the stream ended early");
        pipe.drain(piece);
        received += piece;
    }
    received
}
