//! What `procwatch record` writes, and what happens to that when something goes wrong.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use procwatch_tests::{
    loop_device::{self, Backing, Mounted},
    procwatch::Running,
    record::{array, number},
    short,
    skip::{figure, has_ebpf, way_out_ns},
    wait::until,
    workload::argument,
};
use rusqlite::{Connection, OpenFlags};

fn record(db: &Path, arguments: &[&str]) -> Running {
    let all = [&["record", "--db", argument(db)], arguments].concat();
    Running::ready(&all)
}

fn open(db: &Path) -> Connection {
    Connection::open_with_flags(db, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database")
}

fn ask<T: rusqlite::types::FromSql>(db: &Connection, sql: &str) -> T {
    db.query_row(sql, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[test]
fn every_process_has_its_last_account_and_its_ancestry() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let db = directory.path().join("recording.db");
    let recorder = record(&db, &["--interval", "200ms"]);
    let told = crate::workload(&["burn", "8", "3"]);
    let program = short::program(directory.path(), "short-lived");
    for number in 0..200_u8 {
        let status = std::process::Command::new(&program)
            .arg((number % 100).to_string())
            .status();
        status.expect("a process that hardly lives");
    }
    let ended = recorder.interrupt().done();
    assert!(
        ended.stderr.iter().any(|line| line.contains("recorded ")),
        "{:?}",
        ended.stderr
    );
    let replayed = procwatch_tests::procwatch::run(&[
        "replay",
        "--db",
        argument(&db),
        "--once",
        "--format",
        "json",
        "--at",
        &(wall_ns() / 1_000_000_000 + 1).to_string(),
    ]);
    let snapshot = &replayed.done().json_lines()[0];
    assert!(
        array(snapshot, "processes")
            .iter()
            .any(|row| row["pid"] == std::process::id())
    );
    let recording = open(&db);
    for burner in array(&told, "ended") {
        let (cpu_ns, status, totals_at): (u64, u32, u32) = recording
            .query_row(
                "SELECT cpu_time_ns, status, totals_at FROM process WHERE pid = ?1 AND ended_ns NOT NULL",
                [number(burner, "pid")],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .expect("its account");
        assert_eq!(u64::from(status), number(burner, "status"));
        let off = cpu_ns.abs_diff(number(&burner["usage"], "cpu_time_ns"));
        assert!(
            totals_at != 0 || off <= way_out_ns(),
            "{off} ns off: {burner}"
        );
    }
    let ours = format!(
        "FROM process JOIN facts USING (image) WHERE exe = '{}' AND ended_ns NOT NULL",
        program.display()
    );
    let found: u64 = ask(&recording, &format!("SELECT count(*) {ours}"));
    assert_eq!(found, 200, "every one of them");
    let parents: u64 = ask(&recording, &format!("SELECT count(DISTINCT parent) {ours}"));
    assert_eq!(parents, 1);
    let parent: u32 = ask(
        &recording,
        &format!("SELECT pid FROM process WHERE key = (SELECT parent {ours} LIMIT 1)"),
    );
    assert_eq!(parent, std::process::id());
    figure(&format!(
        "recording: 208 processes in {} bytes",
        std::fs::metadata(&db).expect("the file").len()
    ));
}

fn wall_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos() as u64
}

#[test]
fn a_recorder_that_is_killed_loses_a_sample_at_most() {
    if !has_ebpf() {
        return;
    }
    const ROUNDS: u64 = 20;
    let directory = tempfile::tempdir().expect("a directory");
    let db = directory.path().join("recording.db");
    let program = short::program(directory.path(), "short-lived");
    let mut worst_ns = 0;
    for round in 0..ROUNDS {
        let recorder = record(&db, &["--interval", "100ms"]);
        let until_ns = wall_ns() + 250_000_000 + round * 37_000_000 % 300_000_000;
        while wall_ns() < until_ns {
            let status = std::process::Command::new(&program).arg("0").status();
            status.expect("a process that hardly lives");
        }
        recorder.signal(libc::SIGKILL);
        let killed_ns = wall_ns();
        recorder.wait();
        let recording = open(&db);
        let verdict: String = ask(&recording, "PRAGMA integrity_check");
        assert_eq!(verdict, "ok", "round {round}");
        let last_ns: u64 = ask(&recording, "SELECT max(time_ns) FROM tail");
        worst_ns = worst_ns.max(killed_ns.saturating_sub(last_ns));
    }
    let recording = open(&db);
    let sessions: u64 = ask(
        &recording,
        "SELECT count(DISTINCT session) FROM (SELECT session FROM block UNION SELECT session FROM tail)",
    );
    assert_eq!(
        sessions, ROUNDS,
        "each went on where the one before was killed"
    );
    let twice: u64 = ask(
        &recording,
        "SELECT count(*) FROM (SELECT 1 FROM process GROUP BY boot, pid, start_time_ns HAVING count(*) > 1)",
    );
    assert_eq!(twice, 0, "processes with two numbers");
    assert!(worst_ns < 1_000_000_000, "{worst_ns} ns are missing");
    figure(&format!(
        "recording: killed {ROUNDS} times, {} ms missing at most, every file whole",
        worst_ns / 1_000_000
    ));
}

#[test]
fn a_full_disk_is_a_gap_and_recording_goes_on_after_it() {
    if !has_ebpf() {
        return;
    }
    loop_device::with(Backing::Memory, 16 << 20, |device| {
        fill(&device.formatted());
    });
}

/// Takes all the room there is on the recording's disk, and gives it back.
fn fill(disk: &Mounted<'_>) {
    let directory = tempfile::tempdir().expect("a directory");
    let db = PathBuf::from(disk.file("recording.db"));
    let mut recorder = record(&db, &["--interval", "100ms"]);
    let samples = || -> u64 { ask(&open(&db), "SELECT count(*) FROM tail") };
    until("samples", Duration::from_secs(10), || {
        (samples() > 5).then_some(())
    });
    let filler = disk.file("filler");
    let all = vec![1; 16 << 20];
    std::fs::write(&filler, &all).expect_err("the disk is full");
    let program = short::program(directory.path(), "short-lived");
    let mut started = 0;
    until("a complaint", Duration::from_secs(30), || {
        let status = std::process::Command::new(&program).arg("0").status();
        status.expect("a process that hardly lives");
        started += 1;
        recorder
            .complaints()
            .contains("cannot be written to")
            .then_some(())
    });
    for _ in 0..50 {
        let status = std::process::Command::new(&program).arg("0").status();
        status.expect("a process that hardly lives");
        started += 1;
    }
    std::thread::sleep(Duration::from_millis(500));
    std::fs::remove_file(&filler).expect("room again");
    until("recording again", Duration::from_secs(10), || {
        recorder
            .complaints()
            .contains("recorded to again")
            .then_some(())
    });
    let ended = recorder.interrupt();
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    let recording = open(&db);
    let (samples, processes): (u64, u64) = recording
        .query_row("SELECT sum(samples), sum(processes) FROM gap", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("a gap");
    assert!(samples > 0);
    assert_eq!(processes, 0);
    let exe = program.display();
    let found: u64 = ask(
        &recording,
        &format!(
            "SELECT count(*) FROM process JOIN facts USING (image) WHERE exe = '{exe}' AND ended_ns NOT NULL"
        ),
    );
    assert_eq!(
        found, started,
        "those that ended meanwhile are not forgotten"
    );
    let verdict: String = ask(&recording, "PRAGMA integrity_check");
    assert_eq!(verdict, "ok");
    figure(&format!(
        "recording: {samples} samples found no room, and none of {started} processes is missing"
    ));
}

#[test]
fn a_second_recorder_is_refused() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let db = directory.path().join("recording.db");
    let first = record(&db, &[]);
    let second = procwatch_tests::procwatch::run(&["record", "--db", argument(&db)]);
    assert_eq!(second.code, Some(2));
    assert!(
        text_of(&second.stderr).contains("another recorder writes to it"),
        "{:?}",
        second.stderr
    );
    first.interrupt().done();
}

fn text_of(lines: &[String]) -> String {
    lines.join("\n")
}

#[test]
fn a_service_manager_is_told_how_it_goes() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let db = directory.path().join("recording.db");
    let path = directory.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    let timeout = Some(Duration::from_secs(20));
    manager.set_read_timeout(timeout).expect("a socket option");
    let told = || {
        let mut bytes = [0; 256];
        let read = manager.recv(&mut bytes).expect("word from the service");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    let mut command = std::process::Command::new(procwatch_tests::procwatch::binary());
    command
        .args(["record", "--db", argument(&db), "--interval", "100ms"])
        .env("NOTIFY_SOCKET", &path);
    let mut recorder = Running::spawn(&mut command);
    recorder.wait_ready();
    assert_eq!(told(), "READY=1");
    assert_eq!(told(), "WATCHDOG=1");
    recorder.signal(libc::SIGTERM);
    while told() != "STOPPING=1" {}
    assert_eq!(recorder.wait().code, Some(0));
}

#[test]
fn the_tree_is_that_of_its_time_with_dead_ancestors() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let db = directory.path().join("recording.db");
    let recorder = record(&db, &["--interval", "100ms"]);
    // A grandchild whose parent has gone, and whose grandparent goes a moment later.
    let script = "sh -c 'sleep 100 >/dev/null 2>&1 & echo $!'; sleep 0.6";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .output()
        .expect("a shell");
    let orphan: u32 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("its pid");
    // The last sample is taken now.
    recorder.interrupt().done();
    let tree = |arguments: &[&str]| {
        let pid = orphan.to_string();
        let all = [
            &[
                "tree",
                "--db",
                argument(&db),
                "--format",
                "json",
                "--pid",
                &pid,
            ],
            arguments,
        ];
        procwatch_tests::procwatch::run(&all.concat())
            .done()
            .json_lines()
    };
    let line = |rows: &[serde_json::Value]| -> Vec<(String, String)> {
        let own = u64::from(std::process::id());
        let below = rows.iter().skip_while(|row| row["pid"] != own).skip(1);
        below
            .map(|row| {
                let told = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                (told("comm"), told("state"))
            })
            .collect()
    };
    let named = |states: [&str; 3]| -> Vec<(String, String)> {
        let of = |comm: &str, state: &str| (comm.to_owned(), state.to_owned());
        vec![
            of("sh", states[0]),
            of("sh", states[1]),
            of("sleep", states[2]),
        ]
    };
    let now = line(&tree(&[]));
    // SAFETY: has no preconditions; it is our grandchild, which nobody reaps but init.
    unsafe { libc::kill(orphan.cast_signed(), libc::SIGKILL) };
    assert_eq!(now, named(["exited", "exited", "sleeping"]));
    // While the grandparent still lived.
    let recording = open(&db);
    let ended: u64 = ask(
        &recording,
        &format!(
            "SELECT max(p.ended_ns) FROM process c JOIN process p ON p.key = c.parent \
             WHERE c.key = (SELECT parent FROM process WHERE pid = {orphan})"
        ),
    );
    let before = ended - 300_000_000;
    let at = format!("{}.{:09}", before / 1_000_000_000, before % 1_000_000_000);
    let then = line(&tree(&["--at", &at]));
    assert_eq!(then, named(["sleeping", "exited", "sleeping"]));
    let never =
        procwatch_tests::procwatch::run(&["tree", "--db", argument(&db), "--at", "1970-01-02"]);
    assert_eq!(never.code, Some(2));
    assert!(
        never.stderr.join(" ").contains("the recording goes from"),
        "{:?}",
        never.stderr
    );
}
