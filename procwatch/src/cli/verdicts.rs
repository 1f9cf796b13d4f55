//! Verdicts over a series, a row each, as table, JSON and CSV.

use std::io::{self, Write};

use serde::Serialize;

use super::{args::AnswerFormat, csv::cell, json::write_json, terminal::Terminal};
use crate::{
    detect::{Kind, Verdict, row::Row},
    model::escape::{fit, terminal},
};

/// Writes verdicts as they come.
pub struct Verdicts<W> {
    out: W,
    format: AnswerFormat,
    terminal: Terminal,
    pub rows: u64,
    pub anomalies: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    time_ns: u64,
    value: Option<f64>,
    score: f64,
    verdict: &'static str,
    kind: Option<&'static str>,
    why: String,
}

/// Width of the table's first column.
const TIME: usize = 30;

impl<W: Write> Verdicts<W> {
    pub const fn new(out: W, format: AnswerFormat, terminal: Terminal) -> Self {
        Self {
            out,
            format,
            terminal,
            rows: 0,
            anomalies: 0,
        }
    }

    /// Writes a row: `timestamp` is the time as it was read.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn row(&mut self, timestamp: &str, row: Row, verdict: &Verdict) -> io::Result<()> {
        if self.rows == 0 {
            self.heading()?;
        }
        self.rows += 1;
        self.anomalies += u64::from(verdict.anomaly.is_some());
        let said = verdict.anomaly.map_or("normal", |_| "anomaly");
        match self.format {
            AnswerFormat::Table => self.table(timestamp, row, verdict),
            AnswerFormat::Json => {
                let line = Line {
                    timestamp,
                    time_ns: row.time_ns,
                    value: row.value.filter(|value| value.is_finite()),
                    score: rounded(verdict.score),
                    verdict: said,
                    kind: verdict.anomaly.map(Kind::name),
                    why: verdict.why.to_string(),
                };
                write_json(&mut self.out, &line)?;
                self.out.write_all(b"\n")
            }
            AnswerFormat::Csv => {
                write!(self.out, "{},", cell(timestamp, self.terminal))?;
                if let Some(value) = row.value {
                    write!(self.out, "{value}")?;
                }
                let kind = verdict.anomaly.map_or("", Kind::name);
                let why = verdict.why.to_string();
                let (score, why) = (rounded(verdict.score), cell(&why, self.terminal));
                write!(self.out, ",{score},{said},{kind},{why}\r\n")
            }
        }
    }

    fn heading(&mut self) -> io::Result<()> {
        match self.format {
            AnswerFormat::Table => {
                let line = format!("{:<TIME$} SCORE  {:<12} WHY", "TIMESTAMP", "KIND");
                writeln!(self.out, "{line}")
            }
            AnswerFormat::Json => Ok(()),
            AnswerFormat::Csv => write!(self.out, "timestamp,value,score,verdict,kind,why\r\n"),
        }
    }

    fn table(&mut self, timestamp: &str, _row: Row, verdict: &Verdict) -> io::Result<()> {
        let Some(kind) = verdict.anomaly else {
            return Ok(());
        };
        let time = fit(&terminal(timestamp), TIME);
        let line = format!(
            "{time:<TIME$} {:>5.3}  {:<12} {}",
            verdict.score,
            kind.words(),
            verdict.why
        );
        writeln!(self.out, "{}", fit(&line, self.terminal.width))
    }

    /// Ends a table with what there was; other formats have had all.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.rows == 0 && self.format == AnswerFormat::Csv {
            self.heading()?;
        }
        if self.format == AnswerFormat::Table {
            let (rows, anomalies) = (self.rows, self.anomalies);
            writeln!(self.out, "{anomalies} of {rows} rows are unusual")?;
        }
        self.out.flush()
    }

    /// Hands over what waits, for a reader who waits too.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Six decimals rank, and more only fill the line.
fn rounded(score: f64) -> f64 {
    (score * 1e6).round() / 1e6
}
