use std::sync::Arc;

use super::*;
use crate::model::{
    alert::{Culprit, Share},
    identity::ProcessId,
    secret::Secret,
};

const S: u64 = 1_000_000_000;
/// 2026-01-02 03:04:05 UTC.
const NOW: u64 = 1_767_323_045 * S;

/// What a process may call itself to get at whoever reads of it.
const HOSTILE: &str = "<!channel>\r\nBcc: x@evil\r\n\r\n<script>*`_&\u{202e}\x1b[2J\x07\"'";

fn alert(id: u64, comm: &str) -> Alert {
    let who = ProcessId::new(4242, 77);
    Alert {
        id,
        rule: "hot process".to_owned(),
        severity: Severity::Warning,
        state: AlertState::Firing,
        subject: Subject::Process(who),
        began_ns: NOW - 10 * S,
        fired_ns: Some(NOW - 5 * S),
        resolved_ns: None,
        summary: format!("{comm} takes more CPU than ever"),
        figure: Some(Figure {
            name: "rss_bytes".to_owned(),
            value: 3_000_000.0,
            baseline: Some(1_048_576.0),
            limit: Some(4_194_304.0),
            time_until_ns: Some(90 * S),
        }),
        culprit: Some(Culprit {
            id: who,
            comm: comm.to_owned(),
            command_line: format!("{comm} --serve"),
            exe: Some("/usr/bin/x".to_owned()),
            user: Some("root".to_owned()),
            container: None,
            cgroup: Some("/system.slice/x.service".to_owned()),
            ancestry: vec!["systemd(1)".to_owned(), comm.to_owned()],
        }),
        top: vec![Share {
            id: who,
            comm: comm.to_owned(),
            value: 3_000_000.0,
        }],
        curve: vec![(NOW - 60 * S, 1.0), (NOW - 30 * S, 1.5), (NOW, 3_000_000.0)],
        replay: "procwatch replay --db a.db --at 2026-01-02T03:04:00Z".to_owned(),
    }
}

fn letter(alerts: Vec<Alert>) -> Letter {
    Letter {
        host: "db1".to_owned(),
        key: "0123abcd".to_owned(),
        made_ns: NOW,
        alerts: alerts.into_iter().map(Arc::new).collect(),
    }
}

fn sent_mail(letter: &Letter) -> String {
    let from = "procwatch <procwatch@host.example>".parse().unwrap();
    let to = [
        "ops@host.example".parse().unwrap(),
        "night@host.example".parse().unwrap(),
    ];
    String::from_utf8(mail::mail(letter, &from, &to).unwrap()).unwrap()
}

/// The lines before the first that is empty.
fn headers(mail: &str) -> Vec<&str> {
    mail.split("\r\n\r\n")
        .next()
        .unwrap()
        .split("\r\n")
        .collect()
}

#[test]
fn a_text_says_it_all() {
    let expected = "\nFIRING warning: hot process: nginx (pid 4242)
  what      nginx takes more CPU than ever
  figure    rss_bytes 2.9M (usually 1.0M, limit 4.0M, reached in 1m 30s at this rate)
  culprit   nginx, pid 4242, user root
  command   nginx --serve
  cgroup    /system.slice/x.service
  ancestry  systemd(1) > nginx
  top       nginx (4242) 2.9M
  began     2026-01-02T03:03:55.000Z
  fired     2026-01-02T03:04:00.000Z
  replay    procwatch replay --db a.db --at 2026-01-02T03:04:00Z

-- \nprocwatch on db1\n";
    assert_eq!(plain::text(&letter(vec![alert(1, "nginx")])), expected);
}

#[test]
fn a_burst_is_grouped_and_bounded() {
    let mut alerts: Vec<Alert> = (0..300)
        .map(|id| alert(id, ["nginx", "redis"][id as usize % 2]))
        .collect();
    alerts[1].state = AlertState::Resolved;
    let letter = letter(alerts);
    assert_eq!(
        title(&letter),
        "[299 FIRING, 1 RESOLVED] hot process: nginx and 1 other on db1"
    );
    let text = plain::text(&letter);
    assert!(
        text.contains("\nhot process: nginx: 150 alerts\n"),
        "{text}"
    );
    assert!(
        text.contains("\nand 200 more, which the recording has\n"),
        "{text}"
    );
    assert_eq!(text.matches("ancestry").count(), DETAILED_MAX);
    assert!(text.len() < 20_000 && sent_mail(&letter).len() < 100_000);
    assert_eq!(
        sent_mail(&letter)
            .matches("Content-Type: image/png")
            .count(),
        5
    );
    let slack = slack::document(&letter);
    assert_eq!(slack["attachments"].as_array().unwrap().len(), DETAILED_MAX);
    assert!(slack["text"].as_str().unwrap().ends_with("\nand 260 more"));
    assert_eq!(
        json::document(&letter)["alerts"].as_array().unwrap().len(),
        300
    );
}

