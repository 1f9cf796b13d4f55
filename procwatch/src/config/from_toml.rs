//! TOML, as `toml` reads it.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    ConfigError,
    lines::Lines,
    node::{Node, Value},
};
use crate::model::escape::terminal;

/// # Errors
/// When the text is not TOML.
pub(super) fn read(text: &str) -> Result<Node, ConfigError> {
    let lines = Lines::of(text);
    let root = DeTable::parse(text).map_err(|error| ConfigError {
        line: error.span().map(|span| lines.at(span.start)),
        key: String::new(),
        problem: format!("not TOML: {}", terminal(error.message())),
    })?;
    Ok(Node {
        line: 1,
        value: table(root.into_inner(), &lines),
    })
}

/// The parser has bounded the depth.
fn node(value: Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let line = lines.at(value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Whole),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(Value::Other("a number that is too large"), Value::Fraction),
        DeValue::Boolean(is) => Value::Boolean(is),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| node(item, lines)).collect())
        }
        DeValue::Table(entries) => table(entries, lines),
    };
    Node { line, value }
}

fn table(entries: DeTable<'_>, lines: &Lines<'_>) -> Value {
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|(key, value)| {
            let at = key.span().start;
            let mut value = node(value, lines);
            // Where the key stands: a table's own span may be that of its first header.
            value.line = lines.at(at);
            (at, (key.into_inner().into_owned(), value))
        })
        .collect();
    entries.sort_by_key(|(at, _)| *at);
    Value::Table(entries.into_iter().map(|(_, entry)| entry).collect())
}
