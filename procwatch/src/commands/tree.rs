//! `procwatch tree`: who started whom, the dead included.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{listen::listen, query, source::Source, window};
use crate::{
    agent::{Events, Message, Plan},
    cli::{
        args::{TextFormat, TreeArgs},
        json::{rfc3339, write_json},
        terminal::Terminal,
    },
    collector::{Answer, Freshness, Request},
    config::Config,
    confine::Confinement,
    model::{
        escape::{fit, terminal},
        family::Family,
        identity::{ProcessId, WaitStatus},
        sample::ProcessSample,
        totals::{Counter, Totals},
        tree::Node,
        units::format_nanoseconds,
    },
};

/// Often enough that what /proc alone can see of short lives is seen.
const INTERVAL: Duration = Duration::from_secs(1);
/// Of a recording, those that had ended and are no ancestors of others: as many as a collection remembers.
const DEAD_MAX: usize = 8_192;

pub(super) fn run(args: &TreeArgs, source: Source) -> super::Result {
    let plan = Plan {
        interval: INTERVAL,
        samples_max: args.duration.is_none().then_some(1),
        events: Events::Live,
        freshness: Freshness::Economical,
        last_question: Some(Request::Family),
    };
    let mut members = Vec::new();
    listen(source, plan, args.duration, |message, _, _| {
        if let Message::Answer(Answer::Family(all)) = message {
            members = all;
        }
        Ok(())
    })?;
    print(&Family::of(members), args)
}

/// The tree as it was at a time of a recording.
pub(super) fn recorded(
    args: &TreeArgs,
    config: &Config,
    confinement: Confinement,
) -> super::Result {
    if args.duration.is_some() {
        bail!("--duration watches what happens now; of a recording, name a time by --at");
    }
    let (mut history, bounds) = query::open(&query::path(&args.db, config))?;
    let _confined = confinement.collecting().showing();
    let at_ns = match &args.at {
        Some(text) => window::moment("--at", text, &query::here())?,
        None => bounds.1,
    };
    let dead_max = if args.exited { DEAD_MAX } else { 0 };
    let Some((_, members)) = history.family_at(at_ns, dead_max)? else {
        bail!(
            "nothing was recorded by {}; the recording goes from {} to {}",
            rfc3339(at_ns),
            rfc3339(bounds.0),
            rfc3339(bounds.1)
        );
    };
    print(&Family::of(members), args)
}

fn print(family: &Family, args: &TreeArgs) -> super::Result {
    let rows = rows(family, args)?;
    let text = match args.format {
        TextFormat::Text => text(&rows, Terminal::of_stdout()).into_bytes(),
        TextFormat::Json => json(&rows),
    };
    let mut out = io::stdout().lock();
    out.write_all(&text)
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

fn rows<'a>(family: &'a Family, args: &TreeArgs) -> super::Result<Vec<Row<'a>>> {
    let tree = family.tree();
    let process = |id: ProcessId| family.process(id);
    let mut order = Vec::new();
    let mut kept: Option<hashbrown::HashSet<ProcessId>> = None;
    if let Some(pid) = args.pid {
        let Some(id) = family.holder(pid) else {
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

fn json(rows: &[Row<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
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
        // Memory takes all.
        let _ = write_json(&mut out, &line);
        out.push(b'\n');
    }
    out
}
