//! From what a process does to whoever is told of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use procwatch_tests::{
    finished::Owned,
    procwatch::{Ended, Running, command, run},
    receiver::Receiver,
    record::{array, number, text},
    short,
    skip::{figure, has_ebpf, skip},
    workload::argument,
};
use serde_json::Value;
use tempfile::TempDir;

/// A recorder with rules, and somebody who is told.
struct Recorder {
    running: Option<Running>,
    directory: TempDir,
    receiver: Receiver,
}

impl Recorder {
    /// `rules` are added to a configuration without detectors, whose only notifier is a web hook.
    fn start(rules: &str) -> Self {
        let directory = short::directory();
        let receiver = Receiver::start();
        let mut recorder = Self {
            running: None,
            directory,
            receiver,
        };
        recorder.configure(rules);
        recorder.go_on();
        recorder
    }

    fn configure(&self, rules: &str) {
        let text = format!(
            "[alerts]\ngroup_wait = '100ms'\n[alerts.webhook]\nurl = '{}'\n[alerts.detectors]\nenabled = false\n{rules}",
            self.receiver.url()
        );
        fs::write(self.config(), text).expect("a configuration");
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("procwatch.toml")
    }

    fn db(&self) -> PathBuf {
        self.directory.path().join("recording.db")
    }

    fn go_on(&mut self) {
        let socket = self.directory.path().join("socket");
        let mut command = command();
        command
            .args(["--config", argument(&self.config())])
            .args(["--socket", argument(&socket)])
            .args(["record", "--db", argument(&self.db())])
            .args(["--interval", "200ms"]);
        let mut running = Running::spawn(&mut command);
        running.wait_ready();
        self.running = Some(running);
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("a recorder that runs")
    }

    fn alerts(&self, arguments: &[&str]) -> Ended {
        let (db, config) = (self.db(), self.config());
        let of = ["--config", argument(&config), "alerts"];
        run(&[&of[..], arguments, &["--db", argument(&db)]].concat())
    }

    /// As `alerts list` has them, those of one rule.
    fn listed(&self, rule: &str) -> (Option<i32>, Vec<Value>) {
        let ended = self.alerts(&["list", "--format", "json", "--rule", rule]);
        (ended.code, ended.json_lines())
    }

    fn status(&self) -> Value {
        let socket = self.directory.path().join("socket");
        let ended = run(&[
            "--socket",
            argument(&socket),
            "status",
            "--format",
            "json",
            "--duration",
            "100ms",
        ]);
        serde_json::from_str(ended.text()).expect("JSON")
    }
}

/// A program of its own name that takes a CPU, until it is dropped.
fn spinner(directory: &Path) -> Owned {
    let shell = directory.join("spinner");
    if !shell.exists() {
        fs::copy("/bin/sh", &shell).expect("a shell of another name");
    }
    let mut command = Command::new(shell);
    command.args(["-c", "while :; do :; done"]);
    Owned(command.spawn().expect("a process that spins"))
}

const HOT: &str = "[[alerts.rules]]\nname = 'hot'\nwhen = 'comm == spinner and cpu_pct > 20'\nfor = '1s'\nkeep = '1s'\n";

#[test]
fn an_alert_is_told_once_with_its_culprit_also_over_a_crash() {
    if !has_ebpf() {
        return;
    }
    let mut recorder = Recorder::start(HOT);
    let spinner = spinner(recorder.directory.path());
    let told = recorder.receiver.next();
    assert_eq!(
        (text(&told, "state"), text(&told, "rule")),
        ("firing", "hot")
    );
    let culprit = &told["culprit"];
    assert_eq!(number(culprit, "pid"), spinner.pid());
    assert_eq!(text(culprit, "comm"), "spinner");
    let ancestry = array(culprit, "ancestry");
    let own = format!("({})", std::process::id());
    let parent = ancestry.last().and_then(Value::as_str).expect("a parent");
    assert!(parent.ends_with(&own), "{parent}");
    assert_eq!(number(&array(&told, "top")[0], "pid"), spinner.pid());
    assert!(array(&told, "curve").len() > 10);
    // What it names shows the culprit at that moment.
    let replay: Vec<&str> = text(&told, "replay").split(' ').skip(1).collect();
    let moment = run(&[&replay[..], &["--once", "--format", "json"]].concat());
    let moment: Value = serde_json::from_str(moment.done().text()).expect("JSON");
    let processes = array(&moment, "processes");
    assert!(
        processes
            .iter()
            .any(|one| number(one, "pid") == spinner.pid())
    );
    let (code, listed) = recorder.listed("hot");
    assert_eq!((code, listed.len()), (Some(1), 1));

    // It is the same alert after a crash, and nobody is told twice.
    let killed = recorder.running.take().expect("a recorder");
    killed.signal(libc::SIGKILL);
    drop(killed.wait());
    recorder.go_on();
    assert_eq!(recorder.receiver.within(Duration::from_secs(3)), None);
    drop(spinner);
    let over = recorder.receiver.next();
    assert_eq!(text(&over, "state"), "resolved");
    assert_eq!(over["id"], told["id"]);
    let (code, listed) = recorder.listed("hot");
    assert_eq!((code, listed.len()), (Some(0), 1));
    let status = recorder.status();
    let notifier = &array(&status, "notifiers")[0];
    assert_eq!(text(notifier, "name"), "webhook");
    assert_eq!(number(&notifier["tally"], "sent"), 2);
}

