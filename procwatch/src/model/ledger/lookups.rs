//! What /proc tells: whole processes where nothing else does, and facts that no record carries.

use std::sync::Arc;

use super::{Account, Ledger, happenings::Signals, raise};
use crate::model::{
    event::{Event, EventKind},
    facts::Facts,
    identity::ProcessId,
    observation::{Comm, Owner},
    sample::{ProcessSample, State},
};

impl Ledger {
    /// A process as /proc shows it: one that passes leave out, or any where /proc is the only source.
    ///
    /// The start that /proc tells is in steps of 10 ms; a process that is known more exactly keeps its
    /// identity, which the caller has put into the sample.
    pub fn adopt(&mut self, mut seen: ProcessSample, tell: &mut dyn FnMut(Event)) {
        if self.has_ended(seen.id) {
            return;
        }
        let on_record = self.accounts.get(&seen.id);
        if !on_record.is_some_and(|one| Arc::ptr_eq(&one.sample.facts, &seen.facts)) {
            let argv = seen.facts.argv.clone();
            let argv = self.without_secrets(argv, seen.facts.argv_truncated);
            if argv != seen.facts.argv {
                Arc::make_mut(&mut seen.facts).argv = argv;
            }
        }
        let is_end_told = self
            .accounts
            .get(&seen.id)
            .is_some_and(|account| account.is_end_told);
        let is_zombie = seen.state.ending().is_some();
        if is_zombie && !is_end_told {
            self.ending.insert(seen.id);
        }
        let pass = self.pass.number;
        self.tree.living(seen.id, seen.parent);
        match self.accounts.get_mut(&seen.id) {
            None => {
                let is_birth_told =
                    seen.id.start_time_ns >= self.watching_since_ns && self.pass.number > 1;
                if is_birth_told {
                    tell(Event {
                        kind: EventKind::Fork,
                        time_ns: Some(seen.id.start_time_ns),
                        id: seen.id,
                        parent: seen.parent,
                        facts: Arc::clone(&seen.facts),
                        source: seen.source,
                    });
                }
                self.accounts.insert(
                    seen.id,
                    Account {
                        comm: Comm::new(&seen.facts.comm),
                        owner: Owner::default(),
                        sample: seen,
                        pass,
                        is_birth_told: true,
                        is_end_told: false,
                        is_zombie_off_cpu: is_zombie,
                        missing_since_ns: None,
                        lacks_facts: false,
                        signals: Signals::default(),
                    },
                );
            }
            Some(account) => {
                account.pass = pass;
                account.missing_since_ns = None;
                account.is_zombie_off_cpu = is_zombie;
                let sample = &mut account.sample;
                sample.totals.raise_to(&seen.totals);
                if let Some(peak) = seen.peak_rss_bytes {
                    raise(&mut sample.peak_rss_bytes, peak);
                }
                sample.facts = seen.facts;
                sample.rss_bytes = seen.rss_bytes;
                sample.memory = seen.memory;
                sample.threads = seen.threads;
                sample.parent = seen.parent;
                sample.source = seen.source;
                sample.state = match (sample.state, seen.state) {
                    (State::Zombie(known), State::Zombie(_)) => State::Zombie(known),
                    (_, state) => state,
                };
            }
        }
    }

    /// A process that a pass has missed is known to live all the same.
    pub fn excuse(&mut self, id: ProcessId) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.pass = self.pass.number;
            account.missing_since_ns = None;
        }
    }

    /// The processes whose program and arguments are to be looked up in /proc; each is named once.
    pub fn take_lacking_facts(&mut self) -> Vec<ProcessId> {
        let mut lacking = std::mem::take(&mut self.lacking_facts);
        lacking.retain(|id| {
            self.accounts
                .get(id)
                .is_some_and(|account| account.lacks_facts)
        });
        lacking
    }

    /// Fills in what /proc tells; what a record told stays.
    pub fn learn(&mut self, id: ProcessId, learnt: Option<Facts>) {
        let Some(account) = self.accounts.get(&id) else {
            return;
        };
        let mut facts = Facts::clone(&account.sample.facts);
        if let Some(learnt) = learnt {
            if facts.exe.is_none() {
                facts.exe = learnt.exe;
            }
            if facts.argv.is_none() {
                facts.argv = self.without_secrets(learnt.argv, learnt.argv_truncated);
                facts.argv_truncated = learnt.argv_truncated;
            }
            // The kernel's id is of the unified hierarchy; a host of the old kind has its groups
            // elsewhere.
            if facts.cgroup.as_deref().is_none_or(|path| path == "/") && learnt.cgroup.is_some() {
                facts.cgroup = learnt.cgroup;
                facts.container = learnt.container;
            }
        }
        // Workers are their parent's image: a thousand of them need one copy.
        let parent = account
            .sample
            .parent
            .and_then(|parent| self.accounts.get(&parent));
        let shared = parent
            .map(|parent| &parent.sample.facts)
            .filter(|theirs| ***theirs == facts);
        let facts = shared.map_or_else(|| Arc::new(facts), Arc::clone);
        if let Some(account) = self.accounts.get_mut(&id) {
            account.lacks_facts = false;
            account.sample.facts = facts;
        }
    }
}
