//! `procwatch record`: everything that is collected, into a recording.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::{
    alerting::Alerting,
    config_file,
    listen::{Heard, hear},
    service::Service,
    source::Source,
};
use crate::{
    agent::{Events, Message, Plan},
    cli::{args::RecordArgs, notice::notice},
    collector::{Answer, Freshness, Now, Status, boot_id},
    config::{self, Config},
    confine::Exemption,
    history::{Limits, Store},
    model::{escape::terminal, event::Event, notifier::Channel, units::format_bytes},
    viewers::{Place, Server, Welcome},
};

/// Where the recording is when nobody says.
pub(super) const PATH: &str = "/var/lib/procwatch/procwatch.db";
/// When neither the command line nor the configuration says.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same for the size of the recording: weeks of a usual host.
const SIZE_MAX: u64 = 2 << 30;
/// Events that wait for the sample they go with.
const EVENTS_MAX: usize = 200_000;

/// The file that is to be recorded to.
pub(super) fn path(args: &RecordArgs, config: &Config) -> PathBuf {
    let named = args.db.as_ref().or(config.history.path.as_ref());
    named.cloned().unwrap_or_else(|| PATH.into())
}

/// The socket that those who look on come to. A recorder does without one that it cannot have, and says so. To be
/// made before rights are given up.
pub(super) fn place(path: &Path) -> Option<Place> {
    let shown = terminal(&path.display().to_string()).into_owned();
    match Place::make(path) {
        Ok(place) => {
            if let Some(why) = &place.only_owner {
                notice(format_args!(
                    "procwatch: only root can look on at {shown}: {why}"
                ));
            }
            Some(place)
        }
        Err(error) => {
            notice(format_args!(
                "procwatch: nobody can look on at {shown}: {error}; recording all the same"
            ));
            None
        }
    }
}

pub(super) fn run(
    args: &RecordArgs,
    source: Source,
    config: &Config,
    config_path: Option<&Path>,
    mut place: Option<Place>,
) -> super::Result {
    let path = path(args, config);
    let shown = terminal(&path.display().to_string()).into_owned();
    let store =
        open(&path, &config.history).with_context(|| format!("{shown} cannot be recorded to"))?;
    let service = Service::of_environment();
    let source = source.with(|start| start.kernel.connections = true);
    let plan = Plan {
        interval: args.interval.or(config.record.interval).unwrap_or(INTERVAL),
        samples_max: None,
        events: Events::ToTheLast,
        freshness: Freshness::Economical,
        last_question: None,
    };
    let confinement = source.confinement().clone();
    let alerting = Alerting::start(&path, &config.alerts, &confinement)
        .with_context(|| format!("the alerts in {shown}"))?;
    let mut recorder = Recorder {
        store,
        alerting,
        events: Vec::new(),
        dropped: 0,
        samples: 0,
        missed: 0,
        is_failing: false,
        shown: shown.clone(),
    };
    let mut server: Option<Server> = None;
    let granted = telling(config).0;
    let listened = hear(
        source,
        plan,
        args.duration,
        true,
        |heard, feed, confinement| {
            let mut message = match heard {
                Heard::Message(message) => message,
                Heard::Hangup => {
                    service.tell("RELOADING=1");
                    reload(config_path, &mut recorder.alerting, &granted);
                    service.tell("READY=1");
                    return Ok(());
                }
            };
            match &mut message {
                Message::Ready(status) => {
                    if let (Some(place), Some(asker)) = (place.take(), feed.asker()) {
                        let welcome = Welcome {
                            pid: std::process::id(),
                            interval_ns: plan.interval.as_nanos().try_into().unwrap_or(u64::MAX),
                            recording: path.display().to_string(),
                            status: Status::clone(status),
                            confinement: confinement.report().clone(),
                        };
                        server = Some(Server::start(place, &welcome, asker)?);
                    }
                    service.tell("READY=1");
                }
                Message::Sample(_) => service.tell("WATCHDOG=1"),
                Message::Answer(Answer::Standing(standing)) => {
                    standing.notifiers = recorder.alerting.health();
                }
                _ => {}
            }
            if let Some(server) = &server {
                server.tell(&message);
                if let Message::Answer(answer) = message {
                    server.answer(answer);
                    return Ok(());
                }
            }
            recorder.take(message);
            Ok(())
        },
    );
    service.tell("STOPPING=1");
    drop(server);
    let told = recorder.finish(&path);
    listened?;
    notice(format_args!("{}", told?));
    Ok(ExitCode::SUCCESS)
}

