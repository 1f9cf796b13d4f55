//! Rows with names, as a table, as JSON and as CSV: what a query of a recording answers.

use std::io::{self, Write};

use serde::{Serialize, Serializer, ser::SerializeMap};
use unicode_width::UnicodeWidthStr as _;

use super::{args::AnswerFormat, csv, json::write_json, terminal::Terminal};
use crate::{
    history::sql::{Answer, Listener},
    model::escape::{csv_field, fit, terminal},
};

/// Rows that a table's widths are measured on; those after them are cut to these.
const MEASURED_MAX: usize = 500;
/// The widest column, unless it is the last.
const WIDEST: usize = 48;

/// Writes an answer as it comes.
pub struct Writer<W: Write> {
    out: W,
    format: AnswerFormat,
    terminal: Terminal,
    names: Vec<String>,
    table: Table,
    /// That were written, or are about to be.
    pub rows: u64,
}

/// A table that waits until it is known how wide its columns are.
#[derive(Default)]
struct Table {
    waiting: Vec<Vec<(String, Side)>>,
    widths: Option<Vec<usize>>,
}

/// Where a cell's text stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W, format: AnswerFormat, terminal: Terminal) -> Self {
        Self {
            out,
            format,
            terminal,
            names: Vec::new(),
            table: Table::default(),
            rows: 0,
        }
    }

    /// Drops what waits.
    pub fn forget(&mut self) {
        self.names.clear();
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.format == AnswerFormat::Table && !self.names.is_empty() {
            self.write_waiting()?;
        }
        self.out.flush()
    }

    /// Takes a row of a table as it is to be shown: harmless, and short.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn line(&mut self, cells: Vec<(String, Side)>) -> io::Result<()> {
        if self.table.widths.is_some() {
            return self.write_line(&cells);
        }
        self.table.waiting.push(cells);
        if self.table.waiting.len() >= MEASURED_MAX {
            self.write_waiting()?;
        }
        Ok(())
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        if self.table.widths.is_some() {
            return Ok(());
        }
        let mut widths: Vec<_> = self
            .names
            .iter()
            .map(|name| terminal(name).width())
            .collect();
        let waiting = std::mem::take(&mut self.table.waiting);
        for row in &waiting {
            for (width, (text, _)) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.width());
            }
        }
        let last = widths.len().saturating_sub(1);
        for width in &mut widths[..last] {
            *width = (*width).min(WIDEST);
        }
        self.table.widths = Some(widths);
        // A heading stands where its figures do.
        let sides = waiting.first().map(|row| {
            let sides = row.iter().map(|(_, side)| *side);
            sides.collect::<Vec<_>>()
        });
        let heading: Vec<_> = self
            .names
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let side = sides.as_ref().map_or(Side::Left, |sides| sides[at]);
                (terminal(name).into_owned(), side)
            })
            .collect();
        self.write_line(&heading)?;
        for row in &waiting {
            self.write_line(row)?;
        }
        Ok(())
    }

    fn write_line(&mut self, cells: &[(String, Side)]) -> io::Result<()> {
        let mut line = String::new();
        let widths = self.table.widths.as_deref().unwrap_or_default();
        let last = cells.len().saturating_sub(1);
        for (at, ((text, side), width)) in cells.iter().zip(widths).enumerate() {
            let text = if at == last {
                text.clone()
            } else {
                fit(text, *width)
            };
            let padding = " ".repeat(width.saturating_sub(text.width()));
            match side {
                Side::Left => line.extend([text.as_str(), &padding]),
                Side::Right => line.extend([padding.as_str(), &text]),
            }
            line.push_str("  ");
        }
        let line = line.trim_end();
        if self.terminal.is_interactive {
            writeln!(self.out, "{}", fit(line, self.terminal.width))
        } else {
            writeln!(self.out, "{line}")
        }
    }
}

