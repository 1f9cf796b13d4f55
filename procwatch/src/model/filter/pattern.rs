//! A text to look for.

use std::borrow::Cow;

/// What is written in a filter as text: compared as it stands, searched for in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    written: Box<str>,
    lower_case: Box<str>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self {
            written: text.into(),
            lower_case: lower_case(text).into(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the text has this in it, in upper or lower case.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let pattern = self.lower_case.as_bytes();
        if pattern.is_empty() {
            return true;
        }
        if text.is_ascii() {
            // Most text is, and it need not be copied.
            return text
                .as_bytes()
                .windows(pattern.len())
                .any(|part| part.eq_ignore_ascii_case(pattern));
        }
        lower_case(text).contains(&*self.lower_case)
    }
}

/// Letter by letter: `str::to_lowercase` would write a sigma at the end of a pattern in another way than
/// the same sigma within a text.
fn lower_case(text: &str) -> Cow<'_, str> {
    if text
        .chars()
        .any(|c| c.is_uppercase() || c.is_ascii_uppercase() || !c.is_ascii())
    {
        Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Pattern::new(pattern).is_in(text),
                expected,
                "{pattern:?} in {text:?}"
            );
        };
        check("ng", "NGINX", true);
        check("NX", "nginx", true);
        check("nginx", "ngin", false);
        check("", "", true);
        check("x", "", false);
        check("CAF\u{c9}", "un caf\u{e9}", true);
        check("caf", "CAF\u{c9}", true);
        check("\u{3a3}", "\u{3c3}\u{3b1}", true);
        check("\u{3b1}\u{3a3}", "\u{391}\u{3a3}\u{391}", true);
        check("\u{e9}", "cafe", false);
    }
}
