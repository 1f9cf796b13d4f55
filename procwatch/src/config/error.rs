//! What is wrong with a configuration, where, and what to write instead.

use crate::model::escape::{fit, terminal};

/// One mistake: the first in the text. Shown as `line N: KEY: WHAT; REMEDY`; the file's name is known to
/// whoever has read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{problem}", place(*.line), path(.key))]
pub struct ConfigError {
    /// From 1. `None` when it is of no line, as with a text that has no key at all.
    pub line: Option<usize>,
    /// The key with those of the tables around it, such as `limits.memory`. Empty when the text is not of
    /// its format.
    pub key: String,
    /// What is wrong, and the remedy.
    pub problem: String,
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

/// Keys are anyone's text until they are known.
fn path(key: &str) -> String {
    const LONGEST: usize = 80;
    match key {
        "" => String::new(),
        key => format!("{}: ", fit(&terminal(key), LONGEST)),
    }
}
