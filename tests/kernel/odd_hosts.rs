//! Hosts that lack something: every command starts there, says what it stands on, and ends as it should.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use procwatch_tests::{
    odd::{Capability, Oddity},
    procfs::{TICK_NS, processes},
    procwatch::{Ended, Running, binary},
    record::{Record, array, number, text},
    short,
    skip::{figure, has_ebpf, skip},
};
use serde_json::Value;

/// What collection is to stand on.
#[derive(Clone, Copy, Debug)]
enum Stands {
    /// As if nothing were odd.
    OnEbpf,
    /// And this is in the reason that it gives.
    OnProc(&'static str),
}

/// The binary, where everybody may run it: it may have been built where only root may look.
struct Copy {
    path: PathBuf,
    directory: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let directory = short::directory();
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), everybody).expect("a mode");
        let path = directory.path().join("procwatch");
        std::fs::copy(binary(), &path).expect("a copy of procwatch");
        Self { path, directory }
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// What no other procwatch of the host is called by.
    fn program(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }

    /// `None` where this host does not let us make such a host.
    fn run(&self, oddities: &[Oddity], arguments: &[&str]) -> Option<Ended> {
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir("/");
            for oddity in oddities {
                oddity.apply(&mut command);
            }
            command
        };
        if let Err(error) = command(Path::new("/bin/true")).status() {
            skip(&format!("{oddities:?} cannot be made here: {error}"));
            return None;
        }
        let mut command = command(&self.path);
        command.args(arguments);
        Some(Running::spawn(&mut command).wait())
    }
}

/// One line on standard error, and it says what collection stands on.
fn assert_ready(ended: &Ended, stands: Stands) {
    let [line] = ended.stderr.as_slice() else {
        panic!("one line was to be expected: {:?}", ended.stderr);
    };
    assert!(line.starts_with("ready"), "{line}");
    match stands {
        Stands::OnEbpf => assert!(line.contains("hooks attached"), "{line}"),
        Stands::OnProc(reason) => {
            assert!(line.contains("/proc alone"), "{line}");
            assert!(line.contains(reason), "no {reason:?} in {line:?}");
        }
    }
}

fn assert_sources(of: &Value, stands: Stands) {
    let expected = match stands {
        Stands::OnEbpf => "ebpf",
        Stands::OnProc(_) => "procfs",
    };
    for group in ["identity", "cpu", "memory", "io"] {
        assert_eq!(text(&of["sources"], group), expected, "{group}");
    }
}

/// Snapshot, table, events and status on such a host. Gives the snapshot. `None` where it cannot be made.
fn check(copy: &Copy, oddities: &[Oddity], stands: Stands) -> Option<Value> {
    let run = |arguments: &[&str]| copy.run(oddities, arguments);
    let top = run(&["top", "--once", "--interval", "100ms", "--format", "json"])?.done();
    assert_ready(&top, stands);
    let snapshot = top.json_lines().remove(0);
    assert_sources(&snapshot, stands);
    let own = array(&snapshot, "processes")
        .iter()
        .find(|row| row["comm"] == "procwatch" && row["argv"][0] == copy.program())
        .unwrap_or_else(|| panic!("{oddities:?}: no row of procwatch itself"));
    assert!(own["cpu_time_ns"].is_u64(), "{own}");
    assert_eq!(own["argv"][1], "top", "{own}");

    let table = run(&["top", "--once", "--interval", "100ms"])?.done();
    assert!(table.text().contains("COMMAND"), "{}", table.text());
    let events = run(&["events", "--duration", "200ms", "--format", "json"])?.done();
    let summary = events.json_lines().pop().expect("a last line");
    assert_eq!(text(&summary, "type"), "summary");

    let status = run(&["status", "--format", "json"])?;
    assert_ready(&status, stands);
    let told = &status.json_lines()[0];
    assert_sources(told, stands);
    match stands {
        Stands::OnEbpf => assert!(told["degraded"].is_null(), "{told}"),
        Stands::OnProc(reason) => {
            assert_eq!(status.code, Some(1), "a degraded host is a finding");
            assert!(text(told, "degraded").contains(reason), "{told}");
            for hook in array(told, "hooks") {
                assert!(matches!(text(hook, "state"), "failed" | "unsupported"));
                assert!(!text(hook, "reason").is_empty());
            }
        }
    }
    Some(snapshot)
}

