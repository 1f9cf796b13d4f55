//! JSON that can be looked at: what acts on a terminal is written by its number.
//!
//! JSON asks for that of control characters below U+0020 only. The value that is read back is the same.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::model::escape::acts_on_a_terminal;

/// Writes a value as one line, without its end.
///
/// # Errors
/// When the output takes no more.
pub fn write_json(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Harmless(CompactFormatter));
    value.serialize(&mut serializer).map_err(io::Error::from)
}

struct Harmless(CompactFormatter);

impl Formatter for Harmless {
    fn write_string_fragment<W>(&mut self, out: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(acts_on_a_terminal) {
            let (plain, behind) = rest.split_at(at);
            self.0.write_string_fragment(out, plain)?;
            let mut characters = behind.chars();
            if let Some(character) = characters.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        self.0.write_string_fragment(out, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_json(&mut out, &text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_acts_is_written_by_its_number() {
        assert_eq!(
            written("a\u{9b}31m\x7f\u{202e}\u{e0001}\x1b"),
            r#""a\u009b31m\u007f\u202e\udb40\udc01\u001b""#
        );
        assert_eq!(
            written("caf\u{e9} \u{1f980} \"\\"),
            "\"caf\u{e9} \u{1f980} \\\"\\\\\""
        );
    }

    proptest! {
        #[test]
        fn it_reads_back(text in any::<String>()) {
            let written = written(&text);
            prop_assert!(!written.contains(acts_on_a_terminal));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
