use std::path::PathBuf;

use super::*;
use crate::{
    config::{Format, parse},
    model::{
        notifier::{Bell, Command, Dialect, Email, Encryption, Login, Webhook},
        secret::Secret,
    },
};

fn read_toml(text: &str) -> Alerts {
    parse(text, Format::Toml).unwrap().alerts
}

fn plain(name: &str, channel: Channel) -> Notifier {
    Notifier {
        name: name.to_owned(),
        channel,
        min_severity: Severity::Info,
        sends_resolved: true,
        timeout: TIMEOUT,
        queue: QUEUE,
    }
}

#[test]
fn every_channel_is_read() {
    let alerts = read_toml(
        r#"
        [alerts]
        group_wait = "2s"
        [alerts.email]
        smtp = "smtp://mail.example:587"
        user = "procwatch"
        password_env = "SMTP_PASSWORD"
        from = "procwatch <procwatch@host.example>"
        to = ["ops@host.example", "night@host.example"]
        ca_file = "/etc/ssl/own.pem"
        min_severity = "critical"
        resolved = false
        timeout = "10s"
        queue = 50
        [alerts.webhook]
        url = "http://127.0.0.1:9000/hook"
        [alerts.webhooks.pager]
        kind = "pagerduty"
        routing_key_file = "/etc/procwatch/pager.key"
        [alerts.webhooks.off]
        enabled = false
        kind = "slack"
        url_file = "/etc/procwatch/slack.url"
        [alerts.command]
        argv = ["/bin/page", "--now"]
        [alerts.journal]
        [alerts.syslog]
        [alerts.bell]
        terminal = "/dev/tty1"
        "#,
    );
    let email = Notifier {
        min_severity: Severity::Critical,
        sends_resolved: false,
        timeout: Duration::from_secs(10),
        queue: 50,
        ..plain(
            "email",
            Channel::Email(Email {
                host: "mail.example".to_owned(),
                port: 587,
                encryption: Encryption::StartTls,
                login: Some(Login {
                    user: "procwatch".to_owned(),
                    password: SecretSource::Environment("SMTP_PASSWORD".to_owned()),
                }),
                from: "procwatch <procwatch@host.example>".to_owned(),
                to: vec![
                    "ops@host.example".to_owned(),
                    "night@host.example".to_owned(),
                ],
                ca_file: Some(PathBuf::from("/etc/ssl/own.pem")),
            }),
        )
    };
    let hook = Webhook {
        dialect: Dialect::Json,
        url: Some(SecretSource::Written(Secret::new(
            "http://127.0.0.1:9000/hook".to_owned(),
        ))),
        token: None,
        routing_key: None,
        ca_file: None,
    };
    let pager = Webhook {
        dialect: Dialect::PagerDuty,
        url: None,
        routing_key: Some(SecretSource::File(PathBuf::from(
            "/etc/procwatch/pager.key",
        ))),
        ..hook.clone()
    };
    let argv = vec!["/bin/page".to_owned(), "--now".to_owned()];
    let terminal = Some(PathBuf::from("/dev/tty1"));
    assert_eq!(
        alerts,
        Alerts {
            group_wait: Some(Duration::from_secs(2)),
            notifiers: vec![
                email,
                plain("webhook", Channel::Webhook(hook)),
                plain("webhooks.pager", Channel::Webhook(pager)),
                plain("command", Channel::Command(Command { argv })),
                plain("journal", Channel::Journal),
                plain("syslog", Channel::Syslog),
                plain("bell", Channel::Bell(Bell { terminal })),
            ],
            ..Alerts::default()
        }
    );
    assert!(!format!("{alerts:?}").contains("9000/hook"));
}

