//! What a recorder does besides recording: judge what it has, keep the alerts, and tell who is to be told.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use jiff::tz::TimeZone;

use crate::{
    alerts::{Around, Change, Engine, OpenFiles},
    cli::{json::rfc3339, notice::notice},
    collector::{MemoryLimits, Now, open_files},
    config::Alerts,
    confine::Confinement,
    history::{AlertBook, AlertOutbox, History, StoreError},
    model::{
        alert::Subject,
        delivery::Health,
        escape::terminal,
        event::Event,
        field::Field,
        identity::ProcessId,
        mute::{Maintenance, Mutes},
        notifier::Channel,
        sample::Sample,
        snapshot::Snapshot,
    },
    notify::{Notifier, Notifying, Plan},
};

/// What alerts that are over still count for: cooldown.
const REMEMBERED: Duration = Duration::from_secs(366 * 24 * 3600);
/// How long an alert waits for others that are to go with it, when nobody says.
const GROUP_WAIT: Duration = Duration::from_secs(5);
/// How long the end waits for what can still be sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of the curve beside an alert.
const CURVE_SPAN_NS: u64 = 600_000_000_000;
const CURVE_STEPS: usize = 120;

/// The name that what detectors have learned is kept under. To be changed with its form.
pub(super) const LEARNED: &str = "detectors.2";
const LEARNED_EVERY_NS: u64 = 300_000_000_000;

/// Rules, and all that they need.
pub(super) struct Alerting {
    engine: Engine,
    book: AlertBook,
    surroundings: Surroundings,
    notifying: Notifying,
    maintenance: Vec<Maintenance>,
    /// Of the recording, when silences were read last.
    version: Option<i64>,
    previous: Option<Arc<Sample>>,
    /// When what was learned was kept last, nanoseconds since boot.
    kept_ns: u64,
    /// What could not be kept.
    unkept: Vec<Change>,
    /// Changes that were given up on since it failed.
    forgotten: usize,
    is_failing: bool,
    /// Whether it has been told that a rule holds of too many.
    is_crowded: bool,
    shown: String,
}

impl Alerting {
    /// Goes on with what the recording has. To be started before rights are given up: the thread that sends gives up
    /// its own.
    ///
    /// # Errors
    /// When the recording cannot be read, or there can be no thread.
    pub(super) fn start(
        path: &Path,
        alerts: &Alerts,
        confinement: &Confinement,
    ) -> super::Result<Self> {
        let book = AlertBook::beside(path)?;
        let now_ns = Now::read().wall_ns;
        let remembered_ns = u64::try_from(REMEMBERED.as_nanos()).unwrap_or(u64::MAX);
        let (kept, next_id) = book.kept(now_ns.saturating_sub(remembered_ns))?;
        let mut engine = Engine::new(alerts.rules.clone(), Mutes::default(), kept, next_id);
        if let Some(learned) = book.learned(LEARNED)? {
            engine.remember(&learned);
        }
        Ok(Self {
            engine,
            book,
            surroundings: Surroundings {
                path: path.to_owned(),
                history: History::beside(path)?,
                limits: MemoryLimits::of_host(),
            },
            notifying: notifying(path, alerts, confinement)?,
            maintenance: alerts.maintenance.clone(),
            version: None,
            previous: None,
            kept_ns: 0,
            unkept: Vec::new(),
            forgotten: 0,
            is_failing: false,
            is_crowded: false,
            shown: terminal(&path.display().to_string()).into_owned(),
        })
    }

    /// Other rules, notifiers and maintenance from now on.
    ///
    /// # Errors
    /// When the notifiers stay as they were.
    pub(super) fn reload(&mut self, alerts: &Alerts) -> super::Result<()> {
        self.engine.set_rules(alerts.rules.clone());
        self.maintenance.clone_from(&alerts.maintenance);
        self.version = None;
        self.notifying
            .change(plan(alerts))
            .context("those who are told of alerts are as they were")
    }

    /// Judges a sample that has been recorded, and what happened before it.
    pub(super) fn observe(&mut self, sample: &Arc<Sample>, events: &[Event]) {
        let Some(previous) = self.previous.replace(Arc::clone(sample)) else {
            return;
        };
        let snapshot = Snapshot::derive(&previous, Arc::clone(sample));
        if let Err(error) = self.read_silences(sample.time_ns) {
            self.fails(&error);
        }
        let changes = self
            .engine
            .observe(&snapshot, events, &mut self.surroundings);
        for change in &changes {
            if let Change::Kept { kept, tell: true } = change {
                self.notifying.tell(kept.alert.clone());
            }
        }
        self.unkept.extend(changes);
        self.keep();
        if self.engine.crowded_out() > 0 && !std::mem::replace(&mut self.is_crowded, true) {
            notice(format_args!(
                "a rule holds of more than 256 at a time: the others have no alert; write a stricter one"
            ));
        }
        if sample.boot_time_ns.saturating_sub(self.kept_ns) > LEARNED_EVERY_NS {
            self.kept_ns = sample.boot_time_ns;
            self.keep_learned();
        }
    }

