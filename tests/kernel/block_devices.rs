//! The books of a block device: what it moved, and for whom. Against the device's own counters.

use std::{collections::HashMap, process::Command};

use procwatch_tests::{
    dialogue::Dialogue,
    finished::finish,
    loop_device::{self, Backing, LoopDevice, Mounted, Statistics},
    record::{Recorder, array, number, text},
    skip::{figure, has_ebpf, skip},
    top::{Snapshot, Top, device},
};
use serde_json::Value;

use crate::{
    WORKLOAD,
    block::{MIB, dd},
};

/// What hosts say of a device, summed over snapshots.
#[derive(Clone, Copy, Debug, Default)]
struct Books {
    moved: Moved,
    attributed: u64,
    unattributed: u64,
    queue_ns: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moved {
    read_bytes: u64,
    write_bytes: u64,
    reads: u64,
    writes: u64,
}

impl Moved {
    fn of(statistics: &Statistics) -> Self {
        Self {
            read_bytes: statistics.read_bytes,
            write_bytes: statistics.write_bytes,
            reads: statistics.reads,
            writes: statistics.writes,
        }
    }
}

impl Books {
    fn add(&mut self, entry: &Value) {
        self.moved.read_bytes += number(entry, "read_bytes");
        self.moved.write_bytes += number(entry, "write_bytes");
        self.moved.reads += number(entry, "reads");
        self.moved.writes += number(entry, "writes");
        self.attributed += number(entry, "attributed_bytes");
        self.unattributed += number(entry, "unattributed_bytes");
        self.queue_ns += number(entry, "queue_ns");
    }

    fn of(hosts: &[Value], is_wanted: impl Fn(&str) -> bool) -> Self {
        let mut books = Self::default();
        for entry in hosts.iter().flat_map(|host| array(host, "devices")) {
            if is_wanted(text(entry, "device")) {
                books.add(entry);
            }
        }
        books
    }

    fn assert_balanced(&self) {
        assert_eq!(
            self.attributed + self.unattributed,
            self.moved.read_bytes + self.moved.write_bytes,
            "{self:?}"
        );
    }
}

/// Uses a device in every way there is: by a file system's tools, past the cache, through it, by writers
/// that stay and by writers that have ended, by the journal.
fn use_it(device: &LoopDevice) -> Mounted<'_> {
    let (to, from) = (
        format!("of={}", device.path()),
        format!("if={}", device.path()),
    );
    finish(&mut dd(&[
        "if=/dev/zero",
        &to,
        "bs=4M",
        "count=9",
        "oflag=direct",
    ]));
    finish(&mut dd(&[
        &from,
        "of=/dev/null",
        "bs=64k",
        "count=99",
        "iflag=direct",
    ]));
    // Page cache of the device itself.
    let options = ["bs=1M", "count=7", "conv=notrunc,fsync"];
    finish(dd(&["if=/dev/urandom", &to]).args(options));
    let mounted = device.formatted();
    let (one, two) = (
        format!("of={}", mounted.file("one")),
        format!("of={}", mounted.file("two")),
    );
    finish(&mut dd(&["if=/dev/zero", &one, "bs=100001", "count=50"]));
    finish(&mut dd(&[
        "if=/dev/zero",
        &two,
        "bs=100001",
        "count=70",
        "conv=fsync",
    ]));
    let (mut writer, _) = Dialogue::start(WORKLOAD, &["storage"]);
    writer.ask(&format!("write {} {}", mounted.file("three"), 8 * MIB));
    finish(Command::new("sync").arg("-f").arg(&mounted.path));
    writer.end();
    mounted.mount_anew();
    let read = format!("if={}", mounted.file("one"));
    finish(&mut dd(&[&read, "of=/dev/null", "bs=128k"]));
    mounted
}

#[test]
fn what_devices_moved_is_what_they_say_and_belongs_to_somebody() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        // The first attempt to have the device write zeroes by itself may fail, and be counted.
        drop(device.formatted());
        let mut top = Top::start();
        let recorder = Recorder::start();
        let first = top.fresh();
        let before = device.statistics();
        drop(use_it(device));
        let statistics = device.statistics().since(&before);
        let truth = Moved::of(&statistics);
        let last = top.fresh();
        let record = recorder.stop();

        let own = Books::of(&top.hosts, |number| number == device.number());
        let others = Books::of(&top.hosts, |number| number != device.number());
        top.stop();
        figure(&format!(
            "device: {truth:?} by its own count; {own:?}; on other disks {} + {} B",
            others.attributed, others.unattributed
        ));
        // The device counts a flush that carries no data as a write.
        let flushed = Moved {
            writes: truth.writes - statistics.flushes.min(truth.writes),
            ..truth
        };
        assert!(
            own.moved.writes <= truth.writes && own.moved.writes >= flushed.writes,
            "{} requests, {} flushes",
            truth.writes,
            statistics.flushes
        );
        let moved = Moved {
            writes: truth.writes,
            ..own.moved
        };
        assert_eq!(moved, truth, "to the sector, and to the request");
        own.assert_balanced();
        others.assert_balanced();

        let living = of_living(&first, &last);
        let ended: u64 = record
            .of_kind("exit")
            .filter(|exit| !first.rows().any(|row| is_same(row, exit)))
            .map(block_bytes)
            .sum();
        let (processes, devices) = (living + ended, own.attributed + others.attributed);
        figure(&format!(
            "device: processes {processes} B ({living} of the living, {ended} of the ended), devices {devices} B"
        ));
        // What other disks did at the edges of the recording may be in one of the sums alone.
        assert!(
            processes.abs_diff(devices) <= others.attributed,
            "processes make {processes}, devices {devices}, of which other disks {others:?}"
        );
        if others.attributed >= own.attributed {
            skip("other disks do more than this one: too much to compare with processes");
        }
    });
}

