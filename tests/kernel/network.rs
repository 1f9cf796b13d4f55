//! Bytes over sockets, against what both ends' calls told them.

use std::time::{Duration, Instant};

use procwatch_tests::{
    record::{Record, Recorder, array, number, text},
    skip::{figure, has_ebpf, skip, skip_part, unsupported},
};
use serde_json::Value;

use crate::workload;

const FLOWS: [&str; 4] = [
    "net_sent_bytes",
    "net_received_bytes",
    "unix_sent_bytes",
    "unix_received_bytes",
];

/// Runs a role of the network, and records it until so many sockets are told to be closed that were
/// opened or accepted by a process of it; or, should that not come, for a while.
///
/// Once more where the kernel has skipped a program, as those that preempt them do: what that would have told is
/// missing, and is counted as such by the kernel itself.
pub fn recorded(arguments: &[&str], closes: usize) -> (Record, Value) {
    const ATTEMPTS: u32 = 5;
    for attempt in 1..ATTEMPTS {
        let (record, told) = recorded_once(arguments, closes);
        let skipped = number(&record.summary["loss"], "skipped");
        if skipped == 0 {
            return (record, told);
        }
        figure(&format!(
            "attempt {attempt}: the kernel skipped {skipped} runs"
        ));
    }
    recorded_once(arguments, closes)
}

