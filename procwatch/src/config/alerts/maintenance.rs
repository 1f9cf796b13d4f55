//! `[[alerts.maintenance]]`: when nobody is told.

use jiff::{Timestamp, civil::Time};

use super::{
    super::{
        ConfigError,
        table::{Field, Table},
    },
    rules::check_names,
};
use crate::model::{
    mute::{Days, Maintenance, When},
    rule::Rule,
};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn read(table: &mut Table, rules: &[Rule]) -> Result<Vec<Maintenance>, ConfigError> {
    let Some(field) = table.take("maintenance") else {
        return Ok(Vec::new());
    };
    let window = |mut table: Table| {
        let window = window(&mut table, rules)?;
        table.finish()?;
        Ok(window)
    };
    field.tables()?.into_iter().map(window).collect()
}

fn window(table: &mut Table, rules: &[Rule]) -> Result<Maintenance, ConfigError> {
    let (name, only) = (table.take("name"), table.take("rules"));
    let (daily, days) = (table.take("daily"), table.take("days"));
    let (from, to) = (table.take("from"), table.take("to"));
    let Some(name) = name else {
        return Err(table.lacks("name", "\"nightly backup\""));
    };
    let when = match (daily, from, to) {
        (Some(daily), None, None) => {
            let (from, to) = daily.text("22:00-02:00", times_of_day)?;
            let days = days.map(|field| days_of(&field)).transpose()?;
            When::Daily {
                from,
                to,
                days: days.unwrap_or(Days::ALL),
            }
        }
        (None, Some(from), Some(to)) => {
            if let Some(days) = days {
                return Err(days.wrong("only daily maintenance has days; take it out"));
            }
            let (from_ns, to_ns) = (from.text(EXAMPLE, moment)?, to.text(EXAMPLE, moment)?);
            if from_ns >= to_ns {
                return Err(to.wrong("it ends before it begins; write a later time"));
            }
            When::Once { from_ns, to_ns }
        }
        (Some(daily), ..) => {
            return Err(daily.wrong("there is from or to as well; write either"));
        }
        (None, ..) => return Err(table.lacks("daily", "\"22:00-02:00\"")),
    };
    Ok(Maintenance {
        name: name.text("nightly backup", |text| Ok::<_, String>(text.to_owned()))?,
        when,
        rules: only
            .map(|field| check_names(&field, rules))
            .transpose()?
            .unwrap_or_default(),
    })
}

const EXAMPLE: &str = "2030-01-31T14:00:00Z";

/// A configuration is the same wherever it is read: a time of its own has its zone with it.
fn moment(text: &str) -> Result<u64, String> {
    text.parse::<Timestamp>()
        .ok()
        .and_then(|time| u64::try_from(time.as_nanosecond()).ok())
        .ok_or_else(|| format!("no time with its zone; write one such as {EXAMPLE}"))
}

fn times_of_day(text: &str) -> Result<(Time, Time), String> {
    let times = text.split_once('-').and_then(|(from, to)| {
        let time = |text: &str| text.trim().parse::<Time>().ok();
        Some((time(from)?, time(to)?))
    });
    match times {
        Some((from, to)) if from != to => Ok((from, to)),
        _ => Err("no two times of day; write them as 22:00-02:00".to_owned()),
    }
}

fn days_of(field: &Field) -> Result<Days, ConfigError> {
    let mut days = Days([false; 7]);
    for text in field.texts("mon")? {
        let Some(day) = DAYS.iter().position(|day| *day == text) else {
            return Err(field.wrong(format!(
                "{} is no day; write some of {}",
                crate::model::escape::quoted(&text),
                DAYS.join(", ")
            )));
        };
        days.0[day] = true;
    }
    Ok(days)
}
