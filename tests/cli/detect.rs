//! `procwatch detect --csv`: any series, a verdict a row.

use std::{fmt::Write as _, fs, path::Path};

use procwatch_tests::{procwatch::run, record::text, short, workload::argument};
use serde_json::Value;

/// A wave of a day with a value every five minutes, a little uneven; in row 1500 it is far too high.
fn wave(rows: usize) -> String {
    let mut csv = String::from("timestamp,value\n");
    for row in 0..rows {
        let phase = row as f64 / 288.0 * std::f64::consts::TAU;
        let uneven = f64::from((row as u32).wrapping_mul(2_654_435_761) >> 16 & 0xff) / 100.0;
        let spike = if row == 1500 { 70.0 } else { 0.0 };
        let value = 50.0 + 10.0 * phase.sin() + uneven + spike;
        let time = 1_700_000_000 + 300 * row;
        let _ = writeln!(csv, "{time},{value}");
    }
    csv
}

fn written(directory: &Path, content: &[u8]) -> std::path::PathBuf {
    let path = directory.join("series.csv");
    fs::write(&path, content).expect("a series");
    path
}

fn verdicts(csv: &Path) -> Vec<Value> {
    let ended = run(&["detect", "--csv", argument(csv), "--format", "json"]).done();
    ended.json_lines()
}

#[test]
fn every_row_has_a_verdict_and_none_looks_ahead() {
    let directory = short::directory();
    let whole = wave(2000);
    let path = written(directory.path(), whole.as_bytes());
    let told = verdicts(&path);
    assert_eq!(told.len(), 2000);
    let anomalies: Vec<usize> = told
        .iter()
        .enumerate()
        .filter(|(_, one)| text(one, "verdict") == "anomaly")
        .map(|(row, _)| row)
        .collect();
    assert_eq!(anomalies, [1500], "{:?}", told[1500]);
    assert_eq!(text(&told[1500], "kind"), "spike");
    assert!(
        text(&told[1500], "why").starts_with("120.") || text(&told[1500], "why").starts_with("1")
    );
    for one in &told {
        let score = one["score"].as_f64().expect("a score");
        assert!((0.0..=1.0).contains(&score), "{one}");
        assert_eq!(score >= 0.5, text(one, "verdict") == "anomaly", "{one}");
    }
    // What comes later changes no verdict.
    let lines: Vec<&str> = whole.lines().take(1 + 1600).collect();
    let path = written(directory.path(), lines.join("\n").as_bytes());
    assert_eq!(verdicts(&path), told[..1600]);
}

#[test]
fn series_come_in_many_forms() {
    let directory = short::directory();
    let check = |content: &[u8], rows: usize| {
        let path = written(directory.path(), content);
        assert_eq!(
            verdicts(&path).len(),
            rows,
            "{}",
            String::from_utf8_lossy(content)
        );
    };
    check(b"", 0);
    check(b"timestamp,value\n", 0);
    check(b"1700000000,5", 1);
    check(
        b"time,value\r\n2024-01-01 00:00:00,1\r\n2024-01-01T00:05:00Z,NaN\r\n1704067200,\r\n",
        3,
    );
    check(b"1700000060,2\n1700000000,1\n1700000000,1\n", 3);
    let path = written(directory.path(), wave(1600).as_bytes());
    let table = run(&["detect", "--csv", argument(&path)]).done();
    assert!(
        table.text().ends_with("1 of 1600 rows are unusual\n"),
        "{}",
        table.text()
    );
    let csv = run(&["detect", "--csv", argument(&path), "--format", "csv"]).done();
    assert_eq!(csv.text().lines().count(), 1601);
}

#[test]
fn what_is_no_series_is_refused_with_its_line() {
    let directory = short::directory();
    let check = |content: &[u8], expected: &str| {
        let path = written(directory.path(), content);
        let ended = run(&["detect", "--csv", argument(&path)]);
        assert_eq!(ended.code, Some(2));
        let told = ended.stderr.join("\n");
        assert!(told.contains(expected), "{told}");
    };
    check(b"1700000000,5\nabc,7\n", "line 2: \"abc\" is no time");
    check(
        b"1700000000,5\n1700000001,seven\n",
        "line 2: \"seven\" is no number",
    );
    check(b"1700000000,5\n\xff\xfe,7\n", "line 2: not UTF-8 text");
    let ended = run(&["detect", "--csv", "/nowhere/at/all.csv"]);
    assert_eq!(ended.code, Some(2));
}
