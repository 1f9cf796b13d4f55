//! `procwatch trace`: what it tells of a program, against what strace and the program itself say.

use std::{collections::BTreeMap, path::Path, process::Command};

use procwatch_tests::{
    loop_device::{self, Backing},
    procwatch,
    record::{array, number, text},
    skip::{figure, has_ebpf, program},
    workload::argument,
};
use serde_json::Value;

use crate::WORKLOAD;

/// The lines of a trace of a command; the last is the summary.
fn traced(arguments: &[&str], command: &[&str]) -> Vec<Value> {
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("trace");
    let mut all = vec!["trace", "--format", "json", "--output", argument(&output)];
    all.extend(arguments);
    all.push("--");
    all.extend(command);
    let ended = procwatch::run(&all);
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let lines = std::fs::read_to_string(&output).expect("what was traced");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["type"], "summary");
    for (kind, count) in summary["loss"].as_object().expect("losses") {
        assert_eq!(count, 0, "{kind}");
    }
    lines
}

/// Calls and errors by name.
fn counted(summary: &Value) -> BTreeMap<String, (u64, u64)> {
    let calls = array(summary, "syscalls").iter();
    calls
        .map(|row| {
            let counts = (number(row, "count"), number(row, "errors"));
            (text(row, "syscall").to_owned(), counts)
        })
        .collect()
}

/// The same by strace.
fn counted_by_strace(strace: &Path, command: &[&str]) -> BTreeMap<String, (u64, u64)> {
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("counts");
    // As procwatch is run: what a program does may depend on what it writes to.
    let mut strace = Command::new(strace);
    let strace = strace
        .args(["-f", "-c", "-o", argument(&output)])
        .args(command);
    procwatch_tests::finished::finish(strace);
    let table = std::fs::read_to_string(&output).expect("strace's table");
    // % time, seconds, usecs/call, calls, errors if there were any, name.
    let rows = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (name, calls) = (*words.last()?, words.get(3)?.parse().ok()?);
        let errors = match words.len() {
            6 => words[4].parse().ok()?,
            _ => 0,
        };
        (name != "total").then(|| (name.to_owned(), (calls, errors)))
    });
    rows.collect()
}

#[test]
fn calls_are_those_of_strace() {
    if !has_ebpf() {
        return;
    }
    let Some(strace) = program("strace") else {
        return;
    };
    let commands: [&[&str]; 4] = [
        &["/bin/ls", "/"],
        &["dd", "if=/dev/zero", "of=/dev/null", "bs=10", "count=5000"],
        &[
            "/bin/sh",
            "-c",
            "for n in 1 2 3 4 5; do /bin/true; /bin/cat /proc/version; done",
        ],
        // Fails, and says so.
        &["/bin/sh", "-c", "cat /does/not/exist || true"],
    ];
    for command in commands {
        let lines = traced(&["--summary"], command);
        let mut ours = counted(lines.last().expect("a summary"));
        let mut theirs = counted_by_strace(&strace, command);
        // How often a shell asks depends on whether its child or itself is first.
        for racing in ["wait4", "rt_sigreturn"] {
            assert_eq!(
                ours.remove(racing).is_some(),
                theirs.remove(racing).is_some()
            );
        }
        assert_eq!(ours, theirs, "{command:?}");
        let calls: u64 = ours.values().map(|(calls, _)| calls).sum();
        figure(&format!(
            "trace: {}: {calls} calls, as by strace",
            command[0]
        ));
    }
}

#[test]
fn bytes_are_those_that_were_moved() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("written");
    let operand = format!("of={}", argument(&file));
    let command = [
        "dd",
        "if=/dev/zero",
        &operand,
        "bs=1000",
        "count=1234",
        "conv=fsync",
    ];
    let lines = traced(&[], &command);
    let summary = lines.last().expect("a summary");
    let of = |name: &str| {
        let mut files = array(summary, "files").iter();
        files
            .find(|row| text(row, "name") == name)
            .unwrap_or_else(|| panic!("no {name}: {summary}"))
    };
    assert_eq!(number(of(argument(&file)), "written_bytes"), 1_234_000);
    assert_eq!(number(of("/dev/zero"), "read_bytes"), 1_234_000);
    // Each line is about the file that it names.
    let writes = lines.iter().filter(|line| {
        line["syscall"] == "write" && line["file"] == argument(&file) && line["result"] == 1000
    });
    assert_eq!(writes.count(), 1234);
    let syncs = lines.iter().filter(|line| line["syscall"] == "fsync");
    assert_eq!(syncs.count(), 1);
    // In order.
    let times = lines.iter().filter_map(|line| line["time"].as_str());
    assert!(times.is_sorted(), "not in order of time");
}

