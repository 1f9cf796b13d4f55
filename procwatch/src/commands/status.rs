//! `procwatch status`: what works here, what does not and why, and what that costs.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use super::{listen::listen, source::Source};
use crate::{
    agent::{Events, Message, Plan},
    cli::{
        args::{StatusArgs, TextFormat},
        status::{json, text},
    },
    collector::{Answer, Cost, Freshness, Request},
    confine::Report,
};

pub(super) fn run(args: &StatusArgs, source: Source) -> super::Result {
    let source = source.with(|start| start.kernel.count_runs = true);
    let recorder = source.recorder().cloned();
    let plan = Plan {
        interval: args.duration,
        samples_max: None,
        events: Events::Silent,
        freshness: Freshness::Full,
        last_question: Some(Request::Standing),
    };
    let mut standings = Vec::new();
    let mut confined = Report::default();
    listen(
        source,
        plan,
        Some(args.duration),
        |message, feed, confinement| {
            match message {
                Message::Ready(_) => feed.ask(Request::Standing),
                Message::Answer(Answer::Standing(standing)) => standings.push(*standing),
                _ => {}
            }
            confined = confinement.report().clone();
            Ok(())
        },
    )?;
    let [before, .., after] = standings.as_slice() else {
        bail!(
            "the collection ended before it could be asked twice; give it longer with --duration"
        );
    };
    let elsewhere = recorder.as_ref().map_or(&confined, |one| &one.confinement);
    let confined = after.confinement.clone().with(elsewhere);
    let cost = Cost::between(before, after);
    let status = &after.status;
    let text = match args.format {
        TextFormat::Text => text(after, &cost, &confined, recorder.as_ref()),
        TextFormat::Json => json(after, &cost, &confined, recorder.as_ref()) + "\n",
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("writing to standard output")?;
    Ok(ExitCode::from(u8::from(status.is_degraded())))
}
