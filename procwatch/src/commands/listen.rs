//! Listening to a running collection until it ends, or until the user or the system says stop.

use std::{io, time::Duration};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::{last_resort, source::Source};
use crate::{
    agent::{Agent, Finished, Message, Plan},
    cli::notice::notice,
    collector::Status,
    confine::Confinement,
    model::escape::terminal,
    viewers::{Feed, Viewer, Welcome},
};

/// How long the end may take before the user is told what it waits for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins to collect, or to look at a recorder. The thread that this is called on gives up its rights.
///
/// # Errors
/// When neither is possible.
pub(super) fn begin(source: Source, plan: Plan) -> super::Result<(Feed, Confinement)> {
    Ok(match source {
        Source::Own(start) => {
            let confinement = start.confinement.clone();
            let agent = Agent::start(start, plan)?;
            // That thread has taken over our rights, and gives up its own.
            (Feed::Own(agent), confinement.showing())
        }
        Source::Recorder(link, confinement) => {
            let confinement = confinement.collecting().showing();
            let viewer = Viewer::start(*link, plan).context("the recorder's socket")?;
            (Feed::Recorder(Box::new(viewer)), confinement)
        }
    })
}

/// What is heard while collection runs.
pub(super) enum Heard {
    Message(Message),
    /// SIGHUP: the configuration may be another one.
    Hangup,
}

/// Collects, hands every message to `each`, and returns the last word.
pub(super) fn listen(
    source: Source,
    plan: Plan,
    duration: Option<Duration>,
    mut each: impl FnMut(Message, &mut Feed, &Confinement) -> io::Result<()>,
) -> super::Result<Box<Finished>> {
    hear(
        source,
        plan,
        duration,
        false,
        |heard, feed, confinement| match heard {
            Heard::Message(message) => each(message, feed, confinement),
            Heard::Hangup => Ok(()),
        },
    )
}

/// The same; with `is_daemon` SIGHUP is heard too, instead of being the end.
pub(super) fn hear(
    source: Source,
    plan: Plan,
    duration: Option<Duration>,
    is_daemon: bool,
    mut each: impl FnMut(Heard, &mut Feed, &Confinement) -> io::Result<()>,
) -> super::Result<Box<Finished>> {
    let recorder = source.recorder().cloned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut hangup = is_daemon
            .then(|| signal(SignalKind::hangup()))
            .transpose()
            .context("listening for SIGHUP")?;
        let (mut feed, confinement) = begin(source, plan)?;
        last_resort::stand_by();
        let mut finished = None;
        let mut deadline = None;
        let mut output_error = None;
        let mut patience = None;
        loop {
            let time_is_up = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let takes_long = async {
                match patience {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = feed.next() => match message.context("looking at the recorder")? {
                    None => break,
                    Some(Message::Finished(last)) => finished = Some(last),
                    Some(message) => {
                        if let Message::Ready(status) = &message {
                            announce(status, recorder.as_ref());
                            deadline = duration.map(|span| tokio::time::Instant::now() + span);
                        }
                        if let Err(error) = each(Heard::Message(message), &mut feed, &confinement) {
                            output_error = Some(error);
                            feed.stop();
                            break;
                        }
                    }
                },
                _ = hung_up => {
                    if let Err(error) = each(Heard::Hangup, &mut feed, &confinement) {
                        output_error = Some(error);
                        feed.stop();
                        break;
                    }
                }
                _ = interrupt.recv() => {
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                    feed.stop();
                }
                _ = terminate.recv() => {
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                    feed.stop();
                }
                () = time_is_up => {
                    deadline = None;
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                    feed.stop();
                }
                () = takes_long => {
                    patience = None;
                    notice(format_args!("waiting for the kernel to close the last accounts; Ctrl-C ends at once"));
                }
            }
        }
        feed.join()?;
        match (output_error, finished) {
            (Some(error), _) => Err(error).context("writing to standard output"),
            (None, Some(mut finished)) => {
                finished.confinement = finished.confinement.with(confinement.report());
                Ok(finished)
            }
            (None, None) => anyhow::bail!("collection ended without a last word"),
        }
    })
}

/// One line to standard error once everything is attached that can be.
fn announce(status: &Status, recorder: Option<&Welcome>) {
    if let Some(recorder) = recorder {
        return notice(format_args!(
            "ready: looking at the recorder, process {}, which writes {}",
            recorder.pid,
            terminal(&recorder.recording)
        ));
    }
    match &status.degraded {
        None => {
            let measuring = status
                .probes
                .iter()
                .filter(|(_, state)| state.is_measuring());
            let (attached, all) = (measuring.count(), status.probes.len());
            let missing = match all - attached {
                0 => String::new(),
                missing => format!(", {missing} missing: `procwatch status` says which and why"),
            };
            notice(format_args!("ready: {attached} hooks attached{missing}"));
        }
        Some(why) => notice(format_args!(
            "ready: on /proc alone, sampled and not exact: {why}"
        )),
    }
}
