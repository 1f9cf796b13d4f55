//! A memory limit and who dies of it, against the kernel's log and wait4.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::{fs::OpenOptionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
};

use procwatch_tests::{
    record::{Recorder, number, text},
    skip::{figure, has_ebpf, skip},
    wait::{PATIENCE, until},
    workload::{argument, start},
};
use serde_json::Value;

use crate::WORKLOAD;

const LIMIT: &str = "64M";
/// Fits beneath the limit.
const HELD_MIB: &str = "40";
/// Does not, alone or beside it.
const WANTED_MIB: &str = "100";
/// Makes its holder the one to die first, whoever asked for more.
const SCORE_ADJUSTMENT: u64 = 500;

#[test]
fn a_cgroup2_oom_names_the_victim_and_the_askers_cgroup() {
    if !has_ebpf() {
        return;
    }
    let Some(cgroup) = Cgroup::limited() else {
        return;
    };
    let mut log = KernelLog::from_now();
    let recorder = Recorder::with(&["--kind", "oom,exit"]);
    let mut holder = start(WORKLOAD, &["allocate", argument(&cgroup.0), HELD_MIB]);
    wait_until_it_holds(&mut holder);
    let holder_pid = holder.id();
    fs::write(
        format!("/proc/{holder_pid}/oom_score_adj"),
        SCORE_ADJUSTMENT.to_string(),
    )
    .expect("an adjustment of our own child");
    let path = cgroup_path(holder_pid);
    // Is given the holder's memory when that has died for it, and dies of the limit itself.
    let asker = start(WORKLOAD, &["allocate", argument(&cgroup.0), WANTED_MIB]);
    let asker_pid = asker.id();
    for (who, child) in [("holder", holder), ("asker", asker)] {
        let signal = ended(child).signal();
        assert_eq!(signal, Some(libc::SIGKILL), "the {who} was to be killed");
    }
    let record = recorder.stop();

    let asker_exit = record.the("exit", u64::from(asker_pid));
    let log = log.text();
    for (victim, adjustment) in [(holder_pid, SCORE_ADJUSTMENT), (asker_pid, 0)] {
        let pid = u64::from(victim);
        let (oom, exit) = (record.the("oom", pid), record.the("exit", pid));
        assert_eq!(oom["start_time_ns"], exit["start_time_ns"], "{oom}");
        assert_eq!(exit["exit_signal"], libc::SIGKILL, "{exit}");
        assert_eq!(text(oom, "comm"), "workload");
        assert_eq!(number(oom, "ppid"), u64::from(std::process::id()));
        let told = killed(&log, victim);
        if oom["oom_score_adj"].is_null() && is_older_than(6, 9) {
            figure("oom: this kernel tells the victim's pid and no figures");
        } else {
            assert_eq!(number(oom, "oom_score_adj"), adjustment);
            assert_memory(oom, told);
        }
        let asked_by = &oom["asked_by"];
        assert_eq!(number(asked_by, "pid"), u64::from(asker_pid), "{oom}");
        assert_eq!(
            asked_by["start_time_ns"], asker_exit["start_time_ns"],
            "{oom}"
        );
        assert_eq!(text(asked_by, "comm"), "workload");
        assert_eq!(text(asked_by, "cgroup"), path);
    }
    assert_eq!(cgroup.oom_kills(), 2, "the kernel's own count");
    let of_ours = |oom: &&Value| text(&oom["asked_by"], "cgroup") == path;
    assert_eq!(record.of_kind("oom").filter(of_ours).count(), 2);
}

/// Against what the kernel logged of the victim.
fn assert_memory(oom: &Value, told: &str) {
    for (field, in_log) in [
        ("anon_rss_bytes", "anon-rss:"),
        ("file_rss_bytes", "file-rss:"),
        ("shmem_rss_bytes", "shmem-rss:"),
    ] {
        let (ours, theirs) = (number(oom, field), kilobytes(told, in_log) * 1024);
        figure(&format!(
            "oom: {field} {ours}, by the kernel's log {theirs}"
        ));
        // Of a counter that CPUs have a share of the kernel logs only what they have folded in.
        assert!(
            ours.abs_diff(theirs) <= 1 << 20,
            "{field}: {oom} for {told}"
        );
    }
}

