//! Names that want to be more than names.

use std::{
    io::Read as _,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use procwatch_tests::{procwatch::run, record::array, short};
use serde_json::Value;

use crate::{WORKLOAD, csv};

/// What stands in for a command's name, and what is passed to it.
const NAMES: &[(&str, &[&str])] = &[
    ("new\nline", &["a\nb", "\r\n1 root S 100.0 fake"]),
    (
        "\x1b[31mred",
        &["\x1b[2J\x1b[H", "\x1b]0;title\x07", "\u{9b}31m"],
    ),
    ("=cmd|' /C x'!A", &["=1+1", "+1", "@x", "-1", "\t=1"]),
    ("a,b\"c", &["comma,quote\"", "\"", ",,"]),
    (
        "\u{202e}evil",
        &[
            "\u{202e}gpj.exe",
            "\u{2066}x\u{2069}",
            "\u{200f}",
            "\u{2028}",
        ],
    ),
    (
        "\u{7f}\u{8}\u{8}x",
        &["back\u{8}space", "tab\tbed", "\\x1b"],
    ),
];

/// Processes that bear them.
struct Bearers(Vec<Child>);

impl Bearers {
    fn start() -> Self {
        let bear = |(comm, arguments): &(&str, &[&str])| {
            let mut child = Command::new(WORKLOAD)
                .arg0(comm)
                .args(["linger", comm])
                .args(*arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("starting the workload");
            // It says so once it has taken the name.
            let mut said = [0; 4];
            let stdout = child.stdout.as_mut().expect("a pipe was asked for");
            stdout
                .read_exact(&mut said)
                .expect("a word of the workload");
            child
        };
        Self(NAMES.iter().map(bear).collect())
    }

    fn pids(&self) -> Vec<u64> {
        self.0.iter().map(|child| u64::from(child.id())).collect()
    }
}

impl Drop for Bearers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn argv_of(number: usize) -> Vec<&'static str> {
    let (comm, arguments) = NAMES[number];
    [&[comm, "linger", comm], arguments].concat()
}

/// What the kernel keeps of a name.
fn kept(comm: &str) -> &str {
    assert!(
        comm.len() <= 15,
        "the names of this test are whole in the kernel"
    );
    comm
}

/// No character that a terminal acts on, or that hides or turns round what stands beside it.
pub fn assert_harmless(text: &str) {
    for line in text.lines() {
        let harmful = line.chars().find(|character| {
            character.is_control()
                || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert_eq!(harmful, None, "in {line:?}");
    }
}

#[test]
fn the_table_is_one_harmless_line_a_process() {
    let bearers = Bearers::start();
    for colour in [None, Some("1")] {
        let mut command = Command::new(procwatch_tests::procwatch::binary());
        command.args(["top", "--once", "--interval", "100ms"]);
        match colour {
            None => command.env_remove("NO_COLOR"),
            Some(value) => command.env("NO_COLOR", value),
        };
        let ended = procwatch_tests::procwatch::Running::spawn(&mut command)
            .wait()
            .done();
        assert_harmless(ended.text());
        let mut lines = ended.text().lines();
        let heading = lines
            .find(|line| line.trim_start().starts_with("PID "))
            .expect("a heading");
        assert!(heading.ends_with("COMMAND"), "{heading:?}");
        let mut pids = Vec::new();
        for line in lines {
            let first = line
                .split_whitespace()
                .next()
                .expect("no empty line below the heading");
            pids.push(
                first
                    .parse::<u64>()
                    .unwrap_or_else(|_| panic!("no pid in {line:?}")),
            );
        }
        for pid in bearers.pids() {
            assert_eq!(
                pids.iter().filter(|listed| **listed == pid).count(),
                1,
                "pid {pid}"
            );
        }
        assert!(pids.contains(&1));
    }
}

#[test]
fn csv_brings_names_back_and_no_formula() {
    let bearers = Bearers::start();
    let ended = run(&["top", "--once", "--format", "csv", "--interval", "100ms"]).done();
    let records = csv::parse(ended.text());
    let column = |name: &str| {
        records[0]
            .iter()
            .position(|field| field == name)
            .expect("a known column")
    };
    let (pid_at, comm_at, argv_at) = (column("pid"), column("comm"), column("argv"));
    for (number, pid) in bearers.pids().into_iter().enumerate() {
        let rows: Vec<_> = records
            .iter()
            .filter(|record| record[pid_at] == pid.to_string())
            .collect();
        assert_eq!(rows.len(), 1, "pid {pid}");
        let comm = kept(NAMES[number].0);
        let argv = argv_of(number).join(" ");
        for (cell, text) in [
            (&rows[0][comm_at], comm),
            (&rows[0][argv_at], argv.as_str()),
        ] {
            // A cell that a spreadsheet would compute is led by an apostrophe.
            let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
            let expected = if is_formula {
                format!("'{text}")
            } else {
                text.to_owned()
            };
            assert_eq!(*cell, expected);
        }
    }
}

#[test]
fn json_brings_names_back_as_they_are() {
    let bearers = Bearers::start();
    let snapshot = procwatch_tests::procwatch::snapshot(&["--interval", "100ms"]);
    for (number, pid) in bearers.pids().into_iter().enumerate() {
        let row = array(&snapshot, "processes")
            .iter()
            .find(|row| row["pid"] == pid)
            .expect("its row");
        assert_eq!(row["comm"], kept(NAMES[number].0));
        let argv: Vec<_> = array(row, "argv")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(argv, argv_of(number));
    }
}

#[test]
fn events_and_tree_for_people_are_harmless_lines() {
    if !procwatch_tests::skip::has_ebpf() {
        return;
    }
    let directory = short::directory();
    let mut running = procwatch_tests::procwatch::Running::ready(&["events"]);
    let odd = directory.path().join("\x1b[31m\nodd");
    short::write(&odd);
    let bearers = Bearers::start();
    let status = Command::new(&odd)
        .arg("\x1b[2J\n\u{202e}")
        .status()
        .expect("the odd program");
    assert!(status.success());
    procwatch_tests::wait::until(
        "the odd program's exit",
        procwatch_tests::wait::PATIENCE,
        || {
            let text = String::from_utf8_lossy(&running.written()).into_owned();
            text.lines()
                .any(|line| line.contains(" exit ") && line.contains("odd"))
                .then_some(())
        },
    );
    let ended = running.interrupt().done();
    assert_harmless(ended.text());
    for line in ended.text().lines() {
        let is_event =
            ["fork", "exec", "exit"].contains(&line.split_whitespace().nth(1).unwrap_or_default());
        assert!(
            is_event || line.starts_with("events: ") || line.starts_with("lost: "),
            "a line of its own: {line:?}"
        );
    }
    let tree = run(&["tree"]).done();
    assert_harmless(tree.text());
    for pid in bearers.pids() {
        let starts = |line: &&str| line.split_whitespace().next() == Some(&pid.to_string());
        assert_eq!(tree.text().lines().filter(starts).count(), 1, "pid {pid}");
    }
}
