//! Going through a command line word by word: what an option or a name is given is secret by its name.

use std::ops::Range;

use super::{
    names::{Names, is_of_name},
    patterns::{Header, header_at_end},
    programs::{Form, ShortOption, short_options},
};

/// What the last word has said of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Plain,
    /// It is secret, unless it is an option: then the one before asks for its value.
    Secret,
    /// What comes after this character of it is.
    SecretAfter(char),
    /// It is the scheme of a header's value, or the value.
    Header,
    /// It is secret if it is `=` something, or in quotes.
    SecretIfAssigned,
}

/// The way through one command line.
#[derive(Debug)]
pub(super) struct Words<'a> {
    names: &'a Names,
    next: Next,
    /// The short options of the last program that was named.
    short_options: &'static [ShortOption],
    /// The last word asked for a text that is a command line itself: `sh -c`.
    is_script_next: bool,
    /// The last word, where it is SQL's `IDENTIFIED`.
    is_identified: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(names: &'a Names) -> Self {
        Self {
            names,
            next: Next::Plain,
            short_options: &[],
            is_script_next: false,
            is_identified: false,
        }
    }

    /// Goes on to the next argument, and adds what is secret in it.
    pub(super) fn argument(&mut self, argument: &str, secrets: &mut Vec<Range<usize>>) {
        let is_script = std::mem::replace(&mut self.is_script_next, asks_for_script(argument));
        if self.is_taken(argument, 0, argument.len(), secrets) {
            return;
        }
        let is_one_word = !argument.contains(|c: char| c.is_ascii_whitespace());
        if is_one_word || (!is_script && self.starts_with_assignment(argument)) {
            self.word(argument, 0, argument.len(), secrets);
        } else {
            Self::new(self.names).script(argument, secrets);
        }
        match header_at_end(argument) {
            Some(Header::Named) => self.next = Next::Header,
            Some(Header::WithScheme) => self.next = Next::Secret,
            None => {}
        }
    }

    /// A text of several words, as shells take it apart.
    fn script(&mut self, text: &str, secrets: &mut Vec<Range<usize>>) {
        let mut at = 0;
        while at < text.len() {
            let rest = &text.as_bytes()[at..];
            let Some(skipped) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                break;
            };
            let start = at + skipped;
            let length = text.as_bytes()[start..]
                .iter()
                .position(u8::is_ascii_whitespace);
            let end = length.map_or(text.len(), |length| start + length);
            let before = secrets.len();
            let value_end = match self.next {
                Next::Plain => end,
                _ => end_of_value(text, start),
            };
            if !self.is_taken(&text[..end], start, value_end, secrets) {
                self.word(text, start, end, secrets);
            }
            let masked = secrets[before..].iter().map(|secret| secret.end).max();
            at = masked.unwrap_or(end).max(end);
        }
    }

    /// Whether the last word of `text`, from `start` on, is the value that the one before has told of; the
    /// value goes on to `end`.
    fn is_taken(
        &mut self,
        text: &str,
        start: usize,
        end: usize,
        secrets: &mut Vec<Range<usize>>,
    ) -> bool {
        let word = &text[start..];
        let value = start..end;
        match std::mem::take(&mut self.next) {
            Next::Plain => false,
            Next::Secret if is_option(word) => false,
            Next::Secret => {
                secrets.push(value);
                true
            }
            Next::SecretAfter(character) => {
                if let Some(at) = word.find(character) {
                    let from = start + at + character.len_utf8();
                    secrets.push(from..value.end.max(from));
                }
                true
            }
            Next::Header if is_scheme(word) => {
                self.next = Next::Secret;
                true
            }
            Next::Header => {
                secrets.push(value);
                true
            }
            Next::SecretIfAssigned => match word.as_bytes() {
                [b'='] => {
                    self.next = Next::Secret;
                    true
                }
                [b'=', b'=', ..] => false,
                [b'=', ..] => {
                    secrets.push(start + 1..value.end);
                    true
                }
                [b'\'' | b'"', ..] => {
                    secrets.push(value);
                    true
                }
                _ => false,
            },
        }
    }

    /// A word from `start` to `end`; values may go on to a closing quote.
    fn word(&mut self, text: &str, start: usize, end: usize, secrets: &mut Vec<Range<usize>>) {
        let word = trim(&text[start..end]);
        if self.assignments(text, start, end, secrets) {
            return;
        }
        if self.short_option(text, start, end, secrets) {
            return;
        }
        let was_identified = std::mem::replace(
            &mut self.is_identified,
            word.eq_ignore_ascii_case("identified"),
        );
        if word.starts_with('-') {
            if self.names.is_secret(word) {
                self.next = Next::Secret;
            }
            return;
        }
        if let Some(options) = short_options(word) {
            self.short_options = options;
        }
        if (was_identified && word.eq_ignore_ascii_case("by")) || self.names.is_secret(word) {
            self.next = Next::SecretIfAssigned;
        }
    }

    /// Every `NAME=VALUE` in a word whose name is that of a secret. False when there is none.
    fn assignments(
        &self,
        text: &str,
        start: usize,
        end: usize,
        secrets: &mut Vec<Range<usize>>,
    ) -> bool {
        let bytes = text.as_bytes();
        let before = secrets.len();
        let mut at = start;
        while let Some(found) = bytes[at..end].iter().position(|byte| *byte == b'=') {
            let equals = at + found;
            at = equals + 1;
            let named = bytes[start..equals].iter().rev();
            let length = named.take_while(|byte| is_of_name(**byte)).count();
            let name = equals - length;
            let is_comparison = bytes.get(at) == Some(&b'=');
            if is_comparison || !self.names.is_secret(&text[name..equals]) {
                continue;
            }
            let separator = (name > start).then(|| bytes[name - 1]);
            let value_end = match separator.and_then(ends_of_values) {
                // All of an argument that begins with the name.
                None if name == start && end == text.len() => end,
                _ if starts_quoted(text, at) => end_of_value(text, at),
                Some(ends) => {
                    let length = bytes[at..end].iter().position(|byte| ends.contains(byte));
                    length.map_or(end, |length| at + length)
                }
                // In a script a value may have a blank in quotes; elsewhere it goes on to the end anyway.
                None => end_of_value(text, at).max(end),
            };
            secrets.push(at..value_end);
            at = value_end.min(end);
        }
        secrets.len() > before
    }

    /// A short option of the program, with its value or before it.
    fn short_option(
        &mut self,
        text: &str,
        start: usize,
        end: usize,
        secrets: &mut Vec<Range<usize>>,
    ) -> bool {
        let word = &text[start..end];
        for option in self.short_options {
            let Some(value) = word.strip_prefix(option.flag) else {
                continue;
            };
            if value.is_empty() {
                if option.form != Form::Attached {
                    self.next = option.after.map_or(Next::Secret, Next::SecretAfter);
                    return true;
                }
            } else if option.form != Form::Separate {
                let skipped = match option.after {
                    None => Some(0),
                    Some(character) => value.find(character).map(|at| at + character.len_utf8()),
                };
                if let Some(skipped) = skipped {
                    let from = start + option.flag.len() + skipped;
                    secrets.push(from..end_of_value(text, from).max(end));
                }
                return true;
            }
        }
        false
    }

    fn starts_with_assignment(&self, argument: &str) -> bool {
        argument
            .split_once('=')
            .is_some_and(|(name, _)| name.bytes().all(is_of_name) && self.names.is_secret(name))
    }
}