impl<W: Write> Listener for Writer<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        names.clone_into(&mut self.names);
        if self.format == AnswerFormat::Csv {
            let cells: Vec<_> = names
                .iter()
                .map(|name| csv::cell(name, self.terminal))
                .collect();
            write!(self.out, "{}\r\n", cells.join(","))?;
        }
        Ok(())
    }

    fn row(&mut self, values: &[Answer<'_>]) -> io::Result<()> {
        self.rows += 1;
        match self.format {
            AnswerFormat::Json => {
                let row = Object {
                    names: &self.names,
                    values,
                };
                write_json(&mut self.out, &row)?;
                self.out.write_all(b"\n")
            }
            AnswerFormat::Csv => {
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        self.out.write_all(b",")?;
                    }
                    match value {
                        Answer::Null => {}
                        Answer::Integer(number) => write!(self.out, "{number}")?,
                        Answer::Real(number) => write!(self.out, "{number}")?,
                        Answer::Text(text) => {
                            let cell = csv::cell(text, self.terminal);
                            self.out.write_all(cell.as_bytes())?;
                        }
                        Answer::Bytes(bytes) => {
                            self.out
                                .write_all(csv_field(&hexadecimal(bytes)).as_bytes())?;
                        }
                    }
                }
                self.out.write_all(b"\r\n")
            }
            AnswerFormat::Table => self.line(values.iter().map(shown).collect()),
        }
    }
}

fn shown(value: &Answer<'_>) -> (String, Side) {
    match value {
        Answer::Null => ("-".to_owned(), Side::Right),
        Answer::Integer(number) => (number.to_string(), Side::Right),
        Answer::Real(number) => (rounded(*number), Side::Right),
        Answer::Text(text) => (terminal(text).into_owned(), Side::Left),
        Answer::Bytes(bytes) => (hexadecimal(bytes), Side::Left),
    }
}

/// As many digits as say something.
fn rounded(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.001 {
        format!("{number:.3e}")
    } else {
        let text = format!("{number:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Object<'a> {
    names: &'a [String],
    values: &'a [Answer<'a>],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(self.names.len()))?;
        for (name, value) in self.names.iter().zip(self.values) {
            match value {
                Answer::Null => map.serialize_entry(name, &())?,
                Answer::Integer(number) => map.serialize_entry(name, number)?,
                Answer::Real(number) => map.serialize_entry(name, number)?,
                Answer::Text(text) => map.serialize_entry(name, text)?,
                Answer::Bytes(bytes) => map.serialize_entry(name, &hexadecimal(bytes))?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: AnswerFormat, is_interactive: bool) -> String {
        let mut out = Vec::new();
        let terminal = Terminal {
            width: 30,
            height: 24,
            is_interactive,
            is_coloured: false,
        };
        let mut writer = Writer::new(&mut out, format, terminal);
        writer.columns(&["n".into(), "name".into()]).unwrap();
        let rows = [
            [Answer::Integer(12), Answer::Text("=cmd\x1b[2J")],
            [Answer::Real(0.5), Answer::Null],
            [Answer::Null, Answer::Bytes(b"\xff\x00")],
        ];
        for row in &rows {
            writer.row(row).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_lines_up_and_acts_on_no_terminal() {
        let expected = "  n  name\n 12  =cmd\\x1b[2J\n0.5            -\n  -  ff00\n";
        assert_eq!(written(AnswerFormat::Table, false), expected);
    }

    #[test]
    fn json_is_an_object_a_row() {
        let expected = "{\"n\":12,\"name\":\"=cmd\\u001b[2J\"}\n{\"n\":0.5,\"name\":null}\n{\"n\":null,\"name\":\"ff00\"}\n";
        assert_eq!(written(AnswerFormat::Json, false), expected);
    }

    #[test]
    fn csv_holds_no_formula() {
        let expected = "n,name\r\n12,'=cmd\\x1b[2J\r\n0.5,\r\n,ff00\r\n";
        assert_eq!(written(AnswerFormat::Csv, true), expected);
    }
}
