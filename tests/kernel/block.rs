//! Block I/O that processes hand to a device themselves, against the device's own counters and the kernel's
//! account of the process.

use std::process::Command;

use procwatch_tests::{
    dialogue::Dialogue,
    finished::{Finished, finish, finish_telling},
    loop_device::{self, Backing, LoopDevice, Statistics},
    procfs::Io,
    record::{Record, Recorder, number},
    skip::{figure, has_ebpf, program, skip},
};
use serde_json::Value;

use crate::WORKLOAD;

pub const MIB: u64 = 1 << 20;

/// dd with these operands. Runs once for nothing first, so that it is in the page cache.
pub fn dd(operands: &[&str]) -> Command {
    let mut warm = Command::new("dd");
    finish(warm.args(["if=/dev/null", "of=/dev/null"]));
    let mut command = Command::new("dd");
    command.args(operands);
    command
}

/// What `path` is made of in pages or blocks of 4 KiB.
pub const fn whole_pages(bytes: u64) -> u64 {
    bytes.div_ceil(4096) * 4096
}

/// What fio tells, which may say something else before it.
pub fn json_in(text: &str) -> Value {
    let begin = text.find('{').expect("an object");
    serde_json::from_str(&text[begin..]).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The I/O counters of an exit are those that the kernel had for the zombie, which had no children.
pub fn assert_kernels(exit: &Value, finished: &Finished) {
    for (name, truth) in finished.io.named() {
        assert_eq!(number(exit, name), truth, "{name}: {exit}");
    }
}

/// Block I/O of a process that moved what the device did, besides the pages of its own program that have
/// gone from the page cache: those are in the kernel's account as well.
#[track_caller]
fn assert_block(record: &Record, exit: &Value, kernels: &Io, device: &Statistics) {
    let expected = [
        ("block_read_bytes", kernels.read_bytes),
        ("block_write_bytes", device.write_bytes),
        ("block_writeback_bytes", 0),
    ];
    for (name, truth) in expected {
        assert_eq!(number(exit, name), truth, "{name}: {exit}");
    }
    let (requests, ours) = (device.reads + device.writes, number(exit, "block_ios"));
    let is_alone = kernels.read_bytes == device.read_bytes;
    assert!(kernels.read_bytes >= device.read_bytes, "{kernels:?}");
    // One that could not be followed is counted, and its bytes are charged all the same.
    let lost = number(&record.summary["loss"], "block");
    assert!(
        ours <= requests && ours + lost >= requests || !is_alone && ours > requests,
        "{requests} requests of the device, {lost} lost: {exit}"
    );
    assert!(
        number(exit, "block_latency_ns") > 0,
        "devices take time: {exit}"
    );
}

#[test]
fn direct_io_on_a_device_is_charged_to_the_byte() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 64 * MIB, |device| {
        // The last size is more than the device takes in one request.
        for (size, count) in [(512, 777), (4096, 1001), (256 * 1024, 200), (4 * MIB, 13)] {
            direct_both_ways(device, size, count);
        }
    });
}

fn direct_both_ways(device: &LoopDevice, size: u64, count: u64) {
    let (bs, count_operand) = (format!("bs={size}"), format!("count={count}"));
    let (from, to) = (
        format!("if={}", device.path()),
        format!("of={}", device.path()),
    );
    let mut write = dd(&["if=/dev/zero", &to, &bs, &count_operand, "oflag=direct"]);
    let mut read = dd(&[&from, "of=/dev/null", &bs, &count_operand, "iflag=direct"]);
    let recorder = Recorder::start();
    let before = device.statistics();
    let write = finish(&mut write);
    let between = device.statistics();
    let read = finish(&mut read);
    let after = device.statistics();
    let record = recorder.stop();

    let bytes = size * count;
    let (written, was_read) = (between.since(&before), after.since(&between));
    assert_eq!(
        (written.write_bytes, written.read_bytes),
        (bytes, 0),
        "the device wrote what dd did, and nothing else"
    );
    assert_eq!((was_read.write_bytes, was_read.read_bytes), (0, bytes));
    assert_eq!(write.io.write_bytes, bytes, "by the kernel's account");
    assert!(read.io.read_bytes >= bytes, "by the kernel's account");

    let exit = record.the("exit", write.pid);
    assert_kernels(exit, &write);
    assert_block(&record, exit, &write.io, &written);
    assert_time(exit, written.write_ns, size);
    figure(&format!(
        "block: dd of {count} × {size} B: wrote {} B in {} requests, {:.1} µs each, queued {:.1} µs",
        exit["block_write_bytes"],
        exit["block_ios"],
        number(exit, "block_latency_ns") as f64 / 1e3 / written.writes as f64,
        number(exit, "block_queue_ns") as f64 / 1e3 / written.writes as f64,
    ));
    let exit = record.the("exit", read.pid);
    assert_kernels(exit, &read);
    assert_block(&record, exit, &read.io, &was_read);
    assert_time(exit, was_read.read_ns, size);
}

