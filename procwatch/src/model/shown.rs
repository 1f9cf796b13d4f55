//! Figures of a process as a person reads them on a terminal: short, and harmless.
//!
//! Rounded, and therefore never for a machine: JSON and CSV write values as they are.

use super::{
    escape::terminal,
    field::{Field, Value},
    sample::Ending,
    snapshot::ProcessView,
    totals::Counter,
    units::{Unit, format_bytes, format_count, format_cpu_time, format_nanoseconds},
};

/// A field as a person reads it; `-` where unknown.
pub fn shown(field: Field, view: &ProcessView<'_>) -> String {
    match (field, field.value(view)) {
        // Who has no name has a number.
        (Field::User, Value::Unknown) => shown(Field::Uid, view),
        (_, Value::Unknown) => "-".to_owned(),
        (Field::State, Value::Text(name)) => state_letter(&name).to_owned(),
        (Field::Rate(Counter::CpuTime | Counter::RunQueueWait), Value::Real(ns_per_sec)) => {
            percent(ns_per_sec / 1e7)
        }
        (Field::CpuPct, Value::Real(pct)) => percent(pct),
        (Field::Total(Counter::CpuTime), Value::Integer(ns)) => format_cpu_time(ns),
        (_, Value::Text(text)) => terminal(&text).into_owned(),
        (_, Value::Flag(flag)) => flag.to_string(),
        (Field::Pid | Field::ParentPid | Field::Uid, Value::Integer(number)) => number.to_string(),
        (_, Value::Integer(number)) => measured(field.unit(), number),
        (_, Value::Real(number)) => measured(field.unit(), number.round() as u64),
    }
}

/// A number in its unit, short.
pub fn measured(unit: Unit, number: u64) -> String {
    match unit {
        Unit::Bytes => format_bytes(number),
        Unit::Nanoseconds => format_nanoseconds(number),
        _ => format_count(number),
    }
}

/// A figure that may be of any kind, with its unit.
pub fn figure_in_unit(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Percent => format!("{} %", percent(value)),
        Unit::Count if value.fract() != 0.0 && value.abs() < 1000.0 => format!("{value:.2}"),
        unit => measured(unit, value.round() as u64),
    }
}

/// With a digit after the point where there is room for one.
pub fn percent(value: f64) -> String {
    // Nobody has less than nothing of it.
    let value = if value.abs() < 0.05 { 0.0 } else { value };
    if value >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// As `ps` has them.
fn state_letter(name: &str) -> &'static str {
    match name {
        "running" => "R",
        "uninterruptible" => "D",
        "stopped" => "T",
        "zombie" => "Z",
        "exited" => "X",
        _ => "S",
    }
}

/// `exit 3`, `signal 9`, or that nobody saw it.
pub fn how_it_ended(ending: Ending) -> String {
    let status = ending.status;
    match status.map(|status| (status.exit_code(), status.signal())) {
        Some((Some(code), _)) => format!("exit {code}"),
        Some((None, Some(signal))) => format!("signal {signal}"),
        _ => "ended, how was not seen".to_owned(),
    }
}
