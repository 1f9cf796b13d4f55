//! Alerts of a window, as a report tells them.

use serde::{Serialize, Serializer};

use crate::{alerts::KeptAlert, model::alert::AlertState};

/// One alert that has fired.
#[derive(Clone, Debug, Serialize)]
pub struct Alarm {
    /// In the recording.
    pub id: u64,
    pub rule: String,
    pub severity: &'static str,
    pub state: &'static str,
    /// One sentence; text of processes is in it.
    pub summary: String,
    #[serde(serialize_with = "super::moment", rename = "began")]
    pub began_ns: u64,
    /// `None` when it still fires.
    #[serde(serialize_with = "moment_if_known", rename = "resolved")]
    pub resolved_ns: Option<u64>,
    /// Why nobody was told. `None` when nothing was in the way.
    pub muted_by: Option<String>,
    pub replay: String,
    /// The figure over the time before it fired.
    pub curve: Vec<f64>,
}

fn moment_if_known<S: Serializer>(time_ns: &Option<u64>, out: S) -> Result<S::Ok, S::Error> {
    match time_ns {
        Some(time_ns) => super::moment(time_ns, out),
        None => out.serialize_none(),
    }
}

/// Those that have fired, the worst first.
pub fn alarms(mut alerts: Vec<KeptAlert>, limit: usize) -> Vec<Alarm> {
    alerts.retain(|kept| kept.alert.state != AlertState::Pending);
    alerts.sort_by_key(|kept| (std::cmp::Reverse(kept.alert.severity), kept.alert.began_ns));
    alerts
        .into_iter()
        .take(limit)
        .map(|kept| {
            let alert = kept.alert;
            Alarm {
                id: alert.id,
                rule: alert.rule,
                severity: alert.severity.name(),
                state: alert.state.name(),
                summary: alert.summary,
                began_ns: alert.began_ns,
                resolved_ns: alert.resolved_ns,
                muted_by: kept.muted_by,
                replay: alert.replay,
                curve: alert.curve.into_iter().map(|(_, value)| value).collect(),
            }
        })
        .collect()
}
