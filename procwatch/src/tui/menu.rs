//! What stands over a view until it is answered: a line to type, a list to choose from, a question.

use super::cursor::Cursor;
use crate::model::{field::Field, identity::ProcessId};

#[derive(Clone, Debug)]
pub enum Overlay {
    Help(Cursor),
    Prompt(Prompt),
    /// A field to sort by.
    Sort(Menu),
    /// Fields, those that are columns marked.
    Columns(Menu),
    Signals(Menu, Target),
    Question(Question),
}

/// What is being typed.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub asks: Asks,
    pub text: String,
    /// Why it cannot be used as it stands.
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Search,
    Filter,
    Moment,
}

/// A list that letters narrow down.
#[derive(Clone, Debug, Default)]
pub struct Menu {
    pub cursor: Cursor,
    pub typed: String,
}

/// Whom something is to be done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub id: ProcessId,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub target: Target,
    pub deed: Deed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// By its place in [`SIGNALS`].
    Signal(usize),
    Niceness(i32),
}

/// The signals that are offered, those that end gently first: name, number on Linux, and what it does.
pub const SIGNALS: &[(&str, i32, &str)] = &[
    ("TERM", 15, "asks it to end"),
    ("KILL", 9, "ends it at once; it cannot refuse"),
    ("INT", 2, "as Ctrl-C does"),
    (
        "HUP",
        1,
        "its terminal is gone; many read their configuration again",
    ),
    ("QUIT", 3, "ends it with a core dump"),
    ("STOP", 19, "stops it; it cannot refuse"),
    ("CONT", 18, "lets it go on"),
    ("USR1", 10, "what the program makes of it"),
    ("USR2", 12, "what the program makes of it"),
    (
        "ABRT",
        6,
        "ends it with a core dump, as a failed assertion does",
    ),
];

impl Menu {
    /// The fields that have what was typed in their name; the chosen ones first where there are any.
    pub fn fields(&self, chosen: &[Field]) -> Vec<Field> {
        let others = Field::all().iter().filter(|field| !chosen.contains(field));
        chosen
            .iter()
            .chain(others)
            .copied()
            .filter(|field| field.name().contains(&self.typed))
            .collect()
    }

    /// The field under the cursor.
    pub fn field(&self, chosen: &[Field]) -> Option<Field> {
        self.fields(chosen).get(self.cursor.line).copied()
    }
}

impl Question {
    pub fn text(&self) -> String {
        let Target { id, name } = &self.target;
        match self.deed {
            Deed::Signal(at) => {
                let (signal, number, what) = SIGNALS[at];
                format!(
                    "Send SIG{signal} ({number}) to {} {name}? It {what}.",
                    id.pid
                )
            }
            Deed::Niceness(niceness) => {
                format!("Set the niceness of {} {name} to {niceness}?", id.pid)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_narrow_the_fields_down() {
        let menu = Menu {
            typed: "rss_".to_owned(),
            ..Menu::default()
        };
        let names: Vec<_> = menu
            .fields(&[Field::PeakRss])
            .iter()
            .map(|field| field.name())
            .collect();
        assert_eq!(
            names,
            [
                "peak_rss_bytes",
                "rss_bytes",
                "rss_anon_bytes",
                "rss_file_bytes",
                "rss_shmem_bytes"
            ]
        );
        assert_eq!(Menu::default().fields(&[]).len(), Field::all().len());
    }

    #[test]
    fn the_numbers_of_signals_are_those_of_the_system() {
        for (name, number, _) in SIGNALS {
            let expected = match *name {
                "TERM" => libc::SIGTERM,
                "KILL" => libc::SIGKILL,
                "INT" => libc::SIGINT,
                "HUP" => libc::SIGHUP,
                "QUIT" => libc::SIGQUIT,
                "STOP" => libc::SIGSTOP,
                "CONT" => libc::SIGCONT,
                "USR1" => libc::SIGUSR1,
                "USR2" => libc::SIGUSR2,
                "ABRT" => libc::SIGABRT,
                other => panic!("{other}"),
            };
            assert_eq!(*number, expected, "{name}");
        }
    }
}