fn block_bytes(object: &Value) -> u64 {
    // Where pid 1 is hidden from BPF programs it has no such figures.
    if object["source"] == "procfs" {
        return 0;
    }
    [
        "block_read_bytes",
        "block_write_bytes",
        "block_writeback_bytes",
    ]
    .iter()
    .map(|name| number(object, name))
    .sum()
}

fn is_same(one: &Value, other: &Value) -> bool {
    one["pid"] == other["pid"] && one["start_time_ns"] == other["start_time_ns"]
}

/// Block I/O, between two snapshots, of those that live at the second.
fn of_living(first: &Snapshot, last: &Snapshot) -> u64 {
    let identity = |row: &Value| (number(row, "pid"), number(row, "start_time_ns"));
    let before: HashMap<_, _> = first
        .rows()
        .map(|row| (identity(row), block_bytes(row)))
        .collect();
    last.rows()
        .filter(|row| row["state"] != "exited")
        .map(|row| block_bytes(row) - before.get(&identity(row)).copied().unwrap_or(0))
        .sum()
}

/// The driver's own thread hands to the disk below what it was handed above, and neither device's books
/// know of the other's.
#[test]
fn a_device_on_another_is_two_devices() {
    if !has_ebpf() {
        return;
    }
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    loop_device::with(Backing::Disk(directory), 64 * MIB, |above| {
        let Some(below) = disk_of(directory) else {
            return skip("the build is on no disk with a queue");
        };
        let mut top = Top::start();
        let recorder = Recorder::start();
        let first = top.fresh();
        let before = above.statistics();
        let to = format!("of={}", above.path());
        let bytes = 48 * MIB;
        let writer = finish(&mut dd(&[
            "if=/dev/zero",
            &to,
            "bs=1M",
            "count=48",
            "oflag=direct",
        ]));
        let truth = Moved::of(&above.statistics().since(&before));
        let last = top.fresh();
        let record = recorder.stop();
        let books = Books::of(&top.hosts, |number| number == above.number());
        let books_below = Books::of(&top.hosts, |number| number == below);
        top.stop();

        let exit = record.the("exit", writer.pid);
        assert_eq!(number(exit, "block_write_bytes"), bytes);
        assert_eq!(number(exit, "block_ios"), truth.writes);
        assert_eq!(books.moved, truth);
        assert_eq!(books.attributed, truth.read_bytes + truth.write_bytes);
        books_below.assert_balanced();
        let mut workers = 0;
        for row in last
            .rows()
            .filter(|row| row["ppid"] == 2 && text(row, "comm").starts_with("kworker"))
        {
            let old = first.rows().find(|old| is_same(old, row));
            let old = old.map_or(0, |old| number(old, "block_write_bytes"));
            workers += number(row, "block_write_bytes") - old;
        }
        figure(&format!(
            "device: dd handed {bytes} B to {}, kernel workers {workers} B to {below}, which wrote {} B",
            above.name(),
            books_below.moved.write_bytes
        ));
        assert!(books_below.moved.write_bytes >= bytes);
        assert!(workers >= bytes, "the driver's worker wrote {workers}");
        let entry = top_name(&last, above.number());
        assert!(entry.is_none_or(|name| name == above.name()), "{entry:?}");
    });
}

/// What a snapshot calls a device.
fn top_name<'a>(snapshot: &'a Snapshot, number: &str) -> Option<&'a str> {
    device(&snapshot.0["host"], number).map(|entry| text(entry, "name"))
}

/// `MAJOR:MINOR` of the whole disk that a directory is on, where that has a queue of requests itself.
fn disk_of(directory: &std::path::Path) -> Option<String> {
    let device = std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(directory).ok()?);
    let (major, minor) = (libc::major(device), libc::minor(device));
    let path = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let disk = if path.join("partition").exists() {
        path.parent()?
    } else {
        &path
    };
    let is_queue = disk.join("mq").exists();
    let number = std::fs::read_to_string(disk.join("dev")).ok()?;
    is_queue.then(|| number.trim().to_owned())
}
