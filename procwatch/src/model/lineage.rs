//! Who bore whom, and the dead among them: what a tree of the past hangs on.

use hashbrown::{HashMap, HashSet};

use super::{identity::ProcessId, sample::ProcessSample};

/// Births of some processes and of all their ancestors.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// By child. Births never change; whom a process is given to when its parent dies is in its sample.
    pub parents: HashMap<ProcessId, ProcessId>,
    /// Those who have children in here, and of whom a last account is known.
    pub dead: HashMap<ProcessId, ProcessSample>,
}

impl Lineage {
    /// The dead ancestors of some processes at a time since boot, nanoseconds, that are not among these processes
    /// themselves; each once.
    pub fn dead_ancestors(
        &self,
        of: impl Iterator<Item = ProcessId> + Clone,
        boot_time_ns: u64,
    ) -> Vec<&ProcessSample> {
        let mut known: HashSet<ProcessId> = of.clone().collect();
        let mut found = Vec::new();
        for id in of {
            let mut next = self.parents.get(&id);
            while let Some(parent) = next
                && known.insert(*parent)
            {
                let had_ended = self.dead.get(parent).filter(|dead| {
                    let ending = dead.state.ending();
                    ending.is_some_and(|ending| {
                        ending.time_ns.is_none_or(|time| time <= boot_time_ns)
                    })
                });
                found.extend(had_ended);
                next = self.parents.get(parent);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        field::fixture::Fixture,
        sample::{Ending, State, TotalsAt},
    };

    fn id(pid: u32) -> ProcessId {
        Fixture::new(pid, "x").process.id
    }

    fn dead(pid: u32, time_ns: u64) -> (ProcessId, ProcessSample) {
        let mut process = Fixture::new(pid, "x").process;
        process.state = State::Exited(Ending {
            time_ns: Some(time_ns),
            status: None,
            totals: TotalsAt::Final,
        });
        (process.id, process)
    }

    #[test]
    fn each_dead_ancestor_is_told_once_and_only_when_it_is_dead() {
        // 1 ─ 2 ─ 3 ─ 4
        //           └ 5
        let lineage = Lineage {
            parents: [(2, 1), (3, 2), (4, 3), (5, 3)]
                .map(|(child, parent)| (id(child), id(parent)))
                .into(),
            dead: [dead(2, 10), dead(3, 20)].into(),
        };
        let pids = |boot_time_ns| -> Vec<u32> {
            let living = [1, 4, 5].map(id).into_iter();
            let found = lineage.dead_ancestors(living, boot_time_ns);
            found.iter().map(|one| one.id.pid).collect()
        };
        assert_eq!(pids(20), [3, 2]);
        assert_eq!(pids(15), [2]);
        assert_eq!(pids(5), [0_u32; 0]);
    }
}