#[test]
fn a_mail_has_its_parts_and_keeps_its_name() {
    let letter = letter(vec![alert(1, "nginx")]);
    let mail = sent_mail(&letter);
    let headers = headers(&mail);
    for expected in [
        "From: procwatch <procwatch@host.example>",
        "Subject: [FIRING] warning: hot process: nginx (pid 4242) on db1",
        "Date: Fri, 02 Jan 2026 03:04:05 +0000",
        "Message-ID: <procwatch.0123abcd@host.example>",
        "Auto-Submitted: auto-generated",
        "To: ops@host.example, night@host.example",
        "MIME-Version: 1.0",
    ] {
        assert!(
            headers.contains(&expected),
            "{expected} is not in {headers:#?}"
        );
    }
    let order: Vec<usize> = [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    .iter()
    .map(|part| {
        mail.find(part)
            .unwrap_or_else(|| panic!("{part} is not in {mail}"))
    })
    .collect();
    assert!(order.is_sorted(), "{order:?}");
    assert!(
        mail.contains("Content-ID: <curve0.0123abcd@host.example>"),
        "{mail}"
    );
    assert!(mail.contains("Content-Disposition: inline"), "{mail}");
    assert!(mail.is_ascii() && mail.split("\r\n").all(|line| line.len() < 998));
}

#[test]
fn a_hostile_name_adds_no_header_no_tag_and_no_mention() {
    let letter = letter(vec![alert(1, HOSTILE)]);
    let mail = sent_mail(&letter);
    let headers = headers(&mail);
    let names: Vec<&str> = headers
        .iter()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert!(!names.contains(&"Bcc"), "{headers:#?}");
    assert_eq!(names.iter().filter(|name| **name == "Subject").count(), 1);

    let page = html::page(&letter, |_| None);
    assert!(
        !page.contains("<script") && !page.contains("<!channel"),
        "{page}"
    );
    assert!(page.contains("&lt;script&gt;"), "{page}");
    for text in [&page, &plain::text(&letter), &title(&letter)] {
        let acts = |c: char| crate::model::escape::acts_on_a_terminal(c) && c != '\n';
        assert!(!text.contains(acts), "{text:?}");
    }
    let slack = slack::document(&letter).to_string();
    assert!(
        !slack.contains('<') && !slack.contains("\\u001b"),
        "{slack}"
    );
    assert!(slack.contains("&lt;!channel&gt;"), "{slack}");
    // Programs get the name as it is.
    let document = json::document(&letter);
    assert_eq!(document["alerts"][0]["culprit"]["comm"], HOSTILE);
    let entry = line::journal(&letter, &letter.alerts[0]);
    let lines = String::from_utf8(entry).unwrap();
    assert!(lines.lines().all(|line| line.contains('=')), "{lines}");
    assert!(!lines.contains("\nBcc"), "{lines}");
    let entry = line::syslog(&letter, &letter.alerts[0]);
    assert!(!entry.contains(char::is_control), "{entry:?}");
}

#[test]
fn json_of_our_own() {
    let document = json::document(&letter(vec![alert(7, "nginx")]));
    let expected = serde_json::json!({
        "version": 1,
        "key": "0123abcd",
        "host": "db1",
        "time": "2026-01-02T03:04:05.000Z",
        "title": "[FIRING] warning: hot process: nginx (pid 4242) on db1",
        "alerts": [{
            "id": 7,
            "dedup_key": "procwatch-db1-7-1767323035000000000",
            "rule": "hot process",
            "severity": "warning",
            "state": "firing",
            "subject": {"kind": "process", "pid": 4242, "start_time_ns": 77},
            "began": "2026-01-02T03:03:55.000Z",
            "fired": "2026-01-02T03:04:00.000Z",
            "resolved": null,
            "summary": "nginx takes more CPU than ever",
            "figure": {
                "name": "rss_bytes",
                "value": 3_000_000.0,
                "baseline": 1_048_576.0,
                "limit": 4_194_304.0,
                "time_until_ns": 90 * S,
            },
            "culprit": {
                "pid": 4242,
                "start_time_ns": 77,
                "comm": "nginx",
                "command_line": "nginx --serve",
                "exe": "/usr/bin/x",
                "user": "root",
                "container": null,
                "cgroup": "/system.slice/x.service",
                "ancestry": ["systemd(1)", "nginx"],
            },
            "top": [{"pid": 4242, "start_time_ns": 77, "comm": "nginx", "value": 3_000_000.0}],
            "curve": [
                ["2026-01-02T03:03:05.000Z", 1.0],
                ["2026-01-02T03:03:35.000Z", 1.5],
                ["2026-01-02T03:04:05.000Z", 3_000_000.0],
            ],
            "replay": "procwatch replay --db a.db --at 2026-01-02T03:04:00Z",
        }],
    });
    assert_eq!(document, expected);
}

#[test]
fn pagerduty_joins_an_end_to_its_beginning() {
    let key = Secret::new("R0UT1NG".to_owned());
    let fires = letter(vec![alert(7, "nginx")]);
    let trigger = pagerduty::document(&fires, &fires.alerts[0], &key);
    let mut without_details = trigger.clone();
    without_details["payload"]
        .as_object_mut()
        .unwrap()
        .remove("custom_details");
    assert_eq!(
        without_details,
        serde_json::json!({
            "routing_key": "R0UT1NG",
            "event_action": "trigger",
            "dedup_key": "procwatch-db1-7-1767323035000000000",
            "client": "procwatch",
            "payload": {
                "summary": "hot process: nginx (pid 4242): nginx takes more CPU than ever",
                "source": "db1",
                "severity": "warning",
                "timestamp": "2026-01-02T03:04:00.000Z",
                "component": "nginx",
                "class": "hot process",
            },
        })
    );
    assert_eq!(
        trigger["payload"]["custom_details"]["ancestry"],
        "systemd(1) > nginx"
    );
    let mut ended = alert(7, "nginx");
    ended.state = AlertState::Resolved;
    ended.resolved_ns = Some(NOW);
    let ends = letter(vec![ended]);
    assert_eq!(
        pagerduty::document(&ends, &ends.alerts[0], &key),
        serde_json::json!({
            "routing_key": "R0UT1NG",
            "event_action": "resolve",
            "dedup_key": trigger["dedup_key"],
        })
    );
}

#[test]
fn alertmanager_knows_an_alert_by_its_labels() {
    let mut ended = alert(7, "nginx");
    ended.state = AlertState::Resolved;
    ended.resolved_ns = Some(NOW);
    let list = alertmanager::document(&letter(vec![alert(7, "nginx"), ended]));
    assert_eq!(
        list[0]["labels"],
        serde_json::json!({
            "alertname": "hot process",
            "instance": "db1",
            "severity": "warning",
            "subject": "process",
            "program": "nginx",
            "pid": "4242",
        })
    );
    assert_eq!(list[0]["labels"], list[1]["labels"]);
    assert_eq!(list[0]["startsAt"], "2026-01-02T03:04:00.000Z");
    assert_eq!(list[0]["endsAt"], "2026-01-03T03:04:00.000Z");
    assert_eq!(list[1]["endsAt"], "2026-01-02T03:04:05.000Z");
    assert_eq!(
        list[0]["annotations"]["summary"],
        "nginx takes more CPU than ever"
    );
}

#[test]
fn slack_gets_text_and_attachments() {
    let document = slack::document(&letter(vec![alert(7, "a_b&c")]));
    assert_eq!(
        document["text"],
        "*[FIRING] warning: hot process: a_\u{2060}b&amp;c (pid 4242) on db1*"
    );
    let attachment = &document["attachments"][0];
    assert_eq!(attachment["color"], "warning");
    assert_eq!(
        attachment["title"],
        "FIRING warning: hot process: a_b&amp;c (pid 4242)"
    );
    assert_eq!(
        attachment["fields"][0]["value"],
        "a_b&amp;c takes more CPU than ever"
    );
    assert_eq!(attachment["ts"], 1_767_323_040);
}

#[test]
fn log_entries_have_their_fields() {
    let letter = letter(vec![alert(7, "nginx")]);
    let expected = format!(
        "<28>1 2026-01-02T03:04:05.000Z db1 procwatch {} alert - \u{feff}FIRING warning: hot process: nginx (pid 4242): nginx takes more CPU than ever; rss_bytes 2.9M (usually 1.0M, limit 4.0M, reached in 1m 30s at this rate); key 0123abcd",
        std::process::id()
    );
    assert_eq!(line::syslog(&letter, &letter.alerts[0]), expected);
    let entry = String::from_utf8(line::journal(&letter, &letter.alerts[0])).unwrap();
    for field in [
        "PRIORITY=4\n",
        "PROCWATCH_PID=4242\n",
        "SYSLOG_IDENTIFIER=procwatch\n",
    ] {
        assert!(entry.contains(field), "{entry}");
    }
}

#[test]
fn values_have_the_unit_of_their_name() {
    let check = |name: &str, number: f64, expected: &str| {
        assert_eq!(value(name, number), expected, "{name}");
    };
    check("cpu_pct", 97.25, "97.2%");
    check("rss_bytes", 1_048_576.0, "1.0M");
    check("read_bytes_per_sec", 2048.0, "2.0K/s");
    check("run_queue_wait_ns", 1500.0, "1.50 \u{b5}s");
    check("threads", 12.0, "12");
    check("forks_per_sec", 0.25, "0.25/s");
    check("rss_bytes", -1.5, "-1.5");
    check("cpu_pct", f64::NAN, "NaN");
    check("rss_bytes", 1e300, "16.0E");
}
