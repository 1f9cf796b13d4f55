//! A line `timestamp,value` of somebody's CSV.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use thiserror::Error;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Since the epoch.
    pub time_ns: u64,
    /// `None` where the cell is empty or says that nothing is known (`NaN`, `null`, `NA`, `None`).
    pub value: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RowError {
    #[error("there is no second cell; a line is timestamp,value")]
    NoValue,
    #[error(
        "{0:?} is no time; try epoch seconds, RFC 3339 as 2026-01-31T10:00:00Z, or 2026-01-31 10:00:00"
    )]
    Time(String),
    #[error("{0:?} is no number; an empty cell is a missing value")]
    Value(String),
}

/// Most characters of a cell that an error repeats.
const REPEATED: usize = 40;

/// Which cells hold the time and the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    time: usize,
    value: usize,
}

impl Default for Columns {
    fn default() -> Self {
        Self { time: 0, value: 1 }
    }
}

impl Columns {
    /// As a header names them; where it names only one, or none, the first two cells.
    pub fn of_header(line: &str) -> Self {
        let names: Vec<_> = cells(line).map(str::to_ascii_lowercase).collect();
        let at = |wanted: &[&str]| {
            let mut places = wanted.iter();
            places.find_map(|name| names.iter().position(|known| known == name))
        };
        let time = at(&["timestamp", "time", "timestamps", "datetime", "date", "ds"]);
        let value = at(&["value", "values", "y"]);
        match (time, value) {
            (Some(time), Some(value)) => Self { time, value },
            _ => Self::default(),
        }
    }
}

impl Row {
    /// Reads a line. Other cells are ignored; times without a zone are in UTC. Answers the time as it was
    /// written, too.
    ///
    /// # Errors
    /// When there is no time or no value in it.
    pub fn parse(line: &str, columns: Columns) -> Result<(&str, Self), RowError> {
        let time = cells(line).nth(columns.time).unwrap_or_default();
        let value = cells(line).nth(columns.value).ok_or(RowError::NoValue)?;
        let cut = |text: &str| text.chars().take(REPEATED).collect();
        let time_ns = parse_time(time).ok_or_else(|| RowError::Time(cut(time)))?;
        let is_missing = ["", "nan", "null", "na", "none", "n/a", "-"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word));
        let value = if is_missing {
            None
        } else {
            let number = value.parse::<f64>();
            Some(number.map_err(|_| RowError::Value(cut(value)))?)
        };
        Ok((time, Self { time_ns, value }))
    }
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    let line = line.trim_matches(['\r', '\n']);
    let line = line.trim_start_matches('\u{feff}');
    let separators = [',', ';', '\t'].into_iter();
    let separator = separators.into_iter().find(|s| line.contains(*s));
    line.split(separator.unwrap_or(',')).map(unquoted)
}

fn unquoted(cell: &str) -> &str {
    cell.trim().trim_matches('"').trim()
}

/// Epoch numbers are told apart by their size: seconds until the year 5138, then milli-, micro- and nanoseconds.
fn parse_time(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse::<f64>() {
        return epoch(text, number);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return u64::try_from(timestamp.as_nanosecond()).ok();
    }
    let civil: DateTime = text.parse().ok().or_else(|| slashed(text))?;
    let instant = civil.to_zoned(TimeZone::UTC).ok()?;
    u64::try_from(instant.timestamp().as_nanosecond()).ok()
}

fn epoch(text: &str, number: f64) -> Option<u64> {
    let unit: u64 = match number {
        n if !(0.0..1.8e19).contains(&n) => return None,
        n if n < 1e11 => 1_000_000_000,
        n if n < 1e14 => 1_000_000,
        n if n < 1e17 => 1_000,
        _ => 1,
    };
    match text.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit),
        Err(_) => Some((number * unit as f64) as u64),
    }
}

/// `2026/01/31 10:00` and `2026-01-31 10:00`.
fn slashed(text: &str) -> Option<DateTime> {
    let dashed = text.replace('/', "-");
    dashed.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, time_ns: u64, value: Option<f64>) {
        let (_, row) = Row::parse(line, Columns::default()).unwrap();
        assert_eq!(row, Row { time_ns, value }, "{line:?}");
    }

    #[test]
    fn times_in_every_usual_form() {
        let second = 1_700_000_000_000_000_000;
        check("1700000000,1.5", second, Some(1.5));
        check("1700000000000,1.5,extra", second, Some(1.5));
        check("1700000000000000,-1e3", second, Some(-1000.0));
        check("1700000000000000000,0", second, Some(0.0));
        check("1700000000.5,0", second + 500_000_000, Some(0.0));
        check("2023-11-14T22:13:20Z,1", second, Some(1.0));
        check("\"2023-11-14 22:13:20\",\"1\"\r\n", second, Some(1.0));
        check("2023/11/14 22:13:20;7", second, Some(7.0));
        check("2023-11-14 22:13:20.000000\t7", second, Some(7.0));
        check("2023-11-15T00:13:20+02:00, 7", second, Some(7.0));
        check("7,1", 7_000_000_000, Some(1.0));
    }

    #[test]
    fn what_is_missing_is_told_from_what_is_wrong() {
        check("1,", 1_000_000_000, None);
        check("1,NaN", 1_000_000_000, None);
        check("1,null", 1_000_000_000, None);
        assert_eq!(Row::parse("1", Columns::default()), Err(RowError::NoValue));
        assert!(matches!(
            Row::parse("timestamp,value", Columns::default()),
            Err(RowError::Time(_))
        ));
        assert!(matches!(
            Row::parse("1,abc", Columns::default()),
            Err(RowError::Value(_))
        ));
        assert!(matches!(
            Row::parse("-5,1", Columns::default()),
            Err(RowError::Time(_))
        ));
        assert!(matches!(
            Row::parse("inf,1", Columns::default()),
            Err(RowError::Time(_))
        ));
    }

    #[test]
    fn a_header_says_where_the_cells_are() {
        let columns = Columns::of_header("\u{feff}\"KPI ID\",value,Timestamp\r\n");
        let (time, row) = Row::parse("x,5,7\n", columns).unwrap();
        assert_eq!((time, row.value), ("7", Some(5.0)));
        assert_eq!(Columns::of_header("a,b"), Columns::default());
        assert_eq!(Columns::of_header(""), Columns::default());
    }
}
