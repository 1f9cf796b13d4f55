//! From a filter's text to its tokens.

use super::{FilterError, expression::Operator};
use crate::model::escape::quoted;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    /// In characters, from 1.
    pub(super) column: usize,
    /// As written, quotes and all.
    pub(super) text: &'a str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// The name of a field, a number, a text without quotes.
    Word,
    /// What stood between the quotes, its escapes resolved.
    Quoted(String),
    Compare(Operator),
    And,
    Or,
    Not,
    Open,
    Close,
}

impl Token<'_> {
    /// The error that this token should not be here.
    pub(super) fn unexpected(&self, remedy: &str) -> FilterError {
        FilterError::new(
            self.column,
            format!("unexpected {}", quoted(self.text)),
            remedy,
        )
    }
}

/// The longer ones first where one begins another.
const SYMBOLS: [(&str, TokenKind); 13] = [
    ("==", TokenKind::Compare(Operator::Equal)),
    ("!=", TokenKind::Compare(Operator::NotEqual)),
    ("!~", TokenKind::Compare(Operator::ContainsNot)),
    ("<=", TokenKind::Compare(Operator::LessOrEqual)),
    (">=", TokenKind::Compare(Operator::GreaterOrEqual)),
    ("&&", TokenKind::And),
    ("||", TokenKind::Or),
    ("<", TokenKind::Compare(Operator::Less)),
    (">", TokenKind::Compare(Operator::Greater)),
    ("~", TokenKind::Compare(Operator::Contains)),
    ("!", TokenKind::Not),
    ("(", TokenKind::Open),
    (")", TokenKind::Close),
];

const KEYWORDS: [(&str, TokenKind); 3] = [
    ("and", TokenKind::And),
    ("or", TokenKind::Or),
    ("not", TokenKind::Not),
];

const ENDS_A_WORD: &str = "()\"'=!<>~&|";

pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    loop {
        let trimmed = rest.trim_start();
        let (space, _) = rest.split_at(rest.len() - trimmed.len());
        column += space.chars().count();
        if trimmed.is_empty() {
            return Ok(tokens);
        }
        let (kind, length) = first_token(trimmed, column)?;
        let (text, after) = trimmed.split_at(length);
        tokens.push(Token { kind, column, text });
        column += text.chars().count();
        rest = after;
    }
}

/// The token that `text` begins with, and its length in bytes.
fn first_token(text: &str, column: usize) -> Result<(TokenKind, usize), FilterError> {
    for (symbol, kind) in SYMBOLS {
        if text.starts_with(symbol) {
            return Ok((kind, symbol.len()));
        }
    }
    if text.starts_with(['"', '\'']) {
        return quoted_text(text, column);
    }
    let misspelt = [("=", "=="), ("&", "&&"), ("|", "||")];
    for (symbol, meant) in misspelt {
        if text.starts_with(symbol) {
            return Err(FilterError::new(
                column,
                format!("unexpected {}", quoted(symbol)),
                format!("write {meant}, or put text that has it in quotes"),
            ));
        }
    }
    let length = text
        .find(|c: char| c.is_whitespace() || ENDS_A_WORD.contains(c))
        .unwrap_or(text.len());
    let keyword = KEYWORDS.into_iter().find(|(word, _)| {
        text.get(..length)
            .is_some_and(|it| it.eq_ignore_ascii_case(word))
    });
    Ok((keyword.map_or(TokenKind::Word, |(_, kind)| kind), length))
}

/// `text` begins with a quote.
fn quoted_text(text: &str, column: usize) -> Result<(TokenKind, usize), FilterError> {
    let mut characters = text.chars();
    let quote = characters.next();
    let inside = characters.as_str();
    let mut value = String::new();
    loop {
        let before_escape = characters.as_str();
        match characters.next() {
            None => {
                return Err(FilterError::new(
                    column,
                    format!("unended text {}", quoted(inside)),
                    format!("end it with {}", quote.unwrap_or('"')),
                ));
            }
            end if end == quote => break,
            Some('\\') => {
                let (character, after) = escaped(characters.as_str())
                    .ok_or_else(|| wrong_escape(text, before_escape, column))?;
                value.push(character);
                characters = after.chars();
            }
            Some(character) => value.push(character),
        }
    }
    Ok((
        TokenKind::Quoted(value),
        text.len() - characters.as_str().len(),
    ))
}

/// The character that an escape stands for, and what follows the escape. `text` begins behind the
/// backslash.
fn escaped(text: &str) -> Option<(char, &str)> {
    let mut characters = text.chars();
    let character = match characters.next()? {
        quoting @ ('\\' | '"' | '\'') => quoting,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'x' => {
            let (digits, after) = characters.as_str().split_at_checked(2)?;
            characters = after.chars();
            hexadecimal(digits).filter(char::is_ascii)?
        }
        'u' => {
            let (digits, after) = characters.as_str().strip_prefix('{')?.split_once('}')?;
            characters = after.chars();
            hexadecimal(digits)?
        }
        _ => return None,
    };
    Some((character, characters.as_str()))
}

fn hexadecimal(digits: &str) -> Option<char> {
    // from_str_radix takes a sign.
    let only_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    char::from_u32(
        u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| only_digits)?,
    )
}

/// `rest` is the end of `text` that begins with the escape.
fn wrong_escape(text: &str, rest: &str, column: usize) -> FilterError {
    let before = text.strip_suffix(rest).unwrap_or(text);
    let escape: String = rest.chars().take(2).collect();
    FilterError::new(
        column + before.chars().count(),
        format!("unknown escape {}", quoted(&escape)),
        r#"write \\ for a backslash, or one of \" \' \n \r \t \x1b \u{1f980}"#,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_know_their_column() {
        let check = |text: &str, expected: &[(&str, usize)]| {
            let found: Vec<_> = tokens(text)
                .unwrap()
                .iter()
                .map(|it| (it.text, it.column))
                .collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("", &[]);
        check("  cpu_pct>5%", &[("cpu_pct", 3), (">", 10), ("5%", 11)]);
        check(
            "a!=b !c",
            &[("a", 1), ("!=", 2), ("b", 4), ("!", 6), ("c", 7)],
        );
        check(
            "\u{e9}\u{3000}(x)",
            &[("\u{e9}", 1), ("(", 3), ("x", 4), (")", 5)],
        );
        check("'\u{e9}\\'' b", &[("'\u{e9}\\''", 1), ("b", 7)]);
        check("kworker/0:1-events", &[("kworker/0:1-events", 1)]);
        check(
            "android ORacle or",
            &[("android", 1), ("ORacle", 9), ("or", 16)],
        );
    }

    #[test]
    fn escapes() {
        let check = |text: &str, expected: Option<&str>| {
            let found = match tokens(text).as_deref() {
                Ok(
                    [
                        Token {
                            kind: TokenKind::Quoted(value),
                            ..
                        },
                    ],
                ) => Some(value.clone()),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check(r#""a\"b\\\n\r\t\'""#, Some("a\"b\\\n\r\t'"));
        check(r#"'\x1b\u{202e}"'"#, Some("\x1b\u{202e}\""));
        for wrong in [
            r#"""#,
            r#""a"#,
            r#""\"#,
            r#""\""#,
            r#""\q""#,
            r#""\x8""#,
            r#""\xff""#,
            r#""\x+1""#,
            r#""\u""#,
            r#""\u{}""#,
            r#""\u{d800}""#,
            r#""\u{110000}""#,
            r#""\u{+1}""#,
            r#""\u{1""#,
            r#""\x1é""#,
        ] {
            check(wrong, None);
        }
    }
}
