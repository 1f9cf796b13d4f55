//! A recorder and those who look at what it collects.

use std::{
    collections::BTreeSet,
    io::Write as _,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use procwatch_tests::{
    bpf::Objects,
    odd::Oddity,
    procwatch::{Ended, Running, binary, command, run},
    record::{Record, array, number, text},
    short,
    skip::{figure, has_ebpf},
    wait::{PATIENCE, until},
    workload::argument,
};
use serde_json::Value;
use tempfile::TempDir;

/// A group's number that no host gives to another.
const GROUP: u32 = 64_321;

/// A recorder with a socket of its own.
struct Recorder {
    running: Running,
    directory: TempDir,
}

impl Recorder {
    fn start(arguments: &[&str]) -> Self {
        Self::with(arguments, &[])
    }

    fn with(arguments: &[&str], oddities: &[Oddity]) -> Self {
        let directory = short::directory();
        let mut command = command();
        let db = directory.path().join("recording.db");
        let socket = socket(directory.path());
        command
            .args(["record", "--db", argument(&db)])
            .args(["--socket", argument(&socket)])
            .args(arguments);
        for oddity in oddities {
            oddity.apply(&mut command);
        }
        let mut running = Running::spawn(&mut command);
        running.wait_ready();
        Self { running, directory }
    }

    fn socket(&self) -> PathBuf {
        socket(self.directory.path())
    }

    /// The arguments of somebody who looks on.
    fn looking<'a>(&'a self, arguments: &[&'a str], path: &'a Path) -> Vec<&'a str> {
        [arguments, &["--socket", argument(path)]].concat()
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let path = self.socket();
        run(&self.looking(arguments, &path))
    }

    fn ready(&self, arguments: &[&str]) -> Running {
        let path = self.socket();
        Running::ready(&self.looking(arguments, &path))
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("socket")
}

fn looks_on(ended: &Ended) -> bool {
    ended
        .stderr
        .iter()
        .any(|line| line.starts_with("ready: looking at the recorder"))
}

fn pids(snapshot: &Value) -> BTreeSet<u64> {
    let rows = array(snapshot, "processes").iter();
    rows.map(|row| number(row, "pid")).collect()
}

#[test]
fn whoever_looks_on_is_told_what_is_collected() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start(&["--interval", "200ms"]);
    let events = recorder.ready(&["events", "--format", "json"]);
    let told = crate::workload(&["burn", "8", "3"]);
    let program = short::program(recorder.directory.path(), "short-lived");
    for number in 0..200_u8 {
        let status = Command::new(&program)
            .arg((number % 100).to_string())
            .status();
        status.expect("a process that hardly lives");
    }
    let ended = events.interrupt().done();
    assert!(looks_on(&ended), "{:?}", ended.stderr);
    let record = Record::of(&ended);
    record.assert_lossless();
    let shorts: Vec<_> = record
        .of_kind("exit")
        .filter(|exit| exit["comm"] == "short-lived")
        .collect();
    assert_eq!(shorts.len(), 200);
    for burner in array(&told, "ended") {
        let exit = record.the("exit", number(burner, "pid"));
        let truth = number(&burner["usage"], "cpu_time_ns");
        let off = number(exit, "cpu_time_ns").abs_diff(truth);
        assert!(off <= truth / 100, "{off} ns off {truth}");
    }

    let own = std::process::id();
    let shown = recorder.run(&["top", "--once", "--format", "json"]).done();
    assert!(looks_on(&shown));
    let snapshot = &shown.json_lines()[0];
    assert_eq!(snapshot["sources"]["cpu"], "ebpf");
    assert!(pids(snapshot).contains(&u64::from(own)));

    let tree = recorder.run(&[
        "tree",
        "--pid",
        &own.to_string(),
        "--exited",
        "--format",
        "json",
    ]);
    let rows = tree.done().json_lines();
    let children = rows
        .iter()
        .filter(|row| row["birth_parent_pid"] == own && row["comm"] == "short-lived");
    assert_eq!(children.count(), 200, "the dead are in the tree");

    let status = recorder.run(&["status", "--format", "json", "--duration", "500ms"]);
    let status = &status.json_lines()[0];
    assert_eq!(status["recorder"]["pid"], recorder.running.pid());
    assert!(number(&status["own_cost"], "cpu_time_ns") > 0);
    assert_eq!(status["degraded"], Value::Null);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let _both = std::net::TcpStream::connect(listener.local_addr().expect("its address"));
    let list = recorder.run(&["connections", "--format", "json"]).done();
    let list = &list.json_lines()[0];
    let port = listener.local_addr().expect("its address").port();
    assert!(
        array(list, "connections")
            .iter()
            .any(|one| one["remote_port"] == port),
        "{list}"
    );
    recorder.running.interrupt().done();
}

