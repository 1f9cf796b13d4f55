//! Configurations that must fail, with what is said of each, and what one that does not changes.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use procwatch_tests::{
    procwatch::{run, snapshot},
    record::number,
};

/// Files `NAME.toml` or `NAME.json`, each with what is said of it in `NAME.expected`.
fn fixtures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/configs");
    let files = fs::read_dir(directory).expect("the fixtures");
    let paths = files.map(|file| file.expect("a fixture").path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending != "expected"))
        .collect()
}

/// A file that root trusts, wherever the sources are.
fn written(directory: &Path, name: &str, bytes: &[u8]) -> String {
    let path = directory.join(name);
    fs::write(&path, bytes).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    path.to_str().expect("a path of ours is text").to_owned()
}

#[test]
fn each_mistake_is_told_with_its_place_and_the_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let fixtures = fixtures();
    assert!(fixtures.len() > 8, "{fixtures:?}");
    for fixture in fixtures {
        let bytes = fs::read(&fixture).expect("the fixture");
        let expected = fs::read_to_string(fixture.with_extension("expected")).expect("its error");
        let name = fixture
            .file_name()
            .and_then(|name| name.to_str())
            .expect("its name");
        let path = written(directory.path(), name, &bytes);
        let line = format!("procwatch: {path}: {}", expected.trim_end());
        for arguments in [
            vec!["config", "check", &path],
            vec!["top", "--once", "--config", &path],
        ] {
            let ended = run(&arguments);
            assert_eq!(ended.code, Some(2), "{name}");
            assert_eq!(ended.stderr, [line.as_str()], "{name}");
            assert!(ended.stdout.is_empty(), "{name}");
        }
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let check = |path: &str, told: &str| {
        let ended = run(&["config", "check", path]);
        assert_eq!(ended.code, Some(2), "{path}");
        let [line] = ended.stderr.as_slice() else {
            panic!("one line, not {:?}", ended.stderr);
        };
        assert!(line.contains(told), "{line:?} does not say {told:?}");
    };
    check(
        "/nowhere.toml",
        "/nowhere.toml: the configuration cannot be read: No such file",
    );
    check("/etc/passwd", "its name must end in .toml or .json");
    let inner = directory.path().join("directory.toml");
    fs::create_dir(&inner).expect("a directory");
    check(inner.to_str().expect("text"), "not a regular file");
    let large = written(directory.path(), "large.toml", &vec![b'\n'; (1 << 20) + 1]);
    check(&large, "larger than 1MiB");
    // It is not waited for that somebody writes.
    let pipe = directory.path().join("pipe.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    check(pipe.to_str().expect("text"), "not a regular file");
}

#[test]
fn root_trusts_no_file_that_others_write() {
    // SAFETY: has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        procwatch_tests::skip::skip("it needs root");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = written(directory.path(), "a.toml", b"");
    let check = |is_trusted: bool| {
        let ended = run(&["config", "check", &path]);
        assert_eq!(
            ended.code,
            Some(if is_trusted { 0 } else { 2 }),
            "{:?}",
            ended.stderr
        );
        let is_told = ended.stderr.iter().any(|line| line.contains("chmod go-w"));
        assert_eq!(is_told, !is_trusted);
    };
    check(true);
    for mode in [0o622, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        check(false);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
    check(true);
    std::os::unix::fs::chown(&path, Some(65534), None).expect("another owner");
    check(false);
}

#[test]
fn the_command_line_goes_before_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = written(
        directory.path(),
        "a.json",
        br#"{"record": {"interval": "300ms"}}"#,
    );
    let ended = run(&["config", "check", &path]).done();
    assert_eq!(ended.text(), format!("{path}: ok\n"));
    let interval = |arguments: &[&str]| {
        let ms = number(&snapshot(arguments), "interval_ns") / 1_000_000;
        assert!(ms < 900, "{ms} ms");
        ms
    };
    assert!(interval(&["--config", &path]) >= 290);
    assert!(interval(&["--config", &path, "--interval", "100ms"]) < 290);
}

#[test]
fn a_commented_configuration_is_written_once_and_changes_nothing() {
    let directory = procwatch_tests::short::directory();
    let path = directory.path().join("procwatch.toml");
    let path = path.to_str().expect("UTF-8");
    run(&["config", "init", path]).done();
    run(&["config", "check", path]).done();
    let again = run(&["config", "init", path]);
    assert_eq!(again.code, Some(2));
    assert!(
        again.stderr[0].contains("is there already"),
        "{:?}",
        again.stderr
    );
    let printed = run(&["config", "init", "-"]).done();
    let written = std::fs::read_to_string(path).expect("the file");
    assert_eq!(printed.text(), written);
    // A table and a key of it without their comments are a rule.
    let rule = written
        .replace("#[[alerts.rules]]", "[[alerts.rules]]")
        .replace("#name = \"hot process\"", "name = \"hot process\"")
        .replace("#when = \"cpu_pct > 80\"", "when = \"cpu_pct > 80\"");
    std::fs::write(path, rule).expect("a rule");
    run(&["config", "check", path]).done();
}

#[test]
fn the_schema_has_every_section() {
    let schema = run(&["config", "schema"]).done();
    let schema: serde_json::Value = serde_json::from_str(schema.text()).expect("JSON");
    let alerts = &schema["properties"]["alerts"]["properties"];
    for section in [
        "rules",
        "detectors",
        "maintenance",
        "email",
        "emails",
        "webhook",
        "bell",
    ] {
        assert!(alerts[section].is_object(), "{section}");
    }
    let rule = &alerts["rules"]["items"];
    assert_eq!(rule["additionalProperties"], false);
    assert_eq!(rule["required"], serde_json::json!(["name"]));
}
