//! A report as a page: one file that asks for nothing else, for a screen and for paper.

mod chart;

use std::io::{self, Write};

use jiff::{Timestamp, tz::TimeZone};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{csv::cell, terminal::Terminal};
use crate::{
    model::{
        escape::terminal,
        shown::{measured, percent},
        units::{Unit, format_nanoseconds},
    },
    report::{Changes, Ranking, Report, Tree, User},
};

const STYLE: &str = include_str!("page/style.css");
/// A command line is shown up to here; the rest is in JSON.
const COMMAND_MAX: usize = 300;

/// The whole page.
pub fn render(report: &Report, zone: &TimeZone) -> String {
    let clock = Clock(zone);
    let title = format!(
        "What happened from {} to {}",
        clock.full(report.from_ns),
        clock.full(report.to_ns)
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="color-scheme" content="light dark";
                title { (title) " – procwatch" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { "procwatch report" }
                    h1 { (title) }
                    p.faint {
                        (format_nanoseconds(report.to_ns - report.from_ns)) " of " (text(&report.recording))
                        ", times in " (text(&report.zone))
                    }
                }
                (summary(report, &clock))
                section {
                    h2 { "The host" }
                    div.charts {
                        @for curve in &report.host.curves {
                            figure {
                                figcaption { (curve.title) }
                                (chart::curve(curve, report, &clock))
                            }
                        }
                    }
                }
                (alerts(report, &clock))
                @if let Some(changes) = &report.changes { (changed(changes, &clock)) }
                section {
                    h2 { "Who had most" }
                    @for ranking in &report.top { (ranked(ranking)) }
                }
                (trees(&report.trees))
                (storms(report))
                (ends(report, &clock))
                (trust(report, &clock))
                footer { "Made by procwatch " (env!("CARGO_PKG_VERSION")) "." }
            }
        }
    }
    .into_string()
}

/// Where the reader is.
pub(super) struct Clock<'a>(&'a TimeZone);

impl Clock<'_> {
    fn at(&self, time_ns: u64, format: &str) -> String {
        Timestamp::from_nanosecond(i128::from(time_ns)).map_or_else(
            |_| time_ns.to_string(),
            |time| time.to_zoned(self.0.clone()).strftime(format).to_string(),
        )
    }

    fn full(&self, time_ns: u64) -> String {
        self.at(time_ns, "%F %T")
    }

    /// With the day only where a window has several.
    fn short(&self, time_ns: u64, window_ns: u64) -> String {
        let format = match window_ns / 1_000_000_000 {
            0..600 => "%T",
            600..86_400 => "%H:%M",
            _ => "%d %b %H:%M",
        };
        self.at(time_ns, format)
    }
}

/// Text of a process: markup is escaped by the template, and what would act on a terminal it is copied to here.
fn text(text: &str) -> String {
    terminal(text).into_owned()
}

fn command(user: &User) -> String {
    let mut shown = text(&user.command);
    if let Some((at, _)) = shown.char_indices().nth(COMMAND_MAX) {
        shown.truncate(at);
        shown.push('…');
    }
    shown
}

fn figure(unit: Unit, value: u64) -> String {
    measured(unit, value)
}

fn per_cent(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| format!("{} %", percent(part as f64 * 100.0 / whole as f64)))
}

/// In words: what a reader in a hurry has to know.
fn summary(report: &Report, clock: &Clock<'_>) -> Markup {
    let host = &report.host;
    let busy = host.cpus.and_then(|cpus| {
        per_cent(
            host.cpu_busy_ns,
            host.recorded_ns.saturating_mul(cpus.into()),
        )
    });
    let first = |field: &str| {
        let ranking = report.top.iter().find(|ranking| ranking.field == field)?;
        Some((ranking, ranking.users.first()?))
    };
    let unrecorded_ns = (report.to_ns - report.from_ns).saturating_sub(host.recorded_ns);
    let hardly = (report.to_ns - report.from_ns) / 100;
    html! {
        section.summary {
            ul {
                @if let (Some(busy), Some(cpus)) = (busy, host.cpus) {
                    li { "The " (cpus) " CPUs were busy " b { (busy) } " of the time that was recorded." }
                }
                @if let Some((ranking, user)) = first("cpu_time_ns") {
                    li {
                        b { (text(&user.comm)) } " (" (user.pid) ") took most CPU: "
                        (figure(ranking.unit, user.value))
                        @if let Some(share) = ranking.total.and_then(|total| per_cent(user.value, total)) {
                            ", " (share) " of what all processes took"
                        }
                        "."
                    }
                }
                @if let Some((ranking, user)) = first("rss_bytes") {
                    li { b { (text(&user.comm)) } " (" (user.pid) ") had most memory: " (figure(ranking.unit, user.value)) "." }
                }
                li { (host.started) " processes started, and " (host.ended) " ended." }
                @if let Some(storm) = report.storms.first() {
                    li { b { (text(&storm.comm)) } " was started " (storm.lives) " times and lived "
                        (format_nanoseconds(storm.median_lifetime_ns)) " each, typically." }
                }
                @if let Some(alert) = report.alerts.first() {
                    li.warn {
                        (report.alerts.len()) @if report.alerts.len() == 1 { " alert: " } @else { " alerts, the worst: " }
                        b { (text(&alert.rule)) } ": " (text(&alert.summary)) "."
                    }
                }
                @for ends in report.ends.iter().filter(|ends| ends.exit_signal.is_some()).take(3) {
                    li { b { (text(&ends.comm)) } " was ended by signal " (ends.exit_signal.unwrap_or(0))
                        @if ends.core_dumped { ", with a core dump" }
                        @if ends.count > 1 { ", " (ends.count) " times" }
                        ", last at " (clock.full(ends.last_ns)) "." }
                }
                @if unrecorded_ns > hardly {
                    li.warn { (format_nanoseconds(unrecorded_ns)) " of the window were not recorded: see below." }
                }
            }
        }
    }
}

