//! `[history]`: what is recorded where, and how much of it is kept.

use std::{path::PathBuf, time::Duration};

use super::{ConfigError, table::Table};
use crate::model::units::{parse_duration, parse_size};

/// Less than this does not hold a day's blocks of a small host.
const SIZE_MIN: u64 = 16 << 20;
const AGE_MIN: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Of the recording.
    pub path: Option<PathBuf>,
    /// Bytes that it may take; the oldest goes first.
    pub max_size: Option<u64>,
    /// How long anything is kept.
    pub max_age: Option<Duration>,
}

pub(super) fn read(table: &mut Table) -> Result<History, ConfigError> {
    let path = table.take("path");
    let max_size = table.take("max_size");
    let max_age = table.take("max_age");
    Ok(History {
        path: path
            .map(|field| field.text("/var/lib/procwatch/procwatch.db", absolute))
            .transpose()?,
        max_size: max_size.map(|field| field.text("2GiB", size)).transpose()?,
        max_age: max_age.map(|field| field.text("30d", age)).transpose()?,
    })
}

/// A path that does not depend on where procwatch is started.
///
/// # Errors
/// When it is none.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("write a path that begins with /".to_owned())
    }
}

fn size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text).map_err(|error| error.to_string())?;
    if bytes >= SIZE_MIN {
        Ok(bytes)
    } else {
        Err("write at least 16MiB".to_owned())
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if duration >= AGE_MIN {
        Ok(duration)
    } else {
        Err("write at least 1h".to_owned())
    }
}