#[test]
fn without_ebpf() {
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    let refused = |errno, stands| check(&copy, &[Oddity::Bpf(errno)], stands);
    refused(
        libc::ENOSYS,
        Stands::OnProc("this kernel has no eBPF; it needs CONFIG_BPF_SYSCALL"),
    );
    refused(libc::EPERM, Stands::OnProc("a seccomp filter is on"));
}

#[test]
fn without_type_information() {
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    let none = [Oddity::Empty("/sys/kernel/btf")];
    check(&copy, &none, Stands::OnProc("CONFIG_DEBUG_INFO_BTF"));
    let whole = std::fs::read("/sys/kernel/btf/vmlinux").expect("the kernel's BTF");
    let broken: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("text", b"hello"),
        ("start", &whole[..whole.len() / 50]),
        ("head", &whole[..24]),
    ];
    for (name, content) in broken {
        let by = copy.file(name, content);
        let file = "/sys/kernel/btf/vmlinux";
        let reason = Stands::OnProc("cannot be read");
        check(&copy, &[Oddity::Replaced { file, by }], reason);
    }
}

#[test]
fn without_the_right_capabilities() {
    use Capability::{Bpf, Perfmon, SysAdmin};
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    let lacks = |lost, reason| {
        check(&copy, &[Oddity::Without(lost)], Stands::OnProc(reason));
    };
    lacks(&[SysAdmin, Perfmon], ": CAP_PERFMON is missing");
    lacks(&[SysAdmin, Bpf], ": CAP_BPF is missing");
    lacks(
        &[SysAdmin, Bpf, Perfmon],
        "CAP_BPF and CAP_PERFMON is missing",
    );
    // The two are enough.
    check(&copy, &[Oddity::Only(&[Bpf, Perfmon])], Stands::OnEbpf);
    check(&copy, &[Oddity::Without(&[SysAdmin])], Stands::OnEbpf);
}

#[test]
fn without_being_root() {
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    let reason = Stands::OnProc("CAP_BPF and CAP_PERFMON is missing; run as root");
    // Whatever kernel.unprivileged_bpf_disabled says: these programs are for the privileged.
    check(&copy, &[Oddity::Nobody], reason);
    let apart = Stands::OnProc("root is root of a user namespace here");
    check(&copy, &[Oddity::UserNamespace], apart);
}

#[test]
fn without_what_it_never_uses() {
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    for directory in [
        "/sys/kernel/tracing",
        "/sys/kernel/debug",
        "/proc/pressure",
        "/sys/fs/cgroup",
        "/etc",
    ] {
        if !Path::new(directory).exists() {
            skip(&format!("there is no {directory} here in the first place"));
            continue;
        }
        let snapshot = check(&copy, &[Oddity::Empty(directory)], Stands::OnEbpf);
        if directory == "/etc"
            && let Some(snapshot) = snapshot
        {
            let own = &array(&snapshot, "processes")[0];
            assert!(own["user"].is_null() && own["uid"].is_u64(), "{own}");
        }
    }
    check(
        &copy,
        &[Oddity::Unmounted("/sys/fs/cgroup")],
        Stands::OnEbpf,
    );
    // And with it the type information.
    let no_sys = [Oddity::Empty("/sys")];
    check(&copy, &no_sys, Stands::OnProc("CONFIG_DEBUG_INFO_BTF"));
}

#[test]
fn with_a_proc_of_processes_alone() {
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    let snapshot = check(&copy, &[Oddity::Proc("subset=pid")], Stands::OnEbpf);
    if let Some(snapshot) = snapshot {
        let host = &snapshot["host"];
        for unknown in [
            "cpus",
            "cpu_busy_ns",
            "unattributed_cpu_ns",
            "memory_total_bytes",
        ] {
            assert!(host[unknown].is_null(), "{unknown} in {host}");
        }
        assert!(host["processes_cpu_ns"].is_u64(), "{host}");
    }
    let strict = [Oddity::Proc("hidepid=invisible"), Oddity::Nobody];
    check(&copy, &strict, Stands::OnProc("run as root"));
}

