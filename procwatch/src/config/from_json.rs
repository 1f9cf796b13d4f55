//! JSON, as `serde_json` reads it, level by level: it tells where a value stands only for values that it
//! leaves unread.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    ConfigError,
    lines::Lines,
    node::{Node, Value},
};
use crate::model::escape::{quoted, terminal};

/// Deeper than any key; every level is read once more.
const DEEPEST: usize = 8;

/// # Errors
/// When the text is not JSON, names a key twice, or is nested deeper than any key is.
pub(super) fn read(text: &str) -> Result<Node, ConfigError> {
    let lines = Lines::of(text);
    let root: &RawValue = serde_json::from_str(text).map_err(|error| ConfigError {
        line: Some(error.line().max(1)),
        key: String::new(),
        problem: format!("not JSON: {}", reason(&error)),
    })?;
    node(root, &lines, DEEPEST)
}

fn node(raw: &RawValue, lines: &Lines<'_>, levels: usize) -> Result<Node, ConfigError> {
    let text = raw.get();
    let line = lines.of_part(text);
    let wrong = |problem: String| ConfigError {
        line: Some(line),
        key: String::new(),
        problem,
    };
    let not_json = |error: serde_json::Error| wrong(format!("not JSON: {}", reason(&error)));
    let Some(levels) = levels.checked_sub(1) else {
        return Err(wrong("nested deeper than any key is".to_owned()));
    };
    let value = match text.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(text).map_err(not_json)?;
            let mut table: Vec<(String, Node)> = Vec::with_capacity(entries.len());
            let mut seen = hashbrown::HashSet::with_capacity(entries.len());
            for (key, raw) in entries {
                let value = node(raw, lines, levels)?;
                if !seen.insert(key.clone()) {
                    return Err(ConfigError {
                        line: Some(value.line),
                        key,
                        problem: "the key is there twice; keep one".to_owned(),
                    });
                }
                table.push((key, value));
            }
            Value::Table(table)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(not_json)?;
            let items = items.into_iter().map(|item| node(item, lines, levels));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(text).map_err(not_json)?),
        Some(b't' | b'f') => Value::Boolean(serde_json::from_str(text).map_err(not_json)?),
        Some(b'n') => Value::Other("null"),
        _ => match text.parse() {
            Ok(whole) => Value::Whole(whole),
            Err(_) => text
                .parse()
                .map(Value::Fraction)
                .map_err(|_| wrong(format!("{} is no number", quoted(text))))?,
        },
    };
    Ok(Node { line, value })
}

/// As the parser puts it, without the place: that of a part is not that of the text.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    terminal(reason).into_owned()
}

/// An object's keys and unread values, in order; a map would hide a key that is there twice.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
