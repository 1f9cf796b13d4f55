//! Page cache that kernel threads write: whose it is, and whose it is not. Against the device's own counters,
//! and what the writers know that they have written.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use procwatch_tests::{
    dialogue::Dialogue,
    finished::{Finished, Owned, finish, finish_child},
    loop_device::{self, Backing, LoopDevice, Mounted, Statistics},
    procfs::Io,
    record::{Recorder, number},
    skip::{figure, has_ebpf},
    top::{Snapshot, Top},
    wait::{PATIENCE, until},
};
use serde_json::Value;

use crate::{
    WORKLOAD,
    block::{MIB, assert_kernels, dd, whole_pages},
};

/// Bytes written by all disks but this one, so far.
fn written_elsewhere(device: &LoopDevice) -> u64 {
    let disks = std::fs::read_dir("/sys/block").expect("block devices");
    let names = disks.flatten().map(|disk| disk.file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name != device.name())
        .map(|name| Statistics::of(&name).write_bytes)
        .sum()
}

/// Has a file system's dirty pages written by kernel threads.
fn sync(mounted: &Mounted<'_>) {
    finish(Command::new("sync").arg("-f").arg(&mounted.path));
}

/// A field of each kernel thread that `is_wanted` by its name, by identity.
fn of_kernel_threads(
    snapshot: &Snapshot,
    field: &str,
    is_wanted: fn(&str) -> bool,
) -> BTreeMap<(u64, u64), u64> {
    let wanted = snapshot.rows().filter(|row| {
        let is_kernel_thread = row["ppid"] == 2 && row["peak_rss_bytes"].is_null();
        is_kernel_thread && row["comm"].as_str().is_some_and(is_wanted)
    });
    wanted
        .map(|row| {
            let identity = (number(row, "pid"), number(row, "start_time_ns"));
            (identity, number(row, field))
        })
        .collect()
}

/// What a field of kernel threads has grown by, summed.
fn growth(before: &Snapshot, after: &Snapshot, field: &str, is_wanted: fn(&str) -> bool) -> u64 {
    let old = of_kernel_threads(before, field, is_wanted);
    let new = of_kernel_threads(after, field, is_wanted);
    assert!(!new.is_empty(), "there are kernel threads");
    new.iter()
        .map(|(identity, value)| value - old.get(identity).copied().unwrap_or(0))
        .sum()
}

fn is_worker(comm: &str) -> bool {
    comm.starts_with("kworker") || comm.contains("flush")
}

#[test]
fn buffered_writes_are_the_writers_and_not_the_flushers() {
    if !has_ebpf() {
        return;
    }
    // On a tmpfs, so that the loop device's own worker dirties and writes nothing that is counted.
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        let mounted = device.formatted();
        sync(&mounted);
        let mut top = Top::start();
        let recorder = Recorder::start();
        let to = format!("of={}", mounted.file("buffered"));
        let mut writer = dd(&["if=/dev/zero", &to, "bs=1000003", "count=50"]);
        let bytes = whole_pages(50 * 1_000_003);

        let before = top.fresh();
        let (device_before, elsewhere_before) = (device.statistics(), written_elsewhere(device));
        let writer = finish(&mut writer);
        let syncer = finish(&mut Command::new("sync"));
        let written = device.statistics().since(&device_before);
        let after = top.fresh();
        let elsewhere = written_elsewhere(device) - elsewhere_before;
        let record = recorder.stop();
        top.stop();

        let exit = record.the("exit", writer.pid);
        assert_kernels(exit, &writer);
        assert_eq!(number(exit, "write_bytes"), bytes, "to the page");
        assert_eq!(number(exit, "block_write_bytes"), 0, "it has only dirtied");
        assert!(number(exit, "block_writeback_bytes") <= bytes);
        // sync only has others write files; its own are pages of the device itself, that is metadata.
        let of_sync = record.the("exit", syncer.pid);
        assert_kernels(of_sync, &syncer);
        assert_eq!(number(of_sync, "write_bytes"), 0);

        assert!(written.write_bytes >= bytes, "sync has had it written");
        let metadata = written.write_bytes - bytes;
        let dirtied = growth(&before, &after, "write_bytes", is_worker);
        let issued = growth(&before, &after, "block_write_bytes", |_| true);
        let theirs = growth(&before, &after, "block_writeback_bytes", |_| true);
        figure(&format!(
            "write-back: dd wrote {bytes} B; the device {metadata} B more, of which sync {}; kworkers dirtied {dirtied} \
             B, kernel threads issued {issued} B of their own and were written {theirs} B; other disks wrote \
             {elsewhere} B",
            of_sync["block_write_bytes"]
        ));
        assert!(
            metadata < bytes / 10,
            "metadata is the lesser part, or nothing here can fail"
        );
        for (what, own) in [
            ("dirtied by workers", dirtied),
            ("issued by kernel threads", issued),
            ("dirtied by kernel threads and written", theirs),
        ] {
            assert!(
                own <= metadata + elsewhere,
                "{what}: {own}, where metadata is {metadata} and other disks wrote {elsewhere}"
            );
        }
        assert!(
            number(of_sync, "block_write_bytes") <= metadata + elsewhere,
            "{of_sync}"
        );
    });
}

