//! `procwatch top`: snapshots to a pipe or a file; on a terminal, the live view.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use super::{listen::listen, live, source::Source};
use crate::{
    agent::{Events, Message, Plan},
    cli::{
        args::{TableFormat, TopArgs},
        csv, json,
        table::{self, Row},
        terminal::Terminal,
    },
    collector::Freshness,
    config::Config,
    model::{
        field::Field,
        sample::Sample,
        selection::{Arrangement, Direction, Selection},
        snapshot::Snapshot,
    },
};

/// When neither the command line nor the configuration says.
const INTERVAL: Duration = Duration::from_secs(1);

/// Whether it is the live view that was asked for, and not snapshots.
pub(super) fn is_live(args: &TopArgs) -> bool {
    args.format == TableFormat::Table && !args.once && live::is_possible()
}

pub(super) fn run(args: &TopArgs, source: Source, config: &Config) -> super::Result {
    let source = source.with(|start| start.pss = args.pss);
    let interval = match source.recorder() {
        Some(recorder) => args
            .interval
            .unwrap_or(Duration::from_nanos(recorder.interval_ns)),
        None => args.interval.or(config.record.interval).unwrap_or(INTERVAL),
    };
    if is_live(args) {
        return live::run(args, source, interval);
    }
    let selection = Selection {
        filter: args.filter.clone(),
        sort: args.sort.unwrap_or(Field::CpuPct),
        direction: Direction::Usual,
        limit: args.limit,
        arrangement: if args.tree {
            Arrangement::Tree
        } else {
            Arrangement::Flat
        },
    };
    let plan = Plan {
        interval,
        samples_max: args.once.then_some(2),
        events: Events::Silent,
        freshness: Freshness::Economical,
        last_question: None,
    };
    let output = Output {
        format: args.format,
        terminal: Terminal::of_stdout(),
    };
    let mut previous: Option<Arc<Sample>> = None;
    let mut degraded = None;
    let finished = listen(source, plan, None, |message, _, _| {
        match message {
            Message::Ready(status) => degraded = status.degraded,
            Message::Sample(sample) => {
                if let Some(previous) = &previous {
                    let snapshot = Snapshot::derive(previous, Arc::clone(&sample));
                    output.show(&snapshot, &selection, degraded.as_deref())?;
                }
                previous = Some(sample);
            }
            Message::Events { .. } | Message::Answer(_) | Message::Finished(_) => {}
        }
        Ok(())
    });
    finished?;
    Ok(ExitCode::SUCCESS)
}

/// How snapshots are written to a pipe or a file.
pub(super) struct Output {
    pub format: TableFormat,
    pub terminal: Terminal,
}

impl Output {
    pub(super) fn show(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
        degraded: Option<&str>,
    ) -> io::Result<()> {
        let rows = selection.of(snapshot);
        let mut out = io::BufWriter::new(io::stdout().lock());
        match self.format {
            TableFormat::Json => {
                let processes: Vec<_> = rows.into_iter().map(|(_, view)| view).collect();
                let shown = json::SnapshotOf {
                    snapshot,
                    processes: &processes,
                };
                json::write_json(&mut out, &shown)?;
                out.write_all(b"\n")?;
            }
            TableFormat::Csv => {
                let processes: Vec<_> = rows.into_iter().map(|(_, view)| view).collect();
                csv::write(&mut out, &processes, self.terminal)?;
            }
            TableFormat::Table => {
                let rows: Vec<_> = rows
                    .into_iter()
                    .map(|(depth, view)| Row { view, depth })
                    .collect();
                let text = table::render(
                    snapshot,
                    &rows,
                    selection.sort,
                    degraded,
                    self.terminal.width,
                );
                out.write_all(text.as_bytes())?;
            }
        }
        out.flush()
    }
}
