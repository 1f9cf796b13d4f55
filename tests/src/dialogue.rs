//! A role of the workload that stays and does as it is told, line by line.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout},
};

use serde_json::Value;

use crate::workload;

/// A role that answers every line with one. Dropping it kills it.
#[derive(Debug)]
pub struct Dialogue {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Starts a role, and returns what it told first.
    pub fn start(program: &str, arguments: &[&str]) -> (Self, Value) {
        let mut child = workload::start(program, arguments);
        let answers = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        let mut dialogue = Self { child, answers };
        let first = dialogue.answer();
        (dialogue, first)
    }

    /// Tells it what to do, and waits until it has.
    ///
    /// # Panics
    /// When it is gone.
    pub fn ask(&mut self, what: &str) -> Value {
        let stdin = self.child.stdin.as_mut().expect("a pipe was asked for");
        writeln!(stdin, "{what}").unwrap_or_else(|error| panic!("asking for {what}: {error}"));
        self.answer()
    }

    /// Lets it end, and returns what it told last.
    pub fn end(mut self) -> Value {
        drop(self.child.stdin.take());
        self.answer()
    }

    /// The next line. A role limits its own life, so this comes to an end.
    fn answer(&mut self) -> Value {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.unwrap_or_else(|error| panic!("reading from the workload: {error}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
