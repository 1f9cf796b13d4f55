//! Who started whom, the dead included: a tree through time.
//!
//! The edges are those of birth, which never change; whom a process is given to when its parent dies
//! is a field of its sample. Events may be missing, late or doubled. A parent starts before its child,
//! so an edge that says otherwise is refused, and the tree can have no cycle.

use std::collections::{BTreeSet, VecDeque};

use hashbrown::{HashMap, HashSet};

use super::{identity::ProcessId, sample::ProcessSample, totals::Totals};

/// Dead processes that are kept beyond those that living ones descend from.
const DEAD_MAX: usize = 8192;
/// Dead ancestors that are kept only because a descendant still stands in the tree.
const ANCESTORS_MAX: usize = 16_384;

/// The fork tree.
#[derive(Debug)]
pub struct ForkTree {
    nodes: HashMap<ProcessId, Node>,
    /// The dead, oldest first.
    dead: VecDeque<ProcessId>,
    /// The dead that would be gone but for their children, oldest first. Some have gone since.
    ancestors: VecDeque<ProcessId>,
    dead_max: usize,
}

/// A process in the tree.
#[derive(Debug, Default)]
pub struct Node {
    parent: Option<ProcessId>,
    /// In the order of their births.
    children: BTreeSet<Birth>,
    life: Life,
    /// Dead, and past its time: it goes with its last child.
    is_kept_for_children: bool,
}

/// A process in the order of births: a shell that has run ten thousand commands has as many children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Birth {
    start_time_ns: u64,
    pid: u32,
}

impl From<ProcessId> for Birth {
    fn from(id: ProcessId) -> Self {
        Self {
            start_time_ns: id.start_time_ns,
            pid: id.pid,
        }
    }
}

impl From<Birth> for ProcessId {
    fn from(birth: Birth) -> Self {
        Self::new(birth.pid, birth.start_time_ns)
    }
}

/// What is known of a node's life.
#[derive(Debug, Default)]
enum Life {
    /// Named as somebody's parent, and never seen itself.
    #[default]
    Unseen,
    Living,
    /// Its last account.
    Ended(Box<ProcessSample>),
}

impl Node {
    pub fn parent(&self) -> Option<ProcessId> {
        self.parent
    }

    pub fn is_living(&self) -> bool {
        matches!(self.life, Life::Living)
    }

    /// The last account of a process that has ended; `None` for the living and the unseen.
    pub fn last_account(&self) -> Option<&ProcessSample> {
        match &self.life {
            Life::Ended(account) => Some(account),
            _ => None,
        }
    }
}

impl Default for ForkTree {
    fn default() -> Self {
        Self::with_dead_max(DEAD_MAX)
    }
}

impl ForkTree {
    /// A tree that keeps at most `dead_max` dead processes besides ancestors of others.
    pub fn with_dead_max(dead_max: usize) -> Self {
        Self {
            nodes: HashMap::new(),
            dead: VecDeque::new(),
            ancestors: VecDeque::new(),
            dead_max,
        }
    }