fn changed(changes: &Changes, clock: &Clock<'_>) -> Markup {
    html! {
        section {
            h2 { "What changed" }
            p.faint {
                @if changes.is_halves {
                    "The second half of the window beside the first, for there is nothing as long before it."
                } @else {
                    "Beside the time before, from " (clock.full(changes.from_ns)) " to " (clock.full(changes.to_ns)) "."
                }
            }
            div.scroll { table {
                thead { tr { th { "Figure" } th { "Program" } th.n { "Before" } th.n { "Then" } th.n { "Change" } } }
                tbody {
                    @for change in &changes.rows {
                        @let more = change.after >= change.before;
                        tr {
                            td { (change.title) }
                            td { (text(&change.comm)) }
                            td.n { (figure(change.unit, change.before)) }
                            td.n { (figure(change.unit, change.after)) }
                            td.n.more[more].less[!more] {
                                (if more { "+" } else { "−" })
                                (figure(change.unit, change.after.abs_diff(change.before)))
                            }
                        }
                    }
                }
            } }
        }
    }
}

fn ranked(ranking: &Ranking) -> Markup {
    let most = ranking.users.first().map_or(1, |user| user.value.max(1));
    let has_curves = ranking.users.iter().any(|user| !user.curve.is_empty());
    html! {
        div.ranking {
            h3 { (ranking.title) }
            div.scroll { table {
                thead { tr {
                    th { "Process" } th.n { "Pid" } th { "User" } th.n title=(ranking.field) { "Amount" }
                    @if ranking.total.is_some() { th.n { "Share" } }
                    @if has_curves { th { "Over time" } }
                } }
                tbody {
                    @for user in &ranking.users {
                        tr {
                            td.command {
                                b { (text(&user.comm)) }
                                @if let Some(container) = &user.container { span.tag { (text(container)) } }
                                span.args { (command(user)) }
                            }
                            td.n { (user.pid) }
                            td { (user.user.as_deref().map(text).unwrap_or_default()) }
                            td.n.bar style=(format!("--part:{:.1}%", user.value as f64 * 100.0 / most as f64)) {
                                (figure(ranking.unit, user.value))
                            }
                            @if let Some(total) = ranking.total {
                                td.n { (per_cent(user.value, total).unwrap_or_default()) }
                            }
                            @if has_curves { td.spark { (chart::spark(&user.curve)) } }
                        }
                    }
                }
            } }
        }
    }
}

fn trees(trees: &[Tree]) -> Markup {
    html! {
        section {
            h2 { "Busiest trees" }
            p.faint { "A process with all its descendants, also those that have ended: the CPU time that they took together in the window." }
            div.scroll { table {
                thead { tr { th { "From" } th.n { "Pid" } th.n { "CPU time" } th.n { "Processes" } th { "Most of it" } } }
                tbody {
                    @for tree in trees {
                        tr {
                            td { b { (text(&tree.comm)) } }
                            td.n { (tree.pid) }
                            td.n { (format_nanoseconds(tree.cpu_time_ns)) }
                            td.n { (tree.processes) }
                            td {
                                @for (at, (comm, cpu_ns, count)) in tree.programs.iter().enumerate() {
                                    @if at > 0 { ", " }
                                    (text(comm)) @if *count > 1 { " ×" (count) } " " (format_nanoseconds(*cpu_ns))
                                }
                            }
                        }
                    }
                }
            } }
        }
    }
}