/// What those need who tell others of alerts, and the terminals whose bells they ring.
pub(super) fn telling(config: &Config) -> (Vec<Exemption>, Vec<PathBuf>) {
    let mut exemptions = Vec::new();
    let mut terminals = Vec::new();
    for notifier in &config.alerts.notifiers {
        let needs: &[Exemption] = match &notifier.channel {
            Channel::Email(_) | Channel::Webhook(_) | Channel::Journal | Channel::Syslog => {
                &[Exemption::Sockets]
            }
            // One that hangs is ended.
            Channel::Command(_) => &[Exemption::Exec, Exemption::Signals, Exemption::Writing],
            Channel::Bell(bell) => {
                terminals.extend(bell.terminal.clone());
                &[Exemption::Writing]
            }
        };
        exemptions.extend(
            needs
                .iter()
                .filter(|one| !exemptions.contains(*one))
                .copied()
                .collect::<Vec<_>>(),
        );
    }
    (exemptions, terminals)
}

/// Takes over another configuration, or says why the old one stands.
fn reload(path: Option<&Path>, alerting: &mut Alerting, granted: &[Exemption]) {
    let refused = |why: &dyn std::fmt::Display| {
        notice(format_args!(
            "procwatch: the configuration was not taken over: {why}; the old one stands"
        ));
    };
    let config = match config_file::load(path) {
        Ok(config) => config,
        Err(error) => return refused(&format_args!("{error:#}")),
    };
    if telling(&config)
        .0
        .iter()
        .any(|need| !granted.contains(need))
    {
        return refused(
            &"who is to be told now takes rights that were given up; restart the recorder",
        );
    }
    match alerting.reload(&config.alerts) {
        Ok(()) => notice(format_args!(
            "procwatch: rules, notifiers and maintenance are those of the configuration now; the rest of it counts from the next start"
        )),
        Err(error) => notice(format_args!(
            "procwatch: {error:#}; nobody is told of alerts"
        )),
    }
}

fn open(path: &Path, history: &config::History) -> super::Result<Store> {
    let Some(boot) = boot_id() else {
        bail!(
            "/proc/sys/kernel/random/boot_id cannot be read: processes of different boots could not be told apart"
        );
    };
    if let Some(directory) = path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o750).recursive(true);
        builder
            .create(directory)
            .with_context(|| terminal(&directory.display().to_string()).into_owned())?;
    }
    let limits = Limits {
        size_bytes: Some(history.max_size.unwrap_or(SIZE_MAX)),
        age: history.max_age,
    };
    Ok(Store::open(path, &boot, Now::read().wall_ns, limits)?)
}

/// What comes from the agent, on its way into the file.
struct Recorder {
    store: Store,
    alerting: Alerting,
    events: Vec<(Event, u64)>,
    /// Events that came when too many waited already.
    dropped: u64,
    samples: u64,
    /// Samples that found no room, in all.
    missed: u64,
    is_failing: bool,
    shown: String,
}

impl Recorder {
    fn take(&mut self, message: Message) {
        match message {
            Message::Events { batch, now } => {
                let room = EVENTS_MAX.saturating_sub(self.events.len());
                self.dropped += batch.len().saturating_sub(room) as u64;
                let dated = batch.into_iter().map(|event| {
                    let wall_ns = event
                        .time_ns
                        .map_or(now.wall_ns, |boot_ns| now.wall_at(boot_ns));
                    (event, wall_ns)
                });
                self.events.extend(dated.take(room));
            }
            Message::Sample(sample) => {
                let events = std::mem::take(&mut self.events);
                let happened: Vec<Event> = events.iter().map(|(event, _)| event.clone()).collect();
                match self.store.write(&sample, events) {
                    Ok(()) => {
                        self.samples += 1;
                        if std::mem::take(&mut self.is_failing) {
                            notice(format_args!(
                                "{} is recorded to again; the gap is noted there",
                                self.shown
                            ));
                        }
                    }
                    Err(error) => {
                        self.missed += 1;
                        if !std::mem::replace(&mut self.is_failing, true) {
                            notice(format_args!(
                                "{} cannot be written to: {error}; collection goes on, and recording as soon as it can",
                                self.shown
                            ));
                        }
                    }
                }
                self.alerting.observe(&sample, &happened);
            }
            Message::Ready(_) | Message::Answer(_) | Message::Finished(_) => {}
        }
    }

    /// Closes the recording, and tells what is in it.
    fn finish(self, path: &Path) -> super::Result<String> {
        self.alerting.finish();
        let closed = self.store.finish();
        closed.with_context(|| format!("{} could not be closed", self.shown))?;
        let size = std::fs::metadata(path).map_or(0, |file| file.len());
        let lost = match (self.missed, self.dropped) {
            (0, 0) => String::new(),
            (missed, dropped) => format!("; {missed} samples and {dropped} events found no room"),
        };
        Ok(format!(
            "recorded {} samples to {}, which is now {}{lost}",
            self.samples,
            self.shown,
            format_bytes(size)
        ))
    }
}
