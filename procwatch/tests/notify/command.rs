//! Commands.

use std::{fs, time::Duration};

use super::{Sender, until};

fn shell(script: &str, more: &str) -> String {
    format!(
        "[alerts.command]\nargv = ['/bin/sh', '-c', '''{script}''', 'sh', 'one argument']\n{more}\n"
    )
}

#[test]
fn a_command_gets_the_message_and_nothing_of_our_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().display();
    // `mv` last: what is there is whole.
    let script = format!(
        "cat > {place}/input; {{ echo \"$1\"; env; }} > {place}/new; mv {place}/new {place}/told"
    );
    let sender = Sender::start(&shell(&script, ""));
    sender.tell(7..8);
    sender.until_health("it has run", |health| health.tally.sent == 1);
    let told = fs::read_to_string(directory.path().join("told")).expect("what it was told");
    assert!(told.starts_with("one argument\n"), "{told}");
    for expected in [
        "PROCWATCH_ALERTS=1",
        "PROCWATCH_RULE=rule 7",
        "PROCWATCH_STATE=firing",
        "PROCWATCH_SEVERITY=warning",
        "PROCWATCH_PROGRAM=<b>\\x1bevil\\n",
        "PROCWATCH_PID=4242",
    ] {
        assert!(
            told.lines().any(|line| line == expected),
            "{expected} is not in {told}"
        );
    }
    assert!(!told.contains("CARGO"), "{told}");
    let input = fs::read(directory.path().join("input")).expect("its input");
    let input: serde_json::Value = serde_json::from_slice(&input).expect("JSON");
    assert_eq!(input["alerts"][0]["id"], 7);
}

#[test]
fn one_that_hangs_is_killed_with_all_that_it_has_started() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().display();
    let script = format!("sleep 600 & echo $! >> {place}/pids; wait");
    let sender = Sender::start(&shell(&script, "timeout = '1s'"));
    sender.tell(0..1);
    let health = sender.until_health("it is given no more time", |health| health.failures > 0);
    assert!(
        health
            .tally
            .last_error
            .is_some_and(|why| why.contains("for 1 s"))
    );
    let pids = fs::read_to_string(directory.path().join("pids")).expect("pids");
    let first = pids.lines().next().expect("a pid").to_owned();
    until("the sleeper has gone", || {
        let stat = fs::read_to_string(format!("/proc/{first}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

#[test]
fn one_that_fails_is_started_again_and_its_words_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().display();
    let script = format!(
        "echo \"$PROCWATCH_KEY\" >> {place}/keys; test -e {place}/ok || {{ echo no luck >&2; exit 3; }}"
    );
    let mut sender = Sender::start(&shell(&script, ""));
    sender.tell(0..1);
    let health = sender.until_health("it fails", |health| health.failures > 0);
    let why = health.tally.last_error.expect("a reason");
    assert!(
        why.contains("exit status: 3") && why.contains("no luck"),
        "{why}"
    );
    fs::write(directory.path().join("ok"), "").expect("a file");
    sender.until_health("it has run", |health| health.tally.sent == 1);
    let keys = fs::read_to_string(directory.path().join("keys")).expect("keys");
    let keys: Vec<&str> = keys.lines().collect();
    assert!(
        keys.len() >= 2 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
    assert!(!sender.directory().join("ok").exists());
    sender.stop(Duration::ZERO);
}
