//! Which lines of descent cost most: everybody's part is its own and that of all that it bore, the ended too.

use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use super::Lived;

/// Members that are named of each tree.
const MEMBERS_MAX: usize = 4;

/// A process and its descendants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tree {
    #[serde(skip)]
    pub key: u64,
    pub pid: u32,
    pub start_time_ns: u64,
    pub comm: String,
    /// In the window, of all of them.
    pub cpu_time_ns: u64,
    /// Those that did anything.
    pub processes: u64,
    /// The programs in it that took most, with what each took and how many processes that was.
    pub programs: Vec<(String, u64, u64)>,
}

/// The trees that took most CPU, none of which is part of another: a process that passes more than nine tenths of its
/// tree on to one child is not what makes that tree, and neither is the first process of all.
pub fn trees(lives: &[Lived], cpu: &HashMap<u64, u64>, limit: usize) -> Vec<Tree> {
    let by_key: HashMap<u64, &Lived> = lives.iter().map(|life| (life.key, life)).collect();
    // A parent is older than its child, or as old; keys grow with age, but for those of the beginning.
    let mut order: Vec<&Lived> = lives.iter().collect();
    order.sort_by_key(|life| (life.id.start_time_ns, life.key));
    let mut sums: HashMap<u64, u64> = HashMap::new();
    let mut children: HashMap<u64, Vec<u64>> = HashMap::new();
    for life in order.iter().rev() {
        let own = cpu.get(&life.key).copied().unwrap_or(0);
        let sum = sums.entry(life.key).or_default();
        *sum = sum.saturating_add(own);
        let sum = *sum;
        if let Some(parent) = life
            .parent
            .filter(|parent| is_older(&by_key, *parent, life))
        {
            let of_parent = sums.entry(parent).or_default();
            *of_parent = of_parent.saturating_add(sum);
            children.entry(parent).or_default().push(life.key);
        }
    }
    let mut waiting: Vec<u64> = order
        .iter()
        .filter(|life| {
            let parent = life
                .parent
                .filter(|parent| is_older(&by_key, *parent, life));
            parent.is_none()
        })
        .map(|life| life.key)
        .collect();
    let sum_of = |key: &u64| sums.get(key).copied().unwrap_or(0);
    let mut roots = Vec::new();
    while let Some(key) = waiting.pop() {
        let Some(life) = by_key.get(&key) else {
            continue;
        };
        let all = sum_of(&key);
        let below = children.get(&key).map_or(&[][..], Vec::as_slice);
        let most = below.iter().map(sum_of).max().unwrap_or(0);
        let passes_on = life.id.pid <= 2 || most > all / 10 * 9;
        if passes_on && !below.is_empty() {
            waiting.extend(below);
            let own = cpu.get(&key).copied().unwrap_or(0);
            if own > all / 10 {
                roots.push((own, key, true));
            }
        } else if all > 0 {
            roots.push((all, key, false));
        }
    }
    roots.sort_unstable_by(|a, b| b.cmp(a));
    roots.truncate(limit);
    roots
        .into_iter()
        .filter_map(|(sum, key, is_alone)| {
            let life = by_key.get(&key)?;
            Some(tree(life, sum, is_alone, &by_key, &children, cpu))
        })
        .collect()
}

/// Only such a parent is followed: a damaged line has no circle then.
fn is_older(by_key: &HashMap<u64, &Lived>, parent: u64, child: &Lived) -> bool {
    by_key.get(&parent).is_some_and(|parent| {
        (parent.id.start_time_ns, parent.key) < (child.id.start_time_ns, child.key)
    })
}

fn tree(
    root: &Lived,
    sum: u64,
    is_alone: bool,
    by_key: &HashMap<u64, &Lived>,
    children: &HashMap<u64, Vec<u64>>,
    cpu: &HashMap<u64, u64>,
) -> Tree {
    let mut processes = 0;
    let mut programs: HashMap<&str, (u64, u64)> = HashMap::new();
    let mut seen = HashSet::new();
    let mut waiting = vec![root.key];
    while let Some(key) = waiting.pop() {
        if !seen.insert(key) {
            continue;
        }
        if let (Some(life), Some(own)) = (by_key.get(&key), cpu.get(&key)) {
            processes += 1;
            let program = programs.entry(&life.comm).or_default();
            program.0 = program.0.saturating_add(*own);
            program.1 += 1;
        }
        if !is_alone {
            waiting.extend(children.get(&key).into_iter().flatten());
        }
    }
    let mut programs: Vec<_> = programs
        .into_iter()
        .map(|(comm, (cpu_time_ns, count))| (comm.to_owned(), cpu_time_ns, count))
        .collect();
    programs.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    programs.truncate(MEMBERS_MAX);
    Tree {
        key: root.key,
        pid: root.id.pid,
        start_time_ns: root.id.start_time_ns,
        comm: root.comm.to_string(),
        cpu_time_ns: sum,
        processes,
        programs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::ProcessId;

    fn life(key: u64, parent: Option<u64>, comm: &str) -> Lived {
        Lived {
            key,
            parent,
            id: ProcessId::new(key as u32, key * 100),
            comm: comm.into(),
            started_ns: key,
            ended_ns: None,
            cpu_time_ns: None,
            status: None,
        }
    }

    #[test]
    fn a_tree_is_what_its_members_took_together() {
        let lives = [
            life(1, None, "init"),
            life(10, Some(1), "sshd"),
            life(11, Some(10), "bash"),
            life(12, Some(11), "make"),
            life(13, Some(12), "cc"),
            life(14, Some(12), "cc"),
            life(15, Some(12), "ld"),
            life(20, Some(1), "nginx"),
        ];
        let cpu = HashMap::from_iter([(1, 5), (10, 1), (13, 400), (14, 300), (15, 50), (20, 90)]);
        let found = trees(&lives, &cpu, 10);
        let told: Vec<_> = found
            .iter()
            .map(|tree| (&*tree.comm, tree.cpu_time_ns, tree.processes))
            .collect();
        assert_eq!(told, [("make", 750, 3), ("nginx", 90, 1)]);
        assert_eq!(
            found[0].programs,
            [("cc".to_owned(), 700, 2), ("ld".to_owned(), 50, 1)]
        );
    }

    #[test]
    fn a_line_that_goes_in_a_circle_ends() {
        let mut lives = [life(1, Some(2), "a"), life(2, Some(1), "b")];
        lives[0].id.start_time_ns = 200;
        let cpu = HashMap::from_iter([(1, 5), (2, 5)]);
        let sum: u64 = trees(&lives, &cpu, 10)
            .iter()
            .map(|tree| tree.cpu_time_ns)
            .sum();
        assert!(sum >= 5);
    }
}
