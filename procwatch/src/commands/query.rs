//! `procwatch query`: a statement over a recording, and its answer.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, mpsc},
    time::Duration,
};

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use tokio::signal::unix::{SignalKind, signal};

use super::record;
use crate::{
    cli::{
        answer::Writer,
        args::{DbArgs, QueryArgs},
        json::{EventLine, SnapshotOf, write_json},
        terminal::Terminal,
    },
    collector::Now,
    config::Config,
    confine::Confinement,
    history::{
        History, HistoryError,
        sql::{Control, Faces, Here, QueryError, Sql},
    },
    model::{escape::terminal, event::Event, snapshot::Snapshot},
};

/// How long the end of an interrupted query may take: its reader may take nothing any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// The recording that is asked.
pub(super) fn path(args: &DbArgs, config: &Config) -> PathBuf {
    let named = args.db.as_ref().or(config.history.path.as_ref());
    named.cloned().unwrap_or_else(|| record::PATH.into())
}

pub(super) fn run(args: &QueryArgs, config: &Config, confinement: Confinement) -> super::Result {
    let path = path(&args.db, config);
    let shown = terminal(&path.display().to_string()).into_owned();
    let control = Arc::new(Control::default());
    let sql = Sql::open(&path, here(), FACES, Arc::clone(&control))
        .map_err(|error| unreadable(&shown, &error))?;
    let _confined = confinement.collecting().showing();
    let (format, timeout, statement) = (args.format, args.timeout, args.statement.clone());
    interruptible(&control, move || {
        let out = io::BufWriter::with_capacity(64 * 1024, io::stdout());
        let mut writer = Writer::new(out, format, Terminal::of_stdout());
        let answered = sql.run(&statement, timeout, &mut writer);
        // What was answered until then is written, whatever came after it; a heading alone says nothing.
        if answered.is_err() && writer.rows == 0 {
            writer.forget();
        }
        writer.finish().context("writing to standard output")?;
        match answered {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(QueryError::Output(error)) => Err(error).context("writing to standard output"),
            Err(error) => Err(error).context("query"),
        }
    })
}

/// Opens a recording, and tells from when to when it goes.
///
/// # Errors
/// When it cannot be read, or there is nothing in it: says what to try.
pub(super) fn open(path: &Path) -> super::Result<(History, (u64, u64))> {
    let shown = terminal(&path.display().to_string()).into_owned();
    let opened = History::open(path).and_then(|history| {
        let bounds = history.bounds()?;
        Ok((history, bounds))
    });
    let (history, bounds) = opened.map_err(|error| unreadable(&shown, &error))?;
    let Some(bounds) = bounds else {
        bail!("{shown}: nothing has been recorded yet; try again in a moment");
    };
    Ok((history, bounds))
}

/// With what to try.
pub(super) fn unreadable(shown: &str, error: &HistoryError) -> anyhow::Error {
    let remedy = match error {
        HistoryError::File(file) if file.kind() == io::ErrorKind::NotFound => {
            "; name a recording by --db, or make one with `procwatch record`"
        }
        HistoryError::File(file) if file.kind() == io::ErrorKind::PermissionDenied => {
            "; recordings are for root and their group to read"
        }
        _ => "",
    };
    anyhow::anyhow!("{shown} cannot be read: {error}{remedy}")
}

/// When and where a user asks.
pub(super) fn here() -> Here {
    Here {
        now_ns: Now::read().wall_ns,
        zone: TimeZone::system(),
    }
}

const FACES: Faces = Faces { event, host };

/// As `procwatch events --format json` has it.
fn event(event: &Event, wall_ns: u64) -> String {
    let boot_ns = event.time_ns.unwrap_or(0);
    let now = Now { boot_ns, wall_ns };
    json(&EventLine { event, now })
}

/// As `procwatch top --format json` has it.
fn host(snapshot: &Snapshot) -> String {
    let whole = json(&SnapshotOf {
        snapshot,
        processes: &[],
    });
    let host = serde_json::from_str::<serde_json::Value>(&whole)
        .ok()
        .and_then(|mut whole| whole.get_mut("host").map(serde_json::Value::take));
    host.map_or_else(String::new, |host| host.to_string())
}

fn json(value: &impl serde::Serialize) -> String {
    let mut out = Vec::new();
    // Memory takes all.
    let _ = write_json(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

/// Does the work of a command in a thread of its own, while this one waits for signals.
pub(super) fn interruptible(
    control: &Control,
    work: impl FnOnce() -> super::Result + Send + 'static,
) -> super::Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let (told, answer) = mpsc::sync_channel(1);
    let (wake, mut done) = tokio::sync::mpsc::unbounded_channel::<()>();
    let is_done = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        std::thread::Builder::new()
            .name("query".to_owned())
            .spawn(move || {
                let _ = told.send(work());
                drop(wake);
            })
            .context("the query's thread could not be started")?;
        let is_interrupted = tokio::select! {
            _ = done.recv() => false,
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
        };
        if is_interrupted {
            control.interrupt();
            let _ = tokio::time::timeout(PATIENCE, done.recv()).await;
        }
        anyhow::Ok(())
    });
    is_done?;
    match answer.try_recv() {
        Ok(result) => result,
        // It waits for a reader of its output, who takes nothing.
        Err(_) => Err(QueryError::Interrupted.into()),
    }
}
