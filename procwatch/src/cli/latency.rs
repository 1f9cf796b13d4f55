//! What was measured of latencies, as text and as JSON.

use std::{cmp::Reverse, fmt::Write as _};

use serde_json::{Value, json};

use super::histogram::{bars, latencies};
use crate::{
    latency::{Kind, Row, Spent, Table, Who},
    model::{
        escape::terminal,
        units::{format_count, format_nanoseconds},
    },
    trace::calls,
};

/// System calls in the text.
const CALLS_MAX: usize = 15;

/// What there is to show of one span.
pub struct Measurement<'a> {
    pub table: &'a Table,
    /// How long the span was.
    pub span_ns: u64,
    /// When it ended: RFC 3339.
    pub time: &'a str,
    /// What is missing since measuring began, by kind.
    pub losses: &'a [(&'static str, u64)],
    /// Why block I/O is not told. `None` when it is.
    pub no_block: Option<&'a str>,
}

/// Which processes come first, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: Kind,
    pub limit: usize,
}

const fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::RunQueue => "wait for a CPU",
        Kind::OnCpu => "on the CPU",
        Kind::OffCpu => "off the CPU",
        Kind::Block => "block I/O",
        Kind::Syscall => "system calls",
    }
}

/// For people; `is_wanted` says of whom there is to be a row.
pub fn text(
    measurement: &Measurement<'_>,
    order: Order,
    is_wanted: impl Fn(&Row) -> bool,
) -> String {
    let mut out = String::new();
    let table = measurement.table;
    let _ = writeln!(
        out,
        "{}  the host in {}",
        measurement.time,
        format_nanoseconds(measurement.span_ns)
    );
    let _ = writeln!(
        out,
        "{:<16} {:>9} {:>10} {:>10} {:>10} {:>10}  1 ns … 1 min, by powers of two",
        "KIND", "COUNT", "TOTAL", "MEDIAN", "99 %", "LONGEST"
    );
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| table.host[*kind as usize].count() > 0)
        .collect();
    for kind in &kinds {
        durations(&mut out, label(*kind), &table.host[*kind as usize]);
    }
    let mut calls: Vec<_> = table.calls.iter().collect();
    calls.sort_by_key(|(_, spent)| Reverse(spent.total_ns));
    for (number, spent) in calls.into_iter().take(CALLS_MAX) {
        durations(&mut out, &format!("  {}", calls::label(*number)), spent);
    }
    out.push('\n');
    processes(&mut out, table, &kinds, order, is_wanted);
    if let Some(why) = measurement.no_block {
        let _ = writeln!(out, "Block I/O is not told here: {}", terminal(why));
    }
    let lost = measurement.losses.iter().filter(|(_, count)| *count > 0);
    let lost: Vec<_> = lost
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    if !lost.is_empty() {
        let _ = writeln!(out, "Lost: {}", lost.join(", "));
    }
    out
}

fn durations(out: &mut String, label: &str, spent: &Spent) {
    let histogram = spent.histogram();
    let (Some(median), Some(p99)) = (histogram.median_ns(), histogram.p99_ns()) else {
        return;
    };
    let _ = writeln!(
        out,
        "{label:<16} {:>9} {:>10} {:>10} {:>10} {:>10}  {}",
        format_count(spent.count()),
        format_nanoseconds(spent.total_ns),
        format_nanoseconds(median),
        format_nanoseconds(p99),
        format_nanoseconds(spent.longest_ns),
        bars(&histogram)
    );
}

