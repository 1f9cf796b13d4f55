//! Alerts as lists, in full, and as JSON.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    answer::{Side, Writer},
    chart,
    json::rfc3339,
    terminal::Terminal,
};
use crate::{
    alerts::KeptAlert,
    history::sql::{Answer, Listener as _},
    model::{
        alert::Alert,
        escape::terminal,
        field::Field,
        mute::Silence,
        shown::figure_in_unit,
        units::{Unit, format_nanoseconds},
    },
    notify,
};

const CHART_HEIGHT: usize = 8;
const LABEL_WIDTH: usize = 9;

/// Alerts as rows.
pub struct Listed<'a> {
    pub now_ns: u64,
    /// That times are shown in.
    pub zone: &'a TimeZone,
}

impl Listed<'_> {
    /// For people: harmless, and short.
    ///
    /// # Errors
    /// Those of the output.
    pub fn table<W: Write>(&self, out: &mut Writer<W>, alerts: &[KeptAlert]) -> io::Result<()> {
        let names = [
            "ID", "STATE", "SEVERITY", "BEGAN", "LASTED", "RULE", "TOLD", "WHAT",
        ];
        out.columns(&names.map(str::to_owned))?;
        for kept in alerts {
            let alert = &kept.alert;
            let end_ns = alert.resolved_ns.unwrap_or(self.now_ns);
            let lasted = format_nanoseconds(end_ns.saturating_sub(alert.began_ns));
            out.line(vec![
                (alert.id.to_string(), Side::Right),
                (alert.state.name().to_owned(), Side::Left),
                (alert.severity.name().to_owned(), Side::Left),
                (self.time(alert.began_ns), Side::Left),
                (lasted, Side::Right),
                (terminal(&alert.rule).into_owned(), Side::Left),
                (told(kept), Side::Left),
                (terminal(&alert.summary).into_owned(), Side::Left),
            ])?;
        }
        Ok(())
    }

    /// For spreadsheets.
    ///
    /// # Errors
    /// Those of the output.
    pub fn csv<W: Write>(&self, out: &mut Writer<W>, alerts: &[KeptAlert]) -> io::Result<()> {
        let names = [
            "id", "rule", "severity", "state", "began", "fired", "resolved", "pid", "message",
            "told", "muted_by", "replay",
        ];
        out.columns(&names.map(str::to_owned))?;
        for kept in alerts {
            let alert = &kept.alert;
            let time = |time_ns: Option<u64>| time_ns.map_or_else(String::new, rfc3339);
            let pid = alert.culprit.as_ref().map(|culprit| culprit.id.pid);
            let (began, fired) = (rfc3339(alert.began_ns), time(alert.fired_ns));
            let resolved = time(alert.resolved_ns);
            out.row(&[
                Answer::Integer(i64::try_from(alert.id).unwrap_or(i64::MAX)),
                Answer::Text(&alert.rule),
                Answer::Text(alert.severity.name()),
                Answer::Text(alert.state.name()),
                Answer::Text(&began),
                Answer::Text(&fired),
                Answer::Text(&resolved),
                pid.map_or(Answer::Null, |pid| Answer::Integer(pid.into())),
                Answer::Text(&alert.summary),
                Answer::Text(if kept.is_told { "true" } else { "false" }),
                kept.muted_by.as_deref().map_or(Answer::Null, Answer::Text),
                Answer::Text(&alert.replay),
            ])?;
        }
        Ok(())
    }

    fn time(&self, time_ns: u64) -> String {
        Timestamp::from_nanosecond(i128::from(time_ns)).map_or_else(
            |_| time_ns.to_string(),
            |time| {
                time.to_zoned(self.zone.clone())
                    .strftime("%F %T")
                    .to_string()
            },
        )
    }
}

/// Whether notifiers had it, and if not, why.
fn told(kept: &KeptAlert) -> String {
    match (&kept.muted_by, kept.is_told) {
        (_, true) => "yes".to_owned(),
        (Some(by), false) => format!("no: {}", terminal(by)),
        (None, false) => "no".to_owned(),
    }
}

/// One alert, with its curve.
pub fn in_full(kept: &KeptAlert, out: Terminal) -> String {
    let (headline, details) = notify::in_full(&kept.alert);
    let mut text = format!("{headline}\n");
    for (name, value) in details {
        let _ = writeln!(text, "  {name:<9} {value}");
    }
    let _ = writeln!(text, "  {:<9} {}", "told", told(kept));
    text.push_str(&curve(&kept.alert, out));
    text
}

fn curve(alert: &Alert, out: Terminal) -> String {
    let ([(from_ns, _), .., (to_ns, _)], Some(figure)) = (&*alert.curve, &alert.figure) else {
        return String::new();
    };
    let values: Vec<Option<f64>> = alert.curve.iter().map(|(_, value)| Some(*value)).collect();
    let span = format_nanoseconds(to_ns.saturating_sub(*from_ns));
    let unit = Field::from_name(&figure.name).map_or(Unit::Count, Field::unit);
    let label = |value: f64| figure_in_unit(unit, value);
    let shown = chart::values_of(out.width, LABEL_WIDTH).min(values.len());
    let values = &values[values.len() - shown..];
    let ends = (&*format!("-{span}"), "fired");
    let drawn = chart::draw(values, CHART_HEIGHT, LABEL_WIDTH, label, ends);
    format!("\n{}\n{drawn}", terminal(&figure.name))
}

/// As web hooks have it, and whether notifiers were told.
pub fn json_line(kept: &KeptAlert, host: &str) -> String {
    let mut value = notify::as_json(&kept.alert, host);
    value["told"] = kept.is_told.into();
    value["muted_by"] = kept.muted_by.clone().into();
    value.to_string()
}

/// A line each.
pub fn silences(silences: &[Silence], now_ns: u64) -> String {
    let mut text = String::new();
    for silence in silences {
        let rule = silence.rule.as_deref().map_or_else(
            || "all rules".to_owned(),
            |rule| format!("rule {}", terminal(rule)),
        );
        let _ = write!(text, "silence {}: {rule}", silence.id);
        if let Some(about) = &silence.about {
            let _ = write!(text, " about {:?}", terminal(about));
        }
        let left_ns = silence.until_ns.saturating_sub(now_ns);
        let _ = write!(text, ", for {} more", format_nanoseconds(left_ns));
        if let Some(by) = &silence.by {
            let _ = write!(text, ", by {}", terminal(by));
        }
        if let Some(reason) = &silence.reason {
            let _ = write!(text, ": {}", terminal(reason));
        }
        text.push('\n');
    }
    text
}
