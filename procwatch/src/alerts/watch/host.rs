//! What is watched of the host as a whole: how many processes are started.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{Found, Match, Sight};
use crate::{
    detect::storm::Storm,
    model::{
        alert::{Figure, Subject},
        event::EventKind,
        identity::ProcessId,
        rule::Detector,
    },
};

/// Births a second that are never a storm.
const LEAST: f64 = 50.0;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Host {
    births: Storm,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            births: Storm::new(LEAST),
        }
    }
}

impl Host {
    pub(super) fn observe(&mut self, sight: Sight<'_>, found: &mut Found) {
        let mut by_parent: HashMap<ProcessId, u64> = HashMap::new();
        let mut births = 0;
        for event in sight.events {
            if matches!(event.kind, EventKind::Fork) {
                births += 1;
                if let Some(parent) = event.parent {
                    *by_parent.entry(parent).or_default() += 1;
                }
            }
        }
        let verdict = self.births.observe(sight.boot_ns, births);
        if verdict.anomaly.is_none() {
            return;
        }
        let most = by_parent
            .into_iter()
            .max_by_key(|(id, count)| (*count, *id));
        let seconds = (sight.snapshot.interval_ns as f64 / 1e9).max(1e-3);
        let rate = births as f64 / seconds;
        let by = most.and_then(|(id, count)| {
            let view = sight.snapshot.process(id)?;
            let share = count as f64 * 100.0 / births as f64;
            Some(format!(
                "; {} ({}) bore {share:.0} % of them",
                view.process.facts.comm, id.pid
            ))
        });
        found.add(
            Detector::ForkStorm,
            Match {
                subject: Subject::Host,
                culprit: most.map(|(id, _)| id),
                figure: Some(Figure {
                    name: "births_per_sec".to_owned(),
                    value: rate,
                    baseline: Some(self.births.usual()),
                    limit: None,
                    time_until_ns: None,
                }),
                words: Some(format!(
                    "starts {rate:.0} processes a second, where {:.0} are usual{}",
                    self.births.usual(),
                    by.unwrap_or_default()
                )),
            },
        );
    }
}
