//! `[record]`: how collection runs.

use std::{path::PathBuf, time::Duration};

use super::{ConfigError, history::absolute, table::Table};
use crate::model::units::parse_duration;

/// The shortest interval: below it a pass would hardly be over before the next.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// The longest: a year, well within what clocks can add.
const INTERVAL_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// From one sample to the next.
    pub interval: Option<Duration>,
    /// Of the collecting thread, from -20 to 19: the lower, the sooner it gets a CPU.
    pub niceness: Option<i32>,
    /// Where those meet that look at a recorder.
    pub socket: Option<PathBuf>,
}

pub(super) fn read(table: &mut Table) -> Result<Record, ConfigError> {
    let interval = table.take("interval");
    let niceness = table.take("niceness");
    let socket = table.take("socket");
    Ok(Record {
        interval: interval
            .map(|field| field.text("1s", parse_interval))
            .transpose()?,
        niceness: niceness
            .map(|field| field.whole(-20..=19))
            .transpose()?
            // Within the range that was asked for.
            .map(|niceness| niceness as i32),
        socket: socket
            .map(|field| field.text("/run/procwatch/procwatch.sock", absolute))
            .transpose()?,
    })
}

/// A time from one sample to the next, or that something lasts.
///
/// # Errors
/// When it is no duration, or so short or long that it makes no sense: says what does.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&duration) {
        Ok(duration)
    } else {
        Err("it must be from 10ms to 366d".to_owned())
    }
}
