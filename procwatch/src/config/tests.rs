use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn told(text: &str, format: Format) -> String {
    match parse(text, format) {
        Ok(config) => panic!("{config:?} of {text:?}"),
        Err(error) => error.to_string(),
    }
}

fn whole() -> Config {
    Config {
        record: Record {
            interval: Some(Duration::from_secs(2)),
            niceness: Some(-10),
            socket: Some("/run/other.sock".into()),
        },
        limits: Limits {
            cpu_pct: Some(7.5),
            memory_bytes: Some(300 << 20),
        },
        history: History {
            path: Some("/srv/procwatch.db".into()),
            max_size: Some(1 << 30),
            max_age: Some(Duration::from_secs(30 * 86_400)),
        },
        redact: Redact {
            is_enabled: false,
            options: vec!["--pin".to_owned()],
            patterns: vec!["id-[0-9]+".to_owned()],
        },
        alerts: Alerts::default(),
    }
}

#[test]
fn both_formats_have_the_same_keys() {
    let toml = r#"
        [record]
        interval = "2s"   # every other second
        niceness = -10
        socket = "/run/other.sock"
        [history]
        path = "/srv/procwatch.db"
        max_size = "1GiB"
        max_age = "30d"
        [limits]
        cpu = "7.5%"
        memory = "300MiB"
        [redact]
        enabled = false
        options = ["--pin"]
        patterns = ['id-[0-9]+']
    "#;
    assert_eq!(parse(toml, Format::Toml), Ok(whole()));
    let dotted = "record = { interval = '2s', niceness = -10, socket = '/run/other.sock' }\nhistory = { path = '/srv/procwatch.db', max_size = '1GiB', max_age = '30d' }\nlimits.cpu = '7.5%'\nlimits.memory = '300MiB'\nredact = { enabled = false, options = ['--pin'], patterns = ['id-[0-9]+'] }";
    assert_eq!(parse(dotted, Format::Toml), Ok(whole()));
    let json = r#"{"record": {"interval": "2s", "niceness": -10, "socket": "/run/other.sock"},
        "history": {"path": "/srv/procwatch.db", "max_size": "1GiB", "max_age": "30d"},
        "limits": {"cpu": "7.5%", "memory": "300MiB"},
        "redact": {"enabled": false, "options": ["--pin"], "patterns": ["id-[0-9]+"]}}"#;
    assert_eq!(parse(json, Format::Json), Ok(whole()));
    for (nothing, format) in [("", Format::Toml), ("{}", Format::Json)] {
        assert_eq!(parse(nothing, format), Ok(Config::default()));
    }
}

#[test]
fn a_mistake_is_named_with_its_line_and_the_remedy() {
    let check = |text: &str, expected: &str| assert_eq!(told(text, Format::Toml), expected);
    check(
        "[record]\n\nintervall = '1s'",
        "line 3: record.intervall: unknown key; did you mean \"interval\"?",
    );
    check(
        "[recrod]\ninterval = '1s'",
        "line 1: recrod: unknown key; did you mean \"record\"?",
    );
    check(
        "colour = true",
        "line 1: colour: unknown key; known here: record, history, limits, redact, alerts",
    );
    check(
        "[record]\ninterval = 1",
        "line 2: record.interval: a number is not what belongs here; write it in quotes, such as \"1s\"",
    );
    check(
        "record = 1",
        "line 1: record: a number is not a table; write its keys below a line [record]",
    );
    check(
        "[record]\ninterval = '1ms'",
        "line 2: record.interval: it must be from 10ms to 366d",
    );
    check(
        "[record]\nniceness = 20",
        "line 2: record.niceness: 20 is out of range; write a number from -20 to 19",
    );
    check(
        "[history]\npath = 'procwatch.db'",
        "line 2: history.path: write a path that begins with /",
    );
    check(
        "[history]\nmax_size = '1MiB'",
        "line 2: history.max_size: write at least 16MiB",
    );
    check(
        "[limits]\ncpu = '10'",
        "line 2: limits.cpu: \"10\" is out of range; write percent of one core, such as 10%",
    );
    check(
        "[limits]\nmemory = '300KiB'",
        "line 2: limits.memory: \"300KiB\" is out of range; write at least 16MiB",
    );
    check(
        "[redact]\nenabled = 1",
        "line 2: redact.enabled: a number is not what belongs here; write true or false, without quotes",
    );
    check(
        "[redact]\noptions = [\n'--pin',\n1]",
        "line 4: redact.options: a number is in what must be a list of texts; write one such as [\"--api-key\"]",
    );
    check(
        "[redact]\noptions = ['pin']",
        "line 2: redact.options: \"pin\" is no option; write it with its dashes and without a value, such as \"--api-key\"",
    );
    check(
        "[redact]\npatterns = ['(']",
        "line 2: redact.patterns: \"(\" is no pattern: unclosed group; see https://docs.rs/regex/#syntax",
    );
    check(
        "[record]\ninterval = '1s'\ninterval = '2s'",
        "line 3: not TOML: duplicate key",
    );
}