#[test]
fn who_is_silenced_is_told_when_the_silence_ends_and_a_hangup_brings_other_rules() {
    if !has_ebpf() {
        return;
    }
    let recorder = Recorder::start(HOT);
    recorder
        .alerts(&["silence", "hot", "--about", "spinner", "--reason", "known"])
        .done();
    let spinner = spinner(recorder.directory.path());
    let begun = Instant::now();
    let silenced = loop {
        let (_, listed) = recorder.listed("hot");
        let firing = listed.iter().find(|one| text(one, "state") == "firing");
        if let Some(one) = firing.filter(|one| one["muted_by"].is_string()) {
            break one.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{listed:?}");
    };
    assert_eq!(silenced["told"], false);
    assert_eq!(recorder.receiver.within(Duration::from_secs(1)), None);
    recorder.alerts(&["unsilence", "1"]).done();
    let told = recorder.receiver.next();
    assert_eq!(told["id"], silenced["id"]);

    // A configuration that is wrong is not taken over; the next one is.
    recorder.configure("[[alerts.rules]]\nname = 'hot'\nwhen = 'cpu > 1'\n");
    recorder.running().signal(libc::SIGHUP);
    assert_eq!(recorder.receiver.within(Duration::from_secs(1)), None);
    recorder.configure(
        "[[alerts.rules]]\nname = 'spins'\nper = 'program'\nwhen = \"comm == spinner and cpu_pct > 10\"\n",
    );
    recorder.running().signal(libc::SIGHUP);
    let mut next = [recorder.receiver.next(), recorder.receiver.next()];
    next.sort_by_key(|one| text(one, "rule").to_owned());
    let shown: Vec<_> = next
        .iter()
        .map(|one| (text(one, "rule"), text(one, "state")))
        .collect();
    assert_eq!(shown, [("hot", "resolved"), ("spins", "firing")]);
    drop(spinner);
}

#[test]
fn a_rule_is_tried_on_the_past() {
    if !has_ebpf() {
        return;
    }
    let mut recorder = Recorder::start("");
    for _ in 0..2 {
        let spinner = spinner(recorder.directory.path());
        std::thread::sleep(Duration::from_millis(2500));
        drop(spinner);
        std::thread::sleep(Duration::from_millis(500));
    }
    recorder
        .running
        .take()
        .expect("a recorder")
        .interrupt()
        .done();
    let when = "comm == spinner and cpu_pct > 20";
    let tried = recorder
        .alerts(&["explain", "--when", when, "--for", "1s"])
        .done();
    let told = tried.text();
    assert!(
        told.contains("this rule would have fired 2 times in"),
        "{told}"
    );
    let tried = recorder
        .alerts(&["explain", "--when", when, "--for", "1m"])
        .done();
    assert!(
        tried.text().contains("would not have fired"),
        "{}",
        tried.text()
    );
}

/// A cgroup with a memory limit, in whichever hierarchy has that.
struct Limited(PathBuf);

impl Limited {
    fn new(bytes: u64) -> Option<Self> {
        for (root, file) in [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ] {
            let group = Path::new(root).join(format!("procwatch-test-{}", std::process::id()));
            // A directory of another filesystem is none of the kernel's.
            let is_hierarchy = Path::new(root).join("cgroup.procs").exists();
            if !is_hierarchy || fs::create_dir(&group).is_err() {
                continue;
            }
            let limited = Self(group);
            if fs::write(limited.0.join(file), bytes.to_string()).is_ok() {
                return Some(limited);
            }
        }
        None
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // Who was in it may be on the way out.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_leak_is_told_before_half_of_its_cgroups_limit_and_when_it_ends() {
    const LIMIT: u64 = 1 << 30;
    /// Bytes a second.
    const PACE: f64 = 2e6;
    if !has_ebpf() {
        return;
    }
    let Some(limited) = Limited::new(LIMIT) else {
        return skip("no cgroup with a memory limit can be made here");
    };
    let Some(python) = procwatch_tests::skip::program("python3") else {
        return;
    };
    let recorder = Recorder::start("memory_leak = true\n");
    let leak = "import time\nkept=[]\nbegun=time.monotonic()\nwhile True:\n  kept.append(b'x'*200000)\n  time.sleep(max(0, begun+len(kept)*0.1-time.monotonic()))";
    let leaky = Command::new(python).args(["-c", leak]).spawn();
    let leaky = Owned(leaky.expect("a process that leaks"));
    fs::write(limited.0.join("cgroup.procs"), leaky.pid().to_string()).expect("moving it");
    let told = recorder
        .receiver
        .within(Duration::from_secs(200))
        .expect("an alert before half of the limit");
    assert_eq!(text(&told, "rule"), "memory_leak");
    assert_eq!(number(&told["culprit"], "pid"), leaky.pid());
    let of = &told["figure"];
    let value = of["value"].as_f64().expect("a figure");
    let limit = of["limit"].as_f64().expect("a limit");
    assert!((limit - LIMIT as f64).abs() < 1.0, "{limit}");
    assert!(value < limit / 2.0, "{value} of {limit}");
    let until = of["time_until_ns"].as_f64().expect("a time") / 1e9;
    let truth = (limit - value) / PACE;
    figure(&format!(
        "leak: told at {:.0} % of its limit; {until:.0} s until it, and {truth:.0} by its pace",
        value / limit * 100.0
    ));
    assert!((until / truth - 1.0).abs() < 0.2, "{until} and {truth}");
}
