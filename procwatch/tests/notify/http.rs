//! Web hooks, against Python's HTTP server.

use std::{fs, path::PathBuf, time::Duration};

use procwatch::notify;
use serde_json::Value;

use super::{
    Sender, notifiers,
    server::{Certificate, Server, secret},
};

struct Receiver {
    server: Server,
    answers: PathBuf,
}

fn receiver(directory: &std::path::Path, certificate: Option<&Certificate>) -> Receiver {
    let answers = tempfile::NamedTempFile::new_in(directory).expect("a file");
    let (_, answers) = answers.keep().expect("its name");
    let mut arguments = vec![answers.to_str().expect("text")];
    if let Some(certificate) = certificate {
        arguments.extend([certificate.certificate.as_str(), certificate.key.as_str()]);
    }
    let server = Server::start("http_server.py", directory, &arguments);
    Receiver { server, answers }
}

impl Receiver {
    fn answers(&self, lines: &[&str]) {
        fs::write(&self.answers, lines.join("\n")).expect("a file");
    }

    /// The numbers of the alerts, in the order in which they were taken.
    fn numbers(&self) -> Vec<u64> {
        let taken = self.server.taken();
        let alerts = taken
            .iter()
            .flat_map(|one| one["body"]["alerts"].as_array().expect("alerts").clone());
        alerts.filter_map(|alert| alert["id"].as_u64()).collect()
    }
}

fn webhook(receiver: &Receiver, more: &str) -> String {
    format!(
        "[alerts.webhook]\nurl = 'http://127.0.0.1:{}/hook'\n{more}\n",
        receiver.server.port
    )
}

#[test]
fn every_alert_arrives_once_and_in_order_though_receiver_and_sender_are_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut receiver = receiver(directory.path(), None);
    let config = webhook(&receiver, "");
    let mut sender = Sender::start(&config);
    sender.tell(0..5);
    sender.until_health("five are sent", |health| health.tally.sent == 5);
    receiver.server.kill();
    sender.tell(5..10);
    sender.until_health("it is noticed", |health| {
        health.failures > 0 && health.waiting == 5
    });
    sender.stop(Duration::ZERO);
    receiver.server.go_on();
    sender.resume(&config);
    // It is there, and takes nothing yet.
    receiver.answers(&["503 Retry-After:1", "429", "500"]);
    sender.tell(10..15);
    sender.until_health("all are sent", |health| health.tally.sent == 15);
    assert_eq!(receiver.numbers(), (0..15).collect::<Vec<_>>());
    let taken = receiver.server.taken();
    let mut keys: Vec<&str> = taken
        .iter()
        .filter_map(|one| one["headers"]["idempotency-key"].as_str())
        .collect();
    assert!(
        taken
            .iter()
            .all(|one| one["body"]["key"] == one["headers"]["idempotency-key"])
    );
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), taken.len());
    let alert = &taken[0]["body"]["alerts"][0];
    assert_eq!(alert["culprit"]["comm"], "<b>\u{1b}evil\n");
    assert_eq!(alert["curve"].as_array().map(Vec::len), Some(60));
}

#[test]
fn what_is_refused_for_good_is_given_up_and_tokens_are_not_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = receiver(directory.path(), None);
    let port = receiver.server.port;
    let url = secret(
        directory.path(),
        "url",
        &format!("http://127.0.0.1:{port}/services/T0KEN0FSLACK?key=an0ther\n"),
    );
    let token = secret(directory.path(), "token", "b3arert0ken");
    let config =
        format!("[alerts.webhook]\nurl_file = '{url}'\ntoken_file = '{token}'\ntimeout = '2s'\n");
    let sender = Sender::start(&config);
    for (number, answer, told) in [
        (0, "400", "400"),
        (1, "404", "404"),
        (
            2,
            "302 Location:http://127.0.0.1:1/",
            "redirects are not followed",
        ),
    ] {
        receiver.answers(&[answer]);
        sender.tell(number..number + 1);
        let health = sender.until_health("it is given up", |health| {
            health.tally.refused == number + 1
        });
        let why = health.tally.last_error.expect("a reason");
        assert!(why.contains(told), "{why}");
        for secret in ["T0KEN0FSLACK", "an0ther", "b3arert0ken", "/services"] {
            assert!(!why.contains(secret), "{why}");
        }
    }
    receiver.answers(&["hang"]);
    sender.tell(3..4);
    let health = sender.until_health("it is not waited for", |health| health.failures > 0);
    assert!(
        health
            .tally
            .last_error
            .is_some_and(|why| why.contains("nothing was said for 2 s"))
    );
    sender.until_health("it is sent", |health| health.tally.sent == 1);
    let taken = receiver.server.taken();
    assert_eq!(receiver.numbers(), [3]);
    assert_eq!(taken[0]["path"], "/services/T0KEN0FSLACK?key=an0ther");
    assert_eq!(taken[0]["headers"]["authorization"], "Bearer b3arert0ken");
}

