//! What is left in the kernel when procwatch is gone, and how it goes.

use std::time::Duration;

use procwatch_tests::{
    bpf::{Objects, pins, program_info},
    procwatch::Running,
    record::Record,
    skip::{figure, has_ebpf},
    wait::until,
};

#[test]
fn nothing_is_left_in_the_kernel_after_sigkill() {
    if !has_ebpf() {
        return;
    }
    let pins_before = pins();
    let running = Running::ready(&["events", "--format", "json"]);
    let own = Objects::of_process(running.pid());
    let names: Vec<_> = own
        .programs
        .iter()
        .filter_map(|id| program_info(*id))
        .map(|info| info.name)
        .collect();
    assert!(
        names.iter().filter(|name| name.starts_with("pw_")).count() >= 4 && own.maps.len() >= 3,
        "it holds programs and maps while it runs: {names:?}, {:?}",
        own.maps
    );
    assert_eq!(
        own.also_in(&Objects::of_host()),
        own,
        "the kernel knows them by these ids"
    );
    assert_eq!(pins(), pins_before, "nothing is pinned");
    let killed = std::time::Instant::now();
    running.signal(libc::SIGKILL);
    let ended = running.wait();
    assert_eq!(ended.code, None, "SIGKILL ended it");
    // The kernel frees them from a work queue, a grace period later.
    until("programs and maps to go", Duration::from_secs(2), || {
        own.also_in(&Objects::of_host()).is_empty().then_some(())
    });
    figure(&format!(
        "cleanup: {} programs and {} maps gone {:.0?} after SIGKILL",
        own.programs.len(),
        own.maps.len(),
        killed.elapsed()
    ));
    assert_eq!(pins(), pins_before, "nothing is pinned");
}

#[test]
fn signals_end_events_with_its_summary() {
    if !has_ebpf() {
        return;
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let running = Running::ready(&["events", "--format", "json"]);
        crate::workload(&["burn", "1", "1"]);
        running.signal(signal);
        let record = Record::of(&running.wait().done());
        record.assert_lossless();
        assert!(
            record.of_kind("exit").count() >= 2,
            "the burner and its parent have ended"
        );
    }
}

#[test]
fn signals_end_the_live_table_and_a_snapshot_under_way() {
    if !has_ebpf() {
        return;
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut running = Running::ready(&["top", "--format", "json", "--interval", "100ms"]);
        until("two snapshots", Duration::from_secs(10), || {
            (running.lines_so_far().len() >= 2).then_some(())
        });
        running.signal(signal);
        let ended = running.wait().done();
        assert!(ended.stdout.ends_with(b"\n"), "the last line is whole");
        assert!(ended.json_lines().len() >= 2);

        let running = Running::ready(&["top", "--once", "--format", "json", "--interval", "1h"]);
        running.signal(signal);
        running.wait().done();
    }
}
