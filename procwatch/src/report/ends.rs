//! Ends that are worth a look: by a signal, with a dump, or with another code than 0.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Lived, moment};

/// Ends of one program that were alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ends {
    pub comm: String,
    pub exit_code: Option<u8>,
    pub exit_signal: Option<u8>,
    pub core_dumped: bool,
    pub count: u64,
    #[serde(serialize_with = "moment", rename = "first")]
    pub first_ns: u64,
    #[serde(serialize_with = "moment", rename = "last")]
    pub last_ns: u64,
}

/// Those within a window, signals and dumps before codes, the most frequent first.
pub fn ends(lives: &[Lived], from_ns: u64, to_ns: u64, limit: usize) -> Vec<Ends> {
    let mut alike: BTreeMap<(&str, u32), Ends> = BTreeMap::new();
    for life in lives {
        let (Some(ended_ns), Some(status)) = (life.ended_ns, life.status) else {
            continue;
        };
        if status.exit_code() == Some(0) || !(from_ns..=to_ns).contains(&ended_ns) {
            continue;
        }
        let found = alike.entry((&life.comm, status.0)).or_insert_with(|| Ends {
            comm: life.comm.to_string(),
            exit_code: status.exit_code(),
            exit_signal: status.signal(),
            core_dumped: status.core_dumped(),
            count: 0,
            first_ns: ended_ns,
            last_ns: ended_ns,
        });
        found.count += 1;
        found.first_ns = found.first_ns.min(ended_ns);
        found.last_ns = found.last_ns.max(ended_ns);
    }
    let mut all: Vec<_> = alike.into_values().collect();
    all.sort_by_key(|ends| {
        let weight = (ends.core_dumped, ends.exit_signal.is_some(), ends.count);
        std::cmp::Reverse(weight)
    });
    all.truncate(limit);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::{ProcessId, WaitStatus};

    #[test]
    fn the_worst_come_first_and_the_usual_are_left_out() {
        let life = |comm: &str, status: Option<u32>, ended_ns| Lived {
            key: ended_ns,
            parent: None,
            id: ProcessId::new(1, ended_ns),
            comm: comm.into(),
            started_ns: 1,
            ended_ns: Some(ended_ns),
            cpu_time_ns: None,
            status: status.map(WaitStatus),
        };
        let lives = [
            life("ok", Some(0), 5),
            life("unknown", None, 5),
            life("grep", Some(1 << 8), 6),
            life("grep", Some(1 << 8), 8),
            life("late", Some(1 << 8), 99),
            life("killed", Some(9), 7),
            life("crashed", Some(0x80 | 11), 4),
        ];
        let found = ends(&lives, 2, 20, 10);
        let told: Vec<_> = found.iter().map(|ends| (&*ends.comm, ends.count)).collect();
        assert_eq!(told, [("crashed", 1), ("killed", 1), ("grep", 2)]);
        assert_eq!((found[2].first_ns, found[2].last_ns), (6, 8));
        assert!(found[0].core_dumped && found[1].exit_signal == Some(9));
    }
}
