//! What statements answer about a small recording, and what they are refused.

use std::{io, path::Path, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{Answer, Control, Faces, Here, Listener, QueryError, Sql, percentile};
use crate::{
    history::tests::{EPOCH, SECOND, Step, recording, samples, steps},
    history::{Limits, Store},
    model::{
        connection::{Connection, Direction, Protocol, SocketState},
        event::{Event, EventKind},
        field::Field,
        observation::Comm,
        sample::{Sample, Source},
    },
};

const NEVER: Duration = Duration::from_secs(3600);

/// Rows as text, one a line.
#[derive(Default)]
struct Lines(Vec<String>);

impl Listener for Lines {
    fn columns(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, values: &[Answer<'_>]) -> io::Result<()> {
        let cells: Vec<_> = values
            .iter()
            .map(|value| match value {
                Answer::Null => "-".to_owned(),
                Answer::Integer(number) => number.to_string(),
                Answer::Real(number) => number.to_string(),
                Answer::Text(text) => (*text).to_owned(),
                Answer::Bytes(bytes) => format!("{bytes:?}"),
            })
            .collect();
        self.0.push(cells.join(" "));
        Ok(())
    }
}

fn sql(path: &Path) -> (Sql, Arc<Control>) {
    let here = Here {
        now_ns: EPOCH + 60 * SECOND,
        zone: TimeZone::UTC,
    };
    let faces = Faces {
        event: |event, time_ns| format!("{} at {}", event.kind.name(), time_ns - EPOCH),
        host: |snapshot| format!("{} cores", snapshot.cores.len()),
    };
    let control = Arc::new(Control::default());
    let sql = Sql::open(path, here, faces, Arc::clone(&control)).unwrap();
    (sql, control)
}

fn ask(sql: &Sql, statement: &str) -> Result<Vec<String>, QueryError> {
    let mut lines = Lines::default();
    sql.run(statement, NEVER, &mut lines).map(|()| lines.0)
}

fn write(path: &Path, samples: &[Sample], events: Vec<(Event, u64)>) {
    let mut store = Store::open(path, "boot", EPOCH, Limits::default()).unwrap();
    let mut events = Some(events);
    for sample in samples {
        let events = events.take().unwrap_or_default();
        store.write(sample, events).unwrap();
    }
    store.finish().unwrap();
}

fn step(pid: u32, cpu_ns: u64, ends: bool) -> Step {
    Step {
        pid,
        cpu_ns,
        read: None,
        rss: u64::from(pid) * 4096,
        ends,
        execs: false,
    }
}

/// Five seconds: 7 works in each but the fourth, 8 comes in the third and ends in the fourth.
fn five_seconds() -> Vec<Sample> {
    samples(&[
        vec![step(7, 100, false)],
        vec![step(7, 200, false)],
        vec![step(7, 300, false), step(8, 50, false)],
        vec![step(8, 60, true)],
        vec![step(7, 400, false)],
    ])
}

fn small() -> (tempfile::TempDir, Sql) {
    let (directory, path) = recording();
    write(&path, &five_seconds(), Vec::new());
    let (sql, _) = sql(&path);
    (directory, sql)
}

fn check(statement: &str, expected: &[&str]) {
    let (_directory, sql) = small();
    let answer = ask(&sql, statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    assert_eq!(answer, expected, "{statement}");
}

fn refused(statement: &str, what: &str) {
    let (_directory, sql) = small();
    let error = ask(&sql, statement).expect_err(statement).to_string();
    assert!(error.contains(what), "{statement}: {error}");
}

#[test]
fn a_sample_is_a_row_for_everyone_who_did_anything() {
    let all = format!(
        "SELECT (time - {EPOCH}) / {SECOND}, pid, cpu_time_ns, cpu_time_ns_per_sec, interval_ns FROM samples"
    );
    check(
        &all,
        &[
            "1 7 300 200 1000000000",
            "2 7 600 300 1000000000",
            "2 8 50 50 1000000000",
            "3 8 110 60 1000000000",
            "4 7 1000 400 1000000000",
        ],
    );
    check(
        "SELECT pid, state, exit_signal, read_bytes FROM samples WHERE state = 'exited'",
        &["8 exited 9 -"],
    );
}

#[test]
fn bounds_that_are_handed_down_change_no_answer() {
    let at = |second: u64| EPOCH + second * SECOND;
    for (condition, expected) in [
        (format!("time > {}", at(2)), "60,400"),
        (format!("time >= {}", at(2)), "300,50,60,400"),
        (format!("time < {}", at(2)), "200"),
        (format!("time <= {}.0", at(2)), "200,300,50"),
        (format!("time = {}", at(3)), "60"),
        (format!("time BETWEEN {} AND {}", at(3), at(9)), "60,400"),
        (format!("time > {} AND time < {}", at(9), at(1)), ""),
        ("time > NULL".to_owned(), ""),
        ("pid = 7".to_owned(), "200,300,400"),
        ("pid = 8 AND pid = 7".to_owned(), ""),
        ("pid = -1".to_owned(), ""),
        ("pid = 'x'".to_owned(), ""),
        (
            "process IN (SELECT process FROM processes WHERE pid = 8)".to_owned(),
            "50,60",
        ),
        ("tier = 0".to_owned(), "200,300,50,60,400"),
        ("tier = 3".to_owned(), "225,27"),
        ("tier = 99".to_owned(), ""),
        ("tier = -1".to_owned(), ""),
    ] {
        let statement = format!(
            "SELECT coalesce(group_concat(printf('%d', cpu_time_ns_per_sec)), '') FROM samples WHERE {condition}"
        );
        check(&statement, &[expected]);
        // Where SQLite alone decides, the answer is the same.
        let undone = condition
            .replace("time ", "+time ")
            .replace("pid ", "+pid ")
            .replace("process ", "+process ");
        // Which tier is read is for the table to know.
        if !condition.contains("tier") {
            check(&statement.replace(&condition, &undone), &[expected]);
        }
    }
}

#[test]
fn everyone_who_was_ever_seen_is_there() {
    check(
        "SELECT pid, comm, state, cpu_time_ns, exit_signal, totals_at, lifetime_ns > 0 FROM processes \
         WHERE comm IS NOT NULL ORDER BY pid",
        &["7 p7 sleeping 1000 - - -", "8 p8 exited 110 9 final 1"],
    );
    // A parent of whom nothing is known but that it is one.
    check(
        "SELECT comm, state, cpu_time_ns, ended FROM processes WHERE pid = 1",
        &["- - - -"],
    );
    check(
        "SELECT p.pid, q.pid FROM processes p JOIN processes q ON q.process = p.parent ORDER BY 1",
        &["7 1", "8 1"],
    );
    check(
        "SELECT p.comm, count(*) FROM samples s JOIN processes p USING (process) GROUP BY 1 ORDER BY 1",
        &["p7 3", "p8 2"],
    );
}

#[test]
fn the_host_has_a_row_a_frame() {
    check(
        "SELECT processes_cpu_ns, active_processes, cpus, details FROM host",
        &[
            "200 1 - 0 cores",
            "350 2 - 0 cores",
            "60 1 - 0 cores",
            "400 1 - 0 cores",
        ],
    );
}

#[test]
fn columns_have_the_names_of_the_interface() {
    let (_directory, sql) = small();
    for field in Field::all() {
        ask(&sql, &format!("SELECT {} FROM samples", field.name())).unwrap();
    }
    for table in ["gaps", "alerts", "events", "connections"] {
        assert_eq!(
            ask(&sql, &format!("SELECT * FROM {table}")).unwrap(),
            [""; 0]
        );
    }
}

#[test]
fn functions_of_time() {
    let text = "2023-11-14T22:14:00.000000000Z";
    check(&format!("SELECT time_text({EPOCH})"), &[text]);
    check(&format!("SELECT time_ns('{text}') - {EPOCH}"), &["0"]);
    check(&format!("SELECT time_ns('1m ago') - {EPOCH}"), &["0"]);
    check(
        &format!("SELECT time_ns({}) - {EPOCH}", EPOCH / SECOND),
        &["0"],
    );
    check(
        &format!(
            "SELECT bucket({EPOCH} + 25, '1s') - {EPOCH}, bucket(17, 5), bucket(NULL, 5), bucket(-1, 5)"
        ),
        &["0 15 - -5"],
    );
    check(
        "SELECT time_text(NULL), time_ns(NULL), time_text('x')",
        &["- - -"],
    );
    refused("SELECT time_ns('soon')", "\"soon\" is no time");
    refused("SELECT bucket(1, '0s')", "bucket(time, '10s')");
    refused("SELECT bucket(1, 'x')", "\"x\" is no duration");
    refused(
        "SELECT * FROM samples WHERE time > '10m ago'",
        "time_ns('10m ago')",
    );
}

#[test]
fn functions_of_many_rows() {
    check(
        "SELECT rate(cpu_time_ns, time) FROM samples WHERE pid = 7",
        &[&format!("{}", 700.0 / 3.0)],
    );
    check("SELECT rate(1, 2), rate(1, 2) FROM host WHERE 0", &["- -"]);
    check(
        "WITH t(v) AS (VALUES (1), (2), (NULL), (3), (4)) SELECT percentile(v, 0.5), percentile(v, 0), \
         percentile(v, 1.0), percentile(v, 0.9) FROM t",
        &["2.5 1 4 3.7"],
    );
    check("SELECT percentile(v, 0.5) FROM (SELECT NULL AS v)", &["-"]);
    refused("SELECT percentile(1, 95)", "from 0 to 1");
    assert_eq!(percentile(&mut [], 0.5), None);
    assert_eq!(
        percentile(&mut [f64::INFINITY; 2], 0.5),
        Some(f64::INFINITY)
    );
}

#[test]
fn nothing_can_be_changed() {
    for statement in [
        "DELETE FROM samples",
        "UPDATE host SET time = 1",
        "INSERT INTO alerts VALUES (1, 2, 3, 4, 5, 6)",
        "DROP TABLE samples",
        "CREATE TABLE t (a)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "ATTACH 'other.db' AS other",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO 'other.db'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = 1",
        "PRAGMA hard_heap_limit = 0",
        "BEGIN",
        "SAVEPOINT s",
        "ANALYZE",
        "SELECT load_extension('libc.so')",
        "SELECT fts3_tokenizer('simple')",
    ] {
        refused(statement, "only reading is allowed");
    }
}

#[test]
fn one_statement_and_no_more() {
    refused("SELECT 1; SELECT 2", "one at a time");
    refused("SELECT 1; DELETE FROM samples", "only reading");
    check("SELECT 1; ", &["1"]);
    check("SELECT 1 -- and a comment", &["1"]);
    refused("", "not complete");
    refused("-- nothing", "not complete");
    refused("SELECT 1 FROM", "not complete");
    refused("SELEC 1", "syntax error");
    let long = format!("SELECT '{}'", "x".repeat(200_000));
    refused(&long, "longer than");
    refused("SELECT zeroblob(100000000)", "longer than");
}

#[test]
fn what_is_wrong_has_a_remedy() {
    refused("SELECT cpu_pt FROM samples", "did you mean cpu_pct");
    refused("SELECT samples.rss FROM samples", "rss_bytes");
    refused("SELECT cpu_pct FROM host", "it is in samples");
    refused("SELECT \"text\" FROM host", "'single quotes'");
    refused("SELECT * FROM sample", "processes, samples, host");
    refused("SELECT median(1)", "percentile");
}

#[test]
fn what_never_ends_is_ended() {
    let (_directory, path) = recording();
    write(&path, &five_seconds(), Vec::new());
    let endless =
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t";
    let run = |sql: &Sql, timeout| sql.run(endless, timeout, &mut Lines::default());
    let (sql, control) = sql(&path);
    let error = run(&sql, Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, QueryError::TimedOut(_)), "{error}");
    // The next one has all its time again.
    assert_eq!(ask(&sql, "SELECT count(*) FROM host").unwrap(), ["4"]);
    control.interrupt();
    let error = run(&sql, NEVER).unwrap_err();
    assert!(matches!(error, QueryError::Interrupted), "{error}");
}

fn connection(socket: u64, error: Option<u32>) -> Connection {
    Connection {
        socket,
        owner: None,
        comm: Comm::default(),
        protocol: Protocol::Tcp,
        state: SocketState::CLOSE,
        direction: Some(Direction::Outgoing),
        local: "10.0.0.1:4000".parse().unwrap(),
        remote: Some("10.0.0.2:80".parse().unwrap()),
        network_namespace: 1,
        connecting_ns: Some(10),
        opened_ns: error.is_none().then_some(30),
        closed_ns: None,
        sent_bytes: 0,
        received_bytes: 0,
        retransmits: Some(0),
        rtt_ns: None,
        error,
    }
}

#[test]
fn a_connection_is_one_row() {
    let samples = five_seconds();
    let process = &samples[0].processes[0];
    let event = |second: u64, kind: EventKind| {
        let event = Event {
            kind,
            time_ns: Some(second),
            id: process.id,
            parent: None,
            facts: Arc::clone(&process.facts),
            source: Source::Ebpf,
        };
        (event, EPOCH + second)
    };
    let boxed = |socket, error| Box::new(connection(socket, error));
    let closed = Connection {
        closed_ns: Some(80),
        sent_bytes: 5,
        received_bytes: 6,
        ..connection(1, None)
    };
    let events = vec![
        event(1, EventKind::Fork),
        event(2, EventKind::Connect(boxed(1, None))),
        event(3, EventKind::Accept(boxed(2, None))),
        event(4, EventKind::Connect(boxed(3, Some(111)))),
        event(5, EventKind::Close(Box::new(closed))),
    ];
    let (_directory, path) = recording();
    write(&path, &samples, events);
    let (sql, _) = sql(&path);
    let answer = ask(
        &sql,
        &format!(
            "SELECT time - {EPOCH}, state, pid, remote_address, remote_port, sent_bytes, received_bytes, latency_ns, \
             duration_ns, error FROM connections"
        ),
    );
    assert_eq!(
        answer.unwrap(),
        [
            "4 failed 7 10.0.0.2 80 - - - - ECONNREFUSED",
            "5 closed 7 10.0.0.2 80 5 6 20 50 -",
            "3 open 7 10.0.0.2 80 - - 20 - -",
        ]
    );
    let answer = ask(
        &sql,
        "SELECT type, comm, details FROM events WHERE pid = 7 LIMIT 2",
    );
    assert_eq!(
        answer.unwrap(),
        ["fork p7 fork at 1", "connect p7 connect at 2"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn what_is_no_longer_there_at_its_full_pace_is_there_as_sums(steps in steps()) {
        let (_directory, path) = recording();
        let samples = samples(&steps);
        let (before, after) = samples.split_at(samples.len() / 2);
        write(&path, before, Vec::new());
        write(&path, after, Vec::new());
        let sums = "SELECT process, cast(round(sum(cpu_time_ns_per_sec * interval_ns / 1e9)) AS INTEGER) AS cpu \
                    FROM samples GROUP BY process HAVING cpu > 0 ORDER BY process";
        let whole = ask(&sql(&path).0, sums).unwrap();
        let recording = rusqlite::Connection::open(&path).unwrap();
        let oldest = "DELETE FROM block WHERE id = (SELECT id FROM block WHERE tier = 0 ORDER BY to_ns LIMIT 1)";
        recording.execute(oldest, []).unwrap();
        let (sql, _) = sql(&path);
        prop_assert_eq!(&ask(&sql, sums).unwrap(), &whole);
        // No moment stands there twice.
        let twice = "SELECT time FROM samples GROUP BY time, process HAVING count(*) > 1";
        prop_assert_eq!(ask(&sql, twice).unwrap(), [""; 0]);
        let twice = "SELECT time FROM host GROUP BY time HAVING count(*) > 1";
        prop_assert_eq!(ask(&sql, twice).unwrap(), [""; 0]);
    }

    #[test]
    fn sums_are_the_same_in_every_tier(steps in steps()) {
        let (_directory, path) = recording();
        write(&path, &samples(&steps), Vec::new());
        let (sql, _) = sql(&path);
        let sums = |tier: usize| {
            let statement = format!(
                "SELECT process, cast(round(sum(cpu_time_ns_per_sec * interval_ns / 1e9)) AS INTEGER) AS cpu FROM samples \
                 WHERE tier = {tier} GROUP BY process HAVING cpu > 0 ORDER BY process"
            );
            ask(&sql, &statement).unwrap()
        };
        prop_assert_eq!(sums(0), sums(1));
    }
}
