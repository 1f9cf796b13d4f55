//! How connections begin and end.

use procwatch_tests::{
    record::{array, number, text},
    skip::{figure, has_ebpf, measures},
};

use crate::{
    network::{assert_flows, check, recorded},
    network_ends::connections,
};

/// Connections that end as soon as they exist, of which the client has sent so many bytes and nobody has
/// received any.
fn check_brief(how: &str, sent: u64) {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    const COUNT: usize = 200;
    let (record, told) = recorded(&["brief", &COUNT.to_string(), how], 2 * COUNT);
    record.assert_lossless();
    assert_flows(&format!("brief, {how}"), &record, &told);
    let all = connections(&record, &told);
    assert_eq!(all.len(), COUNT);
    for connection in &all {
        for (close, sent) in [
            (connection.client_close, sent),
            (connection.server_close, 0),
        ] {
            let moved = (number(close, "sent_bytes"), number(close, "received_bytes"));
            assert_eq!(moved, (sent, 0), "{close}");
        }
    }
    let durations = all
        .iter()
        .map(|connection| number(connection.client_close, "duration_ns"));
    let shorter = durations.filter(|duration| *duration < 1_000_000).count();
    figure(&format!(
        "brief, {how}: {COUNT} connections, {shorter} of them shorter than a millisecond"
    ));
}

#[test]
fn a_connection_of_less_than_a_millisecond() {
    check_brief("close", 0);
}

#[test]
fn a_connection_that_is_broken_off_before_it_is_accepted() {
    check_brief("reset", 0);
}

#[test]
fn a_connection_that_the_server_breaks_off() {
    check_brief("refusal", 0);
}

#[test]
fn a_connection_that_the_server_closes_without_reading() {
    check_brief("unread", 7);
}

/// Every attempt is told once, with the error, and as nothing else.
fn check_refused(name: &str, address: &str) {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["refused", name], 0);
    assert_flows("refused", &record, &told);
    let port = number(&told, "port");
    for party in array(&told, "parties") {
        let connect = record.the("connect", number(party, "pid"));
        assert_eq!(text(connect, "error"), "ECONNREFUSED", "{connect}");
        assert_eq!(text(connect, "protocol"), "tcp", "{connect}");
        assert_eq!(text(connect, "remote_address"), address, "{connect}");
        assert_eq!(text(connect, "local_address"), address, "{connect}");
        assert_eq!(number(connect, "remote_port"), port, "{connect}");
        assert_eq!(text(connect, "comm"), "workload", "{connect}");
    }
    let accepts = record
        .of_kind("accept")
        .filter(|event| event["local_port"] == port || event["remote_port"] == port);
    assert_eq!(accepts.count(), 0, "nobody accepts at port {port}");
    let closes = record
        .of_kind("close")
        .filter(|event| event["remote_port"] == port)
        .count();
    figure(&format!(
        "refused, {name}: {} told, {closes} told to be closed",
        array(&told, "parties").len()
    ));
}

#[test]
fn a_refused_connection_v4() {
    check_refused("tcp4", "127.0.0.1");
}

#[test]
fn a_refused_connection_v6() {
    check_refused("tcp6", "::1");
}

#[test]
fn a_connection_that_is_never_answered_and_one_that_is_never_accepted() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["unanswered"], 1);
    let connect = record.the("connect", number(&told["never_answered"], "pid"));
    assert_eq!(text(connect, "error"), "ETIMEDOUT", "{connect}");
    assert_eq!(connect["remote_port"], told["port"], "{connect}");
    let filler = number(&told["never_accepted"], "pid");
    let connect = record.the("connect", filler);
    assert!(connect["error"].is_null(), "{connect}");
    assert_eq!(connect["local_port"], told["filler_port"], "{connect}");
    let close = record.the("close", filler);
    assert_eq!(text(close, "direction"), "outgoing", "{close}");
    assert_eq!(close["local_port"], told["filler_port"], "{close}");
    let accepts = record
        .of_kind("accept")
        .filter(|event| event["local_port"] == told["port"])
        .count();
    figure(&format!(
        "unanswered: ETIMEDOUT told; {accepts} told to be accepted"
    ));
    assert_eq!(accepts, 0, "nobody accepted it");
}

#[test]
fn a_connection_made_and_accepted_by_workers_of_io_uring() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["by-workers"], 2);
    assert_flows("io_uring workers", &record, &told);
    let sent = number(&told["parties"][0], "net_sent_bytes");
    for connection in connections(&record, &told) {
        connection.assert_bytes(sent, 0);
    }
}

#[test]
fn a_half_closed_connection_whose_answer_is_read_after_the_server_is_gone() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["half-closed"], 2);
    assert_flows("half closed", &record, &told);
    let client = &told["parties"][0];
    for connection in connections(&record, &told) {
        let (sent, received) = ("net_sent_bytes", "net_received_bytes");
        connection.assert_bytes(number(client, sent), number(client, received));
    }
}

#[test]
fn what_the_server_left_unread_it_has_not_received() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["unread"], 2);
    assert_flows("unread", &record, &told);
    let all = connections(&record, &told);
    let close = all[0].server_close;
    assert_eq!(
        (number(close, "sent_bytes"), number(close, "received_bytes")),
        (0, number(&told["parties"][1], "net_received_bytes")),
        "{close}"
    );
}

#[test]
fn a_sender_killed_inside_of_send_has_sent_what_arrives() {
    check("killed in send", &["killed-sending"]);
}

#[test]
fn a_receiver_killed_inside_of_recv_has_received_what_is_gone() {
    check("killed in recv", &["killed-receiving"]);
}
