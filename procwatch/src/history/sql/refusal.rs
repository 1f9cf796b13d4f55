//! What is wrong with a statement, and what to try instead.

use rusqlite::{Error, ErrorCode};

use super::{
    functions,
    happened::{Alerts, Connections, Events, Gaps},
    host::Host,
    processes::Processes,
    samples::Samples,
    table::{Column, Table},
};
use crate::model::escape::quoted;

/// Every table with its columns.
fn tables() -> [(&'static str, Vec<Column>); 7] {
    fn of<T: Table>() -> (&'static str, Vec<Column>) {
        (T::NAME.to_str().unwrap_or_default(), T::columns())
    }
    [
        of::<Processes>(),
        of::<Samples>(),
        of::<Host>(),
        of::<Events>(),
        of::<Connections>(),
        of::<Gaps>(),
        of::<Alerts>(),
    ]
}

/// One line, with a remedy.
pub(super) fn told(error: &Error, statement: &str) -> String {
    let text = match error {
        Error::MultipleStatement => {
            return "more than one statement; run them one at a time".to_owned();
        }
        Error::InvalidQuery => return refused(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        Error::SqliteFailure(failure, text) => match failure.code {
            ErrorCode::AuthorizationForStatementDenied => return refused(),
            ErrorCode::OutOfMemory => {
                return "it needs more memory than a query may have, 1GiB; ask for less, or group"
                    .to_owned();
            }
            ErrorCode::TooBig => {
                return "a text in it is longer than a query may have, 16MiB, or the statement itself is"
                    .to_owned();
            }
            _ => text.clone().unwrap_or_else(|| error.to_string()),
        },
        other => other.to_string(),
    };
    if text.contains("not authorized") || text.contains("may not be modified") {
        return refused();
    }
    let names = tables();
    if let Some(name) = text.strip_prefix("no such column: ") {
        return unknown_column(name, &names);
    }
    if let Some(name) = text.strip_prefix("no such table: ") {
        let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        return format!("no table {}; there are {}", quoted(name), all.join(", "));
    }
    if let Some(name) = text.strip_prefix("no such function: ") {
        return format!(
            "no function {}; beside those of SQLite there are {}",
            quoted(name),
            functions::NAMES.join(", ")
        );
    }
    // Of a statement that is a comment SQLite makes none.
    if text.contains("incomplete input")
        || text.contains("API misuse")
        || statement.trim().is_empty()
    {
        return "the statement is not complete; write one such as SELECT * FROM host LIMIT 5"
            .to_owned();
    }
    if text.contains("syntax error") {
        return format!("{text}; write one statement, such as SELECT * FROM host LIMIT 5");
    }
    text
}

fn refused() -> String {
    "only reading is allowed; write a SELECT, such as SELECT * FROM host LIMIT 5".to_owned()
}

fn unknown_column(name: &str, tables: &[(&str, Vec<Column>)]) -> String {
    let bare = name.rsplit('.').next().unwrap_or(name);
    // Where it is, when it is only the wrong table that was asked.
    let has: Vec<_> = tables
        .iter()
        .filter(|(_, columns)| columns.iter().any(|column| column.name == bare))
        .map(|(table, _)| *table)
        .collect();
    if !has.is_empty() {
        return format!(
            "no column {} there; it is in {}",
            quoted(name),
            has.join(", ")
        );
    }
    let lower = bare.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = tables
        .iter()
        .flat_map(|(_, columns)| columns)
        .map(|column| (distance(&lower, column.name), column.name))
        .filter(|(distance, _)| *distance <= 3)
        .collect();
    near.sort_unstable();
    near.dedup();
    let near: Vec<_> = near.into_iter().take(4).map(|(_, name)| name).collect();
    let remedy = if near.is_empty() {
        "PRAGMA table_info(samples) lists those of a table; a text stands in 'single quotes'"
            .to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    format!("no column {}; {remedy}", quoted(name))
}

/// How far a name is from what was written: the beginning of a name is near to it.
fn distance(written: &str, name: &str) -> usize {
    // The distance takes time by the product of both lengths, and what is written is anyone's text.
    if written.len() > 64 {
        return usize::MAX;
    }
    let next_word = name
        .strip_prefix(written)
        .is_some_and(|rest| rest.starts_with('_'));
    if next_word && written.len() >= 3 {
        return 1;
    }
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    let distance = strsim::osa_distance(written, name);
    if distance <= allowed {
        distance
    } else {
        usize::MAX
    }
}
