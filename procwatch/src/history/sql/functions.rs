//! Functions for series in time, beside those that SQLite has.

use jiff::{Timestamp, tz::TimeZone};
use rusqlite::{
    Connection, Error, Result,
    functions::{Aggregate, Context, FunctionFlags},
    types::ValueRef,
};

use crate::model::{moment::parse_moment, units::parse_duration};

/// Values that one percentile is taken of; more take more memory than an answer is worth.
const VALUES_MAX: usize = 20_000_000;

/// When a statement is run, and where: what relative times are relative to.
#[derive(Clone, Debug)]
pub struct Here {
    /// Nanoseconds since the epoch.
    pub now_ns: u64,
    pub zone: TimeZone,
}

/// The names, for those who get one wrong.
pub(super) const NAMES: [&str; 5] = ["time_text", "time_ns", "bucket", "percentile", "rate"];

pub(super) fn register(connection: &Connection, here: Here) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("time_text", 1, pure, time_text)?;
    connection
        .create_scalar_function("time_ns", 1, pure, move |context| time_ns(context, &here))?;
    connection.create_scalar_function("bucket", 2, pure, bucket)?;
    connection.create_aggregate_function("percentile", 2, pure, Percentile)?;
    connection.create_aggregate_function("rate", 2, pure, Rate)
}

fn wrong(text: impl std::fmt::Display) -> Error {
    Error::UserFunctionError(text.to_string().into())
}

/// RFC 3339 in UTC, with nanoseconds.
fn time_text(context: &Context<'_>) -> Result<Option<String>> {
    let Some(ns) = integer(context.get_raw(0)) else {
        return Ok(None);
    };
    Ok(Timestamp::from_nanosecond(i128::from(ns))
        .ok()
        .map(|time| format!("{time:.9}")))
}

fn time_ns(context: &Context<'_>, here: &Here) -> Result<Option<i64>> {
    let text = match context.get_raw(0) {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(seconds) => seconds.to_string(),
        ValueRef::Real(seconds) => format!("{seconds:.9}"),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    };
    let ns = parse_moment(&text, here.now_ns, &here.zone).map_err(wrong)?;
    Ok(i64::try_from(ns).ok())
}

/// The beginning of the span that a time is in.
fn bucket(context: &Context<'_>) -> Result<Option<i64>> {
    let span_ns = match context.get_raw(1) {
        ValueRef::Integer(ns) => ns,
        ValueRef::Text(text) => {
            let span = parse_duration(&String::from_utf8_lossy(text)).map_err(wrong)?;
            i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
        }
        _ => 0,
    };
    if span_ns <= 0 {
        return Err(wrong(
            "bucket: the span must be longer than nothing; write bucket(time, '10s')",
        ));
    }
    Ok(integer(context.get_raw(0)).map(|time| time - time.rem_euclid(span_ns)))
}

fn integer(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) => Some(number as i64),
        _ => None,
    }
}

fn number(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number).filter(|number| !number.is_nan()),
        _ => None,
    }
}

/// Between the two nearest values in proportion, as most programs have it (Hyndman and Fan's definition 7).
pub fn percentile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (values[at.floor() as usize], values[at.ceil() as usize]);
    let part = at - at.floor();
    // Of two that are alike, infinities included, there is nothing in between.
    Some(if part == 0.0 || below == above {
        below
    } else {
        below + (above - below) * part
    })
}

struct Percentile;

#[derive(Default)]
struct Values {
    values: Vec<f64>,
    share: f64,
}

impl Aggregate<Values, Option<f64>> for Percentile {
    fn init(&self, _: &mut Context<'_>) -> Result<Values> {
        Ok(Values::default())
    }

    fn step(&self, context: &mut Context<'_>, seen: &mut Values) -> Result<()> {
        let share = number(context.get_raw(1)).filter(|share| (0.0..=1.0).contains(share));
        seen.share = share.ok_or_else(|| {
            wrong("percentile: the share must be from 0 to 1; write percentile(cpu_pct, 0.95)")
        })?;
        if let Some(value) = number(context.get_raw(0)) {
            if seen.values.len() >= VALUES_MAX {
                return Err(wrong(format!(
                    "percentile: more than {VALUES_MAX} values; ask for a shorter time, or group"
                )));
            }
            seen.values.push(value);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, seen: Option<Values>) -> Result<Option<f64>> {
        Ok(seen.and_then(|mut seen| percentile(&mut seen.values, seen.share)))
    }
}

/// What a total added per second, from its first moment to its last.
struct Rate;

#[derive(Clone, Copy, Default)]
struct Ends {
    first: Option<(i64, f64)>,
    last: Option<(i64, f64)>,
}

impl Aggregate<Ends, Option<f64>> for Rate {
    fn init(&self, _: &mut Context<'_>) -> Result<Ends> {
        Ok(Ends::default())
    }

    fn step(&self, context: &mut Context<'_>, ends: &mut Ends) -> Result<()> {
        if let (Some(total), Some(time)) = (number(context.get_raw(0)), integer(context.get_raw(1)))
        {
            if ends.first.is_none_or(|(first, _)| time < first) {
                ends.first = Some((time, total));
            }
            if ends.last.is_none_or(|(last, _)| time >= last) {
                ends.last = Some((time, total));
            }
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, ends: Option<Ends>) -> Result<Option<f64>> {
        let ends = ends.unwrap_or_default();
        Ok(ends.first.zip(ends.last).and_then(|(first, last)| {
            let seconds = last.0.saturating_sub(first.0) as f64 / 1e9;
            (seconds > 0.0).then(|| (last.1 - first.1) / seconds)
        }))
    }
}
