//! The live view as a person uses it: started on a terminal, looked at, and steered by keys.

use std::{process::Command, time::Duration};

use procwatch_tests::{
    procwatch::{binary, command},
    terminal::OnTerminal,
    wait::until,
    workload::start,
};

use crate::WORKLOAD;

fn procwatch(arguments: &[&str], columns: u16, lines: u16) -> OnTerminal {
    let home = std::env::temp_dir();
    let mut command = command();
    // No layout that somebody has kept.
    command
        .args(arguments)
        .env("XDG_CONFIG_HOME", home.join("procwatch-no-layout"));
    let live = OnTerminal::start(&mut command, columns, lines);
    live.wait_for("the table", |text| text.contains("COMMAND"));
    live
}

fn assert_given_back(live: &mut OnTerminal, code: i32) {
    assert_eq!(live.end().code(), Some(code));
    live.wait_for("the screen as it was", |_| !live.is_taken());
    assert!(live.is_cooked(), "keys are echoed again");
}

#[test]
fn a_walk_through_the_views() {
    let mut child = start(WORKLOAD, &["linger", "zebrafish"]);
    let pid = child.id().to_string();
    let mut live = procwatch(&["--interval", "200ms"], 120, 36);
    assert!(live.is_taken());

    // Sort by pid, then only ours.
    live.press("s");
    live.wait_for("the fields", |text| text.contains("sort by"));
    live.press("pid\r");
    live.press("fzebrafish\r");
    let text = live.wait_for("our process alone", |text| {
        text.contains("filter: zebrafish") && text.contains(&pid)
    });
    assert!(!text.contains("kthreadd"), "{text}");

    // Its detail, with its open files.
    live.press("\r");
    live.wait_for("its detail", |text| {
        text.contains("child of") && text.contains("threads")
    });
    live.press("\t");
    live.wait_for("its open files", |text| {
        text.contains("/dev/null") || text.contains("pipe")
    });
    live.press("\x1b");

    // All of them again, as a tree.
    live.wait_for("the table again", |text| text.contains("COMMAND"));
    // A key straight after Escape would be one with Alt.
    live.press("\x1b");
    live.wait_for("no filter", |text| !text.contains("filter:"));
    live.press("t");
    live.wait_for("the tree", |text| {
        text.contains("ΣCPU%") && text.contains("[kthreadd]")
    });

    for (key, heading) in [
        ("2", "CONTAINER OR CGROUP"),
        ("3", "OTHER END"),
        ("4", "INTERFACE"),
        ("5", "WHAT"),
        ("?", "Choosing what to see"),
    ] {
        live.press(key);
        live.wait_for(heading, |text| text.contains(heading));
    }
    live.press("\x1b");
    live.wait_for("no help", |text| !text.contains("Choosing what to see"));
    live.press("1 ");
    live.wait_for("a held picture", |text| text.contains("PAUSED"));
    live.resize(80, 24);
    live.wait_for("a smaller picture", |text| {
        text.lines().all(|line| line.chars().count() <= 80) && text.contains("COMMAND")
    });
    live.press("q");
    assert_given_back(&mut live, 0);
    child.kill().expect("killing our own child");
    child.wait().expect("waiting for our own child");
}

#[test]
fn a_signal_is_asked_about_and_sent() {
    let mut child = start(WORKLOAD, &["linger", "quagga"]);
    let filter = format!("pid == {}", child.id());
    let mut live = procwatch(&["--interval", "200ms", "--filter", &filter], 100, 30);
    live.wait_for("our process", |text| text.contains(&child.id().to_string()));
    live.press("K\r");
    live.wait_for("the question", |text| {
        text.contains(&format!("Send SIGTERM (15) to {}", child.id()))
    });
    live.press("y");
    use std::os::unix::process::ExitStatusExt as _;
    // `wait` would close its input, at which it ends by itself.
    let status = until("its end", Duration::from_secs(20), || {
        child.try_wait().expect("waiting for our own child")
    });
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    live.wait_for("what was done", |text| text.contains("was sent signal 15"));
    live.wait_for("its end", |text| text.contains("(signal 15)"));
    live.press("\x03");
    assert_given_back(&mut live, 0);
}

#[test]
fn a_layout_is_kept_for_the_next_time() {
    let home = tempfile::tempdir().expect("a directory");
    let start = || {
        let mut command = command();
        command.env("XDG_CONFIG_HOME", home.path());
        let live = OnTerminal::start(&mut command, 120, 30);
        live.wait_for("the table", |text| text.contains("COMMAND"));
        live
    };
    let mut live = start();
    live.press("cswap \r");
    live.wait_for("the new column", |text| text.contains("SWAP"));
    live.press("W");
    live.wait_for("where it is kept", |text| text.contains("kept in"));
    live.press("q");
    assert_given_back(&mut live, 0);
    use std::os::unix::fs::PermissionsExt as _;
    let kept = home.path().join("procwatch/view.json");
    let mode = std::fs::metadata(&kept)
        .expect("the layout")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut live = start();
    live.wait_for("the column of last time", |text| text.contains("SWAP"));
    live.press("q");
    assert_given_back(&mut live, 0);
}

#[test]
fn the_terminal_is_given_back_at_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut live = procwatch(&[], 80, 24);
        live.signal(signal);
        assert_given_back(&mut live, 0);
    }
}

#[test]
fn without_colours_none_are_sent() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "NO_COLOR=1 exec \"$0\"",
        binary().to_str().expect("UTF-8"),
    ]);
    let mut live = OnTerminal::start(&mut command, 80, 24);
    live.wait_for("the table", |text| text.contains("COMMAND"));
    assert!(live.is_colourless());
    live.press("q");
    assert_given_back(&mut live, 0);
}
