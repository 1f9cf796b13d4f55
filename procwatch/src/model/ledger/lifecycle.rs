//! Records of single lives: forked, executed, exited, closed.

use std::sync::Arc;

use super::{Ledger, Names, name_owner, raise, with_comm};
use crate::model::{
    event::{Event, EventKind},
    facts::Facts,
    observation::{Closed, Executed, Exited, Forked, Observation, Owner},
    sample::{Ending, Source, State, TotalsAt},
};

impl Ledger {
    /// Takes one record. `tell` gets what has been settled by it.
    pub fn observe(
        &mut self,
        observation: Observation,
        names: &mut dyn Names,
        tell: &mut dyn FnMut(Event),
    ) {
        match observation {
            Observation::Forked(forked) => self.forked(&forked, names, tell),
            Observation::Executed(executed) => self.executed(executed, names, tell),
            Observation::Exited(exited) => self.exited(&exited, names),
            Observation::Closed(closed) => self.closed(&closed, tell),
            Observation::Connected(seen) => self.connection(*seen, EventKind::Connect, tell),
            Observation::Accepted(seen) => self.connection(*seen, EventKind::Accept, tell),
            Observation::Disconnected(seen) => self.connection(*seen, EventKind::Close, tell),
            Observation::OomKilled(killed) => self.oom_killed(&killed, names, tell),
            Observation::Signalled(signalled) => self.signalled(&signalled, tell),
        }
    }

    fn forked(&mut self, forked: &Forked, names: &mut dyn Names, tell: &mut dyn FnMut(Event)) {
        let on_record = self.accounts.get(&forked.id);
        if self.has_ended(forked.id) || on_record.is_some_and(|account| account.is_birth_told) {
            return;
        }
        let inherited = self.accounts.get(&forked.parent).map(|parent| {
            (
                Arc::clone(&parent.sample.facts),
                parent.owner,
                parent.lacks_facts,
            )
        });
        let (facts, lacks_facts) = match inherited {
            // A child is its parent's image until it executes something else.
            Some((facts, owner, lacks_facts))
                if owner == forked.owner && facts.is_kernel_thread == forked.is_kernel_thread =>
            {
                (with_comm(facts, forked.comm), lacks_facts)
            }
            inherited => {
                let parent = inherited.map(|(facts, ..)| facts);
                let image = parent.filter(|_| !forked.is_kernel_thread);
                let mut facts = image.as_deref().cloned().unwrap_or_default();
                facts.is_kernel_thread = forked.is_kernel_thread;
                facts.comm = forked.comm.text().into();
                name_owner(&mut facts, forked.owner, names);
                (Arc::new(facts), image.is_none() && !forked.is_kernel_thread)
            }
        };
        let parent = (forked.parent.pid != 0).then_some(forked.parent);
        let account = match self.accounts.get_mut(&forked.id) {
            // A pass, or a later record, was here first, and knew only the parent of that time.
            Some(account) => {
                if let Some(parent) = parent {
                    self.tree.born(forked.id, parent);
                }
                if account.lacks_facts {
                    account.sample.facts = with_comm(Arc::clone(&facts), account.comm);
                    account.lacks_facts = lacks_facts;
                }
                account
            }
            None => self.open(
                forked.id,
                parent,
                Arc::clone(&facts),
                forked.comm,
                forked.owner,
                lacks_facts,
            ),
        };
        account.is_birth_told = true;
        tell(Event {
            kind: EventKind::Fork,
            time_ns: Some(forked.time_ns),
            id: forked.id,
            parent,
            facts,
            source: Source::Ebpf,
        });
    }

