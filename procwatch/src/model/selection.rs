//! Which processes of a snapshot are shown, and in which order.

use hashbrown::HashMap;

use super::{
    field::{Field, compare_by},
    filter::Filter,
    identity::ProcessId,
    snapshot::{ProcessView, Snapshot},
};

/// What a person wants to see.
#[derive(Clone, Debug)]
pub struct Selection {
    pub filter: Option<Filter>,
    pub sort: Field,
    pub direction: Direction,
    pub limit: Option<usize>,
    pub arrangement: Arrangement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    Flat,
    /// Children below their present parents, brothers and sisters sorted.
    Tree,
}

/// Which end of the order stands at the top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Numbers from the largest, text from A.
    #[default]
    Usual,
    /// The other way round; what is not known stays at the end.
    Reversed,
}

impl Selection {
    /// The selected processes of a snapshot in order, each with its depth: 0 when flat.
    pub fn of<'a>(&self, snapshot: &'a Snapshot) -> Vec<(usize, ProcessView<'a>)> {
        self.among(snapshot.processes())
    }

    /// The same of any processes.
    pub fn among<'a>(
        &self,
        processes: impl Iterator<Item = ProcessView<'a>>,
    ) -> Vec<(usize, ProcessView<'a>)> {
        self.among_kin(processes, |_| None)
    }

    /// The same, with children below those that bore them, as far as `born_of` knows and those are among them.
    pub fn among_kin<'a>(
        &self,
        processes: impl Iterator<Item = ProcessView<'a>>,
        born_of: impl Fn(ProcessId) -> Option<ProcessId>,
    ) -> Vec<(usize, ProcessView<'a>)> {
        let mut views: Vec<_> = processes
            .filter(|view| {
                self.filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(view))
            })
            .collect();
        let compare = compare_by(self.sort, self.direction);
        let mut rows = match self.arrangement {
            Arrangement::Flat => {
                if let Some(limit) = self.limit
                    && limit > 0
                    && limit < views.len()
                {
                    views.select_nth_unstable_by(limit - 1, &compare);
                    views.truncate(limit);
                }
                views.sort_unstable_by(&compare);
                views.into_iter().map(|view| (0, view)).collect()
            }
            Arrangement::Tree => {
                views.sort_unstable_by(&compare);
                as_forest(&views, born_of)
            }
        };
        if let Some(limit) = self.limit {
            rows.truncate(limit);
        }
        rows
    }
}

/// Children below their parents, in the order of `views` where that leaves a choice. A process whose
/// parent is not among them stands at the left.
fn as_forest<'a>(
    views: &[ProcessView<'a>],
    born_of: impl Fn(ProcessId) -> Option<ProcessId>,
) -> Vec<(usize, ProcessView<'a>)> {
    let selected: HashMap<ProcessId, usize> = views
        .iter()
        .enumerate()
        .map(|(at, view)| (view.process.id, at))
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); views.len()];
    let mut roots = Vec::new();
    for (at, view) in views.iter().enumerate() {
        let place = |parent: Option<ProcessId>| parent.and_then(|parent| selected.get(&parent));
        let parent = place(born_of(view.process.id)).or_else(|| place(view.process.parent));
        match parent {
            // A parent is older than its child; anything else would be a circle.
            Some(parent)
                if views[*parent].process.id.start_time_ns <= view.process.id.start_time_ns
                    && *parent != at =>
            {
                children[*parent].push(at);
            }
            _ => roots.push(at),
        }
    }
    let mut rows = Vec::with_capacity(views.len());
    let mut is_placed = vec![false; views.len()];
    let mut stack: Vec<_> = roots.iter().rev().map(|at| (0, *at)).collect();
    while let Some((depth, at)) = stack.pop() {
        if std::mem::replace(&mut is_placed[at], true) {
            continue;
        }
        rows.push((depth, views[at]));
        stack.extend(children[at].iter().rev().map(|child| (depth + 1, *child)));
    }
    // Two of equal start that name each other as parent hang on no root.
    rows.extend(
        views
            .iter()
            .zip(is_placed)
            .filter(|(_, placed)| !placed)
            .map(|(view, _)| (0, *view)),
    );
    rows
}
