//! Accounts that were closed without their closing record, which may still come: the kernel frees what has ended
//! a grace period later, after a storm by seconds.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::passes::CLOSING_RECORD_MAX_NS;
use crate::model::{identity::ProcessId, totals::Totals};

/// The oldest gives way: its closing record is then lost, or of an unknown process.
const AWAITED_MAX: usize = 32_768;

/// What was known of each when it was closed.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    known: HashMap<ProcessId, Totals>,
    /// Oldest first. Some have been taken since.
    order: VecDeque<(u64, ProcessId)>,
}

impl Awaited {
    pub(super) fn insert(&mut self, id: ProcessId, totals: Totals, now_ns: u64) {
        self.known.insert(id, totals);
        self.order.push_back((now_ns, id));
        while self.order.len() > AWAITED_MAX {
            self.forget_oldest();
        }
    }

    pub(super) fn contains(&self, id: ProcessId) -> bool {
        self.known.contains_key(&id)
    }

    pub(super) fn take(&mut self, id: ProcessId) -> Option<Totals> {
        self.known.remove(&id)
    }

    /// Gives up those whose record would be here by now.
    pub(super) fn give_up(&mut self, now_ns: u64) {
        while let Some((since_ns, _)) = self.order.front()
            && now_ns.saturating_sub(*since_ns) > CLOSING_RECORD_MAX_NS
        {
            self.forget_oldest();
        }
        if self.order.is_empty() {
            self.known.shrink_to(0);
            self.order.shrink_to(0);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.known.remove(&id);
        }
    }
}
