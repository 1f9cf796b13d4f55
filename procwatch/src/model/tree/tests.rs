//! Shapes, bounds, and edges that no kernel would report.

use std::{fmt::Write as _, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::model::{
    facts::Facts,
    sample::{Ending, Source, State, TotalsAt},
    totals::Counter,
};

fn id(number: u32) -> ProcessId {
    ProcessId::new(number, u64::from(number) * 10)
}

fn account(id: ProcessId) -> ProcessSample {
    ProcessSample {
        id,
        parent: None,
        facts: Arc::new(Facts::default()),
        totals: Totals::ZERO,
        rss_bytes: None,
        peak_rss_bytes: None,
        memory: None,
        pss_bytes: None,
        threads: None,
        state: State::Exited(Ending {
            time_ns: None,
            status: None,
            totals: TotalsAt::Final,
        }),
        source: Source::Ebpf,
        predates_collection: false,
        flows_since_ns: None,
    }
}

/// The tree as text: a line per process, indented, the dead in brackets.
fn drawn(tree: &ForkTree) -> String {
    let mut text = String::new();
    for root in tree.roots() {
        for (depth, id) in tree.descend(root) {
            let node = tree.get(id).unwrap();
            let name = match node.life {
                Life::Living => id.pid.to_string(),
                Life::Ended(_) => format!("[{}]", id.pid),
                Life::Unseen => format!("?{}", id.pid),
            };
            let _ = writeln!(text, "{}{name}", "  ".repeat(depth));
        }
    }
    text
}

#[test]
fn children_stand_below_their_parents_in_the_order_of_birth() {
    let mut tree = ForkTree::default();
    tree.living(id(4), Some(id(1)));
    tree.living(id(1), None);
    tree.living(id(2), Some(id(1)));
    tree.living(id(3), Some(id(2)));
    tree.ended(account(id(2)));
    assert_eq!(drawn(&tree), "1\n  [2]\n    3\n  4\n");
    assert_eq!(tree.ancestry(id(3)), [id(1), id(2), id(3)]);
    assert_eq!(tree.lines_of_the_living().len(), 4);
}

#[test]
fn a_parent_that_was_never_seen_keeps_its_place() {
    let mut tree = ForkTree::default();
    tree.living(id(3), Some(id(2)));
    assert_eq!(drawn(&tree), "?2\n  3\n");
    tree.living(id(2), Some(id(1)));
    assert_eq!(drawn(&tree), "?1\n  2\n    3\n");
}

#[test]
fn nobody_is_born_by_a_younger_one_nor_by_itself() {
    let mut tree = ForkTree::default();
    tree.living(id(1), Some(id(5)));
    tree.living(id(2), Some(id(2)));
    let (twin, other) = (ProcessId::new(7, 70), ProcessId::new(8, 70));
    tree.living(twin, Some(other));
    tree.living(other, Some(twin));
    assert_eq!(tree.get(id(1)).unwrap().parent(), None);
    assert_eq!(tree.get(id(2)).unwrap().parent(), None);
    assert_eq!(tree.ancestry(twin), [other, twin]);
}

#[test]
fn the_dead_are_let_go_oldest_first_but_not_from_under_the_living() {
    let mut tree = ForkTree::with_dead_max(1);
    tree.living(id(1), None);
    tree.living(id(2), Some(id(1)));
    tree.living(id(3), Some(id(2)));
    tree.living(id(4), Some(id(1)));
    tree.living(id(5), Some(id(1)));
    for dead in [2, 4, 5] {
        tree.ended(account(id(dead)));
    }
    assert_eq!(drawn(&tree), "1\n  [2]\n    3\n  [5]\n");
    tree.ended(account(id(3)));
    tree.ended(account(id(1)));
    assert_eq!(
        drawn(&tree),
        "[1]\n",
        "the ancestors went with the last of their line"
    );
}

#[test]
fn a_line_of_daemons_does_not_grow_for_ever() {
    let mut tree = ForkTree::with_dead_max(1);
    let generations = ANCESTORS_MAX as u32 + 500;
    for generation in 1..generations {
        tree.living(id(generation + 1), Some(id(generation)));
        tree.ended(account(id(generation)));
    }
    assert!(tree.len() <= ANCESTORS_MAX + 3, "{}", tree.len());
    assert!(tree.ancestry(id(generations)).len() > ANCESTORS_MAX);
}

proptest! {
    #[test]
    fn any_edges_make_a_forest_whose_sums_are_those_of_its_members(
        edges in proptest::collection::vec(((0u32..12, 0u64..4), (0u32..12, 0u64..4), any::<bool>()), 0..60),
        dead_max in 0usize..6,
    ) {
        let mut tree = ForkTree::with_dead_max(dead_max);
        for ((pid, start), (parent, parent_start), ends) in edges {
            let child = ProcessId::new(pid, start);
            tree.living(child, Some(ProcessId::new(parent, parent_start)));
            if ends {
                tree.ended(account(child));
            }
        }
        let cost = |id: ProcessId| Totals::ZERO.with(Counter::CpuTime, u64::from(id.pid) + 1);
        let sums = tree.all_subtree_totals(|id| Some(cost(id)));
        let mut visited = 0;
        for root in tree.roots() {
            visited += tree.descend(root).len();
        }
        prop_assert_eq!(visited, tree.len(), "every process hangs on a root, once");
        for id in tree.ids() {
            let members = tree.descend(*id);
            let sum: u64 = members.iter().map(|(_, member)| u64::from(member.pid) + 1).sum();
            prop_assert_eq!(sums[id].get(Counter::CpuTime), Some(sum));
            prop_assert!(tree.ancestry(*id).len() <= tree.len());
        }
    }
}