    fn keep_learned(&mut self) {
        let learned = self.engine.learned();
        let now_ns = Now::read().wall_ns;
        if let Err(error) = self.book.learn(LEARNED, now_ns, &learned) {
            self.fails(&error);
        }
    }

    fn keep(&mut self) {
        /// Beyond that the oldest are forgotten.
        const UNKEPT_MAX: usize = 10_000;
        if self.unkept.is_empty() {
            return;
        }
        match self.book.keep(&self.unkept) {
            Ok(()) => {
                self.unkept.clear();
                if std::mem::take(&mut self.is_failing) {
                    let forgotten = std::mem::take(&mut self.forgotten);
                    notice(format_args!(
                        "alerts are kept in {} again; {forgotten} changes of alerts were forgotten meanwhile",
                        self.shown
                    ));
                }
            }
            Err(error) => {
                let too_many = self.unkept.len().saturating_sub(UNKEPT_MAX);
                self.unkept.drain(..too_many);
                self.forgotten += too_many;
                self.fails(&error);
            }
        }
    }

    fn fails(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.is_failing, true) {
            notice(format_args!(
                "alerts cannot be kept in {}: {error}; they are still told",
                self.shown
            ));
        }
    }

    /// Somebody may have asked for silence, or ended one.
    fn read_silences(&mut self, now_ns: u64) -> Result<(), StoreError> {
        let version = self.book.version()?;
        if self.version != Some(version) {
            self.engine.set_mutes(Mutes {
                silences: self.book.silences(now_ns)?,
                maintenance: self.maintenance.clone(),
                zone: TimeZone::system(),
            });
            self.version = Some(version);
        }
        Ok(())
    }

    /// How the notifiers are doing.
    pub(super) fn health(&self) -> Vec<Health> {
        self.notifying.health()
    }

    /// To be called before the recording is closed.
    pub(super) fn finish(mut self) {
        self.keep();
        self.keep_learned();
        self.notifying.finish(PATIENCE);
    }
}

fn plan(alerts: &Alerts) -> Plan {
    let notifiers = alerts.notifiers.iter().cloned().map(Notifier::new);
    Plan {
        notifiers: notifiers.collect(),
        group_wait: alerts.group_wait.unwrap_or(GROUP_WAIT),
        host: host_name(),
    }
}

fn notifying(path: &Path, alerts: &Alerts, confinement: &Confinement) -> super::Result<Notifying> {
    let confinement = confinement.clone();
    // What a command may do is its own affair, but for rights.
    let runs_commands = alerts
        .notifiers
        .iter()
        .any(|notifier| matches!(notifier.channel, Channel::Command(_)));
    let confine = move || {
        let _ = if runs_commands {
            confinement.starting_programs()
        } else {
            confinement.showing()
        };
    };
    let outbox = AlertOutbox::open(path)?;
    Notifying::start(plan(alerts), Box::new(outbox), Box::new(confine))
        .context("nobody can be told of alerts")
}

/// This host's name, as `uname -n` has it.
pub(super) fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// What lies around a recorder.
struct Surroundings {
    path: PathBuf,
    history: History,
    limits: MemoryLimits,
}

impl Around for Surroundings {
    fn curve(&mut self, subject: &Subject, figure: &str, to_ns: u64) -> Vec<(u64, f64)> {
        let id = match subject {
            Subject::Process(id) => Some(*id),
            Subject::Host => None,
            // Their processes come and go.
            Subject::Program(_) | Subject::Container(_) => return Vec::new(),
        };
        let window = (to_ns.saturating_sub(CURVE_SPAN_NS), to_ns);
        let Some(field) = Field::from_name(figure) else {
            return Vec::new();
        };
        // An alert without a curve is better than none.
        self.history
            .recent(id, field, window, CURVE_STEPS)
            .unwrap_or_default()
    }

    fn memory_limit_bytes(&mut self, id: ProcessId) -> Option<u64> {
        self.limits.least_bytes(id.pid)
    }

    fn open_files(&mut self, id: ProcessId) -> Option<OpenFiles> {
        let (open, limit) = open_files(id)?;
        Some(OpenFiles { open, limit })
    }

    fn replay(&self, time_ns: u64) -> String {
        replay(&self.path, time_ns)
    }
}

/// The command line that shows a moment of a recording.
pub(super) fn replay(path: &Path, time_ns: u64) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:=".contains(c);
    let path = if path.chars().all(is_plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    };
    format!("procwatch replay --db {path} --at {}", rfc3339(time_ns))
}