/// A writer that stays.
struct Writer {
    dialogue: Dialogue,
    pid: u64,
}

impl Writer {
    fn start() -> Self {
        let (dialogue, told) = Dialogue::start(WORKLOAD, &["storage"]);
        let pid = number(&told, "pid");
        Self { dialogue, pid }
    }

    fn ask(&mut self, what: &str) {
        self.dialogue.ask(what);
    }

    /// What the kernel says that it has dirtied and cut off.
    fn io(&self) -> Io {
        Io::of_process(self.pid).expect("the writer lives")
    }
}

/// What the kernel has written for each of these processes, once it is as expected, or after long enough
/// for a pass over all processes: these have not run meanwhile.
fn written_back<const N: usize>(top: &mut Top, pids: [u64; N], expected: [u64; N]) -> [u64; N] {
    let begun = Instant::now();
    let mut snapshot = top.fresh();
    while read(&snapshot, pids) != expected && begun.elapsed() < Duration::from_secs(12) {
        snapshot = top.fresh();
    }
    let took = begun.elapsed();
    if took > Duration::from_secs(1) {
        figure(&format!("write-back: the rows tell it after {took:.1?}"));
    }
    return read(&snapshot, pids);

    fn read<const N: usize>(snapshot: &Snapshot, pids: [u64; N]) -> [u64; N] {
        for pid in pids {
            let row = snapshot.row(pid);
            assert_eq!(
                number(row, "block_write_bytes"),
                0,
                "it only dirties: {row}"
            );
        }
        pids.map(|pid| number(snapshot.row(pid), "block_writeback_bytes"))
    }
}

#[test]
fn what_is_written_back_is_charged_to_whoever_dirtied_it() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        let mounted = device.formatted();
        sync(&mounted);
        let mut top = Top::start();
        let recorder = Recorder::start();
        let (mut calls, mut mapping) = (Writer::start(), Writer::start());
        let device_before = device.statistics();
        calls.ask(&format!("write {} {}", mounted.file("calls"), 20 * MIB + 5));
        mapping.ask(&format!("map {} {}", mounted.file("mapping"), 7 * MIB));
        let dirtied = [whole_pages(20 * MIB + 5), 7 * MIB];
        let pids = [calls.pid, mapping.pid];
        let ios = [calls.io(), mapping.io()];
        assert_eq!(
            ios.map(|io| io.write_bytes),
            dirtied,
            "by the kernel's account"
        );
        let early = device.statistics().since(&device_before).write_bytes;
        assert!(early < MIB, "the pages are not written yet: {early}");
        // Both do nothing from here on: their rows have to change all the same.
        sync(&mounted);
        let written = device.statistics().since(&device_before).write_bytes;
        let charged = written_back(&mut top, pids, dirtied);
        figure(&format!(
            "write-back: of {dirtied:?} B dirtied by write(2) and by mmap {charged:?} are charged; the device wrote \
             {written} B"
        ));
        assert_eq!(charged, dirtied, "the device wrote {written}");
        let snapshot = top.fresh();
        for (pid, dirtied) in pids.into_iter().zip(dirtied) {
            assert_eq!(number(snapshot.row(pid), "write_bytes"), dirtied);
        }
        calls.dialogue.end();
        mapping.dialogue.end();
        let record = recorder.stop();
        for (pid, dirtied) in pids.into_iter().zip(dirtied) {
            let exit = record.the("exit", pid);
            assert_eq!(number(exit, "block_writeback_bytes"), dirtied, "{exit}");
            assert_eq!(number(exit, "block_write_bytes"), 0, "{exit}");
        }
        top.stop();
    });
}

