//! A receiver that waits inside of a call for whatever comes, and a sender that sends so many bytes for
//! each line of standard input, which is their number.

use std::io::{BufRead as _, Write as _};

use serde_json::{Value, json};

use super::{
    party::{Flow, Party, await_at_least},
    receiving::{self, Receiver},
    socket::{self, Address},
};
use crate::{
    child::{Shared, until},
    parse,
};

/// What is moved before the first line is asked for.
const BEFORE: u64 = 1_001;

pub fn receiver(name: &str, way: &str) -> Value {
    let (family, transport) = socket::parse(name);
    let (sent_flow, received_flow) = if transport.is_unix() {
        (Flow::UnixSent, Flow::UnixReceived)
    } else {
        (Flow::NetSent, Flow::NetReceived)
    };
    // Slots: the number of the line, its bytes; the last one has none.
    let shared = Shared::new(2);
    let bound = socket::bound(family, transport);
    if transport.is_accepted() {
        socket::listen(&bound, 1);
    }
    let address = Address::of_socket(&bound);
    let receiver = Party::start("receiver inside of a call", |counts| {
        let fd = if transport.is_accepted() {
            socket::accept(&bound)
        } else {
            bound.try_clone().expect("a descriptor")
        };
        let mut receiver = Receiver::new(fd, transport, receiving::by(way));
        loop {
            let piece = receiver.receive_once();
            // The end of a stream, or the last datagram.
            if piece <= 1 {
                counts.add(received_flow, piece);
                break;
            }
            counts.add(received_flow, piece);
        }
    });
    let sender = Party::start("sender", |counts| {
        let fd = socket::open(family, transport);
        socket::connect(&fd, &address);
        for line in 1.. {
            await_at_least(&shared, 0, line);
            let bytes = shared.get(1) as usize;
            if bytes > 0 {
                counts.add(sent_flow, socket::send_all(&fd, &vec![7; bytes]));
            } else {
                if !transport.is_accepted() {
                    counts.add(sent_flow, socket::send_all(&fd, &[7]));
                }
                break;
            }
        }
    });
    let mut line = 0;
    let mut total = 0;
    let mut send = |bytes: u64| {
        line += 1;
        total += bytes;
        shared.set(1, bytes);
        shared.set(0, line);
        if bytes > 0 {
            until("the bytes to be received", || {
                receiver.counts.get(received_flow) == total
            });
            until("the receiver to wait again", || is_waiting(receiver.pid));
        }
    };
    send(BEFORE);
    let told = json!({"sender": sender.pid, "receiver": receiver.pid});
    tell(&told);
    for line in std::io::stdin().lock().lines() {
        send(parse(&line.expect("a line")));
        tell(&Value::Null);
    }
    send(0);
    json!({"parties": [sender.ended(), receiver.ended()]})
}

/// Whether the process sleeps inside of a system call.
fn is_waiting(pid: i32) -> bool {
    let calls = [
        libc::SYS_recvfrom,
        libc::SYS_splice,
        libc::SYS_io_uring_enter,
    ];
    std::fs::read_to_string(format!("/proc/{pid}/syscall")).is_ok_and(|call| {
        let number = call.split(' ').next().and_then(|call| call.parse().ok());
        number.is_some_and(|number| calls.contains(&number))
    })
}

fn tell(value: &Value) {
    println!("{value}");
    std::io::stdout().flush().expect("standard output");
}
