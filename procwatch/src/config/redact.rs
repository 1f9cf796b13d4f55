//! `[redact]`: which secrets are taken out of command lines.

use super::{ConfigError, table::Table};
use crate::model::redact::{Redactor, RuleError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redact {
    /// Whether secrets are taken out at all; they are unless somebody says no.
    pub is_enabled: bool,
    /// Options whose values are secret, with their dashes.
    pub options: Vec<String>,
    /// Regular expressions: of what matches, the group `secret`, else the first, else all is secret.
    pub patterns: Vec<String>,
}

impl Default for Redact {
    fn default() -> Self {
        Self {
            is_enabled: true,
            options: Vec::new(),
            patterns: Vec::new(),
        }
    }
}

impl Redact {
    /// `None` when secrets are to stay.
    ///
    /// # Errors
    /// When an option or a pattern is none; one that was parsed here has none of these.
    pub fn redactor(&self) -> Result<Option<Redactor>, RuleError> {
        self.is_enabled
            .then(|| Redactor::new(&self.options, &self.patterns))
            .transpose()
    }
}

pub(super) fn read(table: &mut Table) -> Result<Redact, ConfigError> {
    let mut redact = Redact::default();
    if let Some(field) = table.take("enabled") {
        redact.is_enabled = field.boolean()?;
    }
    if let Some(field) = table.take("options") {
        redact.options = field.texts("--api-key")?;
        Redactor::new(&redact.options, &[]).map_err(|error| field.wrong(error.to_string()))?;
    }
    if let Some(field) = table.take("patterns") {
        redact.patterns = field.texts("id-[0-9]+")?;
        Redactor::new(&[], &redact.patterns).map_err(|error| field.wrong(error.to_string()))?;
    }
    Ok(redact)
}
