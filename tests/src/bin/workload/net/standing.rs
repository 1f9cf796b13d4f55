//! A connection that stays, and does as it is told on standard input, line by line:
//! `move SENT ANSWERED` moves bytes from the client to the server and back, `close` closes both ends.

use std::{
    io::{BufRead as _, Write as _},
    net::Ipv6Addr,
    os::fd::OwnedFd,
};

use serde_json::{Value, json};

use super::{
    namespace,
    party::{Counts, Flow, Party, await_at_least},
    socket::{self, Address, Family, Transport},
};
use crate::{child::Shared, parse};

/// Both have the same in every namespace.
const OWN_SERVER_PORT: u16 = 5_001;
const OWN_CLIENT_PORT: u16 = 40_001;

/// Slots: how many steps are asked for, and the bytes of the last; how many steps each has done, counted
/// from being ready; the client's port.
const STEP: usize = 0;
const SENT: usize = 1;
const ANSWERED: usize = 2;
const CLIENT: usize = 3;
const SERVER: usize = 4;
const CLIENT_PORT: usize = 5;
/// In place of a number of bytes.
const CLOSE: u64 = u64::MAX;
const END: u64 = u64::MAX - 1;

/// Where a standing connection is.
struct Place {
    family: Family,
    client_family: Family,
    transport: Transport,
    is_dual: bool,
    is_apart: bool,
}

/// `name` is `tcp4`, …, `udp6`; or `dual`, a server of both families and a client of the older one.
/// `where_` is `here`, or `apart` for a namespace of its own, with ports that are the same in each.
pub fn connection(name: &str, where_: &str) -> Value {
    let is_dual = name == "dual";
    let (family, transport) = socket::parse(if is_dual { "tcp6" } else { name });
    let place = Place {
        family,
        client_family: if is_dual { Family::V4 } else { family },
        transport,
        is_dual,
        is_apart: where_ == "apart",
    };
    if place.is_apart {
        namespace::enter_new();
    }
    let bound = place.bound();
    let port = socket::local_port(&bound);
    let shared = Shared::new(6);
    let server = Party::start("server", |counts| {
        place.serve(bound, &shared, counts);
    });
    let client = Party::start("client", |counts| {
        place.ask(port, &shared, counts);
    });
    await_at_least(&shared, CLIENT, 1);
    await_at_least(&shared, SERVER, 1);
    tell(&json!({
        "pid": std::process::id(),
        "client": client.pid,
        "server": server.pid,
        "client_port": shared.get(CLIENT_PORT),
        "server_port": port,
    }));
    let mut step = 0;
    let mut ask = |sent, answered| {
        step += 1;
        shared.set(SENT, sent);
        shared.set(ANSWERED, answered);
        shared.set(STEP, step);
        await_at_least(&shared, CLIENT, 1 + step);
        await_at_least(&shared, SERVER, 1 + step);
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["move", sent, answered] => ask(parse(sent), parse(answered)),
            ["close"] => ask(CLOSE, CLOSE),
            other => panic!("unknown step {other:?}"),
        }
        tell(&json!({"done": line}));
    }
    ask(END, END);
    json!({"parties": [client.ended(), server.ended()]})
}

/// Before the role ends.
fn tell(value: &Value) {
    println!("{value}");
    std::io::stdout().flush().expect("standard output");
}

impl Place {
    fn bound(&self) -> OwnedFd {
        let bound = socket::open(self.family, self.transport);
        let port = if self.is_apart { OWN_SERVER_PORT } else { 0 };
        let address = if self.is_dual {
            Address::v6(Ipv6Addr::UNSPECIFIED, port)
        } else {
            Address::loopback(self.family, port)
        };
        socket::bind(&bound, &address);
        if self.transport.is_accepted() {
            socket::listen(&bound, 1);
        }
        bound
    }

    /// The client: one datagram, or the bytes of a stream; then the answer.
    fn ask(&self, port: u16, shared: &Shared, counts: &Counts) {
        let fd = socket::open(self.client_family, self.transport);
        if self.is_apart {
            socket::bind(&fd, &Address::loopback(self.client_family, OWN_CLIENT_PORT));
        }
        socket::connect(&fd, &Address::loopback(self.client_family, port));
        shared.set(CLIENT_PORT, socket::local_port(&fd).into());
        steps(shared, CLIENT, fd, |fd, sent, answered| {
            counts.add(Flow::NetSent, socket::send_all(fd, &vec![7; sent as usize]));
            counts.add(Flow::NetReceived, socket::receive_exact(fd, answered));
        });
    }

    /// The server, whose socket for datagrams stays without a connection.
    fn serve(&self, bound: OwnedFd, shared: &Shared, counts: &Counts) {
        if self.transport.is_accepted() {
            let fd = socket::accept(&bound);
            steps(shared, SERVER, fd, |fd, sent, answered| {
                counts.add(Flow::NetReceived, socket::receive_exact(fd, sent));
                counts.add(
                    Flow::NetSent,
                    socket::send_all(fd, &vec![7; answered as usize]),
                );
            });
        } else {
            steps(shared, SERVER, bound, |fd, sent, answered| {
                counts.add(Flow::NetReceived, socket::receive_exact(fd, sent));
                let client = Address::loopback(self.client_family, shared.get(CLIENT_PORT) as u16);
                if answered > 0 {
                    let bytes = vec![7; answered as usize];
                    counts.add(Flow::NetSent, socket::send_to(fd, &bytes, &client));
                }
            });
        }
    }
}

/// Does what is asked for until the end; `act` moves bytes.
fn steps(shared: &Shared, who: usize, fd: OwnedFd, mut act: impl FnMut(&OwnedFd, u64, u64)) {
    let mut fd = Some(fd);
    for step in 1.. {
        shared.set(who, step);
        await_at_least(shared, STEP, step);
        match shared.get(SENT) {
            END => {
                shared.set(who, step + 1);
                return;
            }
            CLOSE => drop(fd.take()),
            sent => act(fd.as_ref().expect("it is open"), sent, shared.get(ANSWERED)),
        }
    }
}