#[test]
fn a_password_goes_unencrypted_to_this_host_alone() {
    let check = |smtp: &str, more: &str, expected: Result<Encryption, &str>| {
        let text = format!("[alerts.email]\nsmtp = '{smtp}'\nfrom = 'a@b'\nto = ['c@d']\n{more}");
        match (parse(&text, Format::Toml), expected) {
            (Ok(config), Ok(expected)) => match &config.alerts.notifiers[0].channel {
                Channel::Email(email) => assert_eq!(email.encryption, expected, "{text}"),
                other => panic!("{other:?}"),
            },
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (result, expected) => panic!("{result:?}, and not {expected:?}"),
        }
    };
    const LOGIN: &str = "user = 'u'\npassword_file = '/p'\n";
    check("smtp://mail.example", "", Ok(Encryption::None));
    check(
        "smtp://mail.example",
        "starttls = true",
        Ok(Encryption::StartTls),
    );
    check("smtp://mail.example", LOGIN, Ok(Encryption::StartTls));
    check(
        "smtp://mail.example",
        &format!("{LOGIN}starttls = false"),
        Err("line 7: alerts.email.starttls: the password would go unencrypted"),
    );
    check("smtp://127.0.0.1:2525", LOGIN, Ok(Encryption::None));
    check("smtps://mail.example", LOGIN, Ok(Encryption::Tls));
    check(
        "smtps://mail.example",
        "starttls = true",
        Err("smtps:// is encrypted from the beginning"),
    );
}

#[test]
fn a_mistake_is_told_with_the_remedy_and_without_the_secret() {
    let check = |text: &str, expected: &str| {
        let error = parse(text, Format::Toml).unwrap_err().to_string();
        assert_eq!(error, expected);
        assert!(!error.contains("hunter2"), "{error}");
    };
    check(
        "[alerts.email]\nfrom = 'a@b'",
        "line 1: alerts.email: there is no smtp; write one such as smtp = \"smtps://mail.example:465\"",
    );
    check(
        "[alerts.email]\nsmtp = 'smtp://u:hunter2@mail.example'\nfrom = 'a@b'\nto = ['c@d']",
        "line 2: alerts.email.smtp: a name and password in an address are shown by many programs; write the name to user, the password to a file, and name that in password_file",
    );
    check(
        "[alerts.email]\nsmtp = 'smtp://m'\npassword = 'hunter2'\nfrom = 'a@b'\nto = ['c@d']",
        "line 3: alerts.email.password: unknown key; known here: enabled, min_severity, resolved, timeout, queue, smtp, starttls, user, password_file, password_env, from, to, ca_file",
    );
    check(
        "[alerts.email]\nsmtp = 'smtp://m'\nuser = 'u'\nfrom = 'a@b'\nto = ['c@d']",
        "line 3: alerts.email.user: a name without a password; write that to a file that only its owner can read, and name it in password_file",
    );
    check(
        "[alerts.email]\nsmtp = 'smtp://m'\nfrom = 'a@b'\nto = []",
        "line 4: alerts.email.to: 0 are in it; write from 1 to 100, such as [\"ops@host.example\"]",
    );
    check(
        "[alerts.email]\nsmtp = 'smtp://m'\nfrom = \"a@b\\r\\nBcc: x@y\"\nto = ['c@d']",
        "line 3: alerts.email.from: \"a@b\\r\\nBcc: x@y\" is no address of mail; write one such as ops@host.example",
    );
    check(
        "[alerts.webhook]\nkind = 'teams'",
        "line 2: alerts.webhook.kind: write json, slack, pagerduty or alertmanager",
    );
    check(
        "[alerts.webhook]\nkind = 'slack'",
        "line 1: alerts.webhook: there is no url; write one such as url = \"https://hooks.example/alerts\"",
    );
    check(
        "[alerts.webhook]\nkind = 'pagerduty'",
        "line 1: alerts.webhook: there is no routing_key_file; write one such as routing_key_file = \"/etc/procwatch/pagerduty.key\"",
    );
    check(
        "[alerts.webhook]\nurl = 'http://a'\nrouting_key_env = 'KEY'",
        "line 3: alerts.webhook.routing_key_env: only kind = \"pagerduty\" has one; take it out",
    );
    check(
        "[alerts.webhook]\nurl = 'http://a'\ntoken_env = 'hunter2-is-here'",
        "line 3: alerts.webhook.token_env: that is no name of a variable; write the name, such as SMTP_PASSWORD, and not the secret",
    );
    check(
        "[alerts.webhook]\nurl = 'gopher://hunter2'",
        "line 2: alerts.webhook.url: an address begins with https:// or http://",
    );
    check(
        "[alerts.command]\nargv = ['page']",
        "line 2: alerts.command.argv: no program is in it; write its path, from / on, and each argument by itself",
    );
    check(
        "[alerts.webhooks]\n\"\\u001b\" = {url = 'http://a'}",
        "line 2: alerts.webhooks.\\x1b: no name of a notifier; write one of letters, digits, - and _, of 1 to 40",
    );
    check(
        "[alerts]\nemail = 1",
        "line 2: alerts.email: a number is not a table; write its keys below a line [alerts.email]",
    );
    check(
        "[alerts]\ngroup_wait = '2h'",
        "line 2: alerts.group_wait: \"2h\" is out of range; write at most 1h",
    );
    check(
        "[alerts.journal]\nmin_severity = 'high'",
        "line 2: alerts.journal.min_severity: write info, warning or critical",
    );
}

