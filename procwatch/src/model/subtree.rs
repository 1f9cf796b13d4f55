//! What processes and all that stand below them cost together, within one snapshot.

use hashbrown::HashMap;

use super::{identity::ProcessId, snapshot::ProcessView, totals::Counter};

/// Sums over a process and its descendants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Subtree {
    /// Itself included.
    pub processes: u32,
    /// Percent of one core, of those that have a known rate.
    pub cpu_pct: f64,
    /// Of those that are known; memory that processes share is in it once for each of them.
    pub rss_bytes: u64,
    /// Storage and network together, bytes per second.
    pub moved_per_sec: f64,
}

impl Subtree {
    pub fn of(view: &ProcessView<'_>) -> Self {
        let moved = [
            Counter::Read,
            Counter::Write,
            Counter::NetSent,
            Counter::NetReceived,
        ];
        Self {
            processes: 1,
            cpu_pct: view.cpu_pct().unwrap_or(0.0),
            rss_bytes: view.process.rss_bytes.unwrap_or(0),
            moved_per_sec: moved.into_iter().filter_map(|one| view.rate(one)).sum(),
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.processes += other.processes;
        self.cpu_pct += other.cpu_pct;
        self.rss_bytes = self.rss_bytes.saturating_add(other.rss_bytes);
        self.moved_per_sec += other.moved_per_sec;
    }
}

/// The sums of every process, by present parents. `rows` are in the order of a forest: each below its parent,
/// with its depth.
pub fn sums(rows: &[(usize, ProcessView<'_>)]) -> HashMap<ProcessId, Subtree> {
    let mut sums = HashMap::with_capacity(rows.len());
    // From the last to the first, children come before their parents; what is below the row at a depth waits in
    // the place of that depth.
    let mut below: Vec<Subtree> = Vec::new();
    for (depth, view) in rows.iter().rev() {
        let mut sum = Subtree::of(view);
        if let Some(children) = below.get(depth + 1) {
            sum.add(children);
        }
        below.truncate(depth + 1);
        below.resize(depth + 1, Subtree::default());
        below[*depth].add(&sum);
        sums.insert(view.process.id, sum);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::fixture::Fixture;

    #[test]
    fn each_has_its_own_and_all_below_it() {
        // 1 ─ 2 ─ 3
        //   └ 4
        // 5
        let depths = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 0)];
        let fixtures: Vec<_> = depths
            .iter()
            .map(|(pid, _)| {
                let mut fixture = Fixture::new(*pid, "x");
                fixture.process.rss_bytes = Some(10_u64.pow(*pid));
                fixture
            })
            .collect();
        let rows: Vec<_> = depths
            .iter()
            .zip(&fixtures)
            .map(|((_, depth), fixture)| (*depth, fixture.view()))
            .collect();
        let sums = sums(&rows);
        let of = |at: usize| sums[&fixtures[at].process.id];
        let rss: Vec<_> = (0..5).map(|at| of(at).rss_bytes).collect();
        assert_eq!(rss, [11_110, 1_100, 1_000, 10_000, 100_000]);
        let counts: Vec<_> = (0..5).map(|at| of(at).processes).collect();
        assert_eq!(counts, [4, 2, 1, 1, 1]);
    }
}
