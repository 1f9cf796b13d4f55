//! Segments that were sent again, and times of flight, against what the kernel told the connection's
//! own process.

use procwatch_tests::{
    record::{number, text},
    skip::{figure, has_ebpf, measures, skip},
};

use crate::{
    network::{assert_flows, recorded},
    network_ends::{Connection, Path, connections},
};

/// No acknowledgement on this host takes longer.
const RTT_MAX_NS: u64 = 10_000_000_000;

fn assert_retransmits(connection: &Connection<'_>, told: &serde_json::Value) {
    for (close, truth) in [
        (connection.client_close, "retransmits"),
        (connection.server_close, "server_retransmits"),
    ] {
        assert_eq!(close["retransmits"], told[truth], "{close}");
    }
}

#[test]
fn retransmits_are_those_of_tcp_info() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    let (record, told) = recorded(&["retransmits", "3"], 2);
    assert_flows("retransmits", &record, &told);
    let all = connections(&record, &told);
    let rtt_ns = number(all[0].client_close, "rtt_ns");
    figure(&format!(
        "retransmits: {} of {}; rtt {rtt_ns} ns, at the last acknowledgement but one {} us",
        all[0].client_close["retransmits"], told["retransmits"], told["rtt_us"]
    ));
    assert!(number(&told, "retransmits") >= 3);
    assert_retransmits(&all[0], &told);
    assert!((1..RTT_MAX_NS).contains(&rtt_ns), "{rtt_ns}");
}

#[test]
fn a_far_connection_has_its_delay_and_its_losses() {
    if !has_ebpf() || !measures("connections") {
        return;
    }
    // A link of our own stands in for netem, which not every kernel has.
    const DELAY_MS: u64 = 10;
    const ROUND_TRIP_NS: u64 = 2 * DELAY_MS * 1_000_000;
    let (record, told) = recorded(&["far", &DELAY_MS.to_string()], 2);
    if let Some(why) = told["refused"].as_str() {
        skip(why);
        return;
    }
    assert_flows("far", &record, &told);
    let path = Path {
        client_address: text(&told, "client_address"),
        client_port: told["client_ports"][0].as_u64().expect("a port"),
        server_address: text(&told, "server_address"),
        server_port: number(&told, "port"),
    };
    let (client, server) = (number(&told, "client"), number(&told, "server"));
    let connection = Connection::of(&record, path, client, server);
    let sent = number(&told["parties"][0], "net_sent_bytes");
    let rtt_ns = number(connection.client_close, "rtt_ns");
    let latency_ns = number(connection.connect, "latency_ns");
    figure(&format!(
        "far: round trip at least {ROUND_TRIP_NS} ns, told {rtt_ns} ns (TCP_INFO {} us), connecting {latency_ns} ns; \
         {} segments sent again for {} lost",
        told["rtt_us"], connection.client_close["retransmits"], told["lost_packets"]
    ));
    connection.assert_bytes(sent, 0);
    assert!(number(&told, "retransmits") > 0, "segments were lost");
    assert_retransmits(&connection, &told);
    // The link holds every packet that long, so nothing can be faster.
    assert!((ROUND_TRIP_NS..RTT_MAX_NS).contains(&rtt_ns), "{rtt_ns}");
    assert!(
        (ROUND_TRIP_NS..RTT_MAX_NS).contains(&latency_ns),
        "{latency_ns}"
    );
    let _ = connection.accept;
}
