//! `procwatch export` and `procwatch import`: a window of a recording as a file, there and back.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Context as _;

use super::{query, window::window};
use crate::{
    cli::{
        args::{ExportArgs, ImportArgs},
        json::rfc3339,
        notice::notice,
        progress::Progress,
    },
    config::Config,
    confine::Confinement,
    history::{self, History, sql::Control},
    model::{escape::terminal, units::format_bytes},
};

pub(super) fn export(
    args: &ExportArgs,
    config: &Config,
    confinement: Confinement,
) -> super::Result {
    let path = query::path(&args.db, config);
    let (history, bounds) = query::open(&path)?;
    let _confined = confinement.collecting().showing();
    let window = window(&args.window, bounds, &query::here())?;
    copy(history, window, &args.output, "exporting")
}

pub(super) fn import(args: &ImportArgs, confinement: Confinement) -> super::Result {
    let (history, bounds) = query::open(&args.file)?;
    let _confined = confinement.collecting().showing();
    // The first sample is of the window too.
    let window = (bounds.0.saturating_sub(1), bounds.1);
    copy(history, window, &args.db, "importing")
}

fn copy(mut history: History, window: (u64, u64), to: &Path, what: &'static str) -> super::Result {
    let to = to.to_owned();
    let shown = terminal(&to.display().to_string()).into_owned();
    let control = Arc::new(Control::default());
    let watched = Arc::clone(&control);
    query::interruptible(&control, move || {
        let mut progress = Progress::new(what);
        let copied = history::export(&mut history, window, &to, &mut |done, all| {
            progress.tell(done, all);
            watched.why_to_stop().is_none()
        });
        drop(progress);
        let copied = copied.with_context(|| format!("{shown} cannot be made"))?;
        let size = std::fs::metadata(&to).map_or(0, |file| file.len());
        notice(format_args!(
            "{} samples, {} processes and {} events, from {} to {}, are in {shown}: {}",
            copied.samples,
            copied.processes,
            copied.events,
            rfc3339(window.0),
            rfc3339(window.1),
            format_bytes(size)
        ));
        Ok(ExitCode::SUCCESS)
    })
}
