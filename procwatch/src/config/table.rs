//! Taking a table apart, key by key: what is left over at the end is refused.

use super::{
    ConfigError,
    node::{Node, Value},
};
use crate::model::escape::quoted;

/// A table whose keys are being taken out.
#[derive(Debug)]
pub(super) struct Table {
    /// The keys that lead to it; empty for the whole configuration.
    path: String,
    line: usize,
    entries: Vec<(String, Node)>,
    /// Every key that was asked for, whether or not it was there.
    known: Vec<&'static str>,
}

/// A value, with the key that it belongs to.
#[derive(Debug)]
pub(super) struct Field {
    path: String,
    line: usize,
    value: Value,
}

impl Table {
    /// The whole configuration.
    pub(super) fn top(root: Node) -> Result<Self, ConfigError> {
        let root = Field {
            path: String::new(),
            line: root.line,
            value: root.value,
        };
        root.table()
    }

    /// The value of a key, if it is there. From now on the key is a known one.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Field> {
        self.known.push(key);
        let at = self
            .entries
            .iter()
            .position(|(written, _)| written == key)?;
        let (_, node) = self.entries.remove(at);
        Some(Field {
            path: self.path_of(key),
            line: node.line,
            value: node.value,
        })
    }

    /// What `read` makes of the table that belongs to a key; the default where there is none.
    pub(super) fn section<T: Default>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Table) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let Some(field) = self.take(key) else {
            return Ok(T::default());
        };
        let mut table = field.table()?;
        let section = read(&mut table)?;
        table.finish()?;
        Ok(section)
    }

    /// Refuses the first key that was not asked for.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let Some((key, node)) = self.entries.first() else {
            return Ok(());
        };
        let problem = match nearest(key, &self.known) {
            Some(nearest) => format!("unknown key; did you mean \"{nearest}\"?"),
            None => format!("unknown key; known here: {}", self.known.join(", ")),
        };
        Err(ConfigError {
            line: Some(node.line),
            key: self.path_of(key),
            problem,
        })
    }

    /// What is in it, by names that its user has chosen.
    pub(super) fn into_fields(self) -> impl Iterator<Item = (String, Field)> {
        let path = self.path;
        self.entries.into_iter().map(move |(key, node)| {
            let field = Field {
                path: format!("{path}.{key}"),
                line: node.line,
                value: node.value,
            };
            (key, field)
        })
    }

    /// An error of the table as a whole.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            line: Some(self.line),
            key: self.path.clone(),
            problem: problem.into(),
        }
    }

    /// An error of a key that has to be there and is not.
    pub(super) fn lacks(&self, key: &str, example: &str) -> ConfigError {
        self.wrong(format!(
            "there is no {key}; write one such as {key} = {example}"
        ))
    }

    fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

impl Field {
    /// An error of this value.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            line: Some(self.line),
            key: self.path.clone(),
            problem: problem.into(),
        }
    }

    /// The remedy says what to write instead.
    fn wrong_kind(&self, wanted: &str) -> ConfigError {
        self.wrong(format!("{} is not {wanted}", self.value.kind()))
    }

    pub(super) fn table(self) -> Result<Table, ConfigError> {
        match self.value {
            Value::Table(entries) => Ok(Table {
                path: self.path,
                line: self.line,
                entries,
                known: Vec::new(),
            }),
            _ if self.path.is_empty() => Err(self.wrong_kind("a table of keys; start with {")),
            _ => Err(self.wrong_kind(&format!(
                "a table; write its keys below a line [{}]",
                self.path
            ))),
        }
    }

    /// A list of tables, each written below a line `[[…]]`.
    pub(super) fn tables(self) -> Result<Vec<Table>, ConfigError> {
        let remedy = format!(
            "a list of tables; write the keys of each below a line [[{}]]",
            self.path
        );
        let Value::List(items) = self.value else {
            return Err(self.wrong_kind(&remedy));
        };
        let table = |item: Node| match item.value {
            Value::Table(entries) => Ok(Table {
                path: self.path.clone(),
                line: item.line,
                entries,
                known: Vec::new(),
            }),
            other => Err(ConfigError {
                line: Some(item.line),
                key: self.path.clone(),
                problem: format!("{} is in what must be {remedy}", other.kind()),
            }),
        };
        items.into_iter().map(table).collect()
    }

    /// A text, as `read` understands it.
    pub(super) fn text<T, E: std::fmt::Display>(
        &self,
        example: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        match &self.value {
            Value::Text(text) => read(text).map_err(|error| self.wrong(error.to_string())),
            _ => Err(self.wrong_kind(&format!(
                "what belongs here; write it in quotes, such as \"{example}\""
            ))),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        match self.value {
            Value::Boolean(is) => Ok(is),
            _ => Err(self.wrong_kind("what belongs here; write true or false, without quotes")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, example: &str) -> Result<Vec<String>, ConfigError> {
        let remedy = format!("a list of texts; write one such as [\"{example}\"]");
        let Value::List(items) = &self.value else {
            return Err(self.wrong_kind(&remedy));
        };
        let text = |item: &Node| match &item.value {
            Value::Text(text) => Ok(text.clone()),
            other => Err(ConfigError {
                line: Some(item.line),
                key: self.path.clone(),
                problem: format!("{} is in what must be {remedy}", other.kind()),
            }),
        };
        items.iter().map(text).collect()
    }

    /// A whole number within a range.
    pub(super) fn whole(&self, range: std::ops::RangeInclusive<i64>) -> Result<i64, ConfigError> {
        let (low, high) = (*range.start(), *range.end());
        match &self.value {
            Value::Whole(number) if range.contains(number) => Ok(*number),
            Value::Whole(number) => Err(self.wrong(format!(
                "{number} is out of range; write a number from {low} to {high}"
            ))),
            _ => Err(self.wrong_kind(&format!(
                "a whole number; write one from {low} to {high}, without quotes"
            ))),
        }
    }
}

/// The key that was probably meant: a few letters away.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    /// The distance takes time by the product of both lengths, and the key is anyone's text.
    const LONGEST: usize = 64;
    if key.len() > LONGEST {
        return None;
    }
    let allowed = (key.chars().count() / 3).clamp(1, 3);
    let key = key.to_lowercase();
    known
        .iter()
        .map(|known| (strsim::osa_distance(&key, known), *known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// For an error: a value in quotes, and what is wrong with it.
pub(super) fn out_of_range(text: &str, remedy: &str) -> String {
    format!("{} is out of range; {remedy}", quoted(text))
}
