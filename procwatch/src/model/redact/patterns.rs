//! Secrets that are known by where they stand in a text, or by their looks.

use std::{ops::Range, sync::LazyLock};

use regex::{Regex, RegexBuilder};

use super::programs;
use crate::model::escape::{quoted, terminal};

/// The longest pattern of a user, in bytes.
const LONGEST: usize = 1024;
/// What a compiled pattern, and the memory of what it has matched so far, may take.
const SIZE_MAX: usize = 256 << 10;
/// Ours are larger, and fewer.
const OUR_SIZE_MAX: usize = 8 << 20;

/// A pattern that is none. The text is quoted and made harmless already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern} is no pattern: {why}; see https://docs.rs/regex/#syntax")]
pub struct PatternError {
    pattern: String,
    why: String,
}

/// Finds one kind of secret.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Which group is secret.
    group: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Not where the secret is a port.
    Url,
    /// The same, only at the end of a text that was cut off.
    CutUrl,
}

impl Pattern {
    /// # Errors
    /// When it is none, or too large.
    pub(super) fn of_user(pattern: &str) -> Result<Self, PatternError> {
        let wrong = |why: String| PatternError {
            pattern: quoted(pattern),
            why,
        };
        if pattern.len() > LONGEST {
            return Err(wrong(format!("it is longer than {LONGEST} bytes")));
        }
        let regex = compile(pattern, SIZE_MAX).map_err(wrong)?;
        if regex.is_match("") {
            return Err(wrong("it matches where there is nothing".to_owned()));
        }
        Ok(Self::new(regex, Kind::Plain))
    }

    fn new(regex: Regex, kind: Kind) -> Self {
        let named = regex
            .capture_names()
            .position(|name| name == Some("secret"));
        let group = named.unwrap_or(usize::from(regex.captures_len() > 1));
        Self { regex, group, kind }
    }

    /// Adds what is secret in a text.
    pub(super) fn find(&self, text: &str, is_cut: bool, secrets: &mut Vec<Range<usize>>) {
        if self.kind == Kind::CutUrl && !is_cut {
            return;
        }
        // The captures of most texts need not be looked for.
        if self.group == 0 {
            secrets.extend(self.regex.find_iter(text).map(|found| found.range()));
            return;
        }
        if !self.regex.is_match(text) {
            return;
        }
        for captures in self.regex.captures_iter(text) {
            let Some(secret) = captures.get(self.group) else {
                continue;
            };
            if self.kind == Kind::Plain || !is_port(secret.as_str()) {
                secrets.push(secret.range());
            }
        }
    }
}

/// `host:80/path@x` has no password.
fn is_port(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && matches!(text.as_bytes().get(digits), None | Some(b'/' | b'?' | b'#'))
}

fn compile(pattern: &str, size_max: usize) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(size_max)
        .dfa_size_limit(SIZE_MAX)
        .nest_limit(32)
        .build()
        .map_err(|error| {
            // The last line says what; those above draw where.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            terminal(last.trim_start_matches("error: ")).into_owned()
        })
}

const SCHEMES: &str = "basic|bearer|token|negotiate|apikey|key|aws4-hmac-sha256";
const HEADERS: &str = "(?:proxy-)?authorization|(?:x-)?api-?key|x-[a-z0-9-]*(?:token|secret|password|key)\
    |private-token|(?:set-)?cookie";
const KEYS: &str = "passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|credentials?";

