//! Connections of which the beginning and the end are all.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use serde_json::{Value, json};

use super::{
    party::{Flow, Party, await_at_least},
    requests,
    socket::{self, Address, Family, Transport},
    uring::{self, Request, Ring, op},
};
use crate::child::Shared;

/// What the client sends where the server does not read.
const UNREAD: usize = 7;

/// So many connections, one after the other, that end in a certain way: the client closes at once
/// (`close`), or breaks off (`reset`); the server breaks off (`refusal`), or closes without having read what
/// has come (`unread`). The server does nothing else with what it has accepted.
pub fn brief(count: usize, how: &str) -> Value {
    let shared = Shared::new(count);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let server = Party::start("server", |_| {
        for number in 0..count {
            let fd = socket::accept(&listener);
            match how {
                "refusal" => {
                    // One that is broken off before `connect` has returned fails there.
                    while shared.get(number) == 0 {
                        std::thread::yield_now();
                    }
                    socket::reset_on_close(&fd);
                }
                "unread" => {
                    socket::poll(&fd, libc::POLLIN);
                }
                _ => (),
            }
        }
    });
    let client = Party::start("client", |counts| {
        for number in 0..count {
            let fd = socket::connected(Family::V4, Transport::Tcp, port);
            shared.set(number, socket::local_port(&fd).into());
            match how {
                "close" => (),
                "reset" => socket::reset_on_close(&fd),
                "refusal" => {
                    socket::poll(&fd, libc::POLLIN);
                }
                "unread" => {
                    counts.add(Flow::NetSent, socket::send_all(&fd, &[7; UNREAD]));
                    socket::poll(&fd, libc::POLLIN);
                }
                other => panic!("unknown way to end a connection {other:?}"),
            }
        }
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    let parties = [client.ended(), server.ended()];
    json!({
        "parties": parties,
        "client": client_pid,
        "server": server_pid,
        "port": port,
        "client_ports": (0..count).map(|number| shared.get(number)).collect::<Vec<_>>(),
    })
}

/// Connections to a port at which nobody listens: by a call that waits, by one that does not, and by a
/// worker of io_uring.
pub fn refused(name: &str) -> Value {
    let (family, transport) = socket::parse(name);
    // Keeps the port, and does not listen.
    let holder = socket::bound(family, transport);
    let address = Address::of_socket(&holder);
    let attempts = ["waiting", "not waiting", "io_uring"].map(|how| {
        let party = Party::start(how, |_| {
            let fd = socket::open(family, transport);
            let error = match how {
                "waiting" => socket::try_connect(&fd, &address).err(),
                "not waiting" => {
                    socket::set_nonblocking(&fd);
                    connect_later(&fd, &address)
                }
                _ => connect_by_worker(&fd, &address),
            };
            let number = error.and_then(|error| error.raw_os_error());
            assert_eq!(number, Some(libc::ECONNREFUSED), "{how}");
        });
        party.ended()
    });
    json!({"parties": attempts, "port": address.port()})
}

/// Starts to connect, and waits for the outcome.
fn connect_later(fd: &OwnedFd, address: &Address) -> Option<io::Error> {
    let error = socket::try_connect(fd, address).expect_err("it does not wait");
    if error.raw_os_error() != Some(libc::EINPROGRESS) {
        return Some(error);
    }
    socket::poll(fd, libc::POLLOUT);
    let mut number = 0;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: an int of ours.
    let failed = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut number).cast(),
            &raw mut length,
        )
    };
    socket::moved("SO_ERROR", failed as isize);
    (number != 0).then(|| io::Error::from_raw_os_error(number))
}

fn connect_by_worker(fd: &OwnedFd, address: &Address) -> Option<io::Error> {
    let completion = Ring::open(0).expect("a ring").run(Request {
        opcode: op::CONNECT,
        flags: uring::ASYNC,
        fd: fd.as_raw_fd(),
        address: address.pointer() as u64,
        offset: address.length.into(),
        ..Request::default()
    });
    (completion.result < 0).then(|| io::Error::from_raw_os_error(-completion.result))
}

/// Connected and accepted by workers of io_uring, then a few bytes by plain calls.
pub fn by_workers() -> Value {
    const BYTES: usize = 12_347;
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let address = Address::of_socket(&listener);
    let client_port = Shared::new(1);
    let server = Party::start("server", |counts| {
        let accepted = Ring::open(0).expect("a ring").run(Request {
            opcode: op::ACCEPT,
            flags: uring::ASYNC,
            fd: listener.as_raw_fd(),
            ..Request::default()
        });
        assert!(accepted.result >= 0, "io_uring ACCEPT: {}", accepted.result);
        let fd = socket::owned("io_uring ACCEPT", accepted.result);
        let mut ring = Ring::open(0).expect("a ring");
        let mut buffer = vec![0; BYTES];
        loop {
            let mut request = requests::on(op::RECV, &fd, &buffer);
            request.flags = uring::ASYNC;
            let received = requests::run(&mut ring, request);
            if received == 0 {
                break;
            }
            buffer.fill(0);
            counts.add(Flow::NetReceived, received);
        }
    });
    let client = Party::start("client", |counts| {
        let fd = socket::open(Family::V4, Transport::Tcp);
        if let Some(error) = connect_by_worker(&fd, &address) {
            panic!("io_uring CONNECT: {error}");
        }
        client_port.set(0, socket::local_port(&fd).into());
        let sent = socket::send_all(&fd, &[7; BYTES]);
        counts.add(Flow::NetSent, sent);
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    json!({
        "parties": [client.ended(), server.ended()],
        "client": client_pid,
        "server": server_pid,
        "port": address.port(),
        "client_ports": [client_port.get(0)],
    })
}

/// A connection whose requests for one are never answered, for the listener's queue is full; and those
/// that fill it, which nobody ever accepts.
pub fn unanswered() -> Value {
    let listener = socket::bound(Family::V4, Transport::Tcp);
    // One more than the backlog has room.
    socket::listen(&listener, 0);
    let address = Address::of_socket(&listener);
    let shared = Shared::new(3);
    let filler = Party::start("never accepted", |_| {
        let fd = socket::connected(Family::V4, Transport::Tcp, address.port());
        shared.set(0, socket::local_port(&fd).into());
        shared.set(1, 1);
        await_at_least(&shared, 2, 1);
        drop(fd);
    });
    await_at_least(&shared, 1, 1);
    let attempt = Party::start("never answered", |_| {
        let fd = socket::open(Family::V4, Transport::Tcp);
        socket::option(&fd, libc::IPPROTO_TCP, libc::TCP_SYNCNT, 1);
        let error = socket::try_connect(&fd, &address).expect_err("the queue is full");
        assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
    });
    let attempt = attempt.ended();
    shared.set(2, 1);
    let filler = filler.ended();
    json!({"never_answered": attempt, "never_accepted": filler, "port": address.port(), "filler_port": shared.get(0)})
}
