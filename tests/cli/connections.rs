//! The list of connections: the same in every format, and a clear word where it cannot be had.

use std::net::{TcpListener, TcpStream, UdpSocket};

use procwatch_tests::{
    procwatch::run,
    record::{array, number, text},
    skip::has_ebpf,
};

use crate::csv;

#[test]
fn without_ebpf_it_says_so() {
    let ended = run(&["connections", "--no-ebpf"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.is_empty(), "{}", ended.text());
    let last = ended.stderr.last().expect("a word");
    assert!(
        last.starts_with("procwatch: connections cannot be listed: "),
        "{last}"
    );
}

#[test]
fn every_format_tells_the_same() {
    if !has_ebpf() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    let client = TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("its other end");
    let datagrams = UdpSocket::bind("[::1]:0").expect("a socket");
    let pid = std::process::id().to_string();

    let of_format = |format: &str| {
        let arguments = ["connections", "--pid", &pid, "--listening", "--format"];
        run(&[arguments.as_slice(), &[format]].concat()).done()
    };
    let list = of_format("json").json_lines().remove(0);
    let rows = array(&list, "connections");
    let ports = |port: u16| {
        rows.iter()
            .filter(|row| number(row, "local_port") == u64::from(port))
            .count()
    };
    assert_eq!(
        ports(address.port()),
        2,
        "the listener and what it accepted"
    );
    let client_port = client.local_addr().expect("its address").port();
    assert_eq!(ports(client_port), 1);
    let udp_port = datagrams.local_addr().expect("its address").port();
    let udp = rows
        .iter()
        .find(|row| number(row, "local_port") == u64::from(udp_port))
        .expect("the UDP socket");
    assert_eq!(text(udp, "protocol"), "udp");
    assert_eq!(text(udp, "local_address"), "::1");
    assert!(udp["remote_port"].is_null(), "{udp}");
    assert!(udp["retransmits"].is_null(), "{udp}");

    let records = csv::parse(of_format("csv").text());
    assert_eq!(records.len(), rows.len() + 1);
    for (record, row) in records[1..].iter().zip(rows) {
        for (name, field) in records[0].iter().zip(record) {
            let value = match name.as_str() {
                "peer_pid" => &row["peer"]["pid"],
                name => &row[name],
            };
            // Both are of the moment that they were printed.
            if ["duration_ns", "rtt_ns"].contains(&name.as_str()) {
                continue;
            }
            let value = match value {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(*field, value, "{name} of {row}");
        }
    }
    let table = of_format("table");
    let of_us = table.text().lines().filter(|line| {
        let first = line.split_whitespace().next();
        first == Some(pid.as_str())
    });
    assert_eq!(of_us.count(), rows.len(), "{}", table.text());
    drop(server);
}
