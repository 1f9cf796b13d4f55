//! A window of a recording as a file of its own.

use std::path::Path;

use procwatch_tests::{procwatch::run, workload::argument};

use crate::query::recording;

fn answer(db: &Path, statement: &str) -> String {
    let arguments = ["query", "--db", argument(db), "--format", "csv", statement];
    run(&arguments).done().text().to_owned()
}

#[test]
fn what_is_exported_answers_as_the_whole_does() {
    let (directory, whole) = recording();
    let bounds = answer(&whole, "SELECT min(time), max(time) FROM samples");
    let bounds: Vec<u64> = bounds
        .lines()
        .nth(1)
        .expect("a row")
        .split(',')
        .map(|time| time.parse().expect("a time"))
        .collect();
    // The middle of it, to the nanosecond.
    let part = (bounds[1] - bounds[0]) / 4;
    let (from, to) = (bounds[0] + part, bounds[1] - part);
    let moment = |ns: u64| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    let portion = directory.path().join("portion.db");
    let exported = run(&[
        "export",
        "--db",
        argument(&whole),
        "--from",
        &moment(from),
        "--to",
        &moment(to),
        "--output",
        argument(&portion),
    ])
    .done();
    assert!(
        exported.stderr.join("\n").contains("samples, "),
        "{:?}",
        exported.stderr
    );
    let imported = directory.path().join("imported.db");
    run(&["import", argument(&portion), "--db", argument(&imported)]).done();

    let questions = [
        format!(
            "SELECT time, pid, comm, cpu_time_ns, rss_bytes FROM samples WHERE time > {from} AND time <= {to} ORDER BY time, pid"
        ),
        format!(
            "SELECT time, type, pid, comm FROM events WHERE time > {from} AND time <= {to} ORDER BY time, pid"
        ),
    ];
    for question in questions {
        let expected = answer(&whole, &question);
        assert_eq!(answer(&portion, &question), expected);
        assert_eq!(answer(&imported, &question), expected);
    }
    let outside = format!("SELECT count(*) AS n FROM samples WHERE time > {to}");
    assert_eq!(answer(&portion, &outside), "n\r\n0\r\n");
    // As every command takes it.
    run(&["replay", "--once", "--db", argument(&imported)]).done();
    run(&["history", "--db", argument(&imported), "top"]).done();
}

#[test]
fn what_cannot_be_copied() {
    let (directory, whole) = recording();
    let there = directory.path().join("there");
    std::fs::write(&there, "mine").expect("a file");
    let refused = |arguments: &[&str], words: &str| {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2));
        let said = ended.stderr.join("\n");
        assert!(said.contains(words), "{said:?} lacks {words:?}");
    };
    let (whole, there) = (argument(&whole), argument(&there));
    refused(
        &["export", "--db", whole, "--output", there],
        "there is a file already; name another one",
    );
    refused(
        &[
            "export",
            "--db",
            whole,
            "--from",
            "1970-01-02",
            "--to",
            "1970-01-03",
            "-o",
            "x.db",
        ],
        "the recording goes from",
    );
    refused(
        &["import", there, "--db", "/nowhere/x.db"],
        "is no recording of procwatch",
    );
    refused(
        &["import", whole, "--db", "/nowhere/x.db"],
        "/nowhere/x.db cannot be made: No such file",
    );
    refused(&["import", whole], "--db <FILE> is missing");
    assert_eq!(std::fs::read_to_string(there).expect("the file"), "mine");

    // One that has been damaged in the middle is refused, and nothing is left of the attempt.
    let mut bytes = std::fs::read(whole).expect("the recording");
    let page = bytes.len() / 4096 * 3 / 4 * 4096;
    bytes[page..page + 4096].fill(0xa5);
    let damaged = directory.path().join("damaged.db");
    std::fs::write(&damaged, bytes).expect("a file");
    let copy = directory.path().join("copy.db");
    let ended = run(&["import", argument(&damaged), "--db", argument(&copy)]);
    assert_eq!(ended.code, Some(2), "{:?}", ended.stderr);
    assert!(!copy.exists());
}