    pub fn get(&self, id: ProcessId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// Every process in the tree, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &ProcessId> {
        self.nodes.keys()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn has_ended(&self, id: ProcessId) -> bool {
        self.nodes
            .get(&id)
            .is_some_and(|node| matches!(node.life, Life::Ended(_)))
    }

    /// A process lives. Its first known parent is taken for the one that bore it.
    pub fn living(&mut self, id: ProcessId, parent: Option<ProcessId>) {
        let node = self.nodes.entry(id).or_default();
        if matches!(node.life, Life::Unseen) {
            node.life = Life::Living;
        }
        if node.parent.is_none()
            && let Some(parent) = parent
        {
            self.link(id, parent);
        }
    }

    /// A process was borne by this one, whoever was taken for its parent before.
    pub fn born(&mut self, id: ProcessId, parent: ProcessId) {
        let supposed = self.nodes.get(&id).and_then(Node::parent);
        if supposed == Some(parent) || !self.may_bear(parent, id) || id == parent {
            return;
        }
        if let Some(siblings) = supposed.and_then(|supposed| self.nodes.get_mut(&supposed)) {
            siblings.children.remove(&id.into());
        }
        self.link(id, parent);
    }

    fn link(&mut self, child: ProcessId, parent: ProcessId) {
        if child == parent || !self.may_bear(parent, child) {
            return;
        }
        let siblings = &mut self.nodes.entry(parent).or_default().children;
        siblings.insert(child.into());
        if let Some(node) = self.nodes.get_mut(&child) {
            node.parent = Some(parent);
        }
    }

    /// Starts are exact, or in steps of 10 ms from /proc: several of one line may then be equal.
    fn may_bear(&self, parent: ProcessId, child: ProcessId) -> bool {
        let mut ancestor = Some(parent);
        while let Some(id) = ancestor {
            if id == child || id.start_time_ns > child.start_time_ns {
                return false;
            }
            if id.start_time_ns < child.start_time_ns {
                return true;
            }
            ancestor = self.nodes.get(&id).and_then(Node::parent);
        }
        true
    }

    /// A process has ended, with this as its last account. Does nothing the second time.
    pub fn ended(&mut self, account: ProcessSample) {
        let id = account.id;
        let node = self.nodes.entry(id).or_default();
        if matches!(node.life, Life::Ended(_)) {
            return;
        }
        node.life = Life::Ended(Box::new(account));
        self.dead.push_back(id);
        while self.dead.len() > self.dead_max {
            if let Some(oldest) = self.dead.pop_front() {
                self.let_go(oldest);
            }
        }
    }

    fn let_go(&mut self, id: ProcessId) {
        if self
            .nodes
            .get(&id)
            .is_none_or(|node| node.children.is_empty())
        {
            self.remove_childless(id);
            return;
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.is_kept_for_children = true;
        }
        self.ancestors.push_back(id);
        while self.ancestors.len() > ANCESTORS_MAX {
            if let Some(oldest) = self.ancestors.pop_front() {
                self.splice_out(oldest);
            }
        }
    }

    /// Removes a dead node, and the dead ancestors that were kept for it alone.
    fn remove_childless(&mut self, id: ProcessId) {
        let mut id = id;
        loop {
            let Some(node) = self.nodes.remove(&id) else {
                return;
            };
            let Some(parent) = node.parent else { return };
            let Some(siblings) = self.nodes.get_mut(&parent) else {
                return;
            };
            siblings.children.remove(&id.into());
            let may_go = siblings.is_kept_for_children || matches!(siblings.life, Life::Unseen);
            if !siblings.children.is_empty() || !may_go {
                return;
            }
            id = parent;
        }
    }

    /// Hands a dead node's children to its parent.
    fn splice_out(&mut self, id: ProcessId) {
        let Some(node) = self.nodes.remove(&id) else {
            return;
        };
        if let Some(parent) = node.parent
            && let Some(grandparent) = self.nodes.get_mut(&parent)
        {
            grandparent.children.remove(&id.into());
        }
        for child in node.children.into_iter().map(ProcessId::from) {
            if let Some(orphan) = self.nodes.get_mut(&child) {
                orphan.parent = None;
            }
            if let Some(parent) = node.parent {
                self.link(child, parent);
            }
        }
    }

    /// The nodes without a parent, in the order of their births.
    pub fn roots(&self) -> Vec<ProcessId> {
        let mut roots: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.parent.is_none())
            .map(|(id, _)| *id)
            .collect();
        roots.sort_unstable_by_key(|id| (id.start_time_ns, id.pid));
        roots
    }

    /// From the first known ancestor down to the process itself.
    pub fn ancestry(&self, id: ProcessId) -> Vec<ProcessId> {
        let mut line = vec![id];
        let mut next = self.nodes.get(&id).and_then(Node::parent);
        while let Some(ancestor) = next {
            line.push(ancestor);
            next = self.nodes.get(&ancestor).and_then(Node::parent);
        }
        line.reverse();
        line
    }

    /// A node and everything below it, parents before children, each with its depth below `root`.
    pub fn descend(&self, root: ProcessId) -> Vec<(usize, ProcessId)> {
        let mut rows = Vec::new();
        let mut stack = vec![(0, root)];
        while let Some((depth, id)) = stack.pop() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            rows.push((depth, id));
            stack.extend(
                node.children
                    .iter()
                    .rev()
                    .map(|child| (depth + 1, (*child).into())),
            );
        }
        rows
    }

    /// The youngest process of a pid that is in the tree.
    pub fn latest(&self, pid: u32) -> Option<ProcessId> {
        self.nodes
            .keys()
            .filter(|id| id.pid == pid)
            .max_by_key(|id| id.start_time_ns)
            .copied()
    }

    /// The living, and all their ancestors.
    pub fn lines_of_the_living(&self) -> HashSet<ProcessId> {
        let mut lines = HashSet::new();
        for (id, node) in &self.nodes {
            let mut next = node.is_living().then_some(*id);
            while let Some(member) = next {
                if !lines.insert(member) {
                    break;
                }
                next = self.nodes.get(&member).and_then(Node::parent);
            }
        }
        lines
    }

    /// For each process, the totals of it and of all its descendants that are in the tree. `own` gives
    /// a process's own totals, `None` for one that was never seen; a counter that one of them does not
    /// know is unknown in the sum.
    pub fn all_subtree_totals(
        &self,
        own: impl Fn(ProcessId) -> Option<Totals>,
    ) -> HashMap<ProcessId, Totals> {
        let mut sums: HashMap<ProcessId, Totals> = HashMap::with_capacity(self.nodes.len());
        for root in self.roots() {
            // Parents come before children, so from the end every sum is complete when it is added.
            for (_, id) in self.descend(root).into_iter().rev() {
                let mut sum = own(id).unwrap_or(Totals::ZERO);
                if let Some(node) = self.nodes.get(&id) {
                    for child in &node.children {
                        if let Some(below) = sums.get(&ProcessId::from(*child)) {
                            sum.add(below);
                        }
                    }
                }
                sums.insert(id, sum);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests;
