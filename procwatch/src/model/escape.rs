//! Hostile text made harmless, one function per medium.
//!
//! Processes choose their names, and what is shown of them is therefore an attacker's text. Takes text
//! and yields text. Deliberately does not do JSON (that is `serde_json`'s) or HTML, and does not decide
//! which medium a face writes to.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// For a terminal and for logs: one line, without a character that acts instead of showing. Control
/// characters stand as `\n`, `\x1b` or `\u{9b}`, and so do line separators, what turns the direction of
/// text, and what is invisible. The joiners that emoji and some scripts need stay.
///
/// A backslash stays as it is: this is for reading, not for parsing back.
pub fn terminal(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(acts_on_a_terminal) else {
        return Cow::Borrowed(text);
    };
    let (harmless, rest) = text.split_at(first);
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(harmless);
    for character in rest.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ if !acts_on_a_terminal(character) => escaped.push(character),
            '\0'..='\x7f' => escaped.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => escaped.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
        }
    }
    Cow::Owned(escaped)
}

/// C0, DEL and C1; the line and paragraph separators; the direction marks, embeddings, overrides and
/// isolates of UAX #9 (see "Trojan Source", CVE-2021-42574); and format characters that show nothing,
/// or of which terminals disagree how wide they are.
pub fn acts_on_a_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// For a text field of a CSV file: quoted where RFC 4180 asks for it, and with a `'` before what a
/// spreadsheet would run as a formula (CWE-1236). Numbers are not passed through it.
///
/// What acts on a terminal is still in it: for a face whose CSV may end up on one,
/// `csv_field(&terminal(text))`.
pub fn csv_field(text: &str) -> Cow<'_, str> {
    let guard = if text.starts_with(starts_a_formula) {
        "'"
    } else {
        ""
    };
    if text.contains(['"', ',', '\r', '\n']) {
        return Cow::Owned(format!("\"{guard}{}\"", text.replace('"', "\"\"")));
    }
    match guard {
        "" => Cow::Borrowed(text),
        _ => Cow::Owned(format!("{guard}{text}")),
    }
}

/// The full-width forms are formulas to spreadsheets in East Asian locales.
fn starts_a_formula(first: char) -> bool {
    matches!(
        first,
        '=' | '+'
            | '-'
            | '@'
            | '\t'
            | '\r'
            | '\n'
            | '\u{ff1d}'
            | '\u{ff0b}'
            | '\u{ff0d}'
            | '\u{ff20}'
    )
}

/// The text if it takes at most `width` columns of a terminal, else as much of it as leaves room for an
/// ellipsis. Never wider than `width`; not padded. Meant for what [`terminal`] returned.
pub fn fit(text: &str, width: usize) -> String {
    let room = width.saturating_sub(1);
    let mut used = 0;
    // How much of the text leaves room for the ellipsis.
    let mut kept = 0;
    for (start, character) in text.char_indices() {
        used += columns(character);
        if used <= room {
            kept = start + character.len_utf8();
        }
        if used > width {
            return match width {
                0 => String::new(),
                _ => format!("{}\u{2026}", text.get(..kept).unwrap_or_default()),
            };
        }
    }
    text.to_owned()
}

/// As much of a text as leaves room for what comes after it, which is cut only where there is hardly any room
/// at all: how a process ended matters more than its last argument.
pub fn fit_before(text: &str, after: &str, width: usize) -> String {
    /// Fewer columns of the text say nothing.
    const FEWEST: usize = 8;
    let room = width.saturating_sub(after.width()).max(FEWEST);
    fit(&format!("{}{after}", fit(text, room)), width)
}

/// At most how many columns the character adds to those before it. Terminals disagree on sequences
/// (emoji with joiners, say); the sum over the characters is the widest any of them draws.
fn columns(character: char) -> usize {
    /// Asks for the full-width form of the character before it, which may widen it from one column to two.
    const FULL_WIDTH: char = '\u{fe01}';
    /// Asks for the coloured form, with the same effect.
    const EMOJI_PRESENTATION: char = '\u{fe0f}';
    match character {
        FULL_WIDTH | EMOJI_PRESENTATION => 1,
        _ => character.width().unwrap_or(1),
    }
}

