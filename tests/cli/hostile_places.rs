//! Hostile names where names come from besides command lines: programs' files, sockets' owners, users,
//! cgroups, interfaces, and what a user types.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Read as _,
    net::TcpListener,
    os::{
        fd::AsRawFd as _,
        unix::{
            ffi::{OsStrExt as _, OsStringExt as _},
            fs::PermissionsExt as _,
            process::CommandExt as _,
        },
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use procwatch_tests::{
    procwatch::{Ended, Running, binary, run},
    record::array,
    skip::{has_ebpf, program, skip},
};
use serde_json::Value;

use crate::{WORKLOAD, csv, hostile::assert_harmless};

/// A file's name that is no text, a formula, a tag and a command to the terminal; its first 15 bytes are
/// the process's name.
const NAME: &[u8] = b"=\x1b[2J<b>\xff\xc2\x9b,\"@x&y\n";
/// As it is shown where nothing is escaped.
const SHOWN: &str = "=\x1b[2J<b>\\xff\u{9b},\"@x&y\n";

/// Kills it at the end.
struct Alive(Child);

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for its word.
fn alive(command: &mut Command) -> Alive {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("starting the workload");
    let stdout = child.stdout.as_mut().expect("a pipe was asked for");
    stdout
        .read_exact(&mut [0; 4])
        .expect("a word of the workload");
    Alive(child)
}

/// The workload, in a file of that name, with a command line of more than 4 KiB.
fn hostile_program(directory: &Path) -> Command {
    let path = directory.join(OsStr::from_bytes(NAME));
    fs::copy(WORKLOAD, &path).expect("a copy");
    let mut command = Command::new(&path);
    command.args(["linger", ""]).arg(OsStr::from_bytes(NAME));
    command.arg(OsString::from_vec(
        b"\x1b]0;\xfe\x07\xe2\x80\xae".repeat(700),
    ));
    command
}

/// No character that acts, in JSON and where people look.
fn assert_harmless_output(ended: &Ended) {
    assert_harmless(ended.text());
    for line in &ended.stderr {
        assert_harmless(line);
    }
}

fn row<'a>(rows: &'a Value, key: &str, pid: u32) -> &'a Value {
    let mut rows = array(rows, key).iter();
    rows.find(|row| row["pid"] == pid).expect("its row")
}

#[test]
fn a_program_can_have_any_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let alive = alive(&mut hostile_program(directory.path()));
    let pid = alive.0.id();
    for source in [[].as_slice(), &["--no-ebpf"]] {
        let top = |format: &str| {
            let arguments = ["top", "--once", "--interval", "100ms", "--format", format];
            run(&[arguments.as_slice(), source].concat()).done()
        };
        let json = top("json");
        assert_harmless_output(&json);
        let snapshot = json.json_lines().remove(0);
        let row = row(&snapshot, "processes", pid);
        let exe = row["exe"].as_str().expect("its program");
        assert!(exe.ends_with(&format!("/{SHOWN}")), "{exe:?}");
        assert_eq!(row["comm"], "=\x1b[2J<b>\\xff\u{9b},\"@x", "{source:?}");
        assert_eq!(row["argv"][3], SHOWN);
        assert_eq!(row["argv_truncated"], true);
        assert_harmless_output(&top("table"));
        let csv = top("csv");
        let records = csv::parse(csv.text());
        let column = |name: &str| {
            let mut names = records[0].iter();
            names.position(|column| column == name).expect("a column")
        };
        let (pid_at, comm_at, exe_at) = (column("pid"), column("comm"), column("exe"));
        let mut rows = records.iter();
        let row = rows
            .find(|row| row[pid_at] == pid.to_string())
            .expect("its row");
        assert_eq!(row[comm_at], "'=\x1b[2J<b>\\xff\u{9b},\"@x");
        assert_eq!(row[exe_at], exe);
    }
    for format in ["text", "json"] {
        let tree = run(&["tree", "--pid", &pid.to_string(), "--format", format]).done();
        assert_harmless_output(&tree);
        assert!(tree.text().contains("xff"), "{}", tree.text());
    }
}

