//! Many short clients of one server whose workers inherit its listener.

use std::os::fd::{AsRawFd as _, OwnedFd};

use serde_json::{Value, json};

use super::{
    party::{Counts, Flow, Party},
    socket::{self, Family, Transport},
};
use crate::child::Shared;

const TOGETHER: usize = 25;
const PIECE: usize = 40_009;
/// A request starts with its length and the client's number.
const HEAD: usize = 4;

/// Slots: whether the clients are all gone; by client, the port and the worker.
const DONE: usize = 0;

const fn port_slot(client: usize) -> usize {
    1 + 2 * client
}

const fn worker_slot(client: usize) -> usize {
    2 + 2 * client
}

/// So many processes connect, ask, are answered with so many bytes, and end.
pub fn clients(count: usize, bytes: usize, workers: usize) -> Value {
    let shared = Shared::new(1 + 2 * count);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    socket::set_nonblocking(&listener);
    let port = socket::local_port(&listener);
    let workers: Vec<_> = (0..workers)
        .map(|number| {
            Party::start(&format!("worker {number}"), |counts| {
                serve(&listener, &shared, bytes, counts);
            })
        })
        .collect();
    let mut clients = Vec::new();
    for first in (0..count).step_by(TOGETHER) {
        let wave: Vec<_> = (first..count.min(first + TOGETHER))
            .map(|number| {
                Party::start(&format!("client {number}"), |counts| {
                    fetch(number, port, &shared, counts);
                })
            })
            .collect();
        clients.extend(wave.into_iter().map(Party::ended));
    }
    shared.set(DONE, 1);
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client["net_received_bytes"], bytes, "{client}");
        client["port"] = shared.get(port_slot(number)).into();
        client["worker"] = shared.get(worker_slot(number)).into();
    }
    let workers: Vec<_> = workers.into_iter().map(Party::ended).collect();
    json!({"pid": std::process::id(), "port": port, "clients": clients, "workers": workers})
}

fn fetch(number: usize, port: u16, shared: &Shared, counts: &Counts) {
    let length = HEAD + number % 97;
    let mut request = vec![0; length];
    request[..2].copy_from_slice(&(length as u16).to_be_bytes());
    request[2..HEAD].copy_from_slice(&(number as u16).to_be_bytes());
    let fd = socket::connected(Family::V4, Transport::Tcp, port);
    shared.set(port_slot(number), socket::local_port(&fd).into());
    counts.add(Flow::NetSent, socket::send_all(&fd, &request));
    counts.add(Flow::NetReceived, socket::receive_all(&fd));
}

fn serve(listener: &OwnedFd, shared: &Shared, bytes: usize, counts: &Counts) {
    let answer = vec![7; PIECE];
    while shared.get(DONE) == 0 {
        let Some(fd) = accept_soon(listener) else {
            continue;
        };
        let mut request = [0; 256];
        let mut received = 0;
        while received < HEAD
            || received < usize::from(u16::from_be_bytes([request[0], request[1]]))
        {
            received += socket::receive(&fd, &mut request[received..], 0) as usize;
        }
        counts.add(Flow::NetReceived, received as u64);
        let number = usize::from(u16::from_be_bytes([request[2], request[3]]));
        shared.set(worker_slot(number), std::process::id().into());
        let mut rest = bytes;
        while rest > 0 {
            let sent = socket::send_all(&fd, &answer[..rest.min(PIECE)]);
            counts.add(Flow::NetSent, sent);
            rest -= sent as usize;
        }
    }
}

/// A connection, unless none comes for a while or another worker takes it.
fn accept_soon(listener: &OwnedFd) -> Option<OwnedFd> {
    let mut polled = libc::pollfd {
        fd: listener.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd of ours.
    unsafe { libc::poll(&raw mut polled, 1, 20) };
    socket::try_accept(listener).ok()
}
