//! Mail, against aiosmtpd.

use std::{fs, time::Duration};

use procwatch::notify;
use serde_json::Value;

use super::{
    PATIENCE, Sender, notifiers,
    server::{Certificate, Server, secret},
    until,
};

fn email(port: u16, scheme: &str, more: &str) -> String {
    format!(
        "[alerts.email]\nsmtp = '{scheme}://127.0.0.1:{port}'\nfrom = 'procwatch@host.example'\nto = ['ops@host.example']\n{more}\n"
    )
}

/// The numbers of the rules of all alerts that were taken, in the order in which they were.
fn rules(mails: &[Value]) -> Vec<u64> {
    let in_text = |mail: &Value| {
        let parts = mail["parts"].as_array().expect("parts").clone();
        let plain = parts
            .into_iter()
            .find(|part| part["type"] == "text/plain")
            .expect("a text");
        let text = plain["text"].as_str().expect("text").to_owned();
        let numbers = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("FIRING warning: rule ")?
                    .split(':')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect::<Vec<u64>>();
        assert!(!numbers.is_empty(), "{text}");
        numbers
    };
    mails.iter().flat_map(in_text).collect()
}

#[test]
fn every_alert_arrives_once_and_in_order_though_server_and_sender_are_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start("smtp_server.py", directory.path(), &[]);
    let config = email(server.port, "smtp", "");
    let mut sender = Sender::start(&config);
    sender.tell(0..5);
    sender.until_health("five are sent", |health| health.tally.sent == 5);

    server.kill();
    sender.tell(5..10);
    let health = sender.until_health("it is noticed that nobody is there", |health| {
        health.failures > 0 && health.waiting == 5
    });
    assert!(health.next_attempt_ns.is_some(), "{health:?}");
    let why = health.tally.last_error.expect("a reason");
    assert!(
        why.contains("127.0.0.1") && why.contains("refused"),
        "{why}"
    );

    server.go_on();
    sender.tell(10..15);
    sender.until_health("all are sent", |health| health.tally.sent == 15);

    // The sender ends while nobody takes anything, and what waits is sent by the next.
    server.kill();
    sender.tell(15..20);
    sender.until_health("it is noticed again", |health| {
        health.waiting == 5 && health.failures > 0
    });
    let health = sender.stop(Duration::ZERO);
    assert_eq!((health[0].waiting, health[0].tally.sent), (5, 15));
    server.go_on();
    sender.resume(&config);
    sender.tell(20..25);
    let health = sender.until_health("those too", |health| health.tally.sent == 25);
    assert_eq!(
        (health.waiting, health.tally.dropped, health.tally.refused),
        (0, 0, 0)
    );
    assert_eq!((health.tally.last_error, health.not_kept), (None, None));

    let mails = server.taken();
    assert_eq!(rules(&mails), (0..25).collect::<Vec<_>>());
    let mut names: Vec<&str> = mails
        .iter()
        .filter_map(|mail| mail["message_id"].as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), mails.len(), "{names:?}");
    // Nothing is sent again by who comes after.
    sender.stop(PATIENCE);
    sender.resume(&config);
    sender.tell(25..26);
    sender.until_health("the last is sent", |health| health.tally.sent == 26);
    assert_eq!(rules(&server.taken()), (0..26).collect::<Vec<_>>());
}

#[test]
fn a_mail_has_a_text_a_page_and_a_curve() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start("smtp_server.py", directory.path(), &[]);
    let sender = Sender::start(&email(server.port, "smtp", ""));
    sender.tell(7..8);
    sender.until_health("it is sent", |health| health.tally.sent == 1);
    let mails = server.taken();
    let [mail] = mails.as_slice() else {
        panic!("one mail, and not {mails:?}");
    };
    assert_eq!(mail["from"], "procwatch@host.example");
    assert_eq!(mail["to"], serde_json::json!(["ops@host.example"]));
    assert_eq!(
        mail["subject"],
        "[FIRING] warning: rule 7: <b>\\x1bevil\\n (pid 4242) on db1"
    );
    let parts = mail["parts"].as_array().expect("parts");
    let kinds: Vec<&str> = parts
        .iter()
        .filter_map(|part| part["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png"
        ]
    );
    let page = parts[3]["text"].as_str().expect("a page");
    let id = parts[4]["id"]
        .as_str()
        .expect("an id")
        .trim_matches(['<', '>']);
    assert!(page.contains(&format!("src=\"cid:{id}\"")), "{page}");
    assert!(
        page.contains("&lt;b&gt;") && !page.contains("<b>\\x1b"),
        "{page}"
    );
    assert_eq!(parts[4]["disposition"], "inline");
    assert_eq!(parts[4]["beginning"], "89504e470d0a1a0a", "a PNG");
}

