//! Memory and page faults, against GNU time and /proc.

use std::{collections::HashMap, path::Path, process::Command};

use procwatch_tests::{
    dialogue::Dialogue,
    finished::finish,
    loop_device::{self, Backing},
    procfs::colon_number,
    procwatch::{Running, snapshot},
    record::{Recorder, array, number},
    skip::{figure, has_ebpf, pid_1_is_hidden, program, skip},
    wait::{PATIENCE, until},
    workload::argument,
};
use serde_json::Value;

use crate::{WORKLOAD, block::MIB};

/// Where files are made: on a disk, for /tmp may be a tmpfs.
fn disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

/// What `time -v` prints of a program.
const TIMED: [(&str, &str, u64); 3] = [
    (
        "peak_rss_bytes",
        "Maximum resident set size (kbytes): ",
        1024,
    ),
    (
        "minor_faults",
        "Minor (reclaiming a frame) page faults: ",
        1,
    ),
    ("major_faults", "Major (requiring I/O) page faults: ", 1),
];

/// A hundred programs without children of their own, each of them different.
fn programs(file: &str) -> Vec<Vec<String>> {
    let mut programs = Vec::new();
    let mut add = |words: &[&str]| {
        programs.push(words.iter().map(|word| (*word).to_owned()).collect());
    };
    for step in 1..=9_u32 {
        let kib = (step * step * 400 + 4 * step).to_string();
        // As long as the file, at most.
        let of_file = (step * 900).to_string();
        for way in ["anon", "shared", "given-back", "stack", "threads"] {
            add(&[WORKLOAD, "take-memory", way, &kib]);
        }
        for way in ["file", "cold-file", "copied-file"] {
            add(&[WORKLOAD, "take-memory", way, file, &of_file]);
        }
        add(&[WORKLOAD, "take-memory", "before-exec", &kib, "/bin/true"]);
    }
    for count in 1..=3 {
        let (bytes, lines) = (format!("bs={}M", count * 7), (count * 9000).to_string());
        add(&["dd", "if=/dev/zero", "of=/dev/null", "count=2", &bytes]);
        add(&["seq", &lines]);
        add(&["head", "--lines", &lines, file]);
        add(&["od", "--read-bytes", &lines, file]);
    }
    for words in [
        &["true"][..],
        &["sha256sum", file],
        &["sort", file],
        &["wc", "--words", file],
        &["ls", "-l", "/usr/lib"],
        &["cat", file],
        &["tac", file],
    ] {
        add(words);
    }
    assert_eq!(programs.len(), 100);
    programs
}

