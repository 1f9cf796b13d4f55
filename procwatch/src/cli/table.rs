//! The table for people: a summary of the host, then a line per process, cut to the width.

use std::fmt::Write as _;

use crate::model::{
    escape::{fit, terminal},
    field::{Field, Value},
    sample::State,
    snapshot::{ProcessView, Snapshot},
    totals::Counter,
    units::{Unit, format_bytes, format_count, format_cpu_time, format_nanoseconds},
};

/// One process and how deep it stands below the first of its line.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub view: ProcessView<'a>,
    pub depth: usize,
}

/// A column of figures. The command line comes after all of them.
struct Column {
    heading: &'static str,
    field: Field,
    width: usize,
}

const COLUMNS: &[Column] = &[
    Column {
        heading: "PID",
        field: Field::Pid,
        width: 7,
    },
    Column {
        heading: "USER",
        field: Field::User,
        width: 9,
    },
    Column {
        heading: "S",
        field: Field::State,
        width: 1,
    },
    Column {
        heading: "CPU%",
        field: Field::CpuPct,
        width: 6,
    },
    Column {
        heading: "WAIT%",
        field: Field::Rate(Counter::RunQueueWait),
        width: 6,
    },
    Column {
        heading: "CPU TIME",
        field: Field::Total(Counter::CpuTime),
        width: 10,
    },
    Column {
        heading: "RSS",
        field: Field::Rss,
        width: 6,
    },
    Column {
        heading: "READ/s",
        field: Field::Rate(Counter::Read),
        width: 6,
    },
    Column {
        heading: "WRITE/s",
        field: Field::Rate(Counter::Write),
        width: 7,
    },
    Column {
        heading: "THR",
        field: Field::Threads,
        width: 4,
    },
];

/// Writes the table. `degraded` tells why the figures are from /proc alone.
pub fn render(
    snapshot: &Snapshot,
    rows: &[Row<'_>],
    sort: Field,
    degraded: Option<&str>,
    width: usize,
) -> String {
    let mut out = String::new();
    for line in summary(snapshot, degraded) {
        out.push_str(&fit(&line, width));
        out.push('\n');
    }
    out.push('\n');
    // A field that has no column of its own and is sorted by is shown all the same.
    let extra = (!COLUMNS.iter().any(|column| column.field == sort)).then(|| Column {
        heading: sort.name(),
        field: sort,
        width: sort.name().len().max(8),
    });
    let columns: Vec<&Column> = COLUMNS.iter().chain(&extra).collect();
    let mut heading = String::new();
    for column in &columns {
        align(&mut heading, column, column.heading);
    }
    heading.push_str("COMMAND");
    out.push_str(&fit(&heading, width));
    out.push('\n');
    for row in rows {
        let mut line = String::new();
        for column in &columns {
            align(&mut line, column, &shown(column.field, &row.view));
        }
        for _ in 0..row.depth {
            line.push_str("  ");
        }
        line.push_str(&terminal(&row.view.process.facts.command_line()));
        if let State::Exited(ending) = row.view.process.state {
            let how = match ending
                .status
                .map(|status| (status.exit_code(), status.signal()))
            {
                Some((Some(code), _)) => format!("exit {code}"),
                Some((None, Some(signal))) => format!("signal {signal}"),
                _ => "ended, how was not seen".to_owned(),
            };
            let _ = write!(line, " ({how})");
        }
        out.push_str(&fit(&line, width));
        out.push('\n');
    }
    out
}

fn align(line: &mut String, column: &Column, text: &str) {
    let width = column.width;
    match column.field {
        Field::User | Field::State => {
            let text = fit(text, width);
            let _ = write!(line, "{text:<width$} ");
        }
        _ => {
            let _ = write!(line, "{text:>width$} ");
        }
    }
}

/// A field as a person reads it; `-` where unknown.
fn shown(field: Field, view: &ProcessView<'_>) -> String {
    match (field, field.value(view)) {
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

fn measured(unit: Unit, number: u64) -> String {
    match unit {
        Unit::Bytes => format_bytes(number),
        Unit::Nanoseconds => format_nanoseconds(number),
        _ => format_count(number),
    }
}

fn percent(value: f64) -> String {
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

fn summary(snapshot: &Snapshot, degraded: Option<&str>) -> Vec<String> {
    let sample = &snapshot.sample;
    let ended = sample
        .processes
        .iter()
        .filter(|p| matches!(p.state, State::Exited(_)))
        .count();
    let living = sample.processes.len() - ended;
    let share = snapshot.cpu_shares();
    let mut lines = vec![format!(
        "procwatch   {living} processes, {ended} ended   CPU {} of {} busy: {} by processes, {} by none",
        percent(share.busy_pct) + "%",
        format_args!("{}%", sample.host.cpus * 100),
        percent(share.processes_pct) + "%",
        percent(share.unattributed_pct) + "%",
    )];
    let mut memory = String::new();
    if let (Some(total), Some(available)) = (
        sample.host.memory_total_bytes,
        sample.host.memory_available_bytes,
    ) {
        let _ = write!(
            memory,
            "Memory {} available of {}   ",
            format_bytes(available),
            format_bytes(total)
        );
    }
    let _ = write!(
        memory,
        "Interval {}",
        format_nanoseconds(snapshot.interval_ns)
    );
    let lost = sample.loss.total();
    if lost > 0 {
        let kinds: Vec<_> = sample
            .loss
            .entries()
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        let _ = write!(memory, "   LOST: {}", kinds.join(", "));
    }
    lines.push(memory);
    if let Some(why) = degraded {
        lines.push(format!(
            "From /proc alone, in steps of 10 ms, blind between samples: {why}"
        ));
    }
    lines
}
