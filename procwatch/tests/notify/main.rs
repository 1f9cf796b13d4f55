//! Notifiers against real receivers, which are killed and started again in the middle.

mod command;
mod http;
mod server;
mod smtp;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use procwatch::{
    config::{self, Format},
    history::{AlertOutbox, Limits, Store},
    model::{
        alert::{Alert, AlertState, Culprit, Figure, Severity, Share, Subject},
        delivery::Health,
        identity::ProcessId,
    },
    notify::{Notifier, Notifying, Plan},
};
use tempfile::TempDir;

/// For what happens in its own time: long enough for a host that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something is so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it took too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn alert(id: u64) -> Alert {
    let who = ProcessId::new(4242, 77);
    Alert {
        id,
        rule: format!("rule {id}"),
        severity: Severity::Warning,
        state: AlertState::Firing,
        subject: Subject::Process(who),
        began_ns: 1_767_323_045_000_000_000,
        fired_ns: Some(1_767_323_050_000_000_000),
        resolved_ns: None,
        summary: "it takes more CPU than ever".to_owned(),
        figure: Some(Figure {
            name: "cpu_pct".to_owned(),
            value: 97.0,
            baseline: Some(11.0),
            limit: Some(80.0),
            time_until_ns: None,
        }),
        culprit: Some(Culprit {
            id: who,
            comm: "<b>\u{1b}evil\n".to_owned(),
            command_line: "evil --now".to_owned(),
            exe: None,
            user: Some("root".to_owned()),
            container: None,
            cgroup: None,
            ancestry: vec!["systemd(1)".to_owned()],
        }),
        top: vec![Share {
            id: who,
            comm: "evil".to_owned(),
            value: 97.0,
        }],
        curve: (0..60)
            .map(|second| {
                (
                    1_767_323_000_000_000_000 + second * 1_000_000_000,
                    second as f64,
                )
            })
            .collect(),
        replay: "procwatch replay --db a.db".to_owned(),
    }
}

/// What a configuration says of notifiers.
fn notifiers(toml: &str) -> Vec<Notifier> {
    let config =
        config::parse(toml, Format::Toml).unwrap_or_else(|error| panic!("{error} in {toml}"));
    config
        .alerts
        .notifiers
        .into_iter()
        .map(Notifier::new)
        .collect()
}

/// A recording, and the thread that sends what is kept in it.
struct Sender {
    /// After the store: it is dropped in this order.
    notifying: Option<Notifying>,
    store: Option<Store>,
    path: PathBuf,
    directory: TempDir,
}

impl Sender {
    fn start(toml: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut sender = Self {
            notifying: None,
            store: None,
            path: directory.path().join("a.db"),
            directory,
        };
        sender.resume(toml);
        sender
    }

    fn resume(&mut self, toml: &str) {
        let store = Store::open(&self.path, "boot", 1, Limits::default()).expect("a recording");
        let outbox = AlertOutbox::open(&self.path).expect("its outbox");
        let plan = Plan {
            notifiers: notifiers(toml),
            group_wait: Duration::ZERO,
            host: "db1".to_owned(),
        };
        self.store = Some(store);
        self.notifying =
            Some(Notifying::start(plan, Box::new(outbox), Box::new(|| ())).expect("a thread"));
    }

    /// Ends as a recorder does.
    fn stop(&mut self, patience: Duration) -> Vec<Health> {
        let health = self.notifying.take().expect("it runs").finish(patience);
        self.store
            .take()
            .expect("it is open")
            .finish()
            .expect("the recording is closed");
        health
    }

    fn tell(&self, ids: std::ops::Range<u64>) {
        for id in ids {
            self.notifying.as_ref().expect("it runs").tell(alert(id));
        }
    }

    fn health(&self) -> Health {
        let health = self.notifying.as_ref().expect("it runs").health();
        health.into_iter().next().expect("there is a notifier")
    }

    fn until_health(&self, what: &str, is: impl Fn(&Health) -> bool) -> Health {
        until(what, || Some(self.health()).filter(|health| is(health)))
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }
}
