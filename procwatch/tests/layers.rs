//! The layers of ARCHITECTURE.md: who may use whom.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A name that only these rooms may use.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("aya", &["kernel"]),
    ("procwatch_common", &["kernel"]),
    ("zerocopy", &["kernel"]),
    ("procfs", &["procfs", "collector"]),
    ("rusqlite", &["history"]),
    ("lettre", &["notify"]),
    ("hyper", &["notify"]),
    ("rustls", &["notify"]),
    ("png", &["notify"]),
    ("ratatui", &["tui"]),
    ("toml", &["config"]),
    ("landlock", &["confine"]),
    ("regex", &["model"]),
    ("clap", &["cli", "commands", "main.rs"]),
    ("tokio", &["agent", "commands", "notify", "viewers", "web"]),
];

const PURE: &[&str] = &["model", "report", "detect", "alerts", "trace", "latency.rs"];

/// What the pure core may not touch: clocks, files, sockets, threads, and every other room.
const NOT_IN_MODEL: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "rustix",
    "libc",
    // Arithmetic with dates is pure; what reads the clock and the host's zone is not.
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::system",
    "TimeZone::get",
    "crate::kernel",
    "crate::procfs",
    "crate::collector",
    "crate::agent",
    "crate::cli",
    "crate::commands",
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every line of code below `src`, with its file; comments are left out.
fn code() -> Vec<(PathBuf, usize, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let file = file.strip_prefix(&root).unwrap().to_owned();
        for (number, line) in text.lines().enumerate() {
            if !line.trim_start().starts_with("//") {
                lines.push((file.clone(), number + 1, line.to_owned()));
            }
        }
    }
    assert!(lines.len() > 1000, "the sources were not found");
    lines
}

/// Whether a line names a crate or module: the word, followed by `::`.
fn names(line: &str, wanted: &str) -> bool {
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(&format!("{wanted}::"))
        .any(|(at, _)| !line[..at].ends_with(is_part_of_word) && !line[..at].ends_with("crate::"))
}

#[test]
fn libraries_stay_in_their_rooms() {
    let mut crossings = Vec::new();
    for (file, number, line) in code() {
        let room = file
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        for (library, rooms) in ONLY_IN {
            if names(&line, library) && !rooms.contains(&room) {
                crossings.push(format!("{}:{number}: {library}: {line}", file.display()));
            }
        }
    }
    assert!(crossings.is_empty(), "{}", crossings.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut crossings = Vec::new();
    for (file, number, line) in code() {
        if !PURE.iter().any(|room| file.starts_with(room)) {
            continue;
        }
        for forbidden in NOT_IN_MODEL {
            if line.contains(forbidden) {
                crossings.push(format!("{}:{number}: {forbidden}: {line}", file.display()));
            }
        }
    }
    assert!(crossings.is_empty(), "{}", crossings.join("\n"));
}

#[test]
fn edges_do_not_know_each_other() {
    let mut crossings = Vec::new();
    for (file, number, line) in code() {
        let forbidden: &[&str] = if file.starts_with("kernel") {
            &[
                "crate::procfs",
                "crate::collector",
                "crate::agent",
                "crate::cli",
            ]
        } else if file.starts_with("procfs") {
            &[
                "crate::kernel",
                "crate::collector",
                "crate::agent",
                "crate::cli",
            ]
        } else if file.starts_with("collector") {
            &["crate::agent", "crate::cli", "crate::commands"]
        } else if file.starts_with("notify") {
            &[
                "crate::agent",
                "crate::cli",
                "crate::collector",
                "crate::commands",
                "crate::config",
                "crate::confine",
                "crate::history",
                "crate::kernel",
                "crate::procfs",
                "crate::tui",
            ]
        } else if file.starts_with("confine") {
            &["crate::"]
        } else if file.starts_with("config") {
            &[
                "std::fs",
                "std::env",
                "rustix",
                "crate::agent",
                "crate::cli",
                "crate::collector",
                "crate::commands",
                "crate::confine",
                "crate::kernel",
                "crate::procfs",
            ]
        } else {
            &[]
        };
        for other in forbidden {
            if line.contains(other) {
                crossings.push(format!("{}:{number}: {other}: {line}", file.display()));
            }
        }
    }
    assert!(crossings.is_empty(), "{}", crossings.join("\n"));
}

#[test]
fn a_crossing_would_be_noticed() {
    assert!(names("use aya::Ebpf;", "aya"));
    assert!(names("    ::procfs::Meminfo", "procfs"));
    assert!(!names("use crate::procfs::ProcRoot;", "procfs"));
    assert!(!names("let x = my_aya::f();", "aya"));
}