#[test]
fn bytes_over_a_connection_are_those_of_both_ways() {
    if !has_ebpf() {
        return;
    }
    let Some(python) = program("python3") else {
        return;
    };
    // Both ends in one program, so that each way is there twice.
    let script = "
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
served, _ = server.accept()
for _ in range(20):
    client.sendall(b'x' * 1000)
    assert len(served.recv(1000, socket.MSG_WAITALL)) == 1000
    served.sendall(b'y' * 300)
    assert len(client.recv(300, socket.MSG_WAITALL)) == 300
";
    let lines = traced(&["--summary"], &[argument(&python), "-c", script]);
    let summary = lines.last().expect("a summary");
    let mut moved: Vec<(u64, u64)> = array(summary, "connections")
        .iter()
        .map(|row| (number(row, "read_bytes"), number(row, "written_bytes")))
        .filter(|moved| *moved != (0, 0))
        .collect();
    moved.sort_unstable();
    assert_eq!(moved, [(6000, 20_000), (20_000, 6000)], "{summary}");
}

#[test]
fn block_io_is_told_request_by_request() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 4 << 20, |device| {
        let from = format!("if={}", device.path());
        let to = format!("of={}", device.path());
        for (way, operation) in [
            ([from.as_str(), "of=/dev/null", "iflag=direct"], "read"),
            (["if=/dev/zero", to.as_str(), "oflag=direct"], "write"),
        ] {
            let mut command = vec!["dd", "bs=8192", "count=200"];
            command.extend(way);
            let lines = traced(&["--kind", "block"], &command);
            let told: Vec<_> = lines
                .iter()
                .filter(|line| line["type"] == "block")
                .collect();
            assert_eq!(told.len(), 200, "{operation}");
            for (place, line) in told.iter().enumerate() {
                assert_eq!(line["operation"], operation);
                assert_eq!(number(line, "bytes"), 8192);
                assert_eq!(number(line, "sector"), place as u64 * 16);
                assert!(number(line, "duration_ns") > 0);
            }
        }
    });
}

#[test]
fn the_time_of_each_thread_is_told_whole() {
    if !has_ebpf() {
        return;
    }
    let command = ["/bin/sh", "-c", "sleep 0.4; cat /proc/self/stat | wc -c"];
    let lines = traced(&["--kind", "off_cpu,fork,exec,exit"], &command);
    let summary = lines.last().expect("a summary");
    let threads = array(summary, "threads");
    let mut slept_ns = 0;
    for thread in threads {
        let parts = thread.as_object().expect("a thread").iter();
        let sum: u64 = parts
            .filter(|(name, _)| name.ends_with("_ns") && *name != "wall_ns")
            .map(|(_, value)| value.as_u64().expect("nanoseconds"))
            .sum();
        assert_eq!(sum, number(thread, "wall_ns"), "{thread}");
        slept_ns += number(thread, "sleep_ns");
    }
    // The kernel does not wake a sleeper early.
    assert!(slept_ns >= 400_000_000, "{slept_ns} ns asleep");
    // The shell waited for it, and was woken by its end.
    let shell = number(&threads[0], "tid");
    let waited = lines
        .iter()
        .find(|line| line["type"] == "off_cpu" && line["tid"] == shell && line["cause"] == "child");
    let waited = waited.expect("the shell waits for its children");
    assert!(waited["waker_comm"].is_string(), "{waited}");
    let births = lines.iter().filter(|line| line["type"] == "fork").count();
    let ends = lines.iter().filter(|line| line["type"] == "exit").count();
    assert_eq!((births, ends), (3, 4), "all children are followed");
}