#[test]
fn rules_are_read_with_what_they_inherit() {
    use crate::model::rule::{Detector, Scope, Test};
    let alerts = read_toml(
        r#"
        [alerts.defaults]
        cooldown = "10m"
        [[alerts.rules]]
        name = "hot process"
        when = "cpu_pct > 80"
        until = "cpu_pct < 60"
        for = "5s"
        severity = "info"
        [[alerts.rules]]
        name = "hot postgres"
        inherits = "hot process"
        per = "program"
        when = "cpu_pct > 300 and comm == postgres"
        cooldown = "1h"
        inhibited_by = ["host is full"]
        [[alerts.rules]]
        name = "host is full"
        per = "host"
        when = "memory_available_pct < 5"
        severity = "critical"
        [alerts.detectors]
        enabled = false
        cpu_spike = true
        memory_leak = { severity = "warning", cooldown = "2h" }
        "#,
    );
    let rules = &alerts.rules;
    let names: Vec<_> = rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(
        names,
        [
            "hot process",
            "hot postgres",
            "host is full",
            "cpu_spike",
            "memory_leak"
        ]
    );
    let filter = |when: &str, until: Option<&str>| Test::Filter {
        when: when.parse().unwrap(),
        until: until.map(|until| until.parse().unwrap()),
    };
    assert_eq!(rules[0].test, filter("cpu_pct > 80", Some("cpu_pct < 60")));
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(
        (rules[0].hold, rules[0].cooldown),
        (Duration::from_secs(5), minutes(10))
    );
    assert_eq!(
        rules[1].test,
        filter("cpu_pct > 300 and comm == postgres", Some("cpu_pct < 60"))
    );
    assert_eq!(
        (rules[1].scope, rules[1].cooldown),
        (Scope::Program, minutes(60))
    );
    assert_eq!(rules[1].hold, Duration::from_secs(5));
    assert_eq!(rules[1].severity, Severity::Info);
    assert_eq!(rules[1].inhibited_by, ["host is full"]);
    assert!(matches!(rules[2].test, Test::Host { .. }));
    assert_eq!(rules[3].cooldown, minutes(10));
    assert_eq!(
        (rules[4].cooldown, rules[4].severity),
        (minutes(120), Severity::Warning)
    );
    // Without a word about them every detector is at work.
    assert_eq!(Alerts::default().rules.len(), Detector::ALL.len());
    assert_eq!(read_toml("[alerts]").rules, Alerts::default().rules);
}

#[test]
fn maintenance_is_read() {
    use crate::model::mute::{Days, When};
    let alerts = read_toml(
        r#"
        [[alerts.maintenance]]
        name = "backup"
        daily = "22:00-02:00"
        days = ["fri", "sat"]
        rules = ["cpu_spike"]
        [[alerts.maintenance]]
        name = "move"
        from = "2026-12-24T20:00:00+01:00"
        to = "2026-12-24T22:00:00+01:00"
        "#,
    );
    let days = Days([false, false, false, false, true, true, false]);
    let time = |hour| jiff::civil::time(hour, 0, 0, 0);
    assert_eq!(
        alerts.maintenance[0].when,
        When::Daily {
            from: time(22),
            to: time(2),
            days
        }
    );
    assert_eq!(alerts.maintenance[0].rules, ["cpu_spike"]);
    let from_ns = 1_798_138_800_000_000_000;
    let to_ns = from_ns + 7_200_000_000_000;
    assert_eq!(alerts.maintenance[1].when, When::Once { from_ns, to_ns });
}