fn recorded_once(arguments: &[&str], closes: usize) -> (Record, Value) {
    let mut recorder = Recorder::start();
    let told = role(arguments);
    let deadline = Instant::now() + Duration::from_secs(10);
    let told_pids = pids(&told);
    // A socket is destroyed after its process's end, when the other end has acknowledged.
    while closes > 0 && Instant::now() < deadline {
        let lines = recorder.0.lines_so_far();
        let is_ours = |event: &&Value| {
            event["type"] == "close"
                && event["pid"]
                    .as_u64()
                    .is_some_and(|pid| told_pids.contains(&pid))
        };
        if lines.iter().filter(is_ours).count() >= closes {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    (recorder.stop(), told)
}

pub fn role(arguments: &[&str]) -> Value {
    let mut all = vec!["net"];
    all.extend(arguments);
    workload(&all)
}

/// Those of all parties, wherever they are told.
fn pids(told: &Value) -> Vec<u64> {
    match told {
        Value::Object(fields) => {
            let own = fields.get("who").and(fields.get("pid"));
            let own = own.and_then(Value::as_u64);
            own.into_iter()
                .chain(fields.values().flat_map(pids))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(pids).collect(),
        _ => Vec::new(),
    }
}

/// What the parties' exits have that their calls did not tell them.
pub fn differences(record: &Record, parties: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for party in parties {
        let exit = record.the("exit", number(party, "pid"));
        for flow in FLOWS {
            if exit[flow] != party[flow] {
                let (measured, truth) = (&exit[flow], &party[flow]);
                let who = text(party, "who");
                found.push(format!("{who}: {flow} is {measured}, and was {truth}"));
            }
        }
    }
    found
}

/// Compares the exits of all parties with what their calls told them.
pub fn assert_flows(what: &str, record: &Record, told: &Value) {
    let parties = array(told, "parties");
    let found = differences(record, parties);
    assert!(found.is_empty(), "{what}: {found:#?}");
    let sum = |flow: &str| -> u64 { parties.iter().map(|party| number(party, flow)).sum() };
    let sums = FLOWS.map(|flow| sum(flow).to_string()).join(" ");
    figure(&format!(
        "{what}: {} = {sums}, {} processes to the byte",
        FLOWS.join(" "),
        parties.len()
    ));
}

/// Runs a role whose parties are to have moved what they told.
pub fn check(what: &str, arguments: &[&str]) {
    if !has_ebpf() {
        return;
    }
    let (record, told) = recorded(arguments, 0);
    assert_flows(what, &record, &told);
}

/// Every way to send and to receive, each by two processes of its own.
pub fn check_every_way(name: &str) {
    if !has_ebpf() {
        return;
    }
    let (record, told) = recorded(&["every-way", name], 0);
    let mut found = Vec::new();
    let pairs = array(&told, "pairs");
    let mut bytes = 0;
    for pair in pairs {
        if let Some(why) = pair["refused"].as_str() {
            skip_part(&format!(
                "{} and {}: {why}",
                pair["sending"], pair["receiving"]
            ));
        }
        let (sending, receiving) = (text(pair, "sending"), text(pair, "receiving"));
        if let Some(why) = past_calls_unseen(name, receiving) {
            // What is left out is named, and not hidden: README says the same.
            skip_part(&format!("{sending} and {receiving}: {why}"));
            continue;
        }
        let parties = array(pair, "parties");
        bytes += parties
            .iter()
            .flat_map(|party| FLOWS.map(|flow| number(party, flow)))
            .sum::<u64>();
        for difference in differences(&record, parties) {
            found.push(format!("{sending} -> {receiving}: {difference}"));
        }
    }
    // It made the sockets, and moved nothing.
    let idle = record.the("exit", number(&told, "pid"));
    for flow in FLOWS {
        assert_eq!(idle[flow], 0, "{flow} of the parent: {idle}");
    }
    figure(&format!(
        "{name}: {} ways, {bytes} bytes at both ends, {} differences",
        pairs.len(),
        found.len()
    ));
    assert!(found.is_empty(), "{name}: {found:#?}");
}

/// Why what goes past `recvmsg` out of sockets of that name is not counted here.
fn past_calls_unseen(name: &str, receiving: &str) -> Option<String> {
    let is_spliced = receiving.to_lowercase().contains("splice");
    let is_past_calls = is_spliced || receiving.starts_with("zerocopy");
    match name {
        "unix-stream" if is_spliced => Some("no hook tells of it".to_owned()),
        // Read off the connection.
        "tcp4" | "tcp6" | "mptcp4" if is_past_calls => unsupported("connections").or_else(|| {
            let is_past_us = name == "mptcp4" && is_spliced && kernel_has("mptcp_splice_read");
            is_past_us
                .then(|| "this kernel splices out of MPTCP sockets past every hook".to_owned())
        }),
        _ => None,
    }
}

/// Whether the running kernel has a function of that name.
fn kernel_has(function: &str) -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms").expect("the kernel's symbols");
    let name = |line: &str| line.split_whitespace().nth(2) == Some(function);
    symbols.lines().any(name)
}

#[test]
fn every_way_over_tcp_v4() {
    check_every_way("tcp4");
}

#[test]
fn every_way_over_tcp_v6() {
    check_every_way("tcp6");
}

#[test]
fn every_way_over_udp_v4() {
    check_every_way("udp4");
}

#[test]
fn every_way_over_udp_v6() {
    check_every_way("udp6");
}

#[test]
fn every_way_over_multipath_tcp() {
    if !std::path::Path::new("/proc/sys/net/mptcp").exists() {
        skip("this kernel has no MPTCP");
        return;
    }
    // Its bytes go through TCP sockets of the kernel's own, and are to be counted once.
    check_every_way("mptcp4");
}

#[test]
fn eight_mebibytes_in_one_call() {
    check("one call", &["single-call", "8388608"]);
}

#[test]
fn more_bytes_than_32_bits_count() {
    if !has_ebpf() {
        return;
    }
    const BYTES: u64 = 5_000_000_001;
    let (record, told) = recorded(&["many-bytes", &BYTES.to_string()], 2);
    assert_flows("many bytes", &record, &told);
    let parties = array(&told, "parties");
    for (party, moved) in parties.iter().zip([(BYTES, 0), (0, BYTES)]) {
        let close = record.the("close", number(party, "pid"));
        let told = (number(close, "sent_bytes"), number(close, "received_bytes"));
        assert_eq!(told, moved, "{close}");
    }
}

#[test]
fn talk_with_the_kernel_is_no_traffic() {
    check("netlink", &["netlink"]);
}

#[test]
fn raw_sockets_are_of_the_internet() {
    check("echo over a raw socket", &["echo"]);
}

#[test]
fn what_the_error_queue_hands_back_is_not_received() {
    check("error queues", &["error-queues"]);
}

#[test]
fn an_urgent_byte_is_received_once() {
    check("urgent", &["urgent"]);
}

#[test]
fn calls_that_fail_move_nothing() {
    check("failing calls", &["failures"]);
}