#[test]
fn certificates_are_verified() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = Certificate::make(directory.path(), "good", "IP:127.0.0.1");
    let other = Certificate::make(directory.path(), "other", "IP:127.0.0.1");
    let elsewhere = Certificate::make(directory.path(), "elsewhere", "DNS:hooks.example");
    for (shown, trusted, told) in [
        (&good, Some(&other.ca), "UnknownIssuer"),
        (&good, None, "UnknownIssuer"),
        (&elsewhere, Some(&elsewhere.ca), "not valid for name"),
        (&good, Some(&good.ca), ""),
    ] {
        let receiver = receiver(directory.path(), Some(shown));
        let trusted = trusted.map_or_else(String::new, |ca| format!("ca_file = '{ca}'"));
        let config = webhook(&receiver, &trusted).replace("http://", "https://");
        let sender = Sender::start(&config);
        sender.tell(0..1);
        if told.is_empty() {
            sender.until_health("it is sent", |health| health.tally.sent == 1);
            assert_eq!(receiver.numbers(), [0]);
            continue;
        }
        let health = sender.until_health("it is refused", |health| health.failures > 0);
        let why = health.tally.last_error.expect("a reason");
        assert!(why.contains(told) && why.contains("ca_file"), "{why}");
        assert_eq!(receiver.server.taken(), [] as [Value; 0]);
    }
}

#[test]
fn each_dialect_arrives() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = receiver(directory.path(), None);
    let key = secret(directory.path(), "key", "R0UT1NGKEY");
    let port = receiver.server.port;
    let config = format!(
        "[alerts.webhooks.slack]\nkind = 'slack'\nurl = 'http://127.0.0.1:{port}/slack'\n\
         [alerts.webhooks.pager]\nkind = 'pagerduty'\nurl = 'http://127.0.0.1:{port}/pager'\nrouting_key_file = '{key}'\n\
         [alerts.webhooks.manager]\nkind = 'alertmanager'\nurl = 'http://127.0.0.1:{port}'\n"
    );
    for notifier in notifiers(&config) {
        let said = notify::try_out(&notifier, "db1", 1_767_323_045_000_000_000);
        let said = said.unwrap_or_else(|failure| panic!("{}: {failure}", notifier.name()));
        assert!(
            said.contains("200") && !said.contains("R0UT1NGKEY"),
            "{said}"
        );
    }
    let taken = receiver.server.taken();
    let of = |path: &str| {
        let one = taken.iter().find(|one| one["path"] == path);
        one.unwrap_or_else(|| panic!("{path} is not in {taken:?}"))["body"].clone()
    };
    assert!(
        of("/slack")["text"]
            .as_str()
            .is_some_and(|text| text.contains("test of a notifier"))
    );
    assert_eq!(of("/pager")["routing_key"], "R0UT1NGKEY");
    assert_eq!(
        of("/api/v2/alerts")[0]["labels"]["alertname"],
        "test of a notifier"
    );
}

#[test]
fn a_receiver_that_dies_before_it_answers_can_tell_what_it_has_had_already() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut receiver = receiver(directory.path(), None);
    receiver.answers(&["die"]);
    let sender = Sender::start(&webhook(&receiver, ""));
    sender.tell(0..1);
    sender.until_health("it has died", |health| health.failures > 0);
    receiver.server.kill();
    receiver.server.go_on();
    sender.until_health("it is sent", |health| health.tally.sent == 1);
    let taken = receiver.server.taken();
    assert_eq!(receiver.numbers(), [0, 0]);
    assert_eq!(
        taken[0]["headers"]["idempotency-key"],
        taken[1]["headers"]["idempotency-key"]
    );
    assert_eq!(taken[0]["body"], taken[1]["body"]);
}
