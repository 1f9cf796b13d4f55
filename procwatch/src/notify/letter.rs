//! What goes to a receiver in one piece.

use std::sync::Arc;

use crate::model::alert::{Alert, AlertState};

/// One message: alerts that became known shortly after each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The host's name.
    pub host: String,
    /// The same each time that it is sent, and no other's.
    pub key: String,
    /// When it was put together, nanoseconds since the epoch.
    pub made_ns: u64,
    /// In the order in which they became known.
    pub alerts: Vec<Arc<Alert>>,
}

/// Alerts of one rule about one program.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) rule: &'a str,
    pub(super) program: String,
    pub(super) alerts: Vec<&'a Alert>,
}

impl Letter {
    /// By rule and program, in the order of the first of each.
    pub(super) fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut places = hashbrown::HashMap::new();
        for alert in &self.alerts {
            let program = super::render::program(alert);
            let place = *places
                .entry((alert.rule.as_str(), program.clone()))
                .or_insert_with(|| {
                    groups.push(Group {
                        rule: &alert.rule,
                        program,
                        alerts: Vec::new(),
                    });
                    groups.len() - 1
                });
            groups[place].alerts.push(alert);
        }
        groups
    }

    pub(super) fn count(&self, state: AlertState) -> usize {
        self.alerts
            .iter()
            .filter(|alert| alert.state == state)
            .count()
    }

    /// Names one alert for good, from its beginning to its end, on all hosts.
    pub(super) fn name_of(&self, alert: &Alert) -> String {
        name_of(&self.host, alert)
    }
}

/// As [`Letter::name_of`].
pub(super) fn name_of(host: &str, alert: &Alert) -> String {
    format!("procwatch-{host}-{}-{}", alert.id, alert.began_ns)
}

/// What JSON has no number for is left out: it could not be read back.
pub(super) fn with_numbers_alone(mut alert: Alert) -> Alert {
    alert.curve.retain(|(_, value)| value.is_finite());
    alert.top.retain(|share| share.value.is_finite());
    if let Some(figure) = &mut alert.figure {
        figure.baseline = figure.baseline.filter(|value| value.is_finite());
        figure.limit = figure.limit.filter(|value| value.is_finite());
    }
    alert.figure = alert.figure.filter(|figure| figure.value.is_finite());
    alert
}