#[test]
fn nobody_attaches_a_second_set_of_hooks() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start(&[]);
    let before = Objects::of_host();
    let viewers: Vec<_> = ["top --format json", "events", "events --kind exit"]
        .iter()
        .map(|line| recorder.ready(&line.split(' ').collect::<Vec<_>>()))
        .collect();
    for viewer in &viewers {
        assert!(Objects::of_process(viewer.pid()).is_empty());
    }
    let after = Objects::of_host();
    assert_eq!(
        format!("{:?}", after.also_in(&before)),
        format!("{after:?}")
    );
    // On request everything is collected here again.
    let alone = recorder
        .run(&["top", "--once", "--standalone", "--interval", "100ms"])
        .done();
    assert!(!looks_on(&alone), "{:?}", alone.stderr);
    // As it is when more is asked for than the recorder has.
    let finer = recorder
        .run(&["top", "--once", "--interval", "100ms"])
        .done();
    assert!(!looks_on(&finer), "{:?}", finer.stderr);
}

#[test]
fn a_member_of_the_group_sees_what_root_sees() {
    if !has_ebpf() {
        return;
    }
    let groups = std::fs::read_to_string("/etc/group").expect("the host's groups");
    let place = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&place, format!("{groups}procwatch:x:{GROUP}:\n")).expect("groups");
    let groups = Oddity::Replaced {
        file: "/etc/group",
        by: argument(place.path()).to_owned(),
    };
    let recorder = Recorder::with(&["--interval", "500ms"], &[groups]);
    let socket = recorder.socket();
    let look = |groups: &str, arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .env("PROCWATCH_SOCKET", &socket)
            .args(["--reuid=65534", "--regid=65534", groups])
            .arg(binary())
            .args(arguments);
        Running::spawn(&mut command).wait()
    };
    let once = ["top", "--once", "--format", "json"];
    let (members, roots) = until("two pictures of the same sample", PATIENCE, || {
        let members = look(&format!("--groups={GROUP}"), &once).done();
        assert!(looks_on(&members), "{:?}", members.stderr);
        let roots = recorder.run(&once).done();
        let (members, roots) = (members.json_lines(), roots.json_lines());
        (members[0]["time"] == roots[0]["time"]).then_some((members, roots))
    });
    assert_eq!(members[0], roots[0]);

    let stranger = look("--clear-groups", &once);
    assert!(!looks_on(&stranger));
    let said = stranger.stderr.join("\n");
    assert!(
        said.contains("only root and members of the group procwatch"),
        "{said}"
    );
}

#[test]
fn one_that_takes_nothing_is_let_go_and_nobody_waits_for_it() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start(&["--interval", "200ms"]);
    let slow = recorder.ready(&["events", "--format", "json"]);
    let mut quick = recorder.ready(&["top", "--format", "json"]);
    slow.signal(libc::SIGSTOP);
    let program = short::program(recorder.directory.path(), "short-lived");
    let long = "x".repeat(3_500);
    let lives = 1_500;
    for _ in 0..lives {
        let status = Command::new(&program).args(["1", &long]).status();
        status.expect("a process that hardly lives");
    }
    // Everything else goes on.
    let before = quick.lines_so_far().len();
    until("samples after the storm", PATIENCE, || {
        (quick.lines_so_far().len() > before + 3).then_some(())
    });
    slow.signal(libc::SIGCONT);
    let ended = slow.wait();
    assert_eq!(ended.code, Some(2), "{:?}", ended.stderr);
    let said = ended.stderr.join("\n");
    assert!(
        said.contains("has let go of this viewer, which took too long"),
        "{said}"
    );
    quick.interrupt().done();
    let told = recorder.running.interrupt().done();
    figure(&format!("viewers: {}", told.stderr.join("; ")));
    assert!(
        !told
            .stderr
            .iter()
            .any(|line| line.contains("found no room"))
    );
}

