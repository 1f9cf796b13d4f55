//! What `procwatch events --format json` has told.

use std::collections::HashMap;

use serde_json::Value;

use crate::procwatch::{Ended, Running};

/// A running `events`.
#[derive(Debug)]
pub struct Recorder(pub Running);

impl Recorder {
    /// Starts to record; every hook is attached on return.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let mut all = vec!["events", "--format", "json"];
        all.extend(arguments);
        Self(Running::ready(&all))
    }

    /// Interrupts the recording at once: what has happened by now must be told all the same.
    pub fn stop(self) -> Record {
        Record::of(&self.0.interrupt().done())
    }
}

/// All events of a recording.
#[derive(Debug)]
pub struct Record {
    pub events: Vec<Value>,
    pub summary: Value,
    /// Positions in `events`, by pid.
    by_pid: HashMap<u64, Vec<usize>>,
}

impl Record {
    /// # Panics
    /// When the last line is not the summary, or the summary contradicts the lines.
    pub fn of(ended: &Ended) -> Self {
        let mut events = ended.json_lines();
        let summary = events.pop().expect("a last line");
        assert_eq!(summary["type"], "summary", "the last line is the summary");
        for kind in ["fork", "exec", "exit"] {
            let told = events.iter().filter(|event| event["type"] == kind).count() as u64;
            // A kind that was not asked for is not counted: 0 would say that there were none.
            let counted = summary["events"][kind].as_u64();
            assert!(
                counted == Some(told) || counted.is_none() && told == 0,
                "the summary counts {counted:?} of {kind}, the lines are {told}"
            );
        }
        let mut by_pid: HashMap<u64, Vec<usize>> = HashMap::new();
        for (position, event) in events.iter().enumerate() {
            by_pid
                .entry(number(event, "pid"))
                .or_default()
                .push(position);
        }
        Self {
            events,
            summary,
            by_pid,
        }
    }

    /// # Panics
    /// When anything was lost.
    pub fn assert_lossless(&self) {
        let loss = self.summary["loss"].as_object().expect("loss is an object");
        for kind in ["fork", "exec", "exit"] {
            assert!(
                loss.contains_key(kind),
                "loss has no count of {kind}: {loss:?}"
            );
        }
        assert!(
            loss.values().all(|count| count == 0),
            "nothing was to be lost: {loss:?}"
        );
    }

    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.events
            .iter()
            .filter(move |event| event["type"] == kind)
    }

    /// The events of one kind of whatever processes had this pid, in order.
    pub fn of_pid(&self, kind: &str, pid: u64) -> Vec<&Value> {
        let positions = self.by_pid.get(&pid).map_or(&[][..], Vec::as_slice);
        positions
            .iter()
            .map(|position| &self.events[*position])
            .filter(|event| event["type"] == kind)
            .collect()
    }

    /// The one event of that kind and pid.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn the(&self, kind: &str, pid: u64) -> &Value {
        let found = self.of_pid(kind, pid);
        assert_eq!(
            found.len(),
            1,
            "process {pid} was to have one {kind} event; its events: {:#?}",
            self.by_pid.get(&pid).map(|positions| positions
                .iter()
                .map(|position| self.events[*position].to_string())
                .collect::<Vec<_>>())
        );
        found[0]
    }
}

/// A number of an object.
///
/// # Panics
/// When it has none of that name, or something else in its place.
pub fn number(object: &Value, name: &str) -> u64 {
    object[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} is no whole number in {object}"))
}

/// A text of an object.
///
/// # Panics
/// As [`number`].
pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} is no text in {object}"))
}

/// An array of an object.
///
/// # Panics
/// As [`number`].
pub fn array<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object[name]
        .as_array()
        .unwrap_or_else(|| panic!("{name} is no array in {object}"))
}

/// Asserts that `measured` is within `share` of `truth`, and says how far it is off, in percent.
///
/// # Panics
/// When it is not.
pub fn assert_close(what: &str, measured: u64, truth: u64, share: f64) -> f64 {
    let off = (measured as f64 - truth as f64) / truth as f64;
    assert!(
        off.abs() <= share,
        "{what}: {measured} is {:.3} % off the truth {truth}; allowed are {:.3} %",
        off * 100.0,
        share * 100.0
    );
    off * 100.0
}
