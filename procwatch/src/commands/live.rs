//! The live view on a terminal: collection, keys and frames brought together.

use std::{io, process::ExitCode, time::Duration};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

use super::{listen::begin, source::Source, view_file};
use crate::{
    agent::{Events, Message, Plan},
    cli::args::TopArgs,
    collector::{Freshness, Now, Request},
    model::{field::Field, filter::Filter, selection::Arrangement},
    tui::{
        Data, Depth, Effect, State, Theme, draw,
        terminal::{self, Event, Screen},
    },
    viewers::Feed,
};

/// A picture that gets late says so, which takes a new frame.
const LATE_CHECK: Duration = Duration::from_secs(1);
/// Events of the terminal that wait; a paste is more than anybody types.
const EVENTS_WAITING: usize = 1024;
/// How long what became of a deed stands in the last line.
const NOTICE: Duration = Duration::from_secs(4);

/// Shows the live view until the user ends it.
///
/// # Errors
/// When the terminal or the collection fails.
pub(super) fn run(args: &TopArgs, source: Source, interval: Duration) -> super::Result {
    // Only while their view is open are they told.
    let source = source.with(|start| start.kernel.connections = true);
    let recorder = source.recorder().map(|recorder| recorder.pid);
    let plan = Plan {
        interval,
        samples_max: None,
        events: Events::WithSamples,
        freshness: Freshness::Economical,
        last_question: None,
    };
    let state = first_state(Wanted {
        sort: args.sort,
        tree: args.tree,
        filter: args.filter.as_ref(),
        limit: args.limit,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    runtime.block_on(async {
        // This thread only shows; that which reads keys is started by it.
        let (mut feed, _confined) = begin(source, plan)?;
        feed.ask(Request::ConnectionEvents(false));
        let mut data = Data::new(interval, Now::read(), TimeZone::system());
        data.recorder = recorder;
        let shown = show(&mut feed, state, data).await;
        // The terminal is back before anything is said, and before the end is waited for.
        feed.join()?;
        shown
    })?;
    Ok(ExitCode::SUCCESS)
}

/// As the layout that was kept, and the command line, have it.
pub(super) fn first_state(wanted: Wanted<'_>) -> State {
    let mut layout = view_file::load();
    if let Some(sort) = wanted.sort {
        layout.sort = sort;
    }
    if wanted.tree {
        layout.arrangement = Arrangement::Tree;
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let theme = Theme {
        palette: layout.palette,
        depth: Depth::of(
            !variable("NO_COLOR").is_empty(),
            &variable("COLORTERM"),
            &variable("TERM"),
        ),
    };
    let filter = wanted.filter.cloned().map(|filter| {
        let text = filter.to_string();
        (filter, text)
    });
    let mut state = State::new(layout, theme, filter);
    state.limit = wanted.limit;
    state
}

/// What the command line says about a view.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub sort: Option<Field>,
    pub tree: bool,
    pub filter: Option<&'a Filter>,
    pub limit: Option<usize>,
}

async fn show(feed: &mut Feed, mut state: State, mut data: Data) -> super::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let late_check = LATE_CHECK.max(data.interval * 2);
    let mut screen = Screen::take().context("the terminal cannot be used")?;
    let mut keys = keys().context("the keyboard cannot be listened to")?;
    let mut notice_ends: Option<Instant> = None;
    loop {
        data.now = Now::read();
        screen
            .draw(|frame| draw(frame, &mut state, &data))
            .context("drawing on the terminal")?;
        tokio::select! {
            message = feed.next() => match message.context("looking at the recorder")? {
                None => return Ok(()),
                Some(message) => {
                    let had_notice = data.done.is_some();
                    take(message, &mut data, feed, &state);
                    if data.done.is_some() && !had_notice {
                        notice_ends = Some(Instant::now() + NOTICE);
                    }
                }
            },
            event = keys.recv() => {
                let Some(event) = event else {
                    return Ok(());
                };
                let event = event.context("reading the keyboard")?;
                for effect in state.input(&event, &data) {
                    match effect {
                        Effect::Quit => return Ok(()),
                        Effect::Ask(request) => feed.ask(request),
                        // There is no recording to go through.
                        Effect::Travel(_) => {}
                        Effect::Save(layout) => {
                            data.done = Some(view_file::save(&layout));
                            notice_ends = Some(Instant::now() + NOTICE);
                        }
                    }
                }
            }
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            () = tokio::time::sleep(late_check) => {}
        }
        if notice_ends.is_some_and(|end| Instant::now() >= end) {
            notice_ends = None;
            data.done = None;
        }
    }
}

fn take(message: Message, data: &mut Data, feed: &mut Feed, state: &State) {
    match message {
        Message::Ready(status) => data.degraded = status.degraded,
        Message::Sample(sample) => {
            data.sample(sample);
            // What is held is looked at, and not what is there now.
            if state.held.is_none() {
                for request in state.wants() {
                    feed.ask(request);
                }
            }
        }
        Message::Events { batch, now } => data.events(batch, now),
        Message::Answer(answer) => data.answer(answer),
        Message::Finished(_) => {}
    }
}

/// Keys, the mouse and changes of size, as they come. The thread waits for the terminal, and ends with it or
/// with the process.
pub(super) fn keys() -> io::Result<mpsc::Receiver<io::Result<Event>>> {
    let (sender, keys) = mpsc::channel(EVENTS_WAITING);
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            loop {
                let event = terminal::read();
                let is_over = event.is_err();
                if sender.blocking_send(event).is_err() || is_over {
                    return;
                }
            }
        })?;
    Ok(keys)
}

/// Whether a person is there to look and to press keys.
pub(super) fn is_possible() -> bool {
    use std::io::IsTerminal as _;
    io::stdout().is_terminal() && io::stdin().is_terminal()
}