    fn executed(&mut self, executed: Executed, names: &mut dyn Names, tell: &mut dyn FnMut(Event)) {
        if self.has_ended(executed.id) {
            return;
        }
        let parent = (executed.parent.pid != 0).then_some(executed.parent);
        let mut facts = Facts {
            comm: executed.comm.text().into(),
            exe: executed.exe,
            argv: self.without_secrets(executed.argv, executed.argv_truncated),
            argv_truncated: executed.argv_truncated,
            ..Facts::default()
        };
        name_owner(&mut facts, executed.owner, names);
        if let Some(account) = self.accounts.get(&executed.id)
            && account.owner.cgroup_id == executed.owner.cgroup_id
        {
            // What /proc told of the group may be more than what the id tells.
            facts.cgroup.clone_from(&account.sample.facts.cgroup);
            facts.container.clone_from(&account.sample.facts.container);
        }
        let facts = Arc::new(facts);
        let account = match self.accounts.get_mut(&executed.id) {
            Some(account) => account,
            None => self.open(
                executed.id,
                parent,
                Arc::clone(&facts),
                executed.comm,
                executed.owner,
                false,
            ),
        };
        account.sample.facts = Arc::clone(&facts);
        account.comm = executed.comm;
        account.owner = executed.owner;
        account.lacks_facts = facts.exe.is_none() || facts.argv.is_none();
        if account.lacks_facts {
            self.lacking_facts.push(executed.id);
        }
        tell(Event {
            kind: EventKind::Exec,
            time_ns: Some(executed.time_ns),
            id: executed.id,
            parent,
            facts,
            source: Source::Ebpf,
        });
    }

    fn exited(&mut self, exited: &Exited, names: &mut dyn Names) {
        if self.has_ended(exited.id) {
            return;
        }
        if !self.accounts.contains_key(&exited.id) {
            let parent = (exited.parent.pid != 0).then_some(exited.parent);
            let mut facts = Facts {
                comm: exited.comm.text().into(),
                ..Facts::default()
            };
            let owner = Owner {
                uid: exited.uid,
                cgroup_id: 0,
            };
            name_owner(&mut facts, owner, names);
            self.open(
                exited.id,
                parent,
                Arc::new(facts),
                exited.comm,
                owner,
                false,
            );
        }
        let Some(account) = self.accounts.get_mut(&exited.id) else {
            return;
        };
        let sample = &mut account.sample;
        sample.totals.raise_to(&exited.totals);
        raise(&mut sample.peak_rss_bytes, exited.peak_rss_bytes);
        sample.rss_bytes = None;
        sample.memory = None;
        sample.parent = (exited.parent.pid != 0).then_some(exited.parent);
        sample.facts = with_comm(Arc::clone(&sample.facts), exited.comm);
        account.comm = exited.comm;
        if !account.is_end_told {
            self.ending.insert(exited.id);
        }
        let known = sample.state.ending();
        sample.state = State::Zombie(Ending {
            time_ns: known
                .and_then(|ending| ending.time_ns)
                .or(Some(exited.time_ns)),
            status: known
                .and_then(|ending| ending.status)
                .or(Some(exited.status)),
            totals: known.map_or(TotalsAt::Exit, |ending| ending.totals),
        });
    }

    fn closed(&mut self, closed: &Closed, tell: &mut dyn FnMut(Event)) {
        if let Some(known) = self.awaited.take(closed.id) {
            // The kernel has handed it over by name, after all.
            self.closed_without_record.take_back(&known);
            self.late.add(&closed.totals.since(&known));
            return;
        }
        if self.has_ended(closed.id) {
            return;
        }
        let is_known = self.accounts.contains_key(&closed.id);
        if !is_known && closed.id.start_time_ns < self.watching_since_ns {
            // It had been reaped before anyone watched.
            return;
        }
        if !is_known {
            let facts = Facts {
                comm: closed.comm.text().into(),
                ..Facts::default()
            };
            self.open(
                closed.id,
                None,
                Arc::new(facts),
                closed.comm,
                Owner::default(),
                false,
            );
        }
        let Some(account) = self.accounts.get_mut(&closed.id) else {
            return;
        };
        account.sample.totals.raise_to(&closed.totals);
        // What `wait4` tells, though a pass that added up every CPU's share may have seen a little more.
        if closed.peak_rss_bytes > 0 {
            account.sample.peak_rss_bytes = Some(closed.peak_rss_bytes);
        }
        let ending = Ending {
            time_ns: account
                .sample
                .state
                .ending()
                .and_then(|ending| ending.time_ns),
            status: Some(closed.status),
            totals: TotalsAt::Final,
        };
        self.close(closed.id, ending, tell);
    }
}