#[test]
fn a_hundred_programs_have_the_peak_and_the_faults_that_time_tells() {
    let (true, Some(time)) = (has_ebpf(), program("time")) else {
        return;
    };
    let directory = disk();
    let file = directory.path().join("file");
    let line = "some words in a line, of which there are many\n";
    std::fs::write(&file, line.repeat(9 * MIB as usize / line.len())).expect("a file");
    std::fs::File::open(&file)
        .and_then(|file| file.sync_all())
        .expect("the file is on the disk");
    let report = directory.path().join("report");

    let recorder = Recorder::start();
    let mut timed = Vec::new();
    for words in programs(argument(&file)) {
        let mut command = Command::new(&time);
        command.args(["-v", "-o", argument(&report)]).args(&words);
        let pid = finish(&mut command).pid;
        let report = std::fs::read_to_string(&report).expect("what time tells");
        timed.push((
            pid,
            words,
            TIMED.map(|(_, label, unit)| told(&report, label) * unit),
        ));
    }
    let record = recorder.stop();
    let mut of_parent: HashMap<u64, Vec<&Value>> = HashMap::new();
    for exit in record.of_kind("exit") {
        if let Some(parent) = exit["ppid"].as_u64() {
            of_parent.entry(parent).or_default().push(exit);
        }
    }

    let (mut open, mut wrong, mut majors, mut peak_max) = (0, Vec::new(), 0, 0);
    for (pid, words, truths) in &timed {
        let children = of_parent.get(pid).map_or(&[][..], Vec::as_slice);
        assert_eq!(children.len(), 1, "time has one child: {words:?}");
        let exit = children[0];
        if exit["totals_at"] != "final" {
            open += 1;
            continue;
        }
        for ((field, ..), truth) in TIMED.iter().zip(truths) {
            if number(exit, field) != *truth {
                wrong.push(format!("{field} {}, not {truth}: {words:?}", exit[*field]));
            }
        }
        peak_max = truths[0].max(peak_max);
        majors += truths[2];
    }
    figure(&format!(
        "memory: {} programs under time -v, {} figures differ; peaks up to {} MiB, {majors} major faults; {open} \
         accounts not closed",
        timed.len(),
        wrong.len(),
        peak_max / MIB
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(majors > 100, "pages came from the disk: {majors}");
    // Some hosts run no BPF program on behalf of pid 1; what is freed on top of it has no closing record.
    let may_be_open = if pid_1_is_hidden() { 5 } else { 0 };
    assert!(open <= may_be_open, "{open} accounts are not closed");
}

fn told(report: &str, label: &str) -> u64 {
    let value = report
        .lines()
        .find_map(|line| line.trim().strip_prefix(label))
        .unwrap_or_else(|| panic!("time does not tell {label:?}: {report}"));
    value.parse().expect("a number")
}

/// A process that holds memory.
struct Holder {
    dialogue: Dialogue,
    pid: u64,
}

/// What /proc/PID/status says of memory, and what procwatch calls it.
const STATUS: [(&str, &str); 5] = [
    ("VmRSS", "rss_bytes"),
    ("RssAnon", "rss_anon_bytes"),
    ("RssFile", "rss_file_bytes"),
    ("RssShmem", "rss_shmem_bytes"),
    ("VmSwap", "swap_bytes"),
];

impl Holder {
    fn start() -> Self {
        let (dialogue, told) = Dialogue::start(WORKLOAD, &["hold-memory"]);
        let pid = number(&told, "pid");
        Self { dialogue, pid }
    }

    fn ask(&mut self, what: &str) {
        self.dialogue.ask(what);
    }

    /// Bytes, in the order of [`STATUS`].
    fn status(&self) -> [u64; 5] {
        STATUS.map(|(name, _)| self.status_of(name))
    }

    fn status_of(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid);
        let text = std::fs::read_to_string(path).expect("the holder lives");
        colon_number(&text, name).expect("a number of kB") * 1024
    }

    /// A row of it, which says what /proc says; it does nothing meanwhile.
    fn assert_row(&self, what: &str) -> Value {
        // After its answer it goes to sleep, which takes a page of its stack.
        let (before, row) = until("the holder to be quiet", PATIENCE, || {
            let before = self.status();
            let row = self.row();
            (before == self.status()).then_some((before, row))
        });
        let measured = STATUS.map(|(_, field)| number(&row, field));
        figure(&format!(
            "memory, {what}: {} kB = {measured:?} B",
            STATUS.map(|(name, _)| name).join(" ")
        ));
        assert_eq!(measured, before, "{what}: {row}");
        assert_eq!(
            number(&row, "rss_bytes"),
            number(&row, "rss_anon_bytes")
                + number(&row, "rss_file_bytes")
                + number(&row, "rss_shmem_bytes")
        );
        // Like getrusage's it is the highest of the process, which may have had another program's memory
        // before: that of whoever started it, until its exec.
        assert!(number(&row, "peak_rss_bytes") >= self.status_of("VmHWM"));
        assert!(row["pss_bytes"].is_null(), "it was not asked for: {row}");
        row
    }

    fn row(&self) -> Value {
        row_of(&snapshot(&["--interval", "100ms"]), self.pid)
    }
}

fn row_of(snapshot: &Value, pid: u64) -> Value {
    let mut rows = array(snapshot, "processes").iter();
    let row = rows.find(|row| row["pid"] == pid);
    row.unwrap_or_else(|| panic!("process {pid} has no row"))
        .clone()
}

/// A file of that many KiB in the page cache.
fn file_in(directory: &Path, kib: usize) -> String {
    let path = directory.join("mapped");
    std::fs::write(&path, vec![7; kib << 10]).expect("a file");
    argument(&path).to_owned()
}

#[test]
fn resident_memory_by_kind_is_that_of_proc() {
    if !has_ebpf() {
        return;
    }
    let directory = disk();
    let file = file_in(directory.path(), 30_000);
    let mut holder = Holder::start();
    let fresh = holder.assert_row("fresh");
    holder.ask("anon 20000");
    holder.ask(&format!("file {file} 10000"));
    holder.ask("shared 5000");
    let full = holder.assert_row("20000, 10000 and 5000 KiB taken");
    for (field, kib) in [
        ("rss_anon_bytes", 20_000),
        ("rss_file_bytes", 10_000),
        ("rss_shmem_bytes", 5_000),
    ] {
        let grown = number(&full, field) - number(&fresh, field);
        // Page tables are not in it; code and heap that were used meanwhile are.
        let expected = kib << 10;
        assert!(
            (expected..expected + MIB / 2).contains(&grown),
            "{field} grew by {grown}, where {expected} were taken"
        );
    }
    holder.ask("anon 30000");
    holder.ask("give-back");
    let less = holder.assert_row("30000 KiB taken and given back");
    assert!(number(&less, "peak_rss_bytes") >= number(&less, "rss_bytes") + 29_000 * 1024);
    // A few pages from each CPU: what the CPUs have counted by themselves is part of the sum.
    holder.ask(&format!("everywhere {file}"));
    holder.assert_row("a few pages by each CPU");
}

/// A swap area of our own, on a device of our own.
struct Swap<'a>(&'a str);

