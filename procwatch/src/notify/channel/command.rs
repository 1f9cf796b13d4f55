//! A program of the user's: the message as JSON on its standard input, the gist of it in the environment.
//!
//! It gets nothing else of our environment, where secrets may be. No shell is involved.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{ChildStderr, ChildStdin, Command},
};

use crate::{
    model::alert::AlertState,
    notify::{
        failure::Failure,
        letter::Letter,
        render::{harmless, json, program, title},
    },
};

/// What it is given of ours.
const PASSED_ON: &[&str] = &["PATH", "HOME", "LANG", "TZ"];
/// Of what it says, the last is told.
const SAID_MAX: usize = 2048;

pub(super) async fn send(argv: &[String], letter: &Letter) -> Result<String, Failure> {
    let Some((path, arguments)) = argv.split_first() else {
        return Err(Failure::refused("argv names no program"));
    };
    let input = serde_json::to_vec(&json::document(letter))
        .map_err(|error| Failure::refused(error.to_string()))?;
    let mut child = Command::new(path)
        .args(arguments)
        .env_clear()
        .envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?))),
        )
        .envs(environment(letter))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::temporary(format!("{path}: {error}")))?;
    let mut group = Group(child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())));
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let said = tokio::spawn(last_words(stderr));
    let (_, status) = tokio::join!(feed(stdin, &input), child.wait());
    let status = status.map_err(|error| Failure::temporary(format!("{path}: {error}")))?;
    // What it has left running on purpose may go on.
    group.0 = None;
    if status.success() {
        return Ok(format!("{path} has ended well"));
    }
    // Something that it has left running may have its standard error.
    let said = tokio::time::timeout(Duration::from_millis(500), said).await;
    let said = said.ok().and_then(Result::ok).unwrap_or_default();
    Err(Failure::temporary(format!("{path}: {status}: {said}")))
}

/// Killed as a whole when nobody waits for it any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A program need not read.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    }
}

/// Reads to the end, so that nothing blocks, and keeps the last line.
async fn last_words(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else {
        return String::new();
    };
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let surplus = kept.len().saturating_sub(SAID_MAX);
        kept.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&kept);
    text.trim_end()
        .lines()
        .next_back()
        .unwrap_or_default()
        .to_owned()
}

/// Of the first alert; the others are on standard input.
fn environment(letter: &Letter) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("PROCWATCH_KEY", letter.key.clone()),
        ("PROCWATCH_HOST", harmless(&letter.host, 255)),
        ("PROCWATCH_TITLE", title(letter)),
        ("PROCWATCH_ALERTS", letter.alerts.len().to_string()),
        (
            "PROCWATCH_FIRING",
            letter.count(AlertState::Firing).to_string(),
        ),
        (
            "PROCWATCH_RESOLVED",
            letter.count(AlertState::Resolved).to_string(),
        ),
    ];
    if let Some(alert) = letter.alerts.first() {
        variables.extend([
            ("PROCWATCH_RULE", harmless(&alert.rule, 200)),
            ("PROCWATCH_STATE", alert.state.name().to_owned()),
            ("PROCWATCH_SEVERITY", alert.severity.name().to_owned()),
            ("PROCWATCH_PROGRAM", harmless(&program(alert), 200)),
            ("PROCWATCH_SUMMARY", harmless(&alert.summary, 400)),
            ("PROCWATCH_REPLAY", harmless(&alert.replay, 400)),
        ]);
        if let Some(culprit) = &alert.culprit {
            variables.push(("PROCWATCH_PID", culprit.id.pid.to_string()));
        }
    }
    variables
}