#[test]
fn the_parts_of_the_time_are_those_that_the_thread_measured() {
    const MS: u64 = 1_000_000;
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("trace");
    // Its standard output is the program's, for the trace goes to a file.
    let ended = procwatch::run(&[
        "trace",
        "--summary",
        "--format",
        "json",
        "--output",
        argument(&output),
        "--",
        WORKLOAD,
        "split",
        argument(directory.path()),
    ]);
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let told = &ended.json_lines()[0];
    let lines = std::fs::read_to_string(&output).expect("what was traced");
    let summary: Value = serde_json::from_str(lines.trim_end()).expect("JSON");
    let main = &array(&summary, "threads")[0];
    let waited_ns = number(main, "run_queue_ns");
    for (cause, measured) in [
        ("sleep_ns", "sleep_ns"),
        ("pipe_ns", "pipe_ns"),
        ("disk_ns", "disk_ns"),
        ("lock_ns", "lock_ns"),
        ("running_ns", "cpu_ns"),
    ] {
        let (ours, theirs) = (number(main, cause), number(told, measured));
        // By its clock it also waited for a CPU, and its program was read from the disk as well.
        let allowed = theirs / 50 + waited_ns + 5 * MS;
        assert!(
            ours.abs_diff(theirs) <= allowed,
            "{cause}: {ours} ns by us, {theirs} ns by the thread: {main}"
        );
        figure(&format!(
            "trace: {cause}: {ours} ns by us, {theirs} ns by the thread"
        ));
    }
}

#[test]
fn a_file_for_perfetto_has_every_thread_on_a_track_of_its_own() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("trace.json");
    let ended = procwatch::run(&[
        "trace",
        "--format",
        "perfetto",
        "--output",
        argument(&output),
        "--",
        "/bin/sh",
        "-c",
        "sleep 0.05; cat /proc/version | wc -l",
    ]);
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let file = std::fs::read_to_string(&output).expect("a file");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    let events = array(&file, "traceEvents");
    // Of slices on one track, each lies in the other or beside it.
    let mut tracks: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let from = event["ts"].as_f64().expect("microseconds");
        let to = from + event["dur"].as_f64().expect("microseconds");
        let track = tracks.entry(number(event, "tid")).or_default();
        track.push((from, to));
    }
    assert_eq!(tracks.len(), 4, "the shell and its children");
    // What floating point makes of nanoseconds.
    const ROUNDING: f64 = 0.01;
    for (tid, mut slices) in tracks {
        slices.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let mut open: Vec<(f64, f64)> = Vec::new();
        for slice in slices {
            while open.pop_if(|outer| outer.1 <= slice.0 + ROUNDING).is_some() {}
            if let Some(outer) = open.last() {
                assert!(
                    slice.1 <= outer.1 + ROUNDING,
                    "{tid}: {slice:?} in {outer:?}"
                );
            }
            open.push(slice);
        }
    }
}

#[test]
fn a_page_has_all_that_happened_in_it_and_nothing_that_breaks_it() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("trace.html");
    let ended = procwatch::run(&[
        "trace",
        "--format",
        "html",
        "--output",
        argument(&output),
        "--",
        "/bin/sh",
        "-c",
        "cat '/does/not/</script><script>alert(1)</script>'; sleep 0.05",
    ]);
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let page = std::fs::read_to_string(&output).expect("a page");
    let begin = "<script id=\"data\" type=\"application/json\">";
    let (_, rest) = page.split_once(begin).expect("the data");
    let (data, rest) = rest.split_once("</script>").expect("its end");
    let data: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(
        rest.matches("</script>").count(),
        1,
        "the page's own script"
    );
    let events = array(&data, "events").iter().skip(1);
    let calls = events.filter(|event| event[0] == "syscall").count() as u64;
    let counted: u64 = counted(&data["summary"])
        .values()
        .map(|(calls, _)| calls)
        .sum();
    // What ends a thread does not return, and is no slice.
    let ends = array(&data["summary"], "threads").len() as u64;
    assert!(
        (counted - ends..=counted).contains(&calls),
        "{calls} on the page, {counted} in the sums"
    );
    let is_there = array(&data, "events").iter().any(|event| {
        event[6]
            .as_str()
            .is_some_and(|what| what.contains("<script>alert(1)"))
    });
    assert!(is_there, "the path is told as it is");
}