#[test]
fn in_another_time_namespace() {
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    for (seconds, nanoseconds) in [(100_000, 0), (-100, 7_654_321)] {
        let shifted = [Oddity::TimeNamespace(seconds, nanoseconds)];
        let mut look = Command::new("/bin/readlink");
        look.args(["/proc/self/ns/time", "/proc/self/ns/time_for_children"]);
        shifted[0].apply(&mut look);
        let Ok(namespaces) = look.output() else {
            skip("time namespaces are refused here");
            return;
        };
        let namespaces = String::from_utf8_lossy(&namespaces.stdout).into_owned();
        let is_inside = match namespaces.lines().collect::<Vec<_>>().as_slice() {
            [own, of_children] => own == of_children,
            _ => false,
        };
        // Before 6.2 an exec did not enter the namespace that the process has made for its children: then
        // clocks have not moved.
        let Some(snapshot) = check(&copy, &shifted, Stands::OnEbpf) else {
            return;
        };
        check_times(&snapshot);
        let arguments = ["top", "--once", "--interval", "100ms", "--format", "json"];
        let by_proc = [&arguments[..], &["--no-ebpf"]].concat();
        let by_proc = copy.run(&shifted, &by_proc).expect("as before").done();
        check_times(&by_proc.json_lines()[0]);

        let before_ns = wall_ns();
        let events = ["events", "--duration", "1s", "--format", "json"];
        let mut command = Command::new(&copy.path);
        shifted[0].apply(command.args(events));
        let mut running = Running::spawn(&mut command);
        running.wait_ready();
        let told = crate::workload(&["burn", "1", "1"]);
        let record = Record::of(&running.wait().done());
        let exit = record.the("exit", number(&told["ended"][0], "pid"));
        let time = text(exit, "time");
        let (from, to) = (rfc3339(before_ns), rfc3339(wall_ns()));
        assert!(
            from.as_str() <= &time[..19] && &time[..19] <= to.as_str(),
            "{time} is not between {from} and {to}"
        );
        figure(&format!(
            "time namespace {seconds} s ahead, entered: {is_inside}: argv, starts and times as outside"
        ));
    }
}

/// Starts are those that /proc tells outside of the namespace.
fn check_times(snapshot: &Value) {
    let truth = processes();
    let mut compared = 0;
    for row in array(snapshot, "processes") {
        let Some(listed) = truth.get(&number(row, "pid")) else {
            continue;
        };
        let start_ns = number(row, "start_time_ns");
        // Cut off to a tick of another clock, it may lie up to a tick before.
        let range = (listed.start_ticks - 1) * TICK_NS..(listed.start_ticks + 1) * TICK_NS;
        assert!(range.contains(&start_ns), "{row} is not {listed:?}");
        compared += 1;
    }
    assert!(compared > 5, "{compared} processes compared");
}

/// The time of day.
fn wall_ns() -> u64 {
    let time = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    time.as_nanos() as u64
}

/// To the second, as date(1) writes it.
fn rfc3339(wall_ns: u64) -> String {
    let at = format!("@{}", wall_ns / 1_000_000_000);
    let date = Command::new("date")
        .args(["-u", "-d", &at, "+%FT%T"])
        .output();
    let date = date.expect("running date").stdout;
    String::from_utf8_lossy(&date).trim().to_owned()
}

#[test]
fn without_a_proc() {
    let copy = Copy::new();
    let Some(ended) = copy.run(&[Oddity::Empty("/proc")], &["top", "--once"]) else {
        return;
    };
    assert_eq!(ended.code, Some(2), "{:?}", ended.stderr);
    let expected = "procwatch: collection broke off: there are no processes in /proc; try `mount -t proc proc /proc`";
    assert_eq!(ended.stderr, [expected]);
}

#[test]
fn within_tight_limits() {
    use Capability::SysResource;
    if !has_ebpf() {
        return;
    }
    let copy = Copy::new();
    let locked = [Oddity::Limit(libc::RLIMIT_MEMLOCK, 0)];
    check(&copy, &locked, Stands::OnEbpf);
    let few = [
        Oddity::Limit(libc::RLIMIT_NOFILE, 24),
        Oddity::Without(&[SysResource]),
    ];
    let reason = Stands::OnProc("EMFILE (Too many open files); try `ulimit -n 1024`");
    check(&copy, &few, reason);
}
