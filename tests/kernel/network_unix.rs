//! Bytes over Unix sockets, which are counted apart from those of the Internet.

use crate::network::{check, check_every_way};

#[test]
fn every_way_over_unix_streams() {
    check_every_way("unix-stream");
}

#[test]
fn every_way_over_unix_datagrams() {
    check_every_way("unix-datagram");
}

#[test]
fn every_way_over_unix_packets() {
    check_every_way("unix-packet");
}

#[test]
fn a_process_of_both_kinds_of_sockets_has_both_apart() {
    check("a descriptor passed over a Unix socket", &["passed"]);
}
