//! Wrong use is told in one line that names what was wrong and what to try.

use procwatch_tests::procwatch::run;

/// `bad` is what the user got wrong, `remedy` words of what is to be tried instead.
fn check(arguments: &[&str], bad: &str, remedy: &str) {
    let ended = run(arguments);
    assert_eq!(ended.code, Some(2), "{arguments:?}: {:?}", ended.stderr);
    assert!(
        ended.stdout.is_empty(),
        "{arguments:?} wrote to standard output: {:?}",
        ended.text()
    );
    let [line] = ended.stderr.as_slice() else {
        panic!("{arguments:?}: one line, not {:?}", ended.stderr);
    };
    let Some(told) = line.strip_prefix("procwatch: ") else {
        panic!("{arguments:?}: {line:?}");
    };
    assert!(
        told.contains(bad),
        "{arguments:?}: {line:?} does not name {bad:?}"
    );
    assert!(
        told.contains(remedy),
        "{arguments:?}: {line:?} has no remedy {remedy:?}"
    );
    assert!(
        !line.contains(char::is_control),
        "{arguments:?}: control characters in {line:?}"
    );
}

#[test]
fn commands_and_flags() {
    check(&["evnts"], "evnts", "events");
    check(
        &["frobnicate"],
        "frobnicate",
        "top, events, tree, connections, trace, latency, record, replay, query, history, report, export, import, detect, alerts, status",
    );
    check(&["--zzz"], "--zzz", "--help");
    check(&["top", "--onse"], "--onse", "--once");
    check(&["events", "--knd", "fork"], "--knd", "--kind");
    check(&["events", "surplus"], "surplus", "--help");
    check(&["tree", "--backwards"], "--backwards", "--help");
}

#[test]
fn values() {
    check(&["top", "--format", "yaml"], "yaml", "table, json, csv");
    check(&["events", "--format", "csv"], "csv", "text, json");
    check(&["tree", "--format", "csv"], "csv", "text, json");
    check(&["status", "--format", "csv"], "csv", "text, json");
    check(
        &["events", "--kind", "fork,birth"],
        "birth",
        "fork, exec, exit",
    );
    check(&["top", "--sort", "cpu_pc"], "cpu_pc", "cpu_pct");
    check(&["top", "--sort", "zzz"], "zzz", "cpu_pct");
    check(&["top", "--interval", "5parsecs"], "5parsecs", "500ms");
    check(&["top", "--interval", "0s"], "0s", "10ms");
    check(&["top", "--interval", "10000d"], "10000d", "366d");
    check(&["top", "--interval"], "--interval", "value");
    check(&["events", "--duration", "soon"], "soon", "500ms");
    check(&["status", "--ring-buffer", "2XB"], "2XB", "MiB");
    check(&["status", "--ring-buffer", "5GiB"], "5GiB", "1GiB");
    check(&["status", "--map-entries", "0"], "\"0\"", "from 1 to");
    check(
        &["status", "--map-entries", "4294967295"],
        "4294967295",
        "1048576",
    );
    check(&["top", "--sort", "\x1b[31m"], "\\x1b[31m", "cpu_pct");
}

#[test]
fn numbers_have_a_remedy_too() {
    check(&["top", "--limit", "many"], "many", "number");
    check(&["top", "--limit", "-3"], "-3", "number");
    check(&["top", "--interval", "-1s"], "-1s", "500ms");
    check(&["tree", "--pid", "abc"], "abc", "number");
}

#[test]
fn collection_flags_stand_before_the_command_as_well() {
    let ended = run(&["--no-ebpf", "status"]);
    assert_eq!(ended.code, Some(1), "{:?}", ended.stderr);
    check(&["--ring-buffer", "2XB", "status"], "2XB", "MiB");
}

#[test]
fn filters() {
    let check = |filter, bad, remedy| check(&["top", "--once", "--filter", filter], bad, remedy);
    check("cpu_pct >", "column 10", "a number");
    check("cpu_pct > \"abc\"", "abc", "a number");
    check("user > 5", "user", "text in quotes");
    check("argv_truncated == 3", "argv_truncated", "true, false");
    check("cpu_pc > 5", "cpu_pc", "cpu_pct");
    check("cpu_pct > 5 and", "column 16", "comparison");
    check("(cpu_pct > 5", "(", "close it");
    check("rss_bytes > 5parsecs", "5parsecs", "64MiB");
    check("", "", "comparison");
}

#[test]
fn a_pid_that_nobody_has() {
    // Nobody can: the highest pid on any Linux is one less.
    let ended = run(&["tree", "--pid", "4194304"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.is_empty());
    let told: Vec<_> = ended
        .stderr
        .iter()
        .filter(|line| line.starts_with("procwatch: "))
        .collect();
    assert_eq!(told.len(), 1, "{:?}", ended.stderr);
    assert!(
        told[0].contains("4194304") && told[0].contains("--duration"),
        "{told:?}"
    );
}