#[test]
fn who_lives_is_traced_by_pid_and_goes_on() {
    if !has_ebpf() {
        return;
    }
    let mut sleeper = Command::new("/bin/sh")
        .args(["-c", "while :; do /bin/sleep 0.05; done"])
        .spawn()
        .expect("a shell");
    let pid = sleeper.id().to_string();
    let ended = procwatch::run(&[
        "trace",
        "--pid",
        &pid,
        "--duration",
        "1s",
        "--format",
        "json",
    ]);
    let is_alive = sleeper.try_wait().expect("the shell").is_none();
    sleeper.kill().expect("the shell");
    sleeper.wait().expect("the shell");
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    assert!(is_alive, "it goes on untraced");
    let text = String::from_utf8(ended.stdout).expect("text");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let execs = lines.iter().filter(|line| line["type"] == "exec");
    let programs: Vec<_> = execs.filter_map(|line| line["path"].as_str()).collect();
    assert!(programs.len() >= 3, "{programs:?}");
    assert!(programs.iter().all(|path| *path == "/bin/sleep"));
}

#[test]
fn a_trace_that_loses_records_ends_and_its_sums_are_whole() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("trace");
    let ended = procwatch::run(&[
        "--ring-buffer",
        "4KiB",
        "trace",
        "--summary",
        "--format",
        "json",
        "--output",
        argument(&output),
        "--",
        "dd",
        "if=/dev/zero",
        "of=/dev/null",
        "bs=1",
        "count=50000",
    ]);
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let lines = std::fs::read_to_string(&output).expect("what was traced");
    let summary: Value = serde_json::from_str(lines.trim_end()).expect("JSON");
    assert!(
        number(&summary["loss"], "syscall") > 0,
        "{}",
        summary["loss"]
    );
    // Its end is kept, whether or not there was room for it in its turn.
    assert_eq!(summary["loss"]["exit"], 0, "{}", summary["loss"]);
    assert_eq!(
        (number(&summary, "ends"), number(&summary, "execs")),
        (1, 1)
    );
    let counted = counted(&summary);
    // Beside those of the copying: the loader's, and what dd says at its end.
    for call in ["read", "write"] {
        let calls = counted[call].0;
        assert!((50_000..50_100).contains(&calls), "{call}: {calls}");
    }
}

#[test]
fn a_filter_shows_what_matches_alone() {
    if !has_ebpf() {
        return;
    }
    let filter = "syscall == openat and file == null and error == ENOENT";
    let command = ["/bin/sh", "-c", "cat /does/not/exist; true"];
    let lines = traced(&["--filter", filter], &command);
    let (summary, shown) = lines.split_last().expect("a summary");
    let failed = counted(summary)["openat"].1;
    assert_eq!(
        shown.len() as u64,
        failed,
        "all that failed, and nothing else"
    );
    for line in shown {
        assert_eq!(
            (&line["syscall"], &line["error"]),
            (&"openat".into(), &"ENOENT".into())
        );
    }
}

#[test]
fn what_cannot_be_traced_is_said() {
    for (arguments, expected) in [
        (&["trace"][..], "nothing to trace; say --pid"),
        (
            &["trace", "--pid", "4194304"],
            "there is no process 4194304",
        ),
        (
            &["trace", "--", "/no/such/program"],
            "\"/no/such/program\" is no program",
        ),
        (
            &["trace", "--", "procwatch-no-such"],
            "there is no program \"procwatch-no-such\"",
        ),
        (&["trace", "--pid", "1", "--", "ls"], "cannot be used with"),
        (
            &["trace", "--filter", "duration > 5", "--", "ls"],
            "unknown field \"duration\"",
        ),
        (
            &["trace", "--syscall", "frob", "--", "ls"],
            "no such system call",
        ),
    ] {
        let ended = procwatch::run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        let told = ended.stderr.join("\n");
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
}