#[test]
fn logs_in_over_tls_and_starttls_and_says_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = Certificate::make(directory.path(), "good", "IP:127.0.0.1");
    let (cert, key, ca) = (good.certificate.as_str(), good.key.as_str(), &good.ca);
    let right = secret(directory.path(), "right", "hunter2-hunter2\n");
    let wrong = secret(directory.path(), "wrong", "hunter3-hunter3\n");
    for (way, scheme, more) in [
        ("tls", "smtps", ""),
        ("starttls", "smtp", "starttls = true\n"),
    ] {
        let arguments = [way, cert, key, "login", "procwatch", "hunter2-hunter2"];
        let server = Server::start("smtp_server.py", directory.path(), &arguments);
        let config = |password: &str| {
            let login =
                format!("{more}ca_file = '{ca}'\nuser = 'procwatch'\npassword_file = '{password}'");
            email(server.port, scheme, &login)
        };
        let mut sender = Sender::start(&config(&wrong));
        sender.tell(0..3);
        let health = sender.until_health("the password is refused", |health| health.failures > 0);
        let why = health.tally.last_error.expect("a reason");
        assert!(
            why.contains("logging in") && why.contains("535") && !why.contains("hunter"),
            "{why}"
        );
        assert_eq!(server.taken(), [] as [Value; 0]);
        sender.stop(Duration::ZERO);
        // Nothing is lost by that, and it goes on with the right one.
        sender.resume(&config(&right));
        sender.until_health("they are sent", |health| health.tally.sent == 3);
        let mails = server.taken();
        assert_eq!(rules(&mails), [0, 1, 2]);
        assert!(
            mails
                .iter()
                .all(|mail| mail["encrypted"] == true && mail["login"] == true),
            "{mails:?}"
        );
    }
}

#[test]
fn a_wrong_certificate_gets_no_mail_and_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = Certificate::make(directory.path(), "good", "IP:127.0.0.1");
    let other = Certificate::make(directory.path(), "other", "IP:127.0.0.1");
    let elsewhere = Certificate::make(directory.path(), "elsewhere", "DNS:mail.example");
    for (way, scheme, more) in [
        ("tls", "smtps", ""),
        ("starttls", "smtp", "starttls = true\n"),
    ] {
        for (shown, trusted, told) in [
            // Signed by somebody else, by nobody whom the host trusts, and for another name.
            (&good, Some(&other.ca), "UnknownIssuer"),
            (&good, None, "UnknownIssuer"),
            (&elsewhere, Some(&elsewhere.ca), "not valid for name"),
        ] {
            let arguments = [way, shown.certificate.as_str(), shown.key.as_str()];
            let server = Server::start("smtp_server.py", directory.path(), &arguments);
            let trusted = trusted.map_or_else(String::new, |ca| format!("ca_file = '{ca}'"));
            let config = email(server.port, scheme, &format!("{more}{trusted}"));
            let mut sender = Sender::start(&config);
            sender.tell(0..1);
            let health = sender.until_health("it is refused", |health| health.failures > 0);
            let why = health.tally.last_error.expect("a reason");
            assert!(why.contains(told) && why.contains("ca_file"), "{why}");
            assert_eq!((health.waiting, health.tally.sent), (1, 0));
            assert_eq!(server.taken(), [] as [Value; 0]);
            sender.stop(Duration::ZERO);
        }
    }
}

#[test]
fn what_is_not_offered_is_not_done_without() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start("smtp_server.py", directory.path(), &[]);
    let [notifier] = &notifiers(&email(server.port, "smtp", "starttls = true"))[..] else {
        panic!("one notifier");
    };
    let failure = notify::try_out(notifier, "db1", 1).expect_err("there is no STARTTLS");
    assert!(
        failure.why().contains("does not offer STARTTLS"),
        "{failure}"
    );
    assert_eq!(server.taken(), [] as [Value; 0]);
}