impl<'a> Swap<'a> {
    fn on(device: &'a str) -> Option<Self> {
        let is_done = |program: &str, arguments: &[&str]| {
            let ran =
                procwatch_tests::finished::finish_telling(Command::new(program).args(arguments));
            ran.map_err(|error| skip(&format!("{program}: {error}")))
                .is_ok()
        };
        let is_on = is_done("mkswap", &[device]) && is_done("swapon", &[device]);
        is_on.then_some(Self(device))
    }
}

impl Drop for Swap<'_> {
    fn drop(&mut self) {
        let _ = Command::new("swapoff").arg(self.0).status();
    }
}

#[test]
fn what_is_swapped_out_is_not_resident() {
    let (true, Some(_), Some(_)) = (has_ebpf(), program("mkswap"), program("swapon")) else {
        return;
    };
    let directory = disk();
    let test = |what: &str| {
        let mut holder = Holder::start();
        holder.ask("anon 24000");
        holder.ask("shared 8000");
        let file = file_in(directory.path(), 4_000);
        holder.ask(&format!("file {file} 4000"));
        holder.assert_row("before it is swapped out");
        holder.ask("page-out");
        if holder.status()[4] == 0 {
            return skip(&format!("nothing is swapped out to {what} when asked for"));
        }
        let row = holder.assert_row("swapped out");
        assert!(
            number(&row, "swap_bytes") >= 20_000 << 10,
            "anonymous memory was swapped out: {row}"
        );
    };
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    if swaps.lines().count() > 1 {
        return test("the host's swap");
    }
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    loop_device::with(Backing::Disk(parent), 96 * MIB, |device| {
        if let Some(_swap) = Swap::on(device.path()) {
            test("a swap area of our own");
        }
    });
}

#[test]
fn shared_memory_is_divided_when_that_is_asked_for() {
    if !has_ebpf() {
        return;
    }
    let mut holder = Holder::start();
    holder.ask("anon 40000");
    let alone = asked_for_pss(&holder);
    holder.ask("share");
    let halved = asked_for_pss(&holder);
    figure(&format!(
        "memory: PSS {} of RSS {} B alone, {} of {} B shared with one child",
        alone["pss_bytes"], alone["rss_bytes"], halved["pss_bytes"], halved["rss_bytes"]
    ));
    let gone = number(&alone, "pss_bytes") - number(&halved, "pss_bytes");
    assert!(
        gone >= 19_000 << 10,
        "half of it is the child's: {gone} are gone"
    );
}

/// Its row of `top --once --pss`, which says what /proc said some time while that ran. Shared code counts
/// less while others, such as procwatch, use it as well.
fn asked_for_pss(holder: &Holder) -> Value {
    let path = format!("/proc/{}/smaps_rollup", holder.pid);
    let pss = || {
        let text = std::fs::read_to_string(&path).expect("the holder lives");
        colon_number(&text, "Pss").expect("a number of kB") * 1024
    };
    let arguments = [
        "top",
        "--once",
        "--pss",
        "--format",
        "json",
        "--interval",
        "300ms",
    ];
    let mut running = Running::ready(&arguments);
    let mut truths = std::collections::BTreeSet::new();
    while running.lines_so_far().is_empty() {
        truths.insert(pss());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    truths.insert(pss());
    let snapshot = running.wait().done().json_lines().remove(0);
    let row = row_of(&snapshot, holder.pid);
    assert!(
        truths.contains(&number(&row, "pss_bytes")),
        "{} is none of {truths:?}",
        row["pss_bytes"]
    );
    assert!(
        row["pss_bytes"].as_u64() <= row["rss_bytes"].as_u64(),
        "{row}"
    );
    for row in array(&snapshot, "processes") {
        let path = format!("/proc/{}/smaps_rollup", row["pid"]);
        // Kernel threads have none, zombies none any more, and some hosts let nobody see that of pid 1.
        let is_to_be_seen = std::fs::read_to_string(path).is_ok_and(|text| !text.is_empty());
        assert!(
            !is_to_be_seen || row["state"] == "exited" || row["pss_bytes"].is_u64(),
            "it has memory, and no PSS: {row}"
        );
    }
    row
}