#[test]
fn json_has_the_same_errors() {
    let check = |text: &str, expected: &str| assert_eq!(told(text, Format::Json), expected);
    check(
        "{\"record\": {\n\"intervall\": \"1s\"}}",
        "line 2: record.intervall: unknown key; did you mean \"interval\"?",
    );
    check(
        "{\n\"record\": null}",
        "line 2: record: null is not a table; write its keys below a line [record]",
    );
    check(
        "{\"record\": {\"interval\": \"1s\",\n\"interval\": \"2s\"}}",
        "line 2: interval: the key is there twice; keep one",
    );
    check(
        "{\n\n\"record\"",
        "line 3: not JSON: EOF while parsing an object",
    );
    check("", "line 1: not JSON: EOF while parsing a value");
    check("[]", "line 1: a list is not a table of keys; start with {");
    let deep = "{\"record\":".repeat(2000) + &"}".repeat(2000);
    assert!(told(&deep, Format::Json).starts_with("line 1: "), "{deep}");
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(
        told(&deep, Format::Json),
        "line 1: nested deeper than any key is"
    );
}

#[test]
fn a_hostile_key_cannot_act_on_the_terminal() {
    let error = told("\"\\u001b[2J\\n\" = 1", Format::Toml);
    assert!(
        error.starts_with("line 1: \\x1b[2J\\n: unknown key"),
        "{error}"
    );
    let long = told(&format!("{} = 1", "k".repeat(5000)), Format::Toml);
    assert!(long.len() < 300, "{long}");
}

/// Words of which configurations are made, and others.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("record".to_owned()),
        Just("limits".to_owned()),
        Just("interval".to_owned()),
        Just("\"1s\"".to_owned()),
        Just("[[[".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("=".to_owned()),
        Just(":".to_owned()),
        Just(".".to_owned()),
        Just("\n".to_owned()),
        Just("1e999".to_owned()),
        Just("1979-05-27".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,8}",
    ]
}

proptest! {
    #[test]
    fn no_text_is_too_much(words in prop::collection::vec(word(), 0..24)) {
        let text = words.concat();
        for format in [Format::Toml, Format::Json] {
            if let Err(error) = parse(&text, format) {
                let line = error.line.unwrap_or(1);
                prop_assert!((1..=text.matches('\n').count() + 1).contains(&line), "{error}");
                prop_assert!(!error.to_string().contains(char::is_control), "{error:?}");
            }
        }
    }

    #[test]
    fn what_json_says_toml_says_too(niceness in -30_i64..30, milliseconds in 0_u64..100) {
        let json = format!("{{\"record\": {{\"niceness\": {niceness}, \"interval\": \"{milliseconds}ms\"}}}}");
        let toml = format!("[record]\nniceness = {niceness}\ninterval = \"{milliseconds}ms\"");
        let plain = |result: Result<Config, ConfigError>| result.map_err(|error| (error.key, error.problem));
        prop_assert_eq!(plain(parse(&json, Format::Json)), plain(parse(&toml, Format::Toml)));
    }
}
