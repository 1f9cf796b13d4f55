//! Maps of the kernel's side that are full: what finds no room is counted, and what does not need it is exact.

use std::time::Duration;

use procwatch_tests::{
    dialogue::Dialogue,
    loop_device::{self, Backing},
    procfs::Io,
    procwatch::Running,
    record::{Recorder, array, number},
    skip::{figure, has_ebpf, measures, way_out_ns},
    wait::until,
};
use serde_json::Value;

use crate::{
    WORKLOAD,
    block::{MIB, dd},
    bomb::Bomb,
};

#[test]
fn closing_records_without_room_are_in_the_nameless_totals() {
    if !has_ebpf() {
        return;
    }
    let witness = Recorder::with(&["--ring-buffer", "64MiB"]);
    let mut top = Running::ready(&[
        "top",
        "--format",
        "json",
        "--interval",
        "2s",
        "--ring-buffer",
        "4KiB",
        "--map-entries",
        "16",
    ]);
    let top_pid = u64::from(top.pid());
    let bomb = Bomb::explode();
    let truth = bomb.cpu_time_ns;
    let shown = top.lines_so_far().len();
    // An account whose closing record is lost is given up after a while.
    let lines = until("all accounts to be closed", Duration::from_secs(40), || {
        let lines = top.lines_so_far();
        (lines.len() > shown + 2 && !bomb.is_any_open(lines.last()?)).then_some(lines)
    });
    top.interrupt().done();
    let witness = witness.stop();
    witness.assert_lossless();
    let last = lines.last().expect("a snapshot");
    let lost = number(&last["loss"], "final_totals");
    let told = bomb.told(&lines);
    figure(&format!(
        "maps full: {lost} closing records lost by name; {}",
        told.check(
            truth,
            bomb.of_others_ns(&witness, &[top_pid]),
            "with 16 entries"
        )
    ));
    assert!(lost > 0 && told.nameless_ns > 0, "the map was to overflow");
}

#[test]
fn bytes_without_room_are_counted_as_lost_and_cpu_stays_exact() {
    if !has_ebpf() || !measures("network") {
        return;
    }
    let recorder = Recorder::with(&["--map-entries", "1"]);
    let told = crate::workload(&["net", "clients", "40", "100000", "2"]);
    let burnt = crate::workload(&["burn", "8", "3"]);
    let record = recorder.stop();
    let loss = &record.summary["loss"];
    let lost = number(loss, "departed_thread") + number(loss, "flow") + number(loss, "skipped");
    let clients = array(&told, "clients");
    let mut short_of = 0;
    for client in clients {
        let exit = record.the("exit", number(client, "pid"));
        for counter in ["net_received_bytes", "net_sent_bytes"] {
            assert!(
                number(exit, counter) <= number(client, counter),
                "{exit} {client}"
            );
        }
        short_of += u64::from(exit["net_received_bytes"] != client["net_received_bytes"]);
    }
    figure(&format!(
        "maps full: of {} clients {short_of} lack bytes, {lost} threads' are counted as lost",
        clients.len()
    ));
    assert!(lost > 0 && short_of > 0, "the map was to overflow: {loss}");
    assert!(
        short_of <= lost,
        "{short_of} lack bytes, {lost} are counted"
    );
    for kind in ["fork", "exec", "exit", "final_totals"] {
        assert_eq!(loss[kind], 0, "{kind}");
    }
    for burner in array(&burnt, "ended") {
        let exit = record.the("exit", number(burner, "pid"));
        let truth = number(&burner["usage"], "cpu_time_ns");
        let off = number(exit, "cpu_time_ns").abs_diff(truth);
        assert!(
            exit["totals_at"] != "final" || off <= way_out_ns(),
            "{off} ns off: {exit} {burner}"
        );
    }
}

#[test]
fn dirtiers_that_gave_way_are_charged_with_less_and_nobody_with_more() {
    if !has_ebpf() || !measures("writeback") {
        return;
    }
    const FILES: u64 = 64;
    const BYTES: u64 = 64 * 1024;
    loop_device::with(Backing::Memory, 64 * MIB, |device| {
        let mounted = device.formatted();
        let recorder = Recorder::with(&["--map-entries", "16"]);
        let (mut writer, told) = Dialogue::start(WORKLOAD, &["storage"]);
        let pid = number(&told, "pid");
        for file in 0..FILES {
            let name = mounted.file(&format!("file-{file}"));
            writer.ask(&format!("write {name} {BYTES}"));
        }
        let kernels = Io::of_process(pid).expect("the writer lives");
        // Whoever syncs is charged with nothing of it.
        let mut sync = std::process::Command::new("sync");
        let sync = procwatch_tests::finished::finish(sync.arg("-f").arg(&mounted.path));
        writer.end();
        let record = recorder.stop();
        let exit = record.the("exit", pid);
        let charged = number(exit, "block_writeback_bytes");
        figure(&format!(
            "maps full: of {} B dirtied in {FILES} files {charged} are charged with room for 16",
            FILES * BYTES
        ));
        assert_eq!(number(exit, "write_bytes"), kernels.write_bytes, "{exit}");
        assert_eq!(kernels.write_bytes, FILES * BYTES);
        assert!(charged < FILES * BYTES, "the map was to overflow: {exit}");
        let of_sync = record.the("exit", sync.pid);
        assert_eq!(number(of_sync, "block_writeback_bytes"), 0, "{of_sync}");
    });
}

#[test]
fn requests_without_room_are_charged_to_the_byte() {
    if !has_ebpf() || !measures("block") {
        return;
    }
    loop_device::with(Backing::Memory, 64 * MIB, |device| {
        let recorder = Recorder::with(&["--map-entries", "8"]);
        let before = device.statistics();
        let output = format!("of={}", device.path());
        let operands = ["if=/dev/zero", &output, "bs=4M", "count=16", "oflag=direct"];
        let finished = procwatch_tests::finished::finish(&mut dd(&operands));
        let moved = device.statistics().since(&before);
        let record = recorder.stop();
        let exit: &Value = record.the("exit", finished.pid);
        assert_eq!(moved.write_bytes, 64 * MIB);
        assert_eq!(
            number(exit, "block_write_bytes"),
            moved.write_bytes,
            "{exit}"
        );
        let timed = number(exit, "block_ios");
        figure(&format!(
            "maps full: {} requests of {} B, all bytes charged, {timed} requests timed with room for 8",
            moved.writes, moved.write_bytes
        ));
        assert!(
            timed <= moved.writes + finished.io.read_bytes / 512,
            "{exit}"
        );
    });
}
