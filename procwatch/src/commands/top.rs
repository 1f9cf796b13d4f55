//! `procwatch top`: the live table, or one snapshot.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;

use super::listen::{Then, listen};
use crate::{
    agent::{Events, Message, Plan},
    cli::{
        args::{TableFormat, TopArgs},
        csv, json,
        table::{self, Row},
        terminal::Terminal,
    },
    collector::{Freshness, Start},
    model::{
        sample::Sample,
        selection::{Arrangement, Selection},
        snapshot::Snapshot,
    },
};

pub(super) fn run(args: &TopArgs, start: Start) -> super::Result {
    let start = Start {
        pss: args.pss,
        ..start
    };
    let selection = Selection {
        filter: args.filter.clone(),
        sort: args.sort,
        limit: args.limit,
        arrangement: if args.tree {
            Arrangement::Tree
        } else {
            Arrangement::Flat
        },
    };
    let plan = Plan {
        interval: args.interval,
        samples_max: args.once.then_some(2),
        events: Events::Silent,
        freshness: Freshness::Economical,
    };
    let mut screen = Screen::new(args);
    let mut previous: Option<Arc<Sample>> = None;
    let mut degraded = None;
    let mut shown = 0_u64;
    let finished = listen(start, plan, None, |message| {
        match message {
            Message::Ready(status) => degraded = status.degraded,
            Message::Sample(sample) => {
                if let Some(previous) = &previous {
                    let snapshot = Snapshot::derive(previous, Arc::clone(&sample));
                    screen.show(&snapshot, &selection, degraded.as_deref())?;
                    shown += 1;
                }
                previous = Some(sample);
            }
            Message::Events { .. } | Message::Finished(_) => {}
        }
        Ok(Then::GoOn)
    });
    screen.restore()?;
    let finished = finished?;
    if args.once && shown == 0 {
        // Stopped before the second sample.
        return Ok(ExitCode::SUCCESS);
    }
    drop(finished);
    Ok(ExitCode::SUCCESS)
}

/// Where snapshots are written to.
struct Screen {
    format: TableFormat,
    terminal: Terminal,
    /// The table is drawn over the one before.
    is_live: bool,
    is_limited: bool,
}

impl Screen {
    fn new(args: &TopArgs) -> Self {
        let terminal = Terminal::of_stdout();
        let is_table = args.format == TableFormat::Table;
        Self {
            format: args.format,
            terminal,
            is_live: terminal.is_interactive && is_table && !args.once,
            is_limited: args.limit.is_some(),
        }
    }

    fn show(
        &mut self,
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
                serde_json::to_writer(&mut out, &shown)?;
                out.write_all(b"\n")?;
            }
            TableFormat::Csv => {
                let processes: Vec<_> = rows.into_iter().map(|(_, view)| view).collect();
                csv::write(&mut out, &processes)?;
            }
            TableFormat::Table => {
                let mut rows: Vec<_> = rows
                    .into_iter()
                    .map(|(depth, view)| Row { view, depth })
                    .collect();
                if self.is_live {
                    self.terminal = Terminal::of_stdout();
                }
                if self.is_live && !self.is_limited {
                    // An empty line, the heading, and the line of the cursor.
                    let head = table::summary(snapshot, degraded).len() + 3;
                    rows.truncate(self.terminal.height.saturating_sub(head));
                }
                let width = self.terminal.width;
                let text = table::render(snapshot, &rows, selection.sort, degraded, width);
                if self.is_live {
                    // Home, then each line clears what was there: no flicker.
                    out.write_all(b"\x1b[H")?;
                    out.write_all(text.replace('\n', "\x1b[K\n").as_bytes())?;
                    out.write_all(b"\x1b[J")?;
                } else {
                    out.write_all(text.as_bytes())?;
                }
            }
        }
        out.flush()
    }

    /// Leaves the last table on the screen, with the cursor below it.
    fn restore(&self) -> super::Result<()> {
        if self.is_live {
            let mut out = io::stdout().lock();
            out.write_all(b"\n")
                .and_then(|()| out.flush())
                .context("writing to the terminal")?;
        }
        Ok(())
    }
}