#[test]
fn a_file_is_the_next_ones_when_it_is_clean() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        let mounted = device.formatted();
        let file = mounted.file("handed-on");
        sync(&mounted);
        let mut top = Top::start();
        let (mut first, mut second) = (Writer::start(), Writer::start());
        let pids = [first.pid, second.pid];
        let mut expected = [0, 0];
        first.ask(&format!("write {file} {}", 4 * MIB));
        expected[0] += 4 * MIB;
        sync(&mounted);
        for round in 1..=3 {
            first.ask(&format!("overwrite {file} 0 {}", 3 * MIB));
            expected[0] += 3 * MIB;
            sync(&mounted);
            assert_eq!(
                written_back(&mut top, pids, expected),
                expected,
                "round {round}"
            );
            second.ask(&format!("overwrite {file} {MIB} {MIB}"));
            expected[1] += MIB;
            sync(&mounted);
            assert_eq!(
                written_back(&mut top, pids, expected),
                expected,
                "round {round}"
            );
        }
        figure(&format!(
            "write-back: a file that was clean 7 times: {expected:?} B, each as dirtied"
        ));
        top.stop();
    });
}

/// A file that is removed while it is dirty, and one that gets its inode and is another's: the kernel makes
/// the second in the very memory of the first, as chance will have it.
#[test]
fn a_file_is_not_the_one_whose_inode_it_has() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        const ROUNDS: u64 = 40;
        let mounted = device.formatted();
        let (gone, new) = (mounted.file("gone"), mounted.file("new"));
        sync(&mounted);
        let mut top = Top::start();
        let (mut first, mut second) = (Writer::start(), Writer::start());
        let mut of_same_inode = 0;
        for _ in 0..ROUNDS {
            first.ask(&format!("write {gone} {}", MIB / 2));
            let inode = inode(&gone);
            first.ask(&format!("remove {gone}"));
            second.ask(&format!("write {new} {}", MIB / 4));
            of_same_inode += u32::from(self::inode(&new) == inode);
            sync(&mounted);
            second.ask(&format!("remove {new}"));
            sync(&mounted);
        }
        let (first_io, second_io) = (first.io(), second.io());
        assert_eq!(first_io.cancelled_write_bytes, ROUNDS * MIB / 2);
        assert_eq!(second_io.cancelled_write_bytes, 0, "all of it was written");
        let expected = [0, ROUNDS * MIB / 4];
        let charged = written_back(&mut top, [first.pid, second.pid], expected);
        figure(&format!(
            "write-back: {ROUNDS} files, {of_same_inode} of them with the inode of one that is gone: {charged:?} of \
             {expected:?} B are charged"
        ));
        assert_eq!(charged, expected);
        top.stop();
    });
}

fn inode(path: &str) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).expect("a file"))
}

/// Whoever dirtied which part of a file is not known page by page. Nobody is to be charged with more than
/// it has dirtied, and what is charged to nobody is to be told.
#[test]
fn nobody_is_charged_with_what_another_dirtied() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 128 * MIB, |device| {
        let mounted = device.formatted();
        let file = mounted.file("shared");
        sync(&mounted);
        let mut top = Top::start();
        let (mut first, mut second) = (Writer::start(), Writer::start());
        let pids = [first.pid, second.pid];
        first.ask(&format!("write {file} {}", 2 * MIB));
        second.ask(&format!("overwrite {file} {} {}", 2 * MIB, 9 * MIB));
        let dirtied = [2 * MIB, 9 * MIB];
        sync(&mounted);
        let charged = written_back(&mut top, pids, dirtied);
        figure(&format!(
            "write-back: two dirtied {dirtied:?} B of one file; charged are {charged:?}"
        ));
        for (charged, dirtied) in charged.into_iter().zip(dirtied) {
            assert!(charged <= dirtied, "{charged} of {dirtied}");
        }
        // A process that has ended is charged with nothing, and nobody else in its place.
        let before = top.fresh();
        let (ended, told) = Dialogue::start(WORKLOAD, &["storage"]);
        let mut ended = ended;
        ended.ask(&format!("write {} {}", mounted.file("dead"), 5 * MIB));
        ended.end();
        let pid = number(&told, "pid");
        until("the writer to be gone", PATIENCE, || {
            (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
        });
        sync(&mounted);
        assert_eq!(written_back(&mut top, pids, charged), charged);
        let after = top.fresh();
        let workers = growth(&before, &after, "block_write_bytes", |_| true);
        assert!(workers < 5 * MIB, "kernel threads were charged {workers}");
        top.stop();
    });
}

