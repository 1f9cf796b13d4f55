//! A configuration as it was written: values with their lines, of whichever format.

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Boolean(bool),
    List(Vec<Node>),
    /// Keys in the order of their lines, each once.
    Table(Vec<(String, Node)>),
    /// What no key takes: a date, or JSON's null.
    Other(&'static str),
}

impl Value {
    /// For an error: what was written.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) | Self::Fraction(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}
