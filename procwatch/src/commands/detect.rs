//! `procwatch detect --csv`: the streaming detectors over anybody's series, a verdict a row.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, anyhow, bail};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{
    cli::{
        args::{AnswerFormat, DetectArgs},
        terminal::Terminal,
        verdicts::Verdicts,
    },
    confine::Confinement,
    detect::{
        Series,
        row::{Columns, Row},
    },
    model::escape::terminal,
};

/// More than any line of a series.
const LINE_MAX: u64 = 64 * 1024;
/// Bytes that are read, and written, at once.
const BUFFER: usize = 64 * 1024;

pub(super) fn run(args: &DetectArgs, confinement: Confinement) -> super::Result {
    let is_stdin = args.csv == Path::new("-");
    let shown = if is_stdin {
        "standard input".to_owned()
    } else {
        terminal(&args.csv.display().to_string()).into_owned()
    };
    let input: Box<dyn Read + Send> = if is_stdin {
        Box::new(io::stdin())
    } else {
        let opened = File::open(&args.csv);
        Box::new(opened.with_context(|| format!("{shown} cannot be read"))?)
    };
    let _confined = confinement.collecting().showing();
    let format = args.format;
    until_signalled(move |stop| {
        let input = BufReader::with_capacity(BUFFER, input);
        judge(input, &shown, format, &stop)
    })
}

/// Judges line by line, until the end or until told to stop.
fn judge(
    mut input: BufReader<Box<dyn Read + Send>>,
    shown: &str,
    format: AnswerFormat,
    stop: &AtomicBool,
) -> super::Result {
    let out = io::BufWriter::with_capacity(BUFFER, io::stdout());
    let mut verdicts = Verdicts::new(out, format, Terminal::of_stdout());
    let mut series = Series::default();
    let mut columns = Columns::default();
    let mut line = String::new();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        line.clear();
        let read = input.by_ref().take(LINE_MAX).read_line(&mut line);
        let length = match read {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                bail!("{shown}: line {}: not UTF-8 text", number + 1)
            }
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        if length == 0 {
            break;
        }
        number += 1;
        if length as u64 == LINE_MAX {
            bail!("{shown}: line {number}: longer than 64KiB; a line is timestamp,value");
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match Row::parse(&line, columns) {
            Ok((timestamp, row)) => {
                let verdict = series.observe(row.time_ns, row.value);
                verdicts
                    .row(timestamp, row, &verdict)
                    .context("writing to standard output")?;
            }
            // The first line may be a header.
            Err(_) if number == 1 => columns = Columns::of_header(&line),
            Err(error) => {
                verdicts.flush().context("writing to standard output")?;
                return Err(anyhow!("{shown}: line {number}: {error}"));
            }
        }
        if input.buffer().is_empty() {
            verdicts.flush().context("writing to standard output")?;
        }
    }
    verdicts.finish().context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Does the work in a thread of its own, which may wait for input for ever; a signal ends the command all the
/// same. Whatever was judged before the wait has been written by then.
fn until_signalled(
    work: impl FnOnce(Arc<AtomicBool>) -> super::Result + Send + 'static,
) -> super::Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let (told, mut answer) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new()
            .name("detect".to_owned())
            .spawn(move || {
                let _ = told.send(work(stopped));
            })
            .context("the thread could not be started")?;
        tokio::select! {
            answer = &mut answer => return answer.context("detect")?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.store(true, Ordering::Relaxed);
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.context("detect")?,
            Err(_) => Ok(ExitCode::SUCCESS),
        }
    })
}

/// How long a row that is under way may take when a signal comes.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(300);