#[test]
fn what_is_cut_off_before_it_is_written_is_cancelled() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 64 * MIB, |device| {
        let mounted = device.formatted();
        sync(&mounted);
        let recorder = Recorder::start();
        let mut writer = Writer::start();
        let file = mounted.file("cut");
        writer.ask(&format!("write {file} {}", 11 * MIB + 77));
        writer.ask(&format!("cut {file}"));
        let truth = writer.io();
        let pid = writer.pid;
        writer.dialogue.end();

        // Here a shell cuts off what dd, its child, has written. (What is written to a file that was cut
        // off before is flushed when it is closed: a new one.)
        let file = mounted.file("shells");
        let script = format!("dd if=/dev/zero of={file} bs=1M count=9 && : > {file}");
        let shell = finish(Command::new("sh").args(["-c", &script]));
        let record = recorder.stop();

        let exit = record.the("exit", pid);
        assert_eq!(truth.cancelled_write_bytes, whole_pages(11 * MIB + 77));
        assert_eq!(
            number(exit, "cancelled_write_bytes"),
            truth.cancelled_write_bytes
        );
        assert_eq!(number(exit, "write_bytes"), truth.write_bytes);
        assert_eq!(number(exit, "block_writeback_bytes"), 0, "{exit}");
        let exit = record.the("exit", shell.pid);
        assert_eq!(shell.own_io.cancelled_write_bytes, 9 * MIB);
        assert_own(exit, &shell.own_io);
        let of_dd = record
            .of_kind("exit")
            .find(|exit| exit["ppid"] == shell.pid && exit["comm"] == "dd")
            .expect("dd has ended");
        assert_eq!(number(of_dd, "write_bytes"), 9 * MIB);
        assert_eq!(number(of_dd, "cancelled_write_bytes"), 0);
        figure(&format!(
            "cancelled: {} B of the writer's own, {} B of its child's by a shell that wrote {} B",
            truth.cancelled_write_bytes, exit["cancelled_write_bytes"], exit["write_bytes"]
        ));
    });
}

/// The I/O of a process of one thread, without its children's.
#[track_caller]
fn assert_own(object: &Value, own: &Io) {
    for (name, truth) in own.named() {
        assert_eq!(number(object, name), truth, "{name}: {object}");
    }
}

#[test]
fn fifty_children_leave_the_parents_io_unchanged() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 64 * MIB, |device| {
        let mounted = device.formatted();
        let file = mounted.file("children");
        let mut top = Top::start();
        let recorder = Recorder::start();
        let script = format!(
            "i=0; while [ $i -lt 50 ]; do dd if=/dev/zero of={file} bs=64k count=16 conv=fsync 2>/dev/null || exit 1; \
             dd if={file} of=/dev/null bs=64k iflag=direct 2>/dev/null || exit 1; i=$((i + 1)); done; echo done; read x"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{script}; exit 0")]);
        let child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut shell = Owned(child.expect("a shell"));
        let mut told = [0; 5];
        let stdout = shell.0.stdout.as_mut().expect("a pipe was asked for");
        std::io::Read::read_exact(stdout, &mut told).expect("the shell tells when it is done");
        let pid = shell.pid();
        let (own, with_children) = (Io::of_main_thread(pid), Io::of_process(pid));
        let (own, with_children) = (own.expect("it lives"), with_children.expect("it lives"));
        let snapshot = top.fresh();
        writeln!(shell.0.stdin.as_mut().expect("a pipe"), "go on").expect("it reads");
        let Finished { own_io: last, .. } = finish_child(shell, "the shell");
        let record = recorder.stop();
        top.stop();

        assert!(
            with_children.write_bytes >= 50 * MIB && with_children.read_bytes >= 50 * MIB,
            "the children moved more than the shell: {with_children:?}"
        );
        assert_own(snapshot.row(pid), &own);
        let exit = record.the("exit", pid);
        assert_own(exit, &last);
        for object in [snapshot.row(pid), exit] {
            let flows = ["block_write_bytes", "block_writeback_bytes", "write_bytes"];
            for name in flows {
                assert_eq!(number(object, name), 0, "{name} of the shell: {object}");
            }
            assert_eq!(object["block_read_bytes"], object["read_bytes"], "{object}");
        }
        let children: Vec<_> = record
            .of_kind("exit")
            .filter(|exit| exit["ppid"] == pid)
            .collect();
        assert_eq!(children.len(), 100);
        let sum = |name: &str| children.iter().map(|exit| number(exit, name)).sum::<u64>();
        assert_eq!(sum("block_write_bytes"), 50 * MIB);
        assert_eq!(sum("write_bytes"), 50 * MIB);
        figure(&format!(
            "children: 100 dd wrote {} B and read {} B from devices; the shell {} and {}",
            sum("block_write_bytes"),
            sum("block_read_bytes"),
            exit["block_write_bytes"],
            exit["block_read_bytes"]
        ));
    });
}