fn processes(
    out: &mut String,
    table: &Table,
    kinds: &[Kind],
    order: Order,
    is_wanted: impl Fn(&Row) -> bool,
) {
    let mut rows: Vec<&Row> = table.rows.iter().filter(|row| is_wanted(row)).collect();
    rows.sort_by(|a, b| {
        let most = |row: &Row| row.of(order.by).total_ns;
        most(b)
            .cmp(&most(a))
            .then_with(|| a.comm.cmp(&b.comm))
            .then_with(|| pid(a).cmp(&pid(b)))
    });
    let _ = write!(out, "{:>7} {:<20}", "", "");
    for kind in kinds {
        let _ = write!(out, " {:^26}", label(*kind).to_uppercase());
    }
    let _ = write!(out, "\n{:>7} {:<20}", "PID", "COMM");
    for _ in kinds {
        let _ = write!(out, " {:>8} {:>8} {:>8}", "TOTAL", "MEDIAN", "99 %");
    }
    out.push('\n');
    for row in rows.iter().take(order.limit) {
        let name = terminal(&row.comm);
        let (pid, name) = match row.who {
            Who::Process(id) if row.is_kernel_thread => (id.pid.to_string(), format!("[{name}]")),
            Who::Process(id) => (id.pid.to_string(), name.into_owned()),
            Who::Ended(count) => ("ended".to_owned(), format!("{count} × {name}")),
        };
        let _ = write!(out, "{pid:>7} {name:<20}");
        for kind in kinds {
            let spent = row.of(*kind);
            let histogram = spent.histogram();
            let _ = match (histogram.median_ns(), histogram.p99_ns()) {
                (Some(median), Some(p99)) => write!(
                    out,
                    " {:>8} {:>8} {:>8}",
                    format_nanoseconds(spent.total_ns),
                    format_nanoseconds(median),
                    format_nanoseconds(p99)
                ),
                _ => write!(out, " {:>8} {:>8} {:>8}", "-", "-", "-"),
            };
        }
        out.push('\n');
    }
    let left_out = rows.len().saturating_sub(order.limit);
    if left_out > 0 {
        let _ = writeln!(out, "  and {left_out} more; --limit shows more of them");
    }
}

const fn pid(row: &Row) -> u32 {
    match row.who {
        Who::Process(id) => id.pid,
        Who::Ended(_) => 0,
    }
}

/// For programs: everybody, and every bucket.
pub fn json(measurement: &Measurement<'_>, is_wanted: impl Fn(&Row) -> bool) -> Value {
    let rows = measurement.table.rows.iter().filter(|row| is_wanted(row));
    let rows: Vec<Value> = rows
        .map(|row| {
            let mut object = of_kinds(&row.kinds);
            object["comm"] = json!(row.comm);
            object["is_kernel_thread"] = json!(row.is_kernel_thread);
            match row.who {
                Who::Process(id) => {
                    object["pid"] = json!(id.pid);
                    object["start_time_ns"] = json!(id.start_time_ns);
                }
                Who::Ended(count) => object["ended"] = json!(count),
            }
            object
        })
        .collect();
    let calls: Vec<Value> = measurement
        .table
        .calls
        .iter()
        .map(|(number, spent)| {
            let mut object = of(spent);
            object["syscall"] = json!(calls::label(*number));
            object
        })
        .collect();
    let losses: serde_json::Map<String, Value> = measurement
        .losses
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), json!(count)))
        .collect();
    json!({
        "time": measurement.time,
        "span_ns": measurement.span_ns,
        "host": of_kinds(&measurement.table.host),
        "processes": rows,
        "syscalls": calls,
        "loss": losses,
        "no_block": measurement.no_block,
    })
}

fn of_kinds(kinds: &[Spent; Kind::COUNT]) -> Value {
    let filled = Kind::ALL.into_iter();
    let filled = filled.filter(|kind| kinds[*kind as usize].count() > 0);
    filled
        .map(|kind| (kind.name().to_owned(), of(&kinds[kind as usize])))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn of(spent: &Spent) -> Value {
    let histogram = spent.histogram();
    json!({
        "count": spent.count(),
        "total_ns": spent.total_ns,
        "median_ns": histogram.median_ns(),
        "p99_ns": histogram.p99_ns(),
        "longest_ns": spent.longest_ns,
        "latencies": latencies(&histogram),
    })
}
