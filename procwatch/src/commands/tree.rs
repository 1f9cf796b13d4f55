//! `procwatch tree`: who started whom, the dead included.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::listen::{Then, listen};
use crate::{
    agent::{Events, Finished, Message, Plan},
    cli::{
        args::{TextFormat, TreeArgs},
        terminal::Terminal,
    },
    collector::{Collector, Freshness, Start},
    model::{
        escape::{fit, terminal},
        identity::{ProcessId, WaitStatus},
        sample::ProcessSample,
        totals::{Counter, Totals},
        tree::Node,
        units::format_nanoseconds,
    },
};

/// Often enough that what /proc alone can see of short lives is seen.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn run(args: &TreeArgs, start: Start) -> super::Result {
    let plan = Plan {
        interval: INTERVAL,
        samples_max: args.duration.is_none().then_some(1),
        events: Events::Live,
        freshness: Freshness::Economical,
    };
    let finished = listen(start, plan, args.duration, |message| {
        Ok(match message {
            Message::Finished(_) => Then::Stop,
            _ => Then::GoOn,
        })
    })?;
    let rows = rows(&finished, args)?;
    let text = match args.format {
        TextFormat::Text => text(&rows, Terminal::of_stdout()),
        TextFormat::Json => json(&rows),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// One process in the tree.
struct Row<'a> {
    depth: usize,
    id: ProcessId,
    parent: Option<ProcessId>,
    /// `None` for a parent that was named and never seen itself.
    process: Option<&'a ProcessSample>,
    is_living: bool,
    subtree: Totals,
}

fn rows<'a>(finished: &'a Finished, args: &TreeArgs) -> super::Result<Vec<Row<'a>>> {
    let collector: &Collector = &finished.collector;
    let tree = collector.tree();
    let process = |id: ProcessId| {
        collector
            .process(id)
            .or_else(|| tree.get(id).and_then(|node| node.last_account()))
    };
    let mut order = Vec::new();
    let mut kept: Option<hashbrown::HashSet<ProcessId>> = None;
    if let Some(pid) = args.pid {
        let Some(id) = collector.holder(pid).or_else(|| tree.latest(pid)) else {
            bail!(
                "no process {pid}: it does not live, and its end was not seen; try --duration to watch"
            );
        };
        let line = tree.ancestry(id);
        let depth = line.len() - 1;
        order.extend(line[..depth].iter().copied().enumerate());
        order.extend(
            tree.descend(id)
                .into_iter()
                .map(|(below, id)| (depth + below, id)),
        );
        kept = Some(line.into_iter().collect());
    } else {
        for root in tree.roots() {
            order.extend(tree.descend(root));
        }
    }
    let has_living = tree.lines_of_the_living();
    let is_shown = |id: &ProcessId| {
        args.exited
            || has_living.contains(id)
            || kept.as_ref().is_some_and(|line| line.contains(id))
    };
    let totals = |id| process(id).map(|process| process.totals);
    let sums = tree.all_subtree_totals(totals);
    Ok(order
        .into_iter()
        .filter(|(_, id)| is_shown(id))
        .map(|(depth, id)| Row {
            depth,
            id,
            parent: tree.get(id).and_then(Node::parent),
            process: process(id),
            is_living: tree.get(id).is_some_and(Node::is_living),
            subtree: sums.get(&id).copied().unwrap_or(Totals::UNKNOWN),
        })
        .collect())
}

fn text(rows: &[Row<'_>], terminal_size: Terminal) -> String {
    let mut out = String::from("    PID       CPU   SUBTREE  COMMAND\n");
    for row in rows {
        let figure = |totals: Option<Totals>| {
            totals
                .and_then(|totals| totals.get(Counter::CpuTime))
                .map_or_else(|| "-".to_owned(), format_nanoseconds)
        };
        let mut line = format!(
            "{:>7} {:>9} {:>9}  ",
            row.id.pid,
            figure(row.process.map(|process| process.totals)),
            figure(Some(row.subtree)),
        );
        line.push_str(&"  ".repeat(row.depth));
        match row.process {
            Some(process) => line.push_str(&terminal(&process.facts.command_line())),
            None => line.push_str("(never seen)"),
        }
        let ending = row.process.and_then(|process| process.state.ending());
        if let Some(ending) = ending {
            let verb = if row.is_living { "zombie" } else { "dead" };
            let _ = match ending
                .status
                .map(|status| (status.exit_code(), status.signal()))
            {
                Some((Some(code), _)) => write!(line, " ({verb}, code {code})"),
                Some((None, Some(signal))) => write!(line, " ({verb}, signal {signal})"),
                _ => write!(line, " ({verb})"),
            };
        }
        let line = if terminal_size.is_interactive {
            fit(&line, terminal_size.width)
        } else {
            line
        };
        if terminal_size.is_coloured && !row.is_living {
            let _ = writeln!(out, "\x1b[2m{line}\x1b[0m");
        } else {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

fn json(rows: &[Row<'_>]) -> String {
    let mut out = String::new();
    for row in rows {
        let ending = row.process.and_then(|process| process.state.ending());
        let status = ending.and_then(|ending| ending.status);
        let known = |totals: &Totals| -> Value {
            totals
                .iter()
                .map(|(counter, value)| (counter.name(), json!(value)))
                .collect()
        };
        let line = json!({
            "pid": row.id.pid,
            "start_time_ns": row.id.start_time_ns,
            "depth": row.depth,
            "birth_parent_pid": row.parent.map(|parent| parent.pid),
            "birth_parent_start_time_ns": row.parent.map(|parent| parent.start_time_ns),
            "ppid": row.process.and_then(|process| process.parent).map(|parent| parent.pid),
            "comm": row.process.map(|process| &process.facts.comm),
            "exe": row.process.and_then(|process| process.facts.exe.as_deref()),
            "argv": row.process.map(|process| process.facts.arguments().collect::<Vec<_>>()),
            "state": row.process.map(|process| process.state.name()),
            "exit_code": status.and_then(WaitStatus::exit_code),
            "exit_signal": status.and_then(WaitStatus::signal),
            "totals": row.process.map(|process| known(&process.totals)),
            "subtree_totals": known(&row.subtree),
        });
        let _ = writeln!(out, "{line}");
    }
    out
}
