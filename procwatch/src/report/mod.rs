//! What happened in a window of a recording, for a reader: pure, lives and sums in, findings out.

mod alarms;
mod ends;
mod storms;
mod trees;

use serde::{Serialize, Serializer};

pub use self::{
    alarms::{Alarm, alarms},
    ends::{Ends, ends},
    storms::{Storm, storms},
    trees::{Tree, trees},
};
use crate::model::{identity::ProcessId, identity::WaitStatus, units::Unit};

/// A process of the window.
#[derive(Clone, Debug)]
pub struct Lived {
    /// Names it within the recording.
    pub key: u64,
    pub parent: Option<u64>,
    pub id: ProcessId,
    pub comm: Box<str>,
    /// Nanoseconds since the epoch.
    pub started_ns: u64,
    /// `None` of those that live.
    pub ended_ns: Option<u64>,
    /// Of its whole life. `None` where that is not known.
    pub cpu_time_ns: Option<u64>,
    pub status: Option<WaitStatus>,
}

/// All of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The recording, as it was named.
    pub recording: String,
    #[serde(serialize_with = "moment", rename = "from")]
    pub from_ns: u64,
    #[serde(serialize_with = "moment", rename = "to")]
    pub to_ns: u64,
    pub zone: String,
    pub host: Host,
    /// What is different from an earlier window. `None` where there is none to compare with.
    pub changes: Option<Changes>,
    pub alerts: Vec<Alarm>,
    pub top: Vec<Ranking>,
    pub trees: Vec<Tree>,
    pub storms: Vec<Storm>,
    pub ends: Vec<Ends>,
    pub gaps: Vec<Gap>,
    /// What was lost in the window, by kind; those of which nothing was are left out.
    pub loss: Vec<(&'static str, u64)>,
    /// Where each group of figures came from at the end.
    pub sources: Vec<(&'static str, String)>,
}

/// The host over the window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Host {
    pub cpus: Option<u32>,
    pub memory_total_bytes: Option<u64>,
    /// Of all CPUs together, over what was recorded of the window.
    pub cpu_busy_ns: u64,
    /// How much of the window was recorded, nanoseconds.
    pub recorded_ns: u64,
    pub started: u64,
    pub ended: u64,
    pub curves: Vec<Curve>,
}

/// A figure over equal parts of the window.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    pub name: &'static str,
    pub title: &'static str,
    #[serde(skip)]
    pub unit: Unit,
    /// What it cannot pass. `None` where there is no such thing.
    pub most: Option<f64>,
    /// `None` where nothing was recorded.
    pub values: Vec<Option<f64>>,
}

/// Those that had most of something.
#[derive(Clone, Debug, Serialize)]
pub struct Ranking {
    pub field: &'static str,
    pub title: &'static str,
    #[serde(skip)]
    pub unit: Unit,
    /// Of all processes together. `None` of what cannot be added up.
    pub total: Option<u64>,
    pub users: Vec<User>,
}

#[derive(Clone, Debug, Serialize)]
pub struct User {
    pub pid: u32,
    pub start_time_ns: u64,
    pub comm: String,
    pub command: String,
    pub user: Option<String>,
    pub container: Option<String>,
    pub value: u64,
    /// Over equal parts of the window. Empty where that was not looked up.
    pub curve: Vec<f64>,
}

/// Programs whose use has changed most.
#[derive(Clone, Debug, Serialize)]
pub struct Changes {
    #[serde(serialize_with = "moment", rename = "from")]
    pub from_ns: u64,
    #[serde(serialize_with = "moment", rename = "to")]
    pub to_ns: u64,
    /// The window itself was halved, for want of anything before it.
    pub is_halves: bool,
    pub rows: Vec<Change>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub field: &'static str,
    pub title: &'static str,
    #[serde(skip)]
    pub unit: Unit,
    pub comm: String,
    pub before: u64,
    pub after: u64,
}

/// When nothing was recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Gap {
    #[serde(serialize_with = "moment", rename = "from")]
    pub from_ns: u64,
    #[serde(serialize_with = "moment", rename = "to")]
    pub to_ns: u64,
    pub why: String,
}

/// Of two windows' sums, those that differ most: at least a twentieth of what all differ by.
pub fn changed<'a>(
    sums: impl Iterator<Item = (&'a str, u64, u64)>,
    limit: usize,
) -> Vec<(&'a str, u64, u64)> {
    let mut all: Vec<_> = sums.filter(|(_, before, after)| before != after).collect();
    let difference: u64 = all.iter().fold(0, |sum, (_, before, after)| {
        sum.saturating_add(before.abs_diff(*after))
    });
    all.sort_by_key(|(comm, before, after)| (std::cmp::Reverse(before.abs_diff(*after)), *comm));
    all.retain(|(_, before, after)| before.abs_diff(*after) >= difference / 20);
    all.truncate(limit);
    all
}

/// RFC 3339 with nanoseconds, in UTC.
pub(super) fn moment<S: Serializer>(time_ns: &u64, out: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_nanosecond(i128::from(*time_ns)) {
        Ok(time) => out.collect_str(&format_args!("{time:.9}")),
        Err(_) => out.serialize_u64(*time_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hardly_changed_is_not_told() {
        let sums = [
            ("steady", 500, 500),
            ("more", 0, 900),
            ("less", 300, 200),
            ("bit", 7, 8),
        ];
        assert_eq!(
            changed(sums.into_iter(), 5),
            [("more", 0, 900), ("less", 300, 200)]
        );
        assert_eq!(changed(sums.into_iter(), 1).len(), 1);
        assert!(changed(std::iter::empty(), 5).is_empty());
    }
}