/// Before 6.9 the tracepoint passes a pid and nothing else.
fn is_older_than(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release");
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) < (Some(major), Some(minor))
}

/// The role says so on its standard output.
fn wait_until_it_holds(role: &mut Child) {
    let output = role.stdout.as_mut().expect("a pipe was asked for");
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .expect("a line of the workload");
    assert_eq!(line, "null\n", "the workload fits beneath the limit");
}

fn ended(mut child: Child) -> ExitStatus {
    until("a child to be killed", PATIENCE, || {
        child.try_wait().expect("waiting for our own child")
    })
}

/// The path in the unified hierarchy, by cgroups(7).
fn cgroup_path(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroups of our own child");
    let path = text.lines().find_map(|line| line.strip_prefix("0::"));
    path.expect("a unified hierarchy").to_owned()
}

/// The kernel's line on the end of a process.
fn killed(log: &str, pid: u32) -> &str {
    let words = format!("Killed process {pid} (");
    log.lines()
        .find(|line| line.contains(&words))
        .unwrap_or_else(|| panic!("the kernel's log does not say {words:?}: {log}"))
}

fn kilobytes(line: &str, name: &str) -> u64 {
    line.split_once(name)
        .and_then(|(_, rest)| rest.split_once("kB"))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// A cgroup of our own with a memory limit. Dropping it removes it.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Says that the test is skipped when the host has none to give.
    fn limited() -> Option<Self> {
        let Some(root) = unified_hierarchy() else {
            skip("cgroup2 is not mounted");
            return None;
        };
        let has_memory = |file: &str| {
            let controllers = fs::read_to_string(root.join(file)).unwrap_or_default();
            controllers.split_whitespace().any(|name| name == "memory")
        };
        if !has_memory("cgroup.controllers") {
            skip("cgroup2 has no memory controller here");
            return None;
        }
        let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        if !has_memory("cgroup.subtree_control") {
            skip("cgroup2's memory controller is not given to cgroups below its root");
            return None;
        }
        let cgroup = Self(root.join(format!("procwatch-test-{}", std::process::id())));
        fs::create_dir(&cgroup.0).expect("a cgroup");
        fs::write(cgroup.0.join("memory.max"), LIMIT).expect("a memory limit");
        // There only where the kernel has swap.
        let _ = fs::write(cgroup.0.join("memory.swap.max"), "0");
        Some(cgroup)
    }

    fn oom_kills(&self) -> u64 {
        let events = fs::read_to_string(self.0.join("memory.events")).expect("memory.events");
        let count = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        count
            .and_then(|count| count.parse().ok())
            .expect("a count of oom_kill")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Children of a test that failed.
        let processes = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            // SAFETY: has no preconditions; only children of ours are in this cgroup.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let _ = fs::remove_dir(&self.0);
    }
}

/// Where cgroup2 is mounted, by proc_pid_mountinfo(5).
fn unified_hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    let target = mount.split_whitespace().nth(4)?;
    Some(Path::new(target).to_owned())
}

/// What the kernel logs from a moment on.
struct KernelLog(File);

impl KernelLog {
    fn from_now() -> Self {
        let mut log = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .expect("the kernel's log");
        log.seek(SeekFrom::End(0))
            .expect("the end of the kernel's log");
        Self(log)
    }

    /// Each read is one record, until there is none.
    fn text(&mut self) -> String {
        let mut text = String::new();
        let mut record = [0; 8192];
        while let Ok(length) = self.0.read(&mut record)
            && length > 0
        {
            text.push_str(&String::from_utf8_lossy(&record[..length]));
        }
        text
    }
}
