//! `procwatch replay`: the live view of a recording, at any time in it.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    live::{self, Wanted},
    query,
    top::Output,
    view_file,
};
use crate::{
    cli::{
        args::{ReplayArgs, TableFormat},
        terminal::Terminal,
    },
    collector::{Now, Request},
    config::Config,
    confine::Confinement,
    history::History,
    model::{
        escape::terminal,
        field::Field,
        lineage::Lineage,
        moment::parse_moment,
        selection::{Arrangement, Direction, Selection},
    },
    tui::{Data, Effect, Recording, State, Travel, draw, terminal::Screen},
};

/// Samples around the one that is shown that are at hand.
const AROUND: u64 = 60;
const SECOND_NS: u64 = 1_000_000_000;
const SPEED_MAX: u32 = 64;
/// How often the end of a recording that still grows is looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn run(args: &ReplayArgs, config: &Config, confinement: Confinement) -> super::Result {
    let path = query::path(&args.db, config);
    let shown = terminal(&path.display().to_string()).into_owned();
    let mut history =
        History::open(&path).with_context(|| format!("{shown} cannot be replayed"))?;
    // From here on it is only read, and shown.
    let _confined = confinement.collecting().showing();
    let Some((from_ns, to_ns)) = history.bounds()? else {
        bail!("{shown} cannot be replayed: nothing has been recorded to it yet");
    };
    let zone = TimeZone::system();
    let at_ns = match &args.at {
        Some(text) => parse_moment(text, Now::read().wall_ns, &zone)
            .with_context(|| format!("--at {}", crate::model::escape::quoted(text)))?,
        None => to_ns,
    };
    if args.once || args.format != TableFormat::Table || !live::is_possible() {
        return once(args, &mut history, at_ns, &shown);
    }
    let wanted = Wanted {
        sort: args.sort,
        tree: args.tree,
        filter: args.filter.as_ref(),
        limit: args.limit,
    };
    let mut replay = Replay {
        state: live::first_state(wanted),
        data: Data::new(Duration::from_secs(1), Now::read(), zone),
        history,
    };
    replay.data.recording = Some(Recording {
        from_ns,
        to_ns,
        is_playing: false,
        speed: 1,
        lineage: Lineage::default(),
    });
    replay.data.connections = Some(Err(
        "a recording has no list of what was open; 5 shows what was opened and closed".to_owned(),
    ));
    replay.data.inspection.missing =
        Some("a recording has what a process cost, and not what it had open".to_owned());
    replay.load(at_ns)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    runtime.block_on(replay.show())?;
    Ok(ExitCode::SUCCESS)
}

