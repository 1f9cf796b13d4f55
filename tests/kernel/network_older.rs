//! Processes that were inside of a call when collection began: what they receive from then on is counted,
//! and what they received before is not.

use procwatch_tests::{
    dialogue::Dialogue,
    record::{Recorder, number},
    skip::{figure, has_ebpf, measures},
};

use crate::WORKLOAD;

/// A receiver that waits inside of a call of that way.
fn check(name: &str, way: &str) {
    // Functions that are hooked at their return tell of calls alone that began after that. Over TCP what such a
    // call misses is read off the connection.
    if !has_ebpf() || name.starts_with("tcp") && !measures("connections") {
        return;
    }
    const MOVED: [u64; 3] = [10_007, 3, 20_011];
    let (mut role, told) = Dialogue::start(WORKLOAD, &["net", "blocked", name, way]);
    let recorder = Recorder::start();
    for bytes in MOVED {
        role.ask(&bytes.to_string());
    }
    role.end();
    let record = recorder.stop();
    // Datagrams end with one of a byte.
    let total = MOVED.iter().sum::<u64>() + u64::from(name.starts_with("udp"));
    let kind = if name.starts_with("unix") {
        "unix"
    } else {
        "net"
    };
    let (sent, received) = (
        format!("{kind}_sent_bytes"),
        format!("{kind}_received_bytes"),
    );
    let sender = record.the("exit", number(&told, "sender"));
    let receiver = record.the("exit", number(&told, "receiver"));
    figure(&format!(
        "older, {name} by {way}: {} sent and {} received of {total}",
        sender[&sent], receiver[&received]
    ));
    assert_eq!(
        (&sender[&sent], &sender[&received]),
        (&total.into(), &0.into())
    );
    assert_eq!(
        (&receiver[&sent], &receiver[&received]),
        (&0.into(), &total.into())
    );
}

#[test]
fn inside_of_recv_over_tcp() {
    check("tcp4", "recv");
}

#[test]
fn inside_of_splice_over_tcp() {
    check("tcp6", "splice");
}

#[test]
fn inside_of_recv_over_udp() {
    check("udp4", "recv");
}

#[test]
fn inside_of_recv_over_unix() {
    check("unix-stream", "recv");
}

#[test]
fn inside_of_io_uring() {
    check("tcp4", "io_uring RECV");
}

#[test]
fn inside_of_recv_over_multipath_tcp() {
    check("mptcp4", "recv");
}
