//! Secrets of real command lines, which no face has.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
};

use procwatch_tests::{
    procwatch::{Running, run, snapshot},
    record::array,
    wait::{PATIENCE, until},
};

use crate::WORKLOAD;

/// In no face, and not to be found by a filter.
const SECRET: &str = "hunter2hunter2";

/// A process with a secret on its command line.
struct Bearer(Child);

impl Bearer {
    fn start() -> Self {
        let mut child = Command::new(WORKLOAD)
            .args(["linger", "bearer", "--password", SECRET])
            .arg(format!("https://joe:{SECRET}@host/"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the workload");
        // It says so once it has taken the name.
        let stdout = child.stdout.as_mut().expect("a pipe was asked for");
        stdout
            .read_exact(&mut [0; 4])
            .expect("a word of the workload");
        Self(child)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Bearer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn assert_redacted(text: &str) {
    assert!(
        text.contains("--password"),
        "the process is not there: {text}"
    );
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn no_snapshot_has_them() {
    let bearer = Bearer::start();
    let filter = format!("pid == {}", bearer.pid());
    for source in [[].as_slice(), &["--no-ebpf"]] {
        for format in ["json", "csv", "table"] {
            let arguments = [
                "top",
                "--once",
                "--interval",
                "100ms",
                "--format",
                format,
                "--filter",
                &filter,
            ];
            let mut command = Command::new(procwatch_tests::procwatch::binary());
            command.args(arguments).args(source);
            let ended = Running::spawn(&mut command).wait().done();
            match format {
                // As wide as a terminal, which cuts it.
                "table" => assert!(!ended.text().contains(SECRET), "{}", ended.text()),
                _ => assert_redacted(ended.text()),
            }
        }
    }
    let tree = run(&["tree", "--pid", &bearer.pid()]).done();
    assert_redacted(tree.text());
    let tree = run(&["tree", "--pid", &bearer.pid(), "--format", "json"]).done();
    assert_redacted(tree.text());
}

#[test]
fn no_filter_finds_them() {
    let _bearer = Bearer::start();
    for filter in [SECRET, &format!("argv == \"{SECRET}\"")] {
        let found = snapshot(&["--interval", "100ms", "--filter", filter]);
        // Our own command line has it, and is not the only one that may.
        let bearers = array(&found, "processes")
            .iter()
            .filter(|row| row["comm"] == "bearer");
        assert_eq!(bearers.count(), 0, "{filter}");
    }
}

#[test]
fn no_event_has_them() {
    if !procwatch_tests::skip::has_ebpf() {
        return;
    }
    for format in ["json", "text"] {
        let mut running = Running::ready(&["events", "--format", format]);
        drop(Bearer::start());
        until("the end of the bearer", PATIENCE, || {
            let text = String::from_utf8_lossy(&running.written()).into_owned();
            let mut lines = text.lines();
            lines
                .any(|line| line.contains("exit") && line.contains("bearer"))
                .then_some(())
        });
        let ended = running.interrupt().done();
        assert_redacted(ended.text());
    }
}

#[test]
fn who_needs_them_can_have_them() {
    let bearer = Bearer::start();
    let filter = format!("pid == {}", bearer.pid());
    let found = snapshot(&["--interval", "100ms", "--no-redact", "--filter", &filter]);
    assert_eq!(found["processes"][0]["argv"][4], SECRET);
}

#[test]
fn a_configuration_adds_what_is_secret_here() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.toml");
    std::fs::write(&path, "[redact]\noptions = ['linger']\n").expect("a file");
    let path = path.to_str().expect("text");
    assert_eq!(run(&["config", "check", path]).code, Some(2));
    std::fs::write(path, "[redact]\npatterns = ['^bear(er)$']\n").expect("a file");
    let bearer = Bearer::start();
    let filter = format!("pid == {}", bearer.pid());
    let found = snapshot(&["--interval", "100ms", "--config", path, "--filter", &filter]);
    let row = &found["processes"][0];
    assert_eq!(row["argv"][2], "bear***");
    assert_eq!(row["comm"], "bearer");
}