#[test]
fn one_unknown_recipient_keeps_nothing_from_the_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(
        "smtp_server.py",
        directory.path(),
        &["refuse", "gone@host.example", "550"],
    );
    let to = "to = ['gone@host.example', 'ops@host.example']";
    let config = email(server.port, "smtp", "").replace("to = ['ops@host.example']", to);
    let sender = Sender::start(&config);
    sender.tell(0..1);
    let health = sender.until_health("it is sent", |health| health.tally.sent == 1);
    let remark = health.tally.last_error.expect("a remark");
    assert!(remark.contains("not to gone@host.example: 550"), "{remark}");
    assert_eq!(
        server.taken()[0]["to"],
        serde_json::json!(["ops@host.example"])
    );

    // Nobody at all, for good: it is given up, and the next is tried.
    server.kill();
    server.with_arguments(&[
        "refuse",
        "gone@host.example",
        "550",
        "refuse",
        "ops@host.example",
        "553",
    ]);
    server.go_on();
    sender.tell(1..2);
    let health = sender.until_health("it is given up", |health| health.tally.refused == 1);
    assert!(
        health
            .tally
            .last_error
            .is_some_and(|why| why.contains("553"))
    );
    // And who is only busy gets it later.
    server.kill();
    server.with_arguments(&["refuse", "ops@host.example", "451"]);
    server.go_on();
    sender.tell(2..3);
    sender.until_health("it is put off", |health| health.failures > 0);
    server.kill();
    server.with_arguments(&[]);
    server.go_on();
    until("it is taken", || (server.taken().len() == 2).then_some(()));
    assert_eq!(rules(&server.taken()), [0, 2]);
}

#[test]
fn a_notifier_is_tried_out_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start("smtp_server.py", directory.path(), &[]);
    let [notifier] = &notifiers(&email(server.port, "smtp", ""))[..] else {
        panic!("one notifier");
    };
    let said = notify::try_out(notifier, "db1", 1_767_323_045_000_000_000).expect("it is taken");
    assert!(said.contains("taken"), "{said}");
    let mails = server.taken();
    assert!(
        mails[0]["subject"]
            .as_str()
            .is_some_and(|subject| subject.contains("test of a notifier"))
    );
    server.kill();
    let failure = notify::try_out(notifier, "db1", 1).expect_err("nobody is there");
    assert!(failure.why().contains("refused"), "{failure}");
    // A file that others can read is no place for a password.
    let open = directory.path().join("open");
    fs::write(&open, "hunter2").expect("a file");
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("its mode");
    let login = format!("user = 'u'\npassword_file = '{}'", open.display());
    let [notifier] = &notifiers(&email(server.port, "smtp", &login))[..] else {
        panic!("one notifier");
    };
    let failure = notify::try_out(notifier, "db1", 1).expect_err("it is not read");
    assert!(failure.why().contains("chmod 600"), "{failure}");
}

#[test]
fn a_server_that_dies_before_it_answers_can_tell_what_it_has_had_already() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start("smtp_server.py", directory.path(), &["die", "before"]);
    let sender = Sender::start(&email(server.port, "smtp", ""));
    sender.tell(0..1);
    sender.until_health("it has died", |health| health.failures > 0);
    assert_eq!(server.taken(), [] as [Value; 0]);
    server.kill();
    server.with_arguments(&["die", "after"]);
    server.go_on();
    until("it has kept the mail", || {
        (server.taken().len() == 1).then_some(())
    });
    server.kill();
    server.with_arguments(&[]);
    server.go_on();
    sender.tell(1..2);
    sender.until_health("both are sent", |health| health.tally.sent == 2);
    // As far as SMTP allows: the one whose taking nobody was told of comes again, under the same name.
    let mails = server.taken();
    assert_eq!(rules(&mails), [0, 0, 1]);
    assert_eq!(mails[0]["message_id"], mails[1]["message_id"]);
    assert_ne!(mails[1]["message_id"], mails[2]["message_id"]);
}
