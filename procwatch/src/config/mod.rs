//! What a user has written down once instead of on every command line.
//!
//! Text in, typed values out, or an error that names the key, the line and the remedy. Every key is
//! optional, and one that would do nothing is refused: a misspelt key is worse than none. TOML and JSON
//! are read into the same [`node`]s first, so that both have the same keys and the same errors.
//! Deliberately reads no file, and gives no defaults: what a missing key means is its user's to know.

mod alerts;
mod error;
mod from_json;
mod from_toml;
mod history;
mod keys;
mod limits;
mod lines;
mod node;
mod record;
mod redact;
mod schema;
mod table;

pub use alerts::Alerts;
pub use error::ConfigError;
pub use history::History;
pub use keys::commented;
pub use limits::Limits;
pub use record::{Record, parse_interval};
pub use redact::Redact;
pub use schema::schema;

use self::table::Table;

/// All that can be configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub record: Record,
    pub history: History,
    pub limits: Limits,
    pub redact: Redact,
    pub alerts: Alerts,
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Toml,
    Json,
}

impl Format {
    /// By the ending of a file's name; `None` when it is neither.
    pub fn of_ending(ending: &str) -> Option<Self> {
        match ending {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads a configuration.
///
/// # Errors
/// When the text is not of the format, has a key that does nothing, or a value that is not one of its
/// key's: says which, in which line, and what to write instead.
pub fn parse(text: &str, format: Format) -> Result<Config, ConfigError> {
    let root = match format {
        Format::Toml => from_toml::read(text)?,
        Format::Json => from_json::read(text)?,
    };
    let mut top = Table::top(root)?;
    let config = Config {
        record: top.section("record", record::read)?,
        history: top.section("history", history::read)?,
        limits: top.section("limits", limits::read)?,
        redact: top.section("redact", redact::read)?,
        alerts: top.section("alerts", alerts::read)?,
    };
    top.finish()?;
    Ok(config)
}

#[cfg(test)]
mod tests;
