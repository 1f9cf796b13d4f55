//! As many processes as this host takes within seconds.

use procwatch_tests::{
    dialogue::Dialogue,
    procfs::colon_number,
    procwatch::run,
    record::{array, number},
    skip::{figure, has_ebpf, skip},
};

use crate::WORKLOAD;

/// No more than this, for others use this host too; ten thousand in the test of everything.
const CROWD_MAX: u64 = 20_000;
/// Pids and threads that are left to others.
const SPARE: u64 = 8_000;
/// What the kernel takes for a process of one sleeping thread, generously.
const PROCESS_BYTES: u64 = 64 * 1024;

/// How many processes may be added here.
fn room() -> u64 {
    let limit = |file: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{file}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = colon_number(&memory, "MemAvailable").unwrap_or(0) * 1024;
    [limit("pid_max"), limit("threads-max")]
        .into_iter()
        .flatten()
        .map(|most| most.saturating_sub(SPARE))
        .fold(CROWD_MAX, u64::min)
        .min(available / 4 / PROCESS_BYTES)
}

#[test]
fn every_one_of_a_crowd_is_seen() {
    if !has_ebpf() {
        return;
    }
    let is_long = std::env::var_os("PROCWATCH_LONG").is_some();
    let wanted = room().min(if is_long { CROWD_MAX } else { 10_000 });
    if wanted < 5_000 {
        skip(&format!(
            "there is room for {wanted} more processes here, and no more"
        ));
        return;
    }
    let (crowd, told) = Dialogue::start(WORKLOAD, &["crowd", &wanted.to_string()]);
    let (creator, children) = (number(&told, "pid"), number(&told, "children"));
    let arguments = ["top", "--once", "--interval", "100ms", "--format", "json"];
    let snapshot = run(&arguments).done().json_lines().remove(0);
    let by_proc = run(&[&arguments[..], &["--no-ebpf"]].concat()).done();
    let by_proc = by_proc.json_lines().remove(0);
    let status = run(&["status", "--format", "json"]).json_lines().remove(0);
    crowd.end();

    let count = |snapshot: &serde_json::Value| {
        let rows = array(snapshot, "processes").iter();
        let mut pids: Vec<u64> = rows
            .filter(|row| row["ppid"] == creator)
            .map(|row| number(row, "pid"))
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids.len() as u64
    };
    let own_rss = |snapshot: &serde_json::Value| {
        let is_own =
            |row: &&serde_json::Value| row["argv"][1] == "top" && row["argv"][2] == "--once";
        let own = array(snapshot, "processes").iter().find(is_own);
        own.and_then(|row| row["rss_bytes"].as_u64()).unwrap_or(0) as f64 / 1e6
    };
    figure(&format!(
        "crowd: {children} of {wanted} processes made{}; {} seen by eBPF with {:.1} MB resident, {} by /proc with {:.1} \
         MB; status: {:.1} MB",
        told["refused"]
            .as_str()
            .map_or_else(String::new, |why| format!(" ({why})")),
        count(&snapshot),
        own_rss(&snapshot),
        count(&by_proc),
        own_rss(&by_proc),
        number(&status["own_cost"], "rss_bytes") as f64 / 1e6,
    ));
    assert_eq!(count(&snapshot), children);
    assert_eq!(count(&by_proc), children);
    for (kind, lost) in snapshot["loss"].as_object().expect("losses") {
        assert_eq!(lost, 0, "{kind}");
    }
}
