//! The program under test as a child process.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::Value;

use crate::wait::{PATIENCE, until};

/// The binary: what `PROCWATCH_BIN` names, else the release build.
///
/// # Panics
/// When it is not there, with what to do about it.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("PROCWATCH_BIN").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../target/release/procwatch"
            ))
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "there is no procwatch at {}: run `cargo xtask build --release`, or name it in PROCWATCH_BIN",
        path.display()
    );
    path.canonicalize().unwrap_or(path)
}

/// No recorder answers there, nor can one: what is tested is not to be what the host's own recorder tells.
pub const NOWHERE: &str = "/proc/self/procwatch.sock";

/// Procwatch, without its arguments.
///
/// # Panics
/// As [`binary`].
pub fn command() -> Command {
    let mut command = Command::new(binary());
    command.env("PROCWATCH_SOCKET", NOWHERE);
    command
}

/// How a run of procwatch ended, and all that it wrote.
#[derive(Debug)]
pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    /// Line by line.
    pub stderr: Vec<String>,
}

impl Ended {
    /// Standard output as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("procwatch writes UTF-8")
    }

    /// Standard output, one JSON value a line.
    ///
    /// # Panics
    /// When a line is not JSON.
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
        };
        self.text().lines().map(parse).collect()
    }

    /// The same run, when it ended with exit code 0.
    ///
    /// # Panics
    /// When it did not.
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "procwatch failed: {:?}", self.stderr);
        self
    }
}

/// A running procwatch. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: File,
    stderr: Receiver<String>,
    stderr_lines: Vec<String>,
}

impl Running {
    /// Starts procwatch with these arguments, standard output going to a file.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = command();
        command.args(arguments);
        Self::spawn(&mut command)
    }

    /// Starts a command that runs procwatch.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        let stdout = tempfile::tempfile().expect("a temporary file");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().expect("a second descriptor"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        let (sender, stderr) = channel();
        let pipe = child.stderr.take().expect("a pipe was asked for");
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self {
            child,
            stdout,
            stderr,
            stderr_lines: Vec::new(),
        }
    }

    /// Starts procwatch, and waits until its hooks are attached.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn ready(arguments: &[&str]) -> Self {
        let mut running = Self::start(arguments);
        running.wait_ready();
        running
    }

    /// Waits for the line that starts with `ready`.
    ///
    /// # Panics
    /// When procwatch ends or [`PATIENCE`] is over before it comes.
    pub fn wait_ready(&mut self) {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!(
                    "procwatch did not get ready ({error}): {:?}",
                    self.stderr_lines
                )
            });
            self.stderr_lines.push(line);
            if self
                .stderr_lines
                .last()
                .is_some_and(|line| line.starts_with("ready"))
            {
                return;
            }
        }
    }

    /// What it has written to standard error so far.
    pub fn complaints(&mut self) -> String {
        self.stderr_lines.extend(self.stderr.try_iter());
        self.stderr_lines.join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    ///
    /// # Panics
    /// When the file cannot be read.
    pub fn written(&mut self) -> Vec<u8> {
        self.written_from(0)
    }

    /// The same without that many bytes at the beginning.
    ///
    /// # Panics
    /// As [`Self::written`].
    pub fn written_from(&mut self, from: u64) -> Vec<u8> {
        // `read_at`, for the position is shared with the child, which writes at it.
        use std::os::unix::fs::FileExt as _;
        let length = self.stdout.metadata().expect("the file's length").len();
        let mut bytes = vec![0; usize::try_from(length - from).expect("a length")];
        self.stdout
            .read_exact_at(&mut bytes, from)
            .expect("what has been written");
        bytes
    }

    /// The whole JSON lines that it has written so far.
    pub fn lines_so_far(&mut self) -> Vec<Value> {
        let bytes = self.written();
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]).into_owned();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: has no preconditions; the child has not been reaped, so the pid is its own.
        unsafe { libc::kill(self.pid().cast_signed(), signal) };
    }

    /// Interrupts it as Ctrl-C does, and waits for its end.
    pub fn interrupt(self) -> Ended {
        self.signal(libc::SIGINT);
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within twice [`PATIENCE`].
    pub fn wait(self) -> Ended {
        self.wait_for(PATIENCE * 2)
    }

    /// Waits for its end this long.
    ///
    /// # Panics
    /// When it does not end by then.
    pub fn wait_for(mut self, patience: Duration) -> Ended {
        let status = until("the end of procwatch", patience, || {
            self.child.try_wait().expect("waiting for procwatch")
        });
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            self.stderr_lines.push(line);
        }
        let mut stdout = Vec::new();
        self.stdout
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.stdout.read_to_end(&mut stdout))
            .expect("reading what procwatch wrote");
        Ended {
            code: status.code(),
            stdout,
            stderr: std::mem::take(&mut self.stderr_lines),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs procwatch to its end.
pub fn run(arguments: &[&str]) -> Ended {
    Running::start(arguments).wait()
}

/// One snapshot, as JSON.
///
/// # Panics
/// When procwatch fails.
pub fn snapshot(arguments: &[&str]) -> Value {
    let mut all = vec!["top", "--once", "--format", "json"];
    all.extend(arguments);
    let mut lines = run(&all).done().json_lines();
    assert_eq!(lines.len(), 1, "one snapshot is one line");
    lines.remove(0)
}