/// For an error's text: what the user wrote, in double quotes, harmless and not longer than a line.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 48;
    format!("\"{}\"", fit(&terminal(text), LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(terminal(text), expected, "{text:?}");
        check("nginx: worker", "nginx: worker");
        check(
            "caf\u{e9} \u{4e2d}\u{6587} \u{1f980}",
            "caf\u{e9} \u{4e2d}\u{6587} \u{1f980}",
        );
        check("a\tb\r\nc", "a\\tb\\r\\nc");
        check("\x1b[2J\x07\x7f\0", "\\x1b[2J\\x07\\x7f\\x00");
        check("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}");
        check("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}");
        check(
            "\u{202e}gpj.exe\u{2066}\u{2069}\u{200f}",
            "\\u{202e}gpj.exe\\u{2066}\\u{2069}\\u{200f}",
        );
        check("ro\u{200b}ot\u{feff}", "ro\\u{200b}ot\\u{feff}");
        // The family is three people and two joiners.
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        check(family, family);
        check("\\n", "\\n");
        check("", "");
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(terminal("bash"), Cow::Borrowed("bash")));
        assert!(matches!(csv_field("bash"), Cow::Borrowed("bash")));
    }

    #[test]
    fn a_csv_field_stays_one_field_and_no_formula() {
        let check = |text: &str, expected: &str| assert_eq!(csv_field(text), expected, "{text:?}");
        check("bash", "bash");
        check("", "");
        check("a,b", "\"a,b\"");
        check("say \"hi\"", "\"say \"\"hi\"\"\"");
        check("a\nb\r", "\"a\nb\r\"");
        check("=1+1", "'=1+1");
        check("+x", "'+x");
        check("-bash", "'-bash");
        check("@x", "'@x");
        check("\tx", "'\tx");
        check("\rx", "\"'\rx\"");
        check("\u{ff1d}1", "'\u{ff1d}1");
        check(
            "=HYPERLINK(\"a\",\"b\")",
            "\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\"",
        );
        check("a=b", "a=b");
    }

    #[test]
    fn text_is_cut_by_columns() {
        let check = |text: &str, width: usize, expected: &str| {
            assert_eq!(fit(text, width), expected, "{text:?} in {width}");
        };
        check("bash", 4, "bash");
        check("bash", 3, "ba\u{2026}");
        check("bash", 1, "\u{2026}");
        check("bash", 0, "");
        check("", 0, "");
        check("\u{4e2d}\u{6587}", 4, "\u{4e2d}\u{6587}");
        check("\u{4e2d}\u{6587}", 3, "\u{4e2d}\u{2026}");
        check("\u{4e2d}\u{6587}", 2, "\u{2026}");
        // An accent stays with its letter.
        check("e\u{301}e\u{301}e", 2, "e\u{301}\u{2026}");
        // A heart of one column, which its selector makes two.
        check("\u{2764}\u{fe0f}", 1, "\u{2026}");
        check("\u{2764}\u{fe0f}", 2, "\u{2764}\u{fe0f}");
        // A quotation mark, made as wide as a Chinese character.
        check("\u{2018}\u{fe01}", 1, "\u{2026}");
    }

    #[test]
    fn what_comes_after_keeps_its_room() {
        let check = |width, expected: &str| {
            assert_eq!(fit_before("sleep 300", " (signal 15)", width), expected);
        };
        check(21, "sleep 300 (signal 15)");
        check(20, "sleep 3\u{2026} (signal 15)");
        check(12, "sleep 3\u{2026} (s\u{2026}");
        check(3, "sl\u{2026}");
    }

    #[test]
    fn a_quoted_text_is_short_and_one_line() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"x".repeat(5000)).chars().count(), 50);
    }

    proptest! {
        #[test]
        fn escaped_text_is_stable_and_one_line(text in any::<String>()) {
            let escaped = terminal(&text).into_owned();
            prop_assert!(!escaped.contains(char::is_control));
            prop_assert_eq!(terminal(&escaped), escaped.as_str());
        }

        #[test]
        fn a_fitted_text_fits(text in any::<String>(), width in 0_usize..40) {
            let text = terminal(&text);
            let fitted = fit(&text, width);
            prop_assert!(fitted.width() <= width, "{:?}", fitted);
            let kept = fitted.strip_suffix('\u{2026}').unwrap_or(&fitted);
            prop_assert!(text.starts_with(kept));
        }

        #[test]
        fn a_csv_field_reads_back(text in any::<String>()) {
            let field = csv_field(&text);
            let inside = match field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(inside) if text.contains(['"', ',', '\r', '\n']) => inside.replace("\"\"", "\""),
                _ => field.to_string(),
            };
            prop_assert_eq!(inside.strip_prefix('\'').filter(|_| inside != text).unwrap_or(&inside), text);
        }
    }
}
