//! Processes added up by container and cgroup, within one snapshot.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{snapshot::Snapshot, subtree::Subtree, totals::Counter};

/// The processes of one cgroup, without those of cgroups below it.
#[derive(Clone, Debug)]
pub struct Group {
    /// `None` for processes whose cgroup is not known.
    pub cgroup: Option<Arc<str>>,
    pub container: Option<Arc<str>>,
    pub sum: Subtree,
    /// Percent of one core that its processes waited for a CPU.
    pub wait_pct: f64,
    pub read_per_sec: f64,
    pub write_per_sec: f64,
    pub sent_per_sec: f64,
    pub received_per_sec: f64,
    /// How many of its processes ended in the interval.
    pub ended: u32,
}

/// What groups are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOrder {
    Cpu,
    Memory,
    Name,
}

/// Every group of the snapshot.
pub fn groups(snapshot: &Snapshot, order: GroupOrder) -> Vec<Group> {
    let mut groups: HashMap<Option<Arc<str>>, Group> = HashMap::new();
    for view in snapshot.processes() {
        let facts = &view.process.facts;
        let group = groups
            .entry(facts.cgroup.clone())
            .or_insert_with(|| Group::empty(facts.cgroup.clone(), facts.container.clone()));
        let rate = |counter| view.rate(counter).unwrap_or(0.0);
        if view.process.state.has_gone() {
            group.ended += 1;
            group.sum.cpu_pct += view.cpu_pct().unwrap_or(0.0);
        } else {
            group.sum.add(&Subtree::of(&view));
        }
        group.wait_pct += rate(Counter::RunQueueWait) / 1e7;
        group.read_per_sec += rate(Counter::Read);
        group.write_per_sec += rate(Counter::Write);
        group.sent_per_sec += rate(Counter::NetSent);
        group.received_per_sec += rate(Counter::NetReceived);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|one, other| {
        let first = match order {
            GroupOrder::Cpu => other.sum.cpu_pct.total_cmp(&one.sum.cpu_pct),
            GroupOrder::Memory => other.sum.rss_bytes.cmp(&one.sum.rss_bytes),
            GroupOrder::Name => std::cmp::Ordering::Equal,
        };
        first.then_with(|| one.cgroup.cmp(&other.cgroup))
    });
    groups
}

impl Group {
    fn empty(cgroup: Option<Arc<str>>, container: Option<Arc<str>>) -> Self {
        Self {
            cgroup,
            container,
            sum: Subtree::default(),
            wait_pct: 0.0,
            read_per_sec: 0.0,
            write_per_sec: 0.0,
            sent_per_sec: 0.0,
            received_per_sec: 0.0,
            ended: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::fixture::{Fixture, snapshot_of};

    #[test]
    fn processes_are_added_up_by_cgroup() {
        let fixture = |pid, cgroup: Option<&str>, rss_bytes| {
            let mut fixture = Fixture::new(pid, "x");
            fixture.facts(|facts| facts.cgroup = cgroup.map(Into::into));
            fixture.process.rss_bytes = Some(rss_bytes);
            fixture
        };
        let fixtures = [
            fixture(1, Some("/b"), 10),
            fixture(2, Some("/a"), 1),
            fixture(3, Some("/b"), 20),
            fixture(4, None, 5),
        ];
        let snapshot = snapshot_of(&fixtures, 1);
        let told = |order| {
            groups(&snapshot, order)
                .iter()
                .map(|group| {
                    let name = group.cgroup.as_deref().unwrap_or("-");
                    format!("{name} {} {}", group.sum.processes, group.sum.rss_bytes)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(told(GroupOrder::Memory), ["/b 2 30", "- 1 5", "/a 1 1"]);
        assert_eq!(told(GroupOrder::Name), ["- 1 5", "/a 1 1", "/b 2 30"]);
    }
}