/// Shells' `-c`, alone or behind other letters.
fn asks_for_script(argument: &str) -> bool {
    argument
        .strip_prefix('-')
        .and_then(|letters| letters.strip_suffix('c'))
        .is_some_and(|letters| letters.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// One letter, or small letters behind two dashes: a secret hardly looks like that.
fn is_option(word: &str) -> bool {
    let name = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    match word.strip_prefix('-') {
        Some("") => true,
        Some(rest) => match rest.strip_prefix('-') {
            Some(long) => name(long.split('=').next().unwrap_or(long)),
            None => rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_alphabetic()),
        },
        None => false,
    }
}

fn is_scheme(word: &str) -> bool {
    ["basic", "bearer", "token", "digest", "negotiate", "apikey"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// What ends a value, by what stands before its name. `None`: nothing but the end of the word.
fn ends_of_values(separator: u8) -> Option<&'static [u8]> {
    Some(match separator {
        b'?' | b'&' => b"&#\"'",
        b';' => b";\"'",
        b',' => b",\"'",
        b'"' => b"\"",
        b'\'' => b"'",
        b'(' => b")",
        b'{' => b"}",
        _ => return None,
    })
}

/// Quotes and brackets around a word.
fn trim(word: &str) -> &str {
    word.trim_start_matches(['"', '\'', '(', '{', '[', '`', ','])
        .trim_end_matches(['"', '\'', ')', '}', ']', '`', ',', ';'])
}

fn starts_quoted(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(at), Some(b'"' | b'\''))
}

/// The next blank that is in no quotes. A quote that is not closed is none.
fn end_of_value(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                let rest = &bytes[at + 1..];
                let closing = rest.iter().position(|other| other == byte);
                match closing {
                    Some(length) => at += length + 2,
                    // Where nothing closes it, no later one does.
                    None => at += 1,
                }
            }
            b'\\' => at += 2,
            byte if byte.is_ascii_whitespace() => break,
            _ => at += 1,
        }
    }
    // Behind a backslash may be anything.
    let mut end = at.min(bytes.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    end
}