#[test]
fn a_mistake_in_a_rule_is_told_with_the_remedy() {
    let check = |text: &str, expected: &str| {
        let error = parse(text, Format::Toml).unwrap_err().to_string();
        assert_eq!(error, expected);
    };
    check(
        "[[alerts.rules]]\nwhen = 'cpu_pct > 80'",
        "line 1: alerts.rules: there is no name; write one such as name = \"hot process\"",
    );
    check(
        "[[alerts.rules]]\nname = 'a'",
        "line 1: alerts.rules: there is no when; write one such as when = \"cpu_pct > 80\"",
    );
    check(
        "[[alerts.rules]]\nname = 'a'\nwhen = 'cpu_pc > 80'",
        "line 3: alerts.rules.when: unknown field \"cpu_pc\" at column 1; did you mean \"cpu_pct\"?",
    );
    check(
        "[[alerts.rules]]\nname = 'a'\nper = 'host'\nwhen = 'rss_bytes > 80'",
        "line 4: alerts.rules.when: unknown field \"rss_bytes\" at column 1; of the host there are cpu_pct, cpu_used_pct, memory_available_bytes, memory_available_pct, swap_used_pct, load_1, load_5, load_15, pressure_cpu_pct, pressure_memory_pct, pressure_io_pct, processes, threads, zombies",
    );
    check(
        "[[alerts.rules]]\nname = 'a'\nwhen = 'x'\n[[alerts.rules]]\nname = 'a'\nwhen = 'y'",
        "line 5: alerts.rules.name: another rule has that name; write one of its own",
    );
    check(
        "[[alerts.rules]]\nname = 'zombies'\nwhen = 'x'",
        "line 2: alerts.rules.name: a detector has that name; write another",
    );
    check(
        "[[alerts.rules]]\nname = 'a'\nwhen = 'x'\ninherits = 'b'",
        "line 4: alerts.rules.inherits: no rule above has the name \"b\"; write the name of one, and put that before this",
    );
    check(
        "[[alerts.rules]]\nname = 'a'\nwhen = 'x'\ninhibited_by = ['b']",
        "line 4: alerts.rules.inhibited_by: there is no rule \"b\"; write the name of one",
    );
    check(
        "[[alerts.rules]]\nname = 'a'\nwhen = 'x'\nfor = 5",
        "line 4: alerts.rules.for: a number is not what belongs here; write it in quotes, such as \"5s\"",
    );
    check(
        "[[alerts.rules]]\nname = 'a'\nwhen = 'x'\nfor = '5'",
        "line 4: alerts.rules.for: \"5\" is no duration; write numbers with a unit (ns, us, ms, s, m, h, d), such as 500ms, 1.5s or 1m30s",
    );
    check(
        "alerts.rules = 3",
        "line 1: alerts.rules: a number is not a list of tables; write the keys of each below a line [[alerts.rules]]",
    );
    check(
        "[alerts.detectors]\nmemory_leek = true",
        "line 2: alerts.detectors.memory_leek: unknown key; did you mean \"memory_leak\"?",
    );
    check(
        "[[alerts.maintenance]]\nname = 'a'",
        "line 1: alerts.maintenance: there is no daily; write one such as daily = \"22:00-02:00\"",
    );
    check(
        "[[alerts.maintenance]]\nname = 'a'\ndaily = '22:00'",
        "line 3: alerts.maintenance.daily: no two times of day; write them as 22:00-02:00",
    );
    check(
        "[[alerts.maintenance]]\nname = 'a'\nfrom = 'tomorrow'\nto = 'x'",
        "line 3: alerts.maintenance.from: no time with its zone; write one such as 2030-01-31T14:00:00Z",
    );
}
