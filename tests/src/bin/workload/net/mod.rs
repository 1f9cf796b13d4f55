//! Traffic on loopback: who moves how many bytes, over what, and how.
//!
//! Every process counts by the return values of its own calls, and the two ends have to agree before
//! anybody else is asked.

mod aio;
mod blocked;
mod far;
mod fetch;
mod halves;
mod handshakes;
mod lossy;
mod namespace;
mod openings;
mod pairs;
mod party;
mod pipe;
mod receiving;
mod requests;
mod sending;
mod sharing;
mod socket;
mod splicing;
mod standing;
mod strangers;
mod tcp_info;
mod uring;
mod zerocopy;

use serde_json::Value;

use crate::parse;

pub fn role(arguments: &[&str]) -> Value {
    party::limit_life();
    match arguments {
        ["every-way", name] => pairs::every_way(name),
        ["single-call", bytes] => pairs::single_call(parse(bytes)),
        ["many-bytes", bytes] => pairs::many_bytes(parse(bytes)),
        ["clients", count, bytes, workers] => {
            fetch::clients(parse(count), parse(bytes), parse(workers))
        }
        ["brief", count, how] => handshakes::brief(parse(count), how),
        ["refused", name] => handshakes::refused(name),
        ["by-workers"] => handshakes::by_workers(),
        ["unanswered"] => handshakes::unanswered(),
        ["half-closed"] => halves::half_closed(),
        ["killed-sending"] => halves::killed_sending(),
        ["killed-receiving"] => halves::killed_receiving(),
        ["unread"] => halves::unread_at_close(),
        ["threads"] => sharing::threads(),
        ["ended-threads"] => sharing::ended_threads(),
        ["executed"] => sharing::executed(),
        ["after-exec", fd] => sharing::after_exec(parse(fd)),
        ["forked"] => sharing::forked(),
        ["handed-down"] => sharing::handed_down(),
        ["spliced"] => splicing::by_a_child(),
        ["passed"] => sharing::passed(),
        ["retransmits", at_least] => lossy::retransmits(parse(at_least)),
        ["far", delay_ms] => far::connection(parse(delay_ms)),
        ["netlink"] => strangers::netlink(),
        ["echo"] => strangers::echo(),
        ["error-queues"] => strangers::error_queues(),
        ["urgent"] => strangers::urgent(),
        ["to-itself"] => openings::to_itself(),
        ["given-up"] => openings::given_up(),
        ["used-twice"] => openings::used_twice(),
        ["first-bytes"] => openings::with_the_first_bytes(),
        ["crowd", count] => openings::crowd(parse(count)),
        ["blocked", name, way] => blocked::receiver(name, way),
        ["failures"] => strangers::failures(),
        ["standing", name, place] => standing::connection(name, place),
        other => panic!("unknown role of the network {other:?}"),
    }
}