/// For a pipe: one snapshot, as `top --once` has it.
fn once(args: &ReplayArgs, history: &mut History, at_ns: u64, shown: &str) -> super::Result {
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
    let Some(snapshot) = history.snapshot_at(at_ns)? else {
        bail!("{shown} cannot be replayed: it begins after that time; `--at` something later");
    };
    let output = Output {
        format: args.format,
        terminal: Terminal::of_stdout(),
    };
    output
        .show(&snapshot, &selection, None)
        .context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

struct Replay {
    history: History,
    data: Data,
    state: State,
}

impl Replay {
    async fn show(mut self) -> super::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
        let mut screen = Screen::take().context("the terminal cannot be used")?;
        let mut keys = live::keys().context("the keyboard cannot be listened to")?;
        loop {
            screen
                .draw(|frame| draw(frame, &mut self.state, &self.data))
                .context("drawing on the terminal")?;
            let pause = self.pause();
            tokio::select! {
                event = keys.recv() => {
                    let Some(event) = event else {
                        return Ok(());
                    };
                    let event = event.context("reading the keyboard")?;
                    self.data.done = None;
                    for effect in self.state.input(&event, &self.data) {
                        match effect {
                            Effect::Quit => return Ok(()),
                            Effect::Travel(travel) => self.travel(travel)?,
                            Effect::Save(layout) => self.data.done = Some(view_file::save(&layout)),
                            Effect::Ask(Request::Signal(..) | Request::Renice(..)) => {
                                self.data.done = Some(Err("what has been cannot be changed".to_owned()));
                            }
                            Effect::Ask(_) => {}
                        }
                    }
                }
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                _ = hang_up.recv() => return Ok(()),
                () = tokio::time::sleep(pause.unwrap_or(LOOK_INTERVAL)) => {
                    if pause.is_some() {
                        self.travel(Travel::Step(1))?;
                    }
                    self.look_for_more()?;
                }
            }
        }
    }

    /// Until the next sample is shown. `None` while time is held.
    fn pause(&self) -> Option<Duration> {
        let recording = self.data.recording.as_ref().filter(|one| one.is_playing)?;
        let next = self.data.timeline.at(self.position()? + 1);
        let interval_ns = next.map_or(SECOND_NS, |next| next.interval_ns);
        let pause = Duration::from_nanos(interval_ns) / recording.speed.max(1);
        Some(pause.clamp(Duration::from_millis(10), Duration::from_secs(10)))
    }

    fn position(&self) -> Option<u64> {
        self.state.held.or(self.data.timeline.newest())
    }

    fn time_ns(&self) -> Option<u64> {
        Some(self.data.timeline.at(self.position()?)?.sample.time_ns)
    }

    fn travel(&mut self, travel: Travel) -> super::Result<()> {
        match travel {
            Travel::To(time_ns) => self.load(time_ns)?,
            Travel::End => self.load(u64::MAX / 2)?,
            Travel::Step(samples) => self.step(samples)?,
            Travel::PlayOrHold | Travel::Faster | Travel::Slower => {}
        }
        let Some(recording) = &mut self.data.recording else {
            return Ok(());
        };
        match travel {
            Travel::PlayOrHold => recording.is_playing = !recording.is_playing,
            Travel::Faster => recording.speed = (recording.speed * 2).min(SPEED_MAX),
            Travel::Slower => recording.speed = (recording.speed / 2).max(1),
            Travel::Step(_) | Travel::To(_) | Travel::End => {}
        }
        Ok(())
    }

    /// So many samples on: of those at hand, or of others around the last of them.
    fn step(&mut self, samples: i64) -> super::Result<()> {
        let (Some(at), Some(newest)) = (self.position(), self.data.timeline.newest()) else {
            return Ok(());
        };
        let oldest = self.data.timeline.oldest();
        let wanted = at.saturating_add_signed(samples);
        if (oldest..=newest).contains(&wanted) {
            self.hold(wanted);
            return Ok(());
        }
        let edge = if samples < 0 { oldest } else { newest };
        let Some(edge_ns) = self.data.timeline.at(edge).map(|edge| edge.sample.time_ns) else {
            return Ok(());
        };
        let before = at;
        self.load(edge_ns)?;
        let left = wanted as i64 - edge as i64;
        if let Some(position) = self.position() {
            let newest = self.data.timeline.newest().unwrap_or(position);
            let target = position
                .saturating_add_signed(left)
                .clamp(self.data.timeline.oldest(), newest);
            self.hold(target);
        }
        let is_at_end = self.time_ns() == Some(edge_ns) && before == edge;
        if is_at_end {
            let text = if samples < 0 {
                "the recording begins here"
            } else {
                "the recording ends here"
            };
            self.data.done = Some(Ok(text.to_owned()));
            if let Some(recording) = &mut self.data.recording {
                recording.is_playing &= samples < 0;
            }
        }
        Ok(())
    }

    fn hold(&mut self, position: u64) {
        self.state.held = Some(position);
        self.settle_clock();
    }

    /// What is "now" is the time that is shown: ages and durations count up to it.
    fn settle_clock(&mut self) {
        let sample = self.position().and_then(|at| self.data.timeline.at(at));
        if let Some(snapshot) = sample {
            self.data.now = Now {
                boot_ns: snapshot.sample.boot_time_ns,
                wall_ns: snapshot.sample.time_ns,
            };
        }
    }

    /// Gets the samples around a time, and the events among them, of the finest tier that has any.
    fn load(&mut self, time_ns: u64) -> super::Result<()> {
        let Some((from_ns, to_ns)) = self.history.bounds()? else {
            return Ok(());
        };
        let time_ns = time_ns.clamp(from_ns, to_ns);
        let mut tier = 0;
        while let Some(pace_ns) = History::pace_ns(tier) {
            let around_ns = pace_ns.max(SECOND_NS) * AROUND;
            let window = (
                time_ns.saturating_sub(around_ns),
                time_ns.saturating_add(around_ns),
            );
            let (samples, keys) = self.history.samples_and_keys(tier, window.0, window.1)?;
            tier += 1;
            if samples.len() < 2 {
                continue;
            }
            let window = (samples[0].time_ns, samples[samples.len() - 1].time_ns);
            self.data.forget_samples();
            for sample in samples {
                self.data.sample(Arc::new(sample));
            }
            if let Some(recording) = &mut self.data.recording {
                recording.lineage = self.history.lineage(&keys)?;
            }
            let events = self.history.events(window.0, window.1)?;
            self.data.past_events(events);
            let timeline = &self.data.timeline;
            let position = timeline.position_at(time_ns).unwrap_or(timeline.oldest());
            self.hold(position);
            return Ok(());
        }
        self.data.done = Some(Err("nothing was recorded around that time".to_owned()));
        Ok(())
    }

    /// A recorder may be at work.
    fn look_for_more(&mut self) -> super::Result<()> {
        let bounds = self.history.bounds()?;
        if let (Some(recording), Some((from_ns, to_ns))) = (&mut self.data.recording, bounds) {
            (recording.from_ns, recording.to_ns) = (from_ns, to_ns);
        }
        Ok(())
    }
}
