//! What is shown: on a terminal, in CSV, in JSON.

use csv::ReaderBuilder;
use procwatch::{
    cli::{self, terminal::Terminal},
    model::{
        escape::{csv_field, fit, quoted, terminal},
        field::{Field, Value},
    },
};
use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr as _;

use crate::process::{made_up, view};

/// Whatever a process is called, it acts on no terminal and takes no more room than it has.
pub(crate) fn terminal_text(bytes: &[u8]) {
    let (width, rest) = bytes.split_first().unwrap_or((&80, bytes));
    let width = usize::from(*width);
    let text = String::from_utf8_lossy(rest);
    let shown = terminal(&text);
    check_harmless(&shown);
    assert_eq!(terminal(&shown), shown, "not stable");
    let fitted = fit(&shown, width);
    assert!(fitted.width() <= width, "{fitted:?} in {width}");
    check_harmless(&fitted);
    assert_eq!(fit(&fitted, width), fitted);
    let kept = fitted.strip_suffix('\u{2026}').unwrap_or(&fitted);
    assert!(shown.starts_with(kept));
    assert!(fit(&shown, shown.chars().count() * 2) == shown);
    check_harmless(&quoted(&text));
}

/// Nothing in it moves the cursor, breaks the line or turns the direction.
pub(crate) fn check_harmless(text: &str) {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(acts), "{text:?}");
}

/// A process that calls itself anything stands in CSV and JSON as what it called itself, and in no other
/// field than its own.
pub(crate) fn tables(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let process = made_up(&text);
    let view = view(&process);

    let mut json = Vec::new();
    cli::json::write_json(&mut json, &cli::json::Process(view)).expect("a Vec takes all");
    let json = String::from_utf8(json).expect("no text");
    check_harmless(&json);
    let read: Json = serde_json::from_str(&json).expect("JSON that does not parse");
    let mut csv = Vec::new();
    let file = Terminal {
        width: 80,
        height: 24,
        is_interactive: false,
        is_coloured: false,
    };
    cli::csv::write(&mut csv, &[view, view], file).expect("a Vec takes all");
    let mut reader = ReaderBuilder::new().from_reader(csv.as_slice());
    let names = reader.headers().expect("no header").clone();
    let rows: Vec<_> = reader
        .into_records()
        .map(|row| row.expect("CSV that does not parse"))
        .collect();
    assert_eq!((names.len(), rows.len()), (Field::all().len(), 2));
    for (position, field) in Field::all().iter().enumerate() {
        assert_eq!(names.get(position), Some(field.name()));
        let Value::Text(expected) = field.value(&view) else {
            continue;
        };
        if *field != Field::Argv {
            assert_eq!(read[field.name()].as_str(), Some(&*expected));
        }
        for row in &rows {
            let cell = row.get(position).unwrap();
            // What would be a formula has a quote before it.
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell:?}");
            assert!(cell == expected || cell.strip_prefix('\'') == Some(&expected));
        }
    }
    check_field(&text);
}

/// One field alone, read back.
fn check_field(text: &str) {
    let line = format!("{},x\r\n", csv_field(text));
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line.as_bytes());
    let rows: Vec<_> = reader.records().collect::<Result<_, _>>().expect("no CSV");
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].len(), rows[0].get(1)), (2, Some("x")));
    let cell = &rows[0][0];
    assert!(
        cell == text || cell.strip_prefix('\'') == Some(text),
        "{cell:?}"
    );
}