#[test]
fn events_of_it_are_lines() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    for format in ["text", "json"] {
        let mut running = Running::ready(&["events", "--format", format]);
        let pid = {
            let mut alive = alive(&mut hostile_program(directory.path()));
            drop(alive.0.stdin.take());
            alive.0.wait().expect("its end");
            alive.0.id()
        };
        let mark = match format {
            "text" => format!(" {pid} "),
            _ => format!("\"pid\":{pid},"),
        };
        procwatch_tests::wait::until("its exit", procwatch_tests::wait::PATIENCE, || {
            let text = String::from_utf8_lossy(&running.written()).into_owned();
            let mut lines = text.lines();
            let is_exit = |line: &str| line.contains("exit") && line.contains(&mark);
            lines.any(is_exit).then_some(())
        });
        assert_harmless_output(&running.interrupt().done());
    }
}

#[test]
fn a_socket_can_be_anybodys() {
    if !has_ebpf() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    let fd = listener.as_raw_fd();
    let mut command = hostile_program(directory.path());
    // SAFETY: a system call that may be made after a fork.
    unsafe {
        command.pre_exec(move || {
            libc::fcntl(fd, libc::F_SETFD, 0);
            Ok(())
        });
    }
    let alive = alive(&mut command);
    drop(listener);
    let pid = alive.0.id();
    let list = |format: &str| {
        run(&[
            "connections",
            "--listening",
            "--pid",
            &pid.to_string(),
            "--format",
            format,
        ])
        .done()
    };
    let json = list("json");
    assert_harmless_output(&json);
    let listed = json.json_lines().remove(0);
    let connection = row(&listed, "connections", pid);
    assert_eq!(connection["local_port"], port);
    assert_eq!(connection["comm"], "=\x1b[2J<b>\\xff\u{9b},\"@x");
    let table = list("table");
    assert_harmless_output(&table);
    assert_eq!(table.text().lines().count(), 2, "{}", table.text());
    let records = csv::parse(list("csv").text());
    assert_eq!(records[1][2], "'=\x1b[2J<b>\\xff\u{9b},\"@x");
}

/// procwatch, started by a shell that has made the host an odd one for it: `$1` is the odd name.
fn on_odd_host(
    namespaces: &[&str],
    script: &str,
    name: &[u8],
    arguments: &[&str],
) -> Option<Ended> {
    // SAFETY: has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        skip("it needs root");
        return None;
    }
    program("unshare")?;
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["sh", "-ec"]);
    command.arg(format!("{script}\nshift\nexec \"$0\" \"$@\""));
    command
        .arg(binary())
        .arg(OsStr::from_bytes(name))
        .args(arguments);
    Some(Running::spawn(&mut command).wait())
}

const ONCE: &[&str] = &["top", "--once", "--interval", "100ms", "--format"];

#[test]
fn a_user_can_have_any_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let passwd = directory.path().join("passwd");
    let mut text = fs::read("/etc/passwd").expect("the users");
    let name = b"=\x1b[31m\xc2\x9b\xe2\x80\xaeroot,\"";
    text.extend(name.iter().chain(b":x:65111:65111::/:/bin/false\n"));
    fs::write(&passwd, text).expect("a file");
    let mut command = Command::new(WORKLOAD);
    command.args(["linger", "user"]).uid(65111);
    let alive = alive(&mut command);
    let pid = alive.0.id();
    let script = "mount --bind \"$1\" /etc/passwd";
    let top = |format: &str| {
        let arguments = [ONCE, &[format]].concat();
        on_odd_host(
            &["--mount"],
            script,
            passwd.as_os_str().as_bytes(),
            &arguments,
        )
    };
    let Some(json) = top("json") else { return };
    let json = json.done();
    assert_harmless_output(&json);
    let snapshot = json.json_lines().remove(0);
    let user = std::str::from_utf8(name).expect("text");
    assert_eq!(row(&snapshot, "processes", pid)["user"], user);
    let table = top("table").expect("as before").done();
    assert_harmless_output(&table);
    assert!(table.text().contains(" =\\x1b[31"), "{}", table.text());
    let csv = top("csv").expect("as before").done();
    let mut fields = csv::parse(csv.text()).into_iter().flatten();
    assert!(fields.any(|field| field == format!("'{user}")));
}

