//! Questions that are refused: no recording, nothing that would change one, and nothing without an end.

use std::path::PathBuf;

use procwatch_tests::{
    procwatch::{Ended, Running, run},
    wait::{PATIENCE, until},
};
use tempfile::TempDir;

/// A recording of a moment, on /proc alone.
pub(crate) fn recording() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("recording.db");
    run(&[
        "record",
        "--no-ebpf",
        "--db",
        path.to_str().expect("UTF-8"),
        "--interval",
        "50ms",
        "--duration",
        "400ms",
    ])
    .done();
    (directory, path)
}

fn told(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(2), "{:?}", ended.stderr);
    let [line] = ended.stderr.as_slice() else {
        panic!("one line, not {:?}", ended.stderr);
    };
    assert!(!line.contains(char::is_control), "{line:?}");
    line.strip_prefix("procwatch: ").expect("its prefix")
}

fn check(arguments: &[&str], what: &str, remedy: &str) {
    let ended = run(arguments);
    let told = told(&ended);
    assert!(
        told.contains(what),
        "{arguments:?}: {told:?} lacks {what:?}"
    );
    assert!(
        told.contains(remedy),
        "{arguments:?}: {told:?} lacks {remedy:?}"
    );
    assert_eq!(ended.text(), "", "{arguments:?}");
}

#[test]
fn what_is_no_recording() {
    let check = |path: &str, what, remedy| {
        check(&["query", "--db", path, "SELECT 1"], what, remedy);
        check(&["history", "--db", path, "top"], what, remedy);
    };
    check("/nowhere/x.db", "/nowhere/x.db cannot be read", "--db");
    check(
        "/proc/self/status",
        "no recording of procwatch",
        "left as it is",
    );
    check("/", "/ cannot be read", "");
    check("/nowhere/\x1b[2J", "\\x1b[2J", "--db");
}

#[test]
fn what_would_change_something_and_what_is_wrong() {
    let (_directory, path) = recording();
    let before = std::fs::read(&path).expect("the recording");
    let db = path.to_str().expect("UTF-8");
    let check = |statement: &str, what: &str, remedy: &str| {
        check(&["query", "--db", db, statement], what, remedy);
    };
    check("DELETE FROM samples", "only reading", "SELECT");
    check("DROP TABLE samples", "only reading", "SELECT");
    check("ATTACH '/etc/passwd' AS x", "only reading", "SELECT");
    check("VACUUM INTO '/dev/null'", "only reading", "SELECT");
    check("PRAGMA writable_schema = 1", "only reading", "SELECT");
    check("SELECT 1; SELECT 2", "more than one", "one at a time");
    check("SELECT cpu_pc FROM samples", "cpu_pc", "cpu_pct");
    // The tables of the file itself are not within reach.
    check("SELECT * FROM block", "block", "samples");
    check("SELECT '\x1b[2J' FROM nowhere", "nowhere", "processes");
    check(
        "WITH RECURSIVE t(n, x) AS (SELECT 1, randomblob(1000000) UNION ALL SELECT n + 1, randomblob(1000000) FROM t \
         WHERE n < 3000) SELECT count(*) FROM (SELECT x FROM t ORDER BY x)",
        "more memory",
        "ask for less",
    );
    assert_eq!(std::fs::read(&path).expect("the recording"), before);
}

#[test]
fn what_never_ends_is_ended() {
    let (_directory, path) = recording();
    let db = path.to_str().expect("UTF-8");
    let endless =
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t";
    check(
        &["query", "--db", db, "--timeout", "100ms", endless],
        "longer than 100 ms",
        "--timeout",
    );
    let rows = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t";
    let mut running = Running::start(&["query", "--db", db, "--format", "json", rows]);
    until("the first rows", PATIENCE, || {
        (!running.written_from(0).is_empty()).then_some(())
    });
    let ended = running.interrupt();
    assert!(told(&ended).contains("interrupted"));
    assert!(ended.text().starts_with("{\"n\":1}\n{\"n\":2}\n"));
    assert!(ended.text().ends_with("}\n"), "a row was cut off");
}

#[test]
fn the_same_answer_in_each_format() {
    let (_directory, path) = recording();
    let db = path.to_str().expect("UTF-8");
    let statement = "SELECT pid, '=1+1' AS text, NULL AS none FROM processes WHERE pid = 1";
    let answer = |format: &str| {
        let ended = run(&["query", "--db", db, "--format", format, statement]).done();
        ended.text().to_owned()
    };
    assert_eq!(answer("table"), "pid  text  none\n  1  =1+1     -\n");
    assert_eq!(
        answer("json"),
        "{\"pid\":1,\"text\":\"=1+1\",\"none\":null}\n"
    );
    assert_eq!(answer("csv"), "pid,text,none\r\n1,'=1+1,\r\n");
}

#[test]
fn times_and_fields_of_the_usual_questions() {
    let (_directory, path) = recording();
    let db = path.to_str().expect("UTF-8");
    let check = |arguments: &[&str], what: &str, remedy: &str| {
        let mut all = vec!["history", "--db", db];
        all.extend(arguments);
        check(&all, what, remedy);
    };
    check(&["top", "--from", "soon"], "\"soon\"", "3h ago");
    check(
        &["top", "--from", "1s", "--to", "5m"],
        "not before",
        "goes from",
    );
    check(&["top", "--to", "1d"], "not before", "goes from");
    check(&["top", "--by", "comm"], "comm is no figure", "rss_bytes");
    check(&["top", "--by", "rss"], "rss", "rss_bytes");
    check(&["curve", "--by", "rss_bytes"], "all processes", "--pid");
    check(&["curve", "--pid", "4194304"], "4194304", "history top");
    check(
        &["around", "--at", "7d"],
        "nothing was recorded",
        "goes from",
    );
    check(&["compare"], "nothing was recorded", "--with");
    check(&["compare", "--by", "rss_bytes", "--with", "1m"], "", "");
}

#[test]
fn the_usual_questions_have_answers() {
    let (_directory, path) = recording();
    let db = path.to_str().expect("UTF-8");
    let ask = |arguments: &[&str]| {
        let mut all = vec!["history", "--db", db];
        all.extend(arguments);
        run(&all).done()
    };
    // The recorder itself did something.
    let top = ask(&["top", "--format", "json", "--limit", "3"]).json_lines();
    assert!((1..=3).contains(&top.len()), "{top:?}");
    for row in &top {
        assert!(row["cpu_time_ns"].as_u64() > Some(0), "{row}");
        assert!(row["pid"].is_u64() && row["process"].is_u64(), "{row}");
    }
    let largest = ask(&["top", "--by", "rss_bytes", "--format", "json"]).json_lines();
    let sizes: Vec<_> = largest
        .iter()
        .map(|row| row["rss_bytes"].as_u64())
        .collect();
    assert!(
        sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > Some(0),
        "{sizes:?}"
    );
    let chart = ask(&["curve"]);
    assert_eq!(chart.text().lines().count(), 15, "{}", chart.text());
    assert!(chart.text().starts_with("cpu_pct of all processes\n"));
    let around = ask(&["around", "--at", "now", "--span", "10m", "--format", "csv"]);
    let heading = around.text().lines().next();
    assert!(heading.is_some_and(|line| line.starts_with("time,what,process,pid,")));
    let compared = ask(&[
        "compare", "--from", "1m", "--to", "now", "--with", "1m", "--format", "json",
    ]);
    for row in compared.json_lines() {
        assert_eq!(row["cpu_time_ns"], row["cpu_time_ns_before"], "{row}");
        assert_eq!(row["cpu_time_ns_change"], 0, "{row}");
    }
}