/// What we know by ourselves.
pub(super) fn ours() -> Result<Vec<Pattern>, PatternError> {
    let patterns = [
        // scheme://user:SECRET@host, with whatever is in the secret but a slash.
        (r#"://[^\s/?#:@"'<>\[]*:([^\s/?#"'<>]+)@"#.to_owned(), Kind::Url),
        // The same with slashes in it, as nobody should write it.
        (r#"://[^\s/?#:@"'<>\[]*:([^\s@"'<>]+)@"#.to_owned(), Kind::Url),
        (r#"://[^\s/?#:@"'<>\[]*:([^\s@"'<>]+)$"#.to_owned(), Kind::CutUrl),
        // A token in place of a user: longer than names of people.
        (r"://([0-9A-Za-z_-]{20,})@".to_owned(), Kind::Plain),
        // user:SECRET@tcp(host), as Go's drivers have it.
        (r"^[^\s:@/]+:([^\s@]+)@(?:tcp|unix)\(".to_owned(), Kind::Plain),
        // Headers of HTTP: to the end of the text, or of its quotes.
        (
            format!(r#"(?i)(?:^-H|^|[\s"'])(?:{HEADERS})\s*[:=]\s*(?:(?:{SCHEMES})\s+)?([^\r\n"']+)"#),
            Kind::Plain,
        ),
        (
            r"(?i)\bauthorization\s*[:=]\s*digest\s+([^\r\n]+)".to_owned(),
            Kind::Plain,
        ),
        // JSON, also within a string, and what Python and Ruby write.
        (
            format!(r#"(?i)"[\w.-]*(?:{KEYS})"\s*:\s*"((?:[^"\\]|\\.)+)"#),
            Kind::Plain,
        ),
        (
            format!(r#"(?i)\\"[\w.-]*(?:{KEYS})\\"\s*:\s*\\"([^"\\]+)"#),
            Kind::Plain,
        ),
        (
            format!(r"(?i)'[\w.-]*(?:{KEYS})'\s*(?::|=>)\s*'((?:[^'\\]|\\.)+)"),
            Kind::Plain,
        ),
        // YAML, and what people write.
        (
            format!(r#"(?i)\b[\w.-]*(?:{KEYS}):\s+([^\s"',}}]+|"[^"]*"|'[^']*')"#),
            Kind::Plain,
        ),
        // openssl's -passin and -passout.
        (r"(?:^|\s)pass:(\S+)".to_owned(), Kind::Plain),
        // Tokens that name who has issued them: ASCII, for each repetition of a Unicode class takes as much again.
        (
            r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[0-9A-Za-z_]{16,}|glpat-[0-9A-Za-z_-]{16,}|xox[abeoprs]-[0-9A-Za-z_-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}\b|sk-[0-9A-Za-z_-]{20,}|[sr]k_live_[0-9A-Za-z_]{10,}|AIza[0-9A-Za-z_-]{30,}|npm_[A-Za-z0-9]{30,}|hvs\.[0-9A-Za-z_-]{20,}|eyJ[0-9A-Za-z_-]{16,}(?:\.[0-9A-Za-z_-]*){0,2})"
                .to_owned(),
            Kind::Plain,
        ),
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]+)".to_owned(),
            Kind::Plain,
        ),
    ];
    patterns
        .into_iter()
        .map(|(pattern, kind)| Ok(Pattern::new(our(&pattern)?, kind)))
        .collect()
}

/// Something that every secret has which is found by names, programs or our patterns.
pub(super) fn first_look<'a>(
    options: impl Iterator<Item = &'a str>,
) -> Result<Regex, PatternError> {
    const OURS: &[&str] = &[
        "pass",
        "pwd",
        "pw",
        "secret",
        "token",
        "key",
        "credential",
        "authorization",
        "bearer",
        "cookie",
        "identified",
        "://",
        r"@(?:tcp|unix)\(",
        "eyj",
        "gh[pousr]_",
        "github_pat",
        "glpat-",
        "xox",
        "akia",
        "asia",
        "sk-",
        "k_live_",
        "aiza",
        "npm_",
        "hvs",
        "private",
    ];
    let ours = OURS.iter().map(ToString::to_string);
    // As they are written, or with another separator.
    let options = options.map(|option| option.replace('-', "[._-]"));
    let programs = programs::beginnings().map(regex::escape);
    let any: Vec<_> = ours.chain(options).chain(programs).collect();
    our(&format!("(?i-u:{})", any.join("|")))
}

/// # Errors
/// Never, as tests see to, but for options of a user that are too many.
fn our(pattern: &str) -> Result<Regex, PatternError> {
    compile(pattern, OUR_SIZE_MAX).map_err(|why| PatternError {
        pattern: quoted(pattern),
        why,
    })
}

/// How a header at the end of an argument goes on in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// With a scheme, or a value.
    Named,
    /// With a value.
    WithScheme,
}

/// Whether an argument ends where a header's value begins: `curl -H Authorization: Bearer X`, as it is
/// without quotes.
pub(super) fn header_at_end(argument: &str) -> Option<Header> {
    static HEADER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        our(&format!(
            r"(?i)(?:^-H|^|\s)(?:{HEADERS})\s*:\s*({SCHEMES}|digest)?\s*$"
        ))
        .ok()
    });
    if !argument.contains(':') {
        return None;
    }
    let captures = HEADER.as_ref()?.captures(argument)?;
    Some(match captures.get(1) {
        Some(_) => Header::WithScheme,
        None => Header::Named,
    })
}
