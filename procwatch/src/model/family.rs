//! The fork tree with everybody's account, to be handed on.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{
    identity::ProcessId,
    sample::ProcessSample,
    tree::{ForkTree, Node},
};

/// The living, the dead that are remembered, and who bore whom.
#[derive(Debug)]
pub struct Family {
    tree: ForkTree,
    living: HashMap<ProcessId, ProcessSample>,
}

/// One of a family, for its way to another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    id: ProcessId,
    /// Who bore it.
    parent: Option<ProcessId>,
    is_living: bool,
    /// `None` for a parent that was named and never seen itself.
    account: Option<ProcessSample>,
}

impl Member {
    /// One that lives and has this account, or has ended and had it last.
    pub fn new(account: ProcessSample, parent: Option<ProcessId>) -> Self {
        Self {
            id: account.id,
            parent,
            is_living: !account.state.has_gone(),
            account: Some(account),
        }
    }
}

impl Family {
    pub fn of(members: Vec<Member>) -> Self {
        let mut tree = ForkTree::with_dead_max(members.len());
        let mut living = HashMap::new();
        for member in members {
            match member.account {
                Some(account) if !member.is_living => tree.ended(account),
                account => {
                    if member.is_living {
                        tree.living(member.id, None);
                    }
                    living.extend(account.map(|account| (member.id, account)));
                }
            }
            if let Some(parent) = member.parent {
                tree.born(member.id, parent);
            }
        }
        Self { tree, living }
    }

    pub fn tree(&self) -> &ForkTree {
        &self.tree
    }

    /// The account of one of the living, or the last of one that has ended. `None` when it was never seen.
    pub fn process(&self, id: ProcessId) -> Option<&ProcessSample> {
        self.living
            .get(&id)
            .or_else(|| self.tree.get(id).and_then(Node::last_account))
    }

    /// The process that has a pid, or the last that had it.
    pub fn holder(&self, pid: u32) -> Option<ProcessId> {
        let living = self.living.keys().find(|id| id.pid == pid).copied();
        living.or_else(|| self.tree.latest(pid))
    }
}

impl ForkTree {
    /// Everybody in the tree, with the account that `process` has of the living.
    pub fn members<'a>(
        &self,
        process: impl Fn(ProcessId) -> Option<&'a ProcessSample>,
    ) -> Vec<Member> {
        self.ids()
            .map(|id| {
                let node = self.get(*id);
                let last = node.and_then(Node::last_account);
                Member {
                    id: *id,
                    parent: node.and_then(Node::parent),
                    is_living: node.is_some_and(Node::is_living),
                    account: process(*id).or(last).cloned(),
                }
            })
            .collect()
    }
}
