//! Listening to a running collection until it ends, or until the user or the system says stop.

use std::{io, time::Duration};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::last_resort;
use crate::{
    agent::{Agent, Finished, Message, Plan},
    collector::{Start, Status},
};

/// How long the end may take before the user is told what it waits for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the listener wants after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// Stop collecting: there is nothing more to show, or nobody to show it to.
    Stop,
}

/// Collects, hands every message to `each`, and returns the last word.
pub(super) fn listen(
    start: Start,
    plan: Plan,
    duration: Option<Duration>,
    mut each: impl FnMut(Message) -> io::Result<Then>,
) -> super::Result<Box<Finished>> {
    last_resort::stand_by();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut agent = Agent::start(start, plan)?;
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
            tokio::select! {
                message = agent.next() => match message {
                    None => break,
                    Some(Message::Finished(last)) => finished = Some(last),
                    Some(message) => {
                        if let Message::Ready(status) = &message {
                            announce(status);
                            deadline = duration.map(|span| tokio::time::Instant::now() + span);
                        }
                        match each(message) {
                            Ok(Then::GoOn) => {}
                            Ok(Then::Stop) => agent.stop(),
                            Err(error) => {
                                output_error = Some(error);
                                agent.stop();
                                break;
                            }
                        }
                    }
                },
                _ = interrupt.recv() => {
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                    agent.stop();
                }
                _ = terminate.recv() => {
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                    agent.stop();
                }
                () = time_is_up => {
                    deadline = None;
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                    agent.stop();
                }
                () = takes_long => {
                    patience = None;
                    eprintln!("waiting for the kernel to close the last accounts; Ctrl-C ends at once");
                }
            }
        }
        agent.join()?;
        match (output_error, finished) {
            (Some(error), _) => Err(error).context("writing to standard output"),
            (None, Some(finished)) => Ok(finished),
            (None, None) => anyhow::bail!("collection ended without a last word"),
        }
    })
}

/// One line to standard error once everything is attached that can be.
fn announce(status: &Status) {
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
            eprintln!("ready: {attached} hooks attached{missing}");
        }
        Some(why) => eprintln!("ready: on /proc alone, sampled and not exact: {why}"),
    }
}