/// The device's own count of time begins before a request is issued, and ends after it is completed: when
/// whoever waits for it has been woken, and perhaps has run. It is in milliseconds.
#[track_caller]
fn assert_time(exit: &Value, device_ns: u64, size: u64) {
    let latency = number(exit, "block_latency_ns");
    assert!(
        latency <= device_ns + 2_000_000,
        "{latency} ns from issue to completion, {device_ns} ns by the device's count"
    );
    // One request at a time.
    if size < MIB {
        let queue = number(exit, "block_queue_ns");
        assert!(latency + queue <= number(exit, "lifetime_ns"), "{exit}");
    }
}

#[test]
fn direct_io_on_a_file_and_reading_through_the_cache() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        let mounted = device.formatted();
        let path = mounted.file("direct");
        let (bytes, to, from) = (20 * MIB, format!("of={path}"), format!("if={path}"));
        let mut write = dd(&["if=/dev/zero", &to, "bs=256k", "count=80", "oflag=direct"]);
        let recorder = Recorder::start();
        let write = finish(&mut write);
        let written = recorder.stop();
        let exit = written.the("exit", write.pid);
        assert_kernels(exit, &write);
        figure(&format!(
            "block: dd oflag=direct to a file: write_bytes {}, block_write_bytes {} of {bytes}",
            exit["write_bytes"], exit["block_write_bytes"]
        ));
        assert_eq!(number(exit, "write_bytes"), bytes);
        assert_eq!(number(exit, "block_write_bytes"), bytes);
        assert_eq!(number(exit, "block_writeback_bytes"), 0);

        // Mounted anew, there is nothing of it in the page cache: dd reads metadata as well.
        for flag in ["iflag=direct", "iflag=fullblock"] {
            mounted.mount_anew();
            let mut read = dd(&[&from, "of=/dev/null", "bs=256k", flag]);
            let recorder = Recorder::start();
            let before = device.statistics();
            let read = finish(&mut read);
            let was_read = device.statistics().since(&before);
            let record = recorder.stop();
            let exit = record.the("exit", read.pid);
            assert_kernels(exit, &read);
            assert!(was_read.read_bytes >= bytes, "it came from the device");
            assert_block(&record, exit, &read.io, &was_read);
            figure(&format!(
                "block: dd {flag} of a file of {bytes} B: {} B in {} requests, metadata included",
                exit["block_read_bytes"], exit["block_ios"]
            ));
        }
    });
}