fn storms(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Storms of short lives" }
            @if report.storms.is_empty() {
                p.faint { "No program was started fifty times to live less than a second." }
            } @else {
                div.scroll { table {
                    thead { tr { th { "Program" } th.n { "Lives" } th.n { "A minute" } th.n { "Median lifetime" } th.n { "CPU, all" } th { "Borne by" } } }
                    tbody {
                        @for storm in &report.storms {
                            tr {
                                td { b { (text(&storm.comm)) } }
                                td.n { (storm.lives) }
                                td.n { (storm.lives_per_minute.map(|rate| format!("{rate:.0}")).unwrap_or_default()) }
                                td.n { (format_nanoseconds(storm.median_lifetime_ns)) }
                                td.n { (format_nanoseconds(storm.cpu_time_ns)) }
                                td {
                                    @for (at, (comm, count)) in storm.parents.iter().enumerate() {
                                        @if at > 0 { ", " }
                                        (text(comm)) " ×" (count)
                                    }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn alerts(report: &Report, clock: &Clock<'_>) -> Markup {
    html! {
        @if !report.alerts.is_empty() {
            section {
                h2 { "Alerts" }
                div.scroll { table {
                    thead { tr { th { "Severity" } th { "Rule" } th { "From" } th { "To" } th { "What" } } }
                    tbody {
                        @for alert in &report.alerts {
                            tr {
                                td { b.warn[alert.severity == "critical"] { (alert.severity) } }
                                td { (text(&alert.rule)) }
                                td { (clock.full(alert.began_ns)) }
                                td {
                                    @match alert.resolved_ns {
                                        Some(end_ns) => { (clock.full(end_ns)) }
                                        None => { b { "still firing" } }
                                    }
                                }
                                td.command {
                                    (text(&alert.summary))
                                    @if let Some(by) = &alert.muted_by {
                                        " " span.args { "Nobody was told, because of " (text(by)) "." }
                                    }
                                    @if !alert.replay.is_empty() { " " span.args { (text(&alert.replay)) } }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn ends(report: &Report, clock: &Clock<'_>) -> Markup {
    html! {
        section {
            h2 { "Unusual ends" }
            @if report.ends.is_empty() {
                p.faint { "Every process that ended did so by itself, with code 0." }
            } @else {
                div.scroll { table {
                    thead { tr { th { "Program" } th { "How" } th.n { "Times" } th { "First" } th { "Last" } } }
                    tbody {
                        @for ends in &report.ends {
                            tr {
                                td { b { (text(&ends.comm)) } }
                                td {
                                    @if let Some(signal) = ends.exit_signal { "signal " (signal) }
                                    @if let Some(code) = ends.exit_code { "code " (code) }
                                    @if ends.core_dumped { ", core dumped" }
                                }
                                td.n { (ends.count) }
                                td { (clock.full(ends.first_ns)) }
                                td { (clock.full(ends.last_ns)) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// How far all this is to be believed.
fn trust(report: &Report, clock: &Clock<'_>) -> Markup {
    html! {
        section {
            h2 { "Losses and sources" }
            ul {
                @if report.gaps.is_empty() { li { "No sample was missed." } }
                @for gap in &report.gaps {
                    li.warn { "Nothing was written from " (clock.full(gap.from_ns)) " to " (clock.full(gap.to_ns)) ": " (text(&gap.why)) "." }
                }
                @if report.loss.is_empty() { li { "No record was lost." } }
                @for (kind, count) in &report.loss {
                    li.warn { (count) " records lost: " (kind) "." }
                }
                @for (group, source) in &report.sources {
                    li { (group) ": " (text(source)) }
                }
            }
        }
    }
}

/// Who had most of what, a line each.
///
/// # Errors
/// When the output takes no more.
pub fn csv(out: &mut impl Write, report: &Report, terminal: Terminal) -> io::Result<()> {
    write!(
        out,
        "field,rank,pid,start_time_ns,comm,user,container,value,command\r\n"
    )?;
    for ranking in &report.top {
        for (at, user) in ranking.users.iter().enumerate() {
            let text = |text: &str| cell(text, terminal).into_owned();
            let optional = |value: &Option<String>| value.as_deref().map(text).unwrap_or_default();
            write!(
                out,
                "{},{},{},{},{},{},{},{},{}\r\n",
                ranking.field,
                at + 1,
                user.pid,
                user.start_time_ns,
                text(&user.comm),
                optional(&user.user),
                optional(&user.container),
                user.value,
                text(&user.command)
            )?;
        }
    }
    Ok(())
}
