//! Programs that were started again and again, and lived shortly each time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Lived;

/// A life that is longer is none of a storm.
const SHORT_NS: u64 = 1_000_000_000;
/// Fewer are no storm.
const LIVES_MIN: usize = 50;
/// Who bore them: that many are named.
const PARENTS_MAX: usize = 3;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Storm {
    pub comm: String,
    pub lives: u64,
    /// From the first of them to the last. `None` when all were at once.
    pub lives_per_minute: Option<f64>,
    pub cpu_time_ns: u64,
    pub median_lifetime_ns: u64,
    /// Who bore them, and how many.
    pub parents: Vec<(String, u64)>,
}

/// Of those that began and ended within the window, the most lives first.
pub fn storms(lives: &[Lived], from_ns: u64, to_ns: u64, limit: usize) -> Vec<Storm> {
    let names: BTreeMap<u64, &str> = lives.iter().map(|life| (life.key, &*life.comm)).collect();
    let mut programs: BTreeMap<&str, Vec<(&Lived, u64)>> = BTreeMap::new();
    for life in lives {
        let Some(ended_ns) = life.ended_ns.filter(|ended_ns| *ended_ns <= to_ns) else {
            continue;
        };
        let lifetime_ns = ended_ns.saturating_sub(life.started_ns);
        if life.started_ns >= from_ns && lifetime_ns < SHORT_NS {
            programs
                .entry(&life.comm)
                .or_default()
                .push((life, lifetime_ns));
        }
    }
    let mut storms: Vec<_> = programs
        .into_iter()
        .filter(|(_, lives)| lives.len() >= LIVES_MIN)
        .map(|(comm, lives)| storm(comm, lives, &names))
        .collect();
    storms.sort_by_key(|storm| std::cmp::Reverse(storm.lives));
    storms.truncate(limit);
    storms
}

fn storm(comm: &str, mut lives: Vec<(&Lived, u64)>, names: &BTreeMap<u64, &str>) -> Storm {
    let starts = || lives.iter().map(|(life, _)| life.started_ns);
    let span_ns = starts().max().unwrap_or(0) - starts().min().unwrap_or(0);
    let mut parents: BTreeMap<&str, u64> = BTreeMap::new();
    for (life, _) in &lives {
        let name = life.parent.and_then(|parent| names.get(&parent));
        *parents
            .entry(name.copied().unwrap_or("unknown"))
            .or_default() += 1;
    }
    let mut parents: Vec<_> = parents
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    parents.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    parents.truncate(PARENTS_MAX);
    let cpu_time_ns = lives
        .iter()
        .filter_map(|(life, _)| life.cpu_time_ns)
        .fold(0, u64::saturating_add);
    lives.sort_by_key(|(_, lifetime_ns)| *lifetime_ns);
    Storm {
        comm: comm.to_owned(),
        lives: lives.len() as u64,
        lives_per_minute: (span_ns > 0).then(|| lives.len() as f64 * 60e9 / span_ns as f64),
        cpu_time_ns,
        median_lifetime_ns: lives[lives.len() / 2].1,
        parents,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::ProcessId;

    fn life(key: u64, comm: &str, started_ns: u64, lifetime_ns: Option<u64>) -> Lived {
        Lived {
            key,
            parent: Some(1),
            id: ProcessId::new(1, key),
            comm: comm.into(),
            started_ns,
            ended_ns: lifetime_ns.map(|lifetime_ns| started_ns + lifetime_ns),
            cpu_time_ns: Some(10),
            status: None,
        }
    }

    #[test]
    fn many_short_lives_are_a_storm_and_few_or_long_ones_are_none() {
        let mut lives = vec![life(1, "make", 0, None)];
        lives.extend((0..60).map(|at| life(10 + at, "cc", 1_000 + at * SHORT_NS, Some(at + 1))));
        lives.extend((0..49).map(|at| life(100 + at, "few", 1_000, Some(5))));
        lives.extend((0..60).map(|at| life(200 + at, "long", 1_000, Some(SHORT_NS))));
        let found = storms(&lives, 1_000, u64::MAX, 10);
        let [storm] = found.as_slice() else {
            panic!("one storm, not {found:?}");
        };
        assert_eq!(
            (&*storm.comm, storm.lives, storm.cpu_time_ns),
            ("cc", 60, 600)
        );
        assert_eq!(storm.median_lifetime_ns, 31);
        assert_eq!(storm.parents, [("make".to_owned(), 60)]);
        let rate = storm.lives_per_minute.unwrap();
        assert!((rate - 3600.0 / 59.0).abs() < 0.01, "{rate}");
        assert!(storms(&lives, 1_001, 2_000, 10).is_empty());
    }
}
