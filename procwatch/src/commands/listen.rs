//! Listening to a running collection until it ends, or until the user or the system says stop.

use std::io;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    agent::{Agent, Finished, Message, Plan},
    collector::{Start, Status},
};

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
    duration: Option<std::time::Duration>,
    mut each: impl FnMut(Message) -> io::Result<Then>,
) -> super::Result<Box<Finished>> {
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
        loop {
            let time_is_up = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
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
                _ = interrupt.recv() => agent.stop(),
                _ = terminate.recv() => agent.stop(),
                () = time_is_up => {
                    deadline = None;
                    agent.stop();
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
        None => eprintln!("ready: {} hooks attached", status.probes.len()),
        Some(why) => eprintln!("ready: on /proc alone, sampled and not exact: {why}"),
    }
}