#[test]
fn samples_that_are_left_out_take_nobodys_end_with_them() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start(&["--interval", "100ms"]);
    let mut viewer = recorder.ready(&["top", "--format", "json", "--interval", "1s"]);
    until("a first picture", PATIENCE, || {
        (!viewer.lines_so_far().is_empty()).then_some(())
    });
    let program = short::program(recorder.directory.path(), "short-lived");
    let mut lives = BTreeSet::new();
    for _ in 0..100 {
        let mut child = Command::new(&program).arg("7").spawn().expect("a process");
        lives.insert(u64::from(child.id()));
        child.wait().expect("its end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let missing = |lines: &[Value]| {
        let told: BTreeSet<u64> = lines
            .iter()
            .flat_map(|snapshot| array(snapshot, "processes"))
            .filter(|row| row["state"] == "exited")
            .map(|row| number(row, "pid"))
            .collect();
        lives.difference(&told).copied().collect::<Vec<_>>()
    };
    until("the ends of all of them", PATIENCE, || {
        missing(&viewer.lines_so_far()).is_empty().then_some(())
    });
    for snapshot in viewer.lines_so_far() {
        assert!(
            number(&snapshot, "interval_ns") >= 800_000_000,
            "{}",
            text(&snapshot, "time")
        );
    }
}

#[test]
fn the_end_of_a_recorder_is_told() {
    if !has_ebpf() {
        return;
    }
    for (signal, words) in [
        (libc::SIGTERM, "the recorder has ended"),
        (
            libc::SIGKILL,
            "has let go of this viewer, which took too long, or was killed",
        ),
    ] {
        let recorder = Recorder::start(&[]);
        let viewer = recorder.ready(&["events"]);
        recorder.running.signal(signal);
        let ended = viewer.wait();
        assert_eq!(ended.code, Some(2));
        let said = ended.stderr.join("\n");
        assert!(said.contains(words), "{said}");
        drop(recorder.running);
        // Killed, it leaves its socket; the next one takes that place.
        let path = socket(recorder.directory.path());
        assert_eq!(path.exists(), signal == libc::SIGKILL);
        let nobody = run(&["top", "--once", "--socket", argument(&path)]);
        assert_eq!(nobody.code, Some(2));
        assert!(
            nobody.stderr.join("\n").contains("nobody answers there"),
            "{:?}",
            nobody.stderr
        );
    }
}

#[test]
fn a_second_recorder_records_without_a_socket() {
    if !has_ebpf() {
        return;
    }
    let first = Recorder::start(&[]);
    let path = first.socket();
    let db = first.directory.path().join("second.db");
    let arguments = ["record", "--db", argument(&db), "--socket", argument(&path)];
    let second = Running::ready(&arguments).interrupt().done();
    let said = second.stderr.join("\n");
    assert!(
        said.contains("another recorder answers there; recording all the same"),
        "{said}"
    );
    assert!(looks_on(&first.run(&["top", "--once"]).done()));
}

#[test]
fn versions_that_differ_say_so() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = socket(directory.path());
    let listener = UnixListener::bind(&path).expect("a socket");
    let other = std::thread::spawn(move || {
        for line in [
            "procwatch 4000 9.8.7\n",
            "procwatch 4000 9.8.7\n",
            "SSH-2.0-x\n",
        ] {
            let (mut stream, _) = listener.accept().expect("a viewer");
            stream.write_all(line.as_bytes()).expect("somebody listens");
        }
    });
    let told = run(&["top", "--once", "--socket", argument(&path)]);
    assert_eq!(told.code, Some(2));
    let said = told.stderr.join("\n");
    assert!(
        said.contains("it is procwatch 9.8.7, of protocol 4000"),
        "{said}"
    );

    // By default it does what can be done without.
    let alone = |said: &str| {
        let mut command = command();
        command
            .env("PROCWATCH_SOCKET", &path)
            .args(["top", "--once", "--interval", "100ms"]);
        let ended = Running::spawn(&mut command).wait().done();
        let complaints = ended.stderr.join("\n");
        assert!(complaints.contains(said), "{complaints}");
        assert!(complaints.contains("collecting here") && !looks_on(&ended));
    };
    alone("it is procwatch 9.8.7");
    alone("what it says makes no sense");
    other.join().expect("three viewers came");
}
