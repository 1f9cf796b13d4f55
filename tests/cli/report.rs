//! What happened in a window, as a page, as JSON and as CSV.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use procwatch_tests::{
    procwatch::{Running, run},
    record::{array, number},
    short, skip,
    workload::argument,
};
use serde_json::Value;
use tempfile::TempDir;

/// A program's name that would be markup.
const HOSTILE: &str = "<i>x<b>&'\"";

/// What this process burns while it is recorded.
const SPUN_NS: u64 = 300_000_000;

/// By the kernel's clock of this process.
fn own_cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

/// A recording in which programs live shortly, end badly and have bad names.
fn recording() -> (TempDir, PathBuf) {
    let directory = short::directory();
    let db = directory.path().join("recording.db");
    let recorder = Running::ready(&["record", "--db", argument(&db), "--interval", "100ms"]);
    let program = short::program(directory.path(), HOSTILE);
    for code in 0..60_u8 {
        let status = Command::new(&program).arg((code % 2).to_string()).status();
        status.expect("a process that hardly lives");
        std::thread::sleep(Duration::from_millis(10));
    }
    let begun = own_cpu_ns();
    while own_cpu_ns() - begun < SPUN_NS {
        std::hint::spin_loop();
    }
    recorder.interrupt().done();
    (directory, db)
}

fn report(db: &Path, to: &Path) -> String {
    run(&["report", "--db", argument(db), "-o", argument(to)]).done();
    std::fs::read_to_string(to).expect("the report")
}

#[test]
fn a_page_tells_what_the_history_tells() {
    if !skip::has_ebpf() {
        return;
    }
    let (directory, db) = recording();
    let place = |name: &str| directory.path().join(name);
    let page = report(&db, &place("report.html"));
    let told: Value = serde_json::from_str(&report(&db, &place("report.json"))).expect("JSON");
    let table = report(&db, &place("report.csv"));

    // The figures are those of `history top` for the same window.
    let top = run(&["history", "--db", argument(&db), "top", "--format", "json"]).done();
    let expected: Vec<(u64, u64)> = top
        .json_lines()
        .iter()
        .map(|row| (number(row, "pid"), number(row, "cpu_time_ns")))
        .collect();
    let ranking = &array(&told, "top")[0];
    assert_eq!(ranking["field"], "cpu_time_ns");
    let found: Vec<(u64, u64)> = array(ranking, "users")
        .iter()
        .map(|user| (number(user, "pid"), number(user, "value")))
        .collect();
    assert_eq!(found, expected);
    // And those of the kernel's own clock, for what is known of them.
    let own = found
        .iter()
        .find(|(pid, _)| *pid == u64::from(std::process::id()));
    let (_, own_ns) = own.expect("who burnt most is among them");
    assert!((SPUN_NS..=own_cpu_ns()).contains(own_ns), "{own_ns} ns");
    let lines = table
        .lines()
        .filter(|line| line.starts_with("cpu_time_ns,"));
    assert_eq!(lines.count(), expected.len());

    // Sixty lives with two kinds of ends.
    let is_ours = |one: &&Value| one["comm"] == HOSTILE;
    let storm = array(&told, "storms").iter().find(is_ours);
    assert_eq!(number(storm.expect("a storm"), "lives"), 60);
    let ends = array(&told, "ends").iter().find(is_ours).expect("ends");
    assert_eq!((number(ends, "exit_code"), number(ends, "count")), (1, 30));

    // Nothing in it is markup of a process, and it asks for nothing; what processes were started with may name anything.
    assert!(!page.contains("<i>x") && page.contains("&lt;i&gt;x"));
    let asked = markup(&page);
    for word in [
        "<script", "<link", "http:", "https:", "url(", "@import", " src=", " href=",
    ] {
        assert!(!asked.contains(word), "{word}");
    }
    shows(&place("report.html"));
}