#[test]
fn who_syncs_is_charged_with_what_that_writes() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        let mounted = device.formatted();
        let (own, others) = (mounted.file("own"), mounted.file("others"));
        // Neither is a whole number of pages.
        let (own_bytes, others_bytes) = (10 * MIB + 123, 6 * MIB + 1);
        let own_operand = format!("of={own}");
        let mut synced = dd(&[
            "if=/dev/zero",
            &own_operand,
            "bs=10485883",
            "count=1",
            "conv=fsync",
        ]);

        let recorder = Recorder::start();
        let synced = finish(&mut synced);
        let (mut writer, told) = Dialogue::start(WORKLOAD, &["storage"]);
        writer.ask(&format!("write {others} {others_bytes}"));
        let stranger = finish(Command::new("sync").arg(&others));
        writer.end();
        let record = recorder.stop();

        let exit = record.the("exit", synced.pid);
        assert_kernels(exit, &synced);
        figure(&format!(
            "block: dd conv=fsync of {own_bytes} B: write_bytes {}, block_write_bytes {}",
            exit["write_bytes"], exit["block_write_bytes"]
        ));
        assert_eq!(number(exit, "write_bytes"), whole_pages(own_bytes));
        assert_eq!(number(exit, "block_write_bytes"), whole_pages(own_bytes));
        assert_eq!(number(exit, "block_writeback_bytes"), 0);

        // Whoever calls fsync hands the pages to the device, and it is no kernel thread.
        let exit = record.the("exit", stranger.pid);
        assert_eq!(number(exit, "write_bytes"), 0, "sync dirties nothing");
        assert_eq!(number(exit, "block_write_bytes"), whole_pages(others_bytes));
        let exit = record.the("exit", number(&told, "pid"));
        assert_eq!(number(exit, "write_bytes"), whole_pages(others_bytes));
        assert_eq!(number(exit, "block_write_bytes"), 0);
        assert_eq!(number(exit, "block_writeback_bytes"), 0);
    });
}

#[test]
fn threads_dead_and_living_are_charged_to_their_process() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 64 * MIB, |device| {
        let (threads, bytes) = (6, 3 * MIB + 4096);
        let recorder = Recorder::start();
        let before = device.statistics();
        let (mut writer, told) = Dialogue::start(WORKLOAD, &["storage"]);
        writer.ask(&format!("direct {} {threads} {bytes}", device.path()));
        let written = device.statistics().since(&before);
        let pid = number(&told, "pid");
        let truth = Io::of_process(pid).expect("it lives");
        writer.end();
        let record = recorder.stop();
        assert_eq!(written.write_bytes, threads * bytes);
        let exit = record.the("exit", pid);
        assert_eq!(number(exit, "write_bytes"), truth.write_bytes);
        assert_block(&record, exit, &truth, &written);
        figure(&format!(
            "block: {threads} threads wrote {} B in {} requests",
            exit["block_write_bytes"], exit["block_ios"]
        ));
    });
}

/// Calls that are not read(2) or write(2), some of which a thread of the kernel's making carries out for
/// the process, and under its name.
#[test]
fn asynchronous_io_is_that_of_its_process() {
    let (true, Some(fio)) = (has_ebpf(), program("fio")) else {
        return;
    };
    loop_device::with(Backing::Memory, 64 * MIB, |device| {
        for engine in [
            &["--ioengine=libaio"][..],
            &["--ioengine=io_uring"],
            &["--ioengine=io_uring", "--force_async=1"],
            &["--ioengine=io_uring", "--sqthread_poll=1"],
            &["--ioengine=psync", "--numjobs=3", "--group_reporting"],
        ] {
            let mut command = Command::new(&fio);
            command
                .args(["--name=mixed", "--thread", "--direct=1", "--rw=randrw"])
                .args(["--bs=16k", "--size=16M", "--iodepth=8"])
                .arg("--output-format=json")
                .arg(format!("--filename={}", device.path()))
                .args(engine);
            // So that it is in the page cache.
            if let Err(error) = finish_telling(&mut command) {
                skip(&format!("fio {engine:?}: {error}"));
                continue;
            }
            let recorder = Recorder::start();
            let before = device.statistics();
            let ran = finish_telling(&mut command);
            let moved = device.statistics().since(&before);
            let record = recorder.stop();
            let (finished, told) = ran.unwrap_or_else(|error| panic!("fio {engine:?}: {error}"));
            let job = &json_in(&told)["jobs"][0];
            let (read, written) = (
                number(&job["read"], "io_bytes"),
                number(&job["write"], "io_bytes"),
            );
            assert_eq!((moved.read_bytes, moved.write_bytes), (read, written));
            let exit = record.the("exit", finished.pid);
            assert_block(&record, exit, &finished.io, &moved);
            assert_kernels(exit, &finished);
            figure(&format!(
                "block: fio {engine:?}: read {read} B and wrote {written} B in {} requests",
                exit["block_ios"]
            ));
        }
    });
}