#[test]
fn an_interface_can_have_any_name() {
    if program("ip").is_none() {
        return;
    }
    let name = b"=\x1b[1m<b>,\"\xc2\x9b";
    let script = "ip link set lo name \"$1\"";
    let Some(json) = on_odd_host(&["--net"], script, name, &[ONCE, &["json"]].concat()) else {
        return;
    };
    if json
        .stderr
        .iter()
        .any(|line| line.contains("RTNETLINK") || line.contains("not a valid"))
    {
        skip("interfaces cannot be renamed here");
        return;
    }
    let json = json.done();
    assert_harmless_output(&json);
    let snapshot = json.json_lines().remove(0);
    let interfaces = array(&snapshot["host"], "interfaces");
    let name = std::str::from_utf8(name).expect("text");
    assert!(
        interfaces.iter().any(|one| one["name"] == name),
        "{interfaces:?}"
    );
}

#[test]
fn a_cgroup_can_have_any_name() {
    let mounts = fs::read_to_string("/proc/mounts").expect("the mounts");
    let mut lines = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let Some(mount) = lines.find(|fields| fields.get(2) == Some(&"cgroup2")) else {
        skip("there are no cgroups of the unified hierarchy");
        return;
    };
    let name = "=\x1b[31m,\"<b>\u{9b}\u{202e}";
    let group = Path::new(mount[1]).join(name);
    if let Err(error) = fs::create_dir(&group) {
        skip(&format!("cgroups cannot be made: {error}"));
        return;
    }
    {
        let mut command = Command::new(WORKLOAD);
        let alive = alive(command.args(["linger", "member"]));
        let pid = alive.0.id();
        fs::write(group.join("cgroup.procs"), pid.to_string()).expect("moving it");
        let json = run(&[ONCE, &["json"]].concat()).done();
        assert_harmless_output(&json);
        let snapshot = json.json_lines().remove(0);
        let cgroup = row(&snapshot, "processes", pid)["cgroup"]
            .as_str()
            .map(str::to_owned);
        assert_eq!(cgroup, Some(format!("/{name}")));
        let csv = run(&[ONCE, &["csv"]].concat()).done();
        let mut fields = csv::parse(csv.text()).into_iter().flatten();
        assert!(fields.any(|field| field == format!("/{name}")));
    }
    fs::remove_dir(&group).expect("it is empty again");
}

#[test]
fn what_a_user_types_comes_back_harmless() {
    let odd = "\x1b[2J\u{202e}\u{9b}x\n";
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join(format!("{odd}.toml"));
    fs::write(&file, "[\x1b[2J").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
    let file = file.to_str().expect("text");
    let flag = format!("--{odd}");
    let filter = format!("cpu_pct > {odd}");
    for arguments in [
        vec![odd],
        vec![flag.as_str()],
        vec!["top", "--sort", odd],
        vec!["top", "--filter", &filter],
        vec!["top", "--interval", odd],
        vec!["events", "--kind", odd],
        vec!["tree", "--pid", odd],
        vec!["--config", odd, "status"],
        vec!["config", "check", file],
        vec!["config", odd],
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        let [line] = ended.stderr.as_slice() else {
            panic!("{arguments:?}: one line, not {:?}", ended.stderr);
        };
        assert_harmless(line);
    }
}
