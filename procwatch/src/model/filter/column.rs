//! What a comparison can be about: a field of a process, or a figure of the host.

use std::fmt;

use super::pattern::Pattern;
use crate::model::{
    escape::quoted,
    field::{self, Field, Kind, Value},
    host_field::{self, HostField},
    snapshot::{ProcessView, Snapshot},
    units::Unit,
};

/// A name of a value, and where that is found.
pub trait Column: Copy + PartialEq + fmt::Debug + Sized + 'static {
    /// What has the value.
    type Of<'a>;

    /// Whether a word that is no field is searched for.
    const IS_SEARCHED: bool;

    fn from_name(name: &str) -> Option<Self>;
    fn name(self) -> &'static str;
    fn kind(self) -> Kind;
    fn unit(self) -> Unit;
    fn value<'a>(self, of: &Self::Of<'a>) -> Value<'a>;
    /// What to try instead of a name that nothing has.
    fn remedy_for(name: &str) -> String;
    /// Of those that are searched.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "patterns are of this room alone")]
    fn finds(_pattern: &Pattern, _of: &Self::Of<'_>) -> bool {
        false
    }
}

/// What to try instead of a name that none of these is; `of` says whose they are.
pub fn remedy_among(name: &str, names: &[&'static str], of: &str) -> String {
    let name = name.to_ascii_lowercase();
    // The distance takes time by the product of both lengths, and the name is anyone's text.
    let nearest = names
        .iter()
        .filter(|_| name.len() < 64)
        .map(|known| (strsim::osa_distance(&name, known), known))
        .filter(|(distance, _)| *distance <= (name.len() / 3).clamp(1, 3))
        .min();
    match nearest {
        Some((_, nearest)) => format!("did you mean {}?", quoted(nearest)),
        None => format!("{of} there are {}", names.join(", ")),
    }
}

impl Column for Field {
    type Of<'a> = ProcessView<'a>;

    const IS_SEARCHED: bool = true;

    fn from_name(name: &str) -> Option<Self> {
        Self::from_name(name)
    }

    fn name(self) -> &'static str {
        self.name()
    }

    fn kind(self) -> Kind {
        self.kind()
    }

    fn unit(self) -> Unit {
        Self::unit(self)
    }

    fn value<'a>(self, of: &Self::Of<'a>) -> Value<'a> {
        Self::value(&self, of)
    }

    fn remedy_for(name: &str) -> String {
        field::remedy_for(name)
    }

    #[expect(private_interfaces, reason = "patterns are of this room alone")]
    fn finds(pattern: &Pattern, view: &ProcessView<'_>) -> bool {
        let in_text = |field: Self| match Self::value(&field, view) {
            Value::Text(text) => pattern.is_in(&text),
            _ => false,
        };
        in_text(Self::Comm)
            || in_text(Self::Exe)
            || view.process.id.pid.to_string() == pattern.as_str()
            || in_text(Self::Argv)
    }
}

impl Column for HostField {
    type Of<'a> = Snapshot;

    const IS_SEARCHED: bool = false;

    fn from_name(name: &str) -> Option<Self> {
        Self::from_name(name)
    }

    fn name(self) -> &'static str {
        self.name()
    }

    fn kind(self) -> Kind {
        Kind::Real
    }

    fn unit(self) -> Unit {
        self.unit()
    }

    fn value<'a>(self, of: &Self::Of<'a>) -> Value<'a> {
        Self::value(self, of).into()
    }

    fn remedy_for(name: &str) -> String {
        host_field::remedy_for(name)
    }
}
