//! Secrets on command lines, taken out before anybody sees them.
//!
//! A command line is no place for a secret, and many are there: every user of the host can read it, and
//! whatever records processes keeps it. This takes arguments and yields the same with `***` for what is
//! secret by the name that it is given to (`--password X`, `PGPASSWORD=X`), by the program whose option it is
//! (`mysql -pX`), by where it stands (`https://user:X@host`, `Authorization: Bearer X`), or by its own looks
//! (`ghp_…`). In doubt it is redacted. Deliberately knows no secret by its randomness, and looks into no
//! file, and not at names of programs.
//!
//! Every exec passes through here: a first look tells in one pass whether there can be anything. All patterns
//! take time in proportion to the text, whoever wrote them.

mod names;
mod patterns;
mod programs;
mod words;

use regex::Regex;

use self::{
    names::Names,
    patterns::{Pattern, PatternError},
    words::Words,
};

/// What stands for a secret.
pub const MASK: &str = "***";

/// As many patterns of a user as are tried on every command line.
const PATTERNS_MAX: usize = 64;
/// As many options.
const OPTIONS_MAX: usize = 256;

/// Why a user's rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error(
        "{0} is no option; write it with its dashes and without a value, such as \"--api-key\""
    )]
    Option(String),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("more than {0} of them; keep those that matter most")]
    TooMany(usize),
}

/// Finds secrets. Made once; it compiles patterns.
#[derive(Clone, Debug)]
pub struct Redactor {
    /// Matches where there can be anything of ours to redact.
    first_look: Regex,
    names: Names,
    /// Ours.
    patterns: Vec<Pattern>,
    /// The user's, which no first look speaks for.
    more_patterns: Vec<Pattern>,
}

impl Redactor {
    /// What we know by ourselves, and options whose values are secret, and patterns: of those the group named
    /// `secret` is redacted, else the first, else all that matches.
    ///
    /// # Errors
    /// When an option or a pattern is none.
    pub fn new(options: &[String], more_patterns: &[String]) -> Result<Self, RuleError> {
        if options.len() > OPTIONS_MAX {
            return Err(RuleError::TooMany(OPTIONS_MAX));
        }
        if more_patterns.len() > PATTERNS_MAX {
            return Err(RuleError::TooMany(PATTERNS_MAX));
        }
        let names = Names::with(options)?;
        let more_patterns = more_patterns
            .iter()
            .map(|pattern| Pattern::of_user(pattern))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            first_look: patterns::first_look(names.options())?,
            names,
            patterns: patterns::ours()?,
            more_patterns,
        })
    }

    /// Arguments, each ended by a NUL, without their secrets. `None` when there is none in them. With
    /// `is_truncated` the last argument may go on.
    pub fn argv(&self, argv: &str, is_truncated: bool) -> Option<String> {
        let is_ours = self.first_look.is_match(argv);
        if !is_ours && self.more_patterns.is_empty() {
            return None;
        }
        let mut redacted = String::new();
        // How much of `argv` is in `redacted`.
        let mut copied = 0;
        let mut words = Words::new(&self.names);
        let mut start = 0;
        for argument in argv.split_terminator('\0') {
            let end = start + argument.len();
            let is_cut = is_truncated && end + 1 >= argv.len();
            let mut secrets = Vec::new();
            if is_ours {
                words.argument(argument, &mut secrets);
                for pattern in &self.patterns {
                    pattern.find(argument, is_cut, &mut secrets);
                }
            }
            for pattern in &self.more_patterns {
                pattern.find(argument, is_cut, &mut secrets);
            }
            secrets.retain(|secret| !secret.is_empty());
            secrets.sort_unstable_by_key(|secret| (secret.start, secret.end));
            for secret in secrets {
                let (from, to) = (start + secret.start, start + secret.end);
                if from >= copied {
                    redacted.push_str(&argv[copied..from]);
                    redacted.push_str(MASK);
                }
                // One within or over the end of another is one with it.
                copied = copied.max(to);
            }
            start = end + 1;
        }
        if copied == 0 {
            return None;
        }
        redacted.push_str(argv.get(copied..).unwrap_or_default());
        Some(redacted)
    }
}

#[cfg(test)]
mod tests;