/// The tags and the style sheet, without the text between them.
fn markup(page: &str) -> String {
    let style = page.split("<style>").nth(1).expect("a style sheet");
    let (style, _) = style.split_once("</style>").expect("its end");
    let tags = page.split('<').skip(1).map(|after| {
        let (tag, _) = after.split_once('>').expect("the end of a tag");
        format!("<{tag}>")
    });
    tags.chain([style.to_owned()]).collect()
}

/// A browser has no complaint about it, and it is no wider than a window, however narrow.
fn shows(page: &Path) {
    let Some(chromium) = skip::program("chromium") else {
        return;
    };
    let text = std::fs::read_to_string(page).expect("the page");
    // The page has no script, and allows none: a copy that does measures itself.
    let start = text.find("<meta http-equiv").expect("a policy");
    let end = start + text[start..].find('>').expect("its end") + 1;
    let measure = "<script>document.title=document.documentElement.scrollWidth+' of '+innerWidth</script></body>";
    let copy = format!("{}{}", &text[..start], &text[end..]).replace("</body>", measure);
    let copied = page.with_extension("measured.html");
    std::fs::write(&copied, copy).expect("a copy");
    let look = |page: &Path| {
        let profile = format!(
            "--user-data-dir={}",
            page.with_extension("profile").display()
        );
        let output = Command::new("timeout")
            .arg("60")
            .arg(&chromium)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--window-size=500,900",
                "--enable-logging=stderr",
                "--dump-dom",
                &profile,
            ])
            .arg(format!("file://{}", page.display()))
            .env("HOME", page.parent().expect("a directory"))
            .output()
            .expect("running chromium");
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!complaints.contains("CONSOLE"), "{complaints}");
        // A browser asks more of a host than a page does of a browser.
        let has_started = output.status.success();
        if !has_started {
            let why = complaints.lines().last().unwrap_or_default();
            skip::skip_part(&format!(
                "chromium does not run here: {}: {why}",
                output.status
            ));
        }
        has_started.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (Some(dom), Some(measured)) = (look(page), look(&copied)) else {
        return;
    };
    assert_eq!(
        dom.matches("<figure").count(),
        6,
        "a curve for each figure of the host"
    );
    let title = measured
        .split("<title>")
        .nth(1)
        .and_then(|rest| rest.split("</title>").next());
    let (page, window) = title
        .and_then(|title| title.split_once(" of "))
        .unwrap_or_else(|| panic!("it did not measure itself: {title:?}"));
    let width = |text: &str| text.parse::<u32>().expect("a width");
    assert!(
        width(page) <= width(window),
        "{page} in a window of {window}"
    );
}

#[test]
fn what_cannot_be_reported() {
    let (directory, db) = crate::query::recording();
    let refused = |arguments: &[&str], words: &str| {
        let ended = run(&[&["report", "--db", argument(&db)], arguments].concat());
        assert_eq!(ended.code, Some(2));
        let said = ended.stderr.join("\n");
        assert!(said.contains(words), "{said:?} lacks {words:?}");
    };
    refused(&["--from", "now", "--to", "1h"], "is not before --to");
    let old = ["--from", "1970-01-02", "--to", "1970-01-03"];
    refused(&old, "the recording goes from");
    refused(
        &["-o", "/nowhere/report.html"],
        "/nowhere/report.html cannot be made",
    );
    refused(&["--format", "pdf"], "html, json, csv");
    // What is there already stays, unless there is a report to write; a recording always does.
    let before = std::fs::read(&db).expect("the recording");
    refused(&["-o", argument(&db)], "is a recording");
    assert!(std::fs::read(&db).expect("the recording") == before);
    let page = directory.path().join("page.html");
    std::fs::write(&page, "of before").expect("a file");
    refused(
        &[
            "-o",
            argument(&page),
            "--from",
            "1970-01-02",
            "--to",
            "1970-01-03",
        ],
        "the recording goes",
    );
    assert_eq!(
        std::fs::read_to_string(&page).expect("the page"),
        "of before"
    );
    // Of /proc alone, and to a pipe.
    let to_pipe = run(&["report", "--db", argument(&db)]).done();
    assert!(to_pipe.text().starts_with("<!DOCTYPE html>"));
}
