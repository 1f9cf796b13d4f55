//! The accounts: every observation meets here, and leaves as samples and events.
//!
//! One rule per field says which source wins:
//!
//! | field | rule |
//! |---|---|
//! | every total, peak RSS | the highest reading: totals never fall, and a lower one has missed a thread |
//! | exe, argv | the last exec record; else the parent's at the fork; else /proc, once |
//! | comm, uid, cgroup | the latest reading from any source |
//! | parent now | the latest pass; until then the fork record |
//! | parent at birth (the tree) | the fork record; else the first reading |
//! | exit status | the closing record; else the zombie's; else the exit record's |
//! | end | an exit or closing record; else absence from a pass over all threads and from /proc |
//!
//! Observations may be lost, late or doubled: an end is told once, a process that ended does not come
//! back, and a pass over all threads settles which processes live.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hashbrown::HashSet;

use super::{
    event::{Event, EventKind},
    facts::Facts,
    identity::ProcessId,
    observation::{
        Activity, Closed, Comm, Executed, Exited, Forked, Observation, Owner, PassScope, ThreadSeen,
    },
    sample::{Ending, ProcessSample, Source, State, TotalsAt},
    threads::{ProcessSeen, ThreadSum},
    totals::Totals,
    tree::ForkTree,
};

/// Processes that may end between two samples and still be named in the later one.
const ENDED_MAX: usize = 65_536;
/// How long a closing record may be on its way: it waits for a grace period of RCU, which kernels with
/// lazy RCU callbacks draw out to ten seconds.
const CLOSING_RECORD_MAX_NS: u64 = 15_000_000_000;

/// How long a process that has exited may be on its way out before what a pass sees of it is final.
const WAY_OUT_NS: u64 = 20_000_000;

/// Names for ids, looked up by an edge.
pub trait Names {
    /// The user's name. `None` when there is none for this id.
    fn user(&mut self, uid: u32) -> Option<Arc<str>>;
    /// The cgroup's path, and the container that the path names.
    fn cgroup(&mut self, id: u64) -> (Option<Arc<str>>, Option<Arc<str>>);
}

/// One process that has not been let go of.
#[derive(Debug)]
struct Account {
    sample: ProcessSample,
    comm: Comm,
    owner: Owner,
    /// The last pass that this process was in, or that its record outdates.
    pass: u64,
    /// Its end has been told.
    is_end_told: bool,
    /// Its program and arguments are still to be looked up, or the parent's that it took over were.
    lacks_facts: bool,
}

/// All accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<ProcessId, Account>,
    /// Processes that have exited, and whose end has not been told.
    ending: BTreeSet<ProcessId>,
    /// Processes whose program and arguments nobody has been asked to look up yet.
    lacking_facts: Vec<ProcessId>,
    /// Closed since the last sample.
    ended: Vec<ProcessSample>,
    tree: ForkTree,
    threads: ThreadSum,
    pass: Pass,
    /// Closed without a closing record: what the kernel counted as nameless has these in it.
    closed_without_record: Closing,
    /// Ended processes that one sample had no room for.
    crowded_out: Closing,
    /// Processes that started before this were there already: their birth is no event.
    watching_since_ns: u64,
}

#[derive(Debug, Default)]
struct Pass {
    number: u64,
    scope: Option<PassScope>,
    started_ns: u64,
}

/// A number of processes and what they cost.
#[derive(Clone, Copy, Debug)]
pub struct Closing {
    pub processes: u64,
    pub totals: Totals,
}

impl Default for Closing {
    fn default() -> Self {
        Self {
            processes: 0,
            totals: Totals::ZERO,
        }
    }
}

impl Closing {
    fn add(&mut self, totals: &Totals) {
        self.processes += 1;
        self.totals.add(totals);
    }
}

impl Ledger {
    /// Empty books, opened at this time since boot.
    pub fn watching_since(boot_ns: u64) -> Self {
        Self {
            watching_since_ns: boot_ns,
            ..Self::default()
        }
    }

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
        }
    }

    fn forked(&mut self, forked: &Forked, names: &mut dyn Names, tell: &mut dyn FnMut(Event)) {
        if self.accounts.contains_key(&forked.id) || self.tree.has_ended(forked.id) {
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
        self.open(
            forked.id,
            parent,
            Arc::clone(&facts),
            forked.comm,
            forked.owner,
            lacks_facts,
        );
        tell(Event {
            kind: EventKind::Fork,
            time_ns: Some(forked.time_ns),
            id: forked.id,
            parent,
            facts,
            source: Source::Ebpf,
        });
    }

    /// Opens the account of a process that has just started, or of which this is the first sign.
    fn open(
        &mut self,
        id: ProcessId,
        parent: Option<ProcessId>,
        facts: Arc<Facts>,
        comm: Comm,
        owner: Owner,
        lacks_facts: bool,
    ) -> &mut Account {
        self.tree.living(id, parent);
        if lacks_facts {
            self.lacking_facts.push(id);
        }
        let sample = ProcessSample {
            id,
            parent,
            facts,
            totals: Totals::ZERO,
            rss_bytes: None,
            peak_rss_bytes: None,
            threads: None,
            state: State::Running,
            source: Source::Ebpf,
            predates_collection: false,
        };
        let pass = self.pass.number;
        self.accounts.entry(id).or_insert(Account {
            sample,
            comm,
            owner,
            pass,
            is_end_told: false,
            lacks_facts,
        })
    }

    fn executed(&mut self, executed: Executed, names: &mut dyn Names, tell: &mut dyn FnMut(Event)) {
        if self.tree.has_ended(executed.id) {
            return;
        }
        let parent = (executed.parent.pid != 0).then_some(executed.parent);
        let mut facts = Facts {
            comm: executed.comm.text().into(),
            exe: executed.exe,
            argv: executed.argv,
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
        account.lacks_facts = false;
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
        if self.tree.has_ended(exited.id) {
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
        if self.tree.has_ended(closed.id) {
            return;
        }
        if !self.accounts.contains_key(&closed.id) {
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
        raise(&mut account.sample.peak_rss_bytes, closed.peak_rss_bytes);
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

    /// Takes an account out of the books, for the next sample to show once more.
    fn close(&mut self, id: ProcessId, ending: Ending, tell: &mut dyn FnMut(Event)) {
        let Some(mut account) = self.accounts.remove(&id) else {
            return;
        };
        self.ending.remove(&id);
        account.sample.state = State::Exited(ending);
        account.sample.rss_bytes = None;
        if !account.is_end_told {
            tell(exit_event(&account.sample));
        }
        self.tree.ended(account.sample.clone());
        if self.ended.len() < ENDED_MAX {
            self.ended.push(account.sample);
        } else {
            self.crowded_out.add(&account.sample.totals);
        }
    }

    /// A pass over the threads starts at this time since boot. What a pass before it had handed over
    /// without being [ended](Self::end_pass) is dropped.
    pub fn begin_pass(&mut self, scope: PassScope, now_ns: u64) {
        self.threads = ThreadSum::default();
        self.pass = Pass {
            number: self.pass.number + 1,
            scope: Some(scope),
            started_ns: now_ns,
        };
    }

    /// One thread of the pass.
    pub fn thread_seen(&mut self, thread: ThreadSeen, names: &mut dyn Names) {
        if let Some(process) = self.threads.add(thread) {
            self.process_seen(&process, names);
        }
    }

    fn process_seen(&mut self, seen: &ProcessSeen, names: &mut dyn Names) {
        if self.tree.has_ended(seen.id) {
            return;
        }
        let is_new = !self.accounts.contains_key(&seen.id);
        if is_new {
            let mut facts = Facts {
                comm: seen.comm.text().into(),
                is_kernel_thread: seen.is_kernel_thread,
                ..Facts::default()
            };
            name_owner(&mut facts, seen.owner, names);
            let lacks_facts = !seen.is_kernel_thread;
            self.open(
                seen.id,
                seen.parent,
                Arc::new(facts),
                seen.comm,
                seen.owner,
                lacks_facts,
            );
        }
        let Some(account) = self.accounts.get_mut(&seen.id) else {
            return;
        };
        account.pass = self.pass.number;
        let sample = &mut account.sample;
        sample.source = Source::Ebpf;
        sample.predates_collection |= is_new && seen.has_ended_threads;
        sample.totals.raise_to(&seen.totals);
        sample.threads = Some(seen.threads);
        sample.parent = seen.parent;
        if account.comm != seen.comm {
            account.comm = seen.comm;
            sample.facts = with_comm(Arc::clone(&sample.facts), seen.comm);
        }
        if account.owner != seen.owner {
            account.owner = seen.owner;
            name_owner(Arc::make_mut(&mut sample.facts), seen.owner, names);
        }
        if !seen.is_kernel_thread {
            raise(&mut sample.peak_rss_bytes, seen.peak_rss_bytes);
            sample.rss_bytes = seen.exited.is_none().then_some(seen.rss_bytes);
        }
        let known = sample.state.ending();
        sample.state = match (seen.exited, known) {
            (Some(status), known) => {
                if !account.is_end_told {
                    self.ending.insert(seen.id);
                }
                let time_ns = known.and_then(|ending| ending.time_ns);
                // Its last thread may still be on its way out; then the next pass tells.
                let is_settled = seen.threads <= 1
                    && seen.activity != Activity::Running
                    && time_ns.is_none_or(|time| time + WAY_OUT_NS < self.pass.started_ns);
                State::Zombie(Ending {
                    time_ns,
                    status: Some(status),
                    totals: if is_settled {
                        TotalsAt::Final
                    } else {
                        TotalsAt::Exit
                    },
                })
            }
            // Its exit record came before the pass saw it alive.
            (None, Some(ending)) => State::Zombie(ending),
            (None, None) => match seen.activity {
                Activity::Running => State::Running,
                Activity::Sleeping => State::Sleeping,
                Activity::Uninterruptible => State::Uninterruptible,
                Activity::Stopped => State::Stopped,
            },
        };
    }

    /// The pass is over and the records that came meanwhile have been taken. Returns the processes
    /// that should have been in it and were not: each is to be looked up in /proc, and then either
    /// [adopted](Self::adopt) or reported as [vanished](Self::vanished).
    pub fn end_pass(
        &mut self,
        now_ns: u64,
        names: &mut dyn Names,
        tell: &mut dyn FnMut(Event),
    ) -> Vec<ProcessId> {
        let mut threads = std::mem::take(&mut self.threads);
        for process in threads.finish() {
            self.process_seen(&process, names);
        }
        self.threads = threads;
        self.tell_settled_ends(tell);
        if self.pass.scope.take() == Some(PassScope::All) {
            self.settle_living_set(now_ns, tell)
        } else {
            Vec::new()
        }
    }

    /// Tells the ends of zombies whose totals are final, though nobody has reaped them.
    fn tell_settled_ends(&mut self, tell: &mut dyn FnMut(Event)) {
        let accounts = &mut self.accounts;
        self.ending.retain(|id| {
            let Some(account) = accounts.get_mut(id) else {
                return false;
            };
            let ending = account.sample.state.ending();
            if ending.is_some_and(|ending| ending.totals == TotalsAt::Final) {
                account.is_end_told = true;
                tell(exit_event(&account.sample));
            }
            !account.is_end_told
        });
    }

    /// Finds what was not in a pass over all threads.
    fn settle_living_set(&mut self, now_ns: u64, tell: &mut dyn FnMut(Event)) -> Vec<ProcessId> {
        let mut missing = Vec::new();
        let mut overdue = Vec::new();
        for account in self.accounts.values() {
            let sample = &account.sample;
            if account.pass == self.pass.number || sample.id.start_time_ns >= self.pass.started_ns {
                continue;
            }
            match sample.state.ending() {
                None => missing.push(sample.id),
                // Reaped: its closing record is on its way.
                Some(ending) => {
                    let since = now_ns.saturating_sub(ending.time_ns.unwrap_or(0));
                    if since > CLOSING_RECORD_MAX_NS {
                        overdue.push((sample.id, ending));
                    }
                }
            }
        }
        for (id, ending) in overdue {
            self.close_without_record(id, ending, tell);
        }
        missing
    }

    fn close_without_record(&mut self, id: ProcessId, ending: Ending, tell: &mut dyn FnMut(Event)) {
        if let Some(account) = self.accounts.get(&id) {
            self.closed_without_record.add(&account.sample.totals);
        }
        self.close(id, ending, tell);
    }

    /// A process is neither in a pass nor in /proc, and no record told of its end.
    pub fn vanished(&mut self, id: ProcessId, tell: &mut dyn FnMut(Event)) {
        let ending = Ending {
            time_ns: None,
            status: None,
            totals: TotalsAt::LastSeen,
        };
        self.close_without_record(id, ending, tell);
    }

    /// A process as /proc shows it: one that passes leave out, or any where /proc is the only source.
    ///
    /// The start that /proc tells is in steps of 10 ms; a process that is known more exactly keeps its
    /// identity, which the caller has put into the sample.
    pub fn adopt(&mut self, seen: ProcessSample, tell: &mut dyn FnMut(Event)) {
        if self.tree.has_ended(seen.id) {
            return;
        }
        let is_end_told = self
            .accounts
            .get(&seen.id)
            .is_some_and(|account| account.is_end_told);
        if seen.state.ending().is_some() && !is_end_told {
            self.ending.insert(seen.id);
        }
        let pass = self.pass.number;
        self.tree.living(seen.id, seen.parent);
        match self.accounts.get_mut(&seen.id) {
            None => {
                if seen.id.start_time_ns >= self.watching_since_ns {
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
                        is_end_told: false,
                        lacks_facts: false,
                    },
                );
            }
            Some(account) => {
                account.pass = pass;
                let sample = &mut account.sample;
                sample.totals.raise_to(&seen.totals);
                if let Some(peak) = seen.peak_rss_bytes {
                    raise(&mut sample.peak_rss_bytes, peak);
                }
                if sample.facts.comm != seen.facts.comm {
                    sample.facts = seen.facts;
                }
                sample.rss_bytes = seen.rss_bytes;
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
                facts.argv = learnt.argv;
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

    /// Closes every account whose exit has been seen, with what is known: nothing more will come.
    pub fn settle(&mut self, tell: &mut dyn FnMut(Event)) {
        for id in std::mem::take(&mut self.ending) {
            let state = self.accounts.get(&id).map(|account| account.sample.state);
            if let Some(ending) = state.and_then(State::ending) {
                self.close(id, ending, tell);
            }
        }
    }

    /// Every account, ordered by identity, and those closed since this was last called.
    pub fn take_processes(&mut self) -> Vec<ProcessSample> {
        let mut processes = Vec::with_capacity(self.accounts.len() + self.ended.len());
        processes.extend(self.accounts.values().map(|account| account.sample.clone()));
        if !self.ended.is_empty() {
            processes.append(&mut self.ended);
            processes.sort_unstable_by_key(|process| process.id);
        }
        self.ended.shrink_to(1024);
        processes
    }

    pub fn tree(&self) -> &ForkTree {
        &self.tree
    }

    /// The process that holds a pid now. `None` when none does.
    pub fn holder(&self, pid: u32) -> Option<ProcessId> {
        let holders = ProcessId::new(pid, 0)..=ProcessId::new(pid, u64::MAX);
        self.accounts.range(holders).next_back().map(|(id, _)| *id)
    }

    /// The pids of all processes that have not been let go of.
    pub fn pids(&self) -> HashSet<u32> {
        self.accounts.keys().map(|id| id.pid).collect()
    }

    /// The identity under which a process stands in the tree or the accounts, among those of its pid
    /// whose start `is_same` accepts.
    pub fn known_as(&self, pid: u32, is_same: impl Fn(u64) -> bool) -> Option<ProcessId> {
        let fits = |id: &&ProcessId| id.pid == pid && is_same(id.start_time_ns);
        self.accounts
            .keys()
            .find(fits)
            .or_else(|| self.tree.ids().find(fits))
            .copied()
    }

    /// True while an exit has been seen whose end has not been told.
    pub fn has_pending_ends(&self) -> bool {
        !self.ending.is_empty()
    }

    /// A process that has not been let go of.
    pub fn process(&self, id: ProcessId) -> Option<&ProcessSample> {
        self.accounts.get(&id).map(|account| &account.sample)
    }

    /// Processes that were closed without their closing record.
    pub fn closed_without_record(&self) -> Closing {
        self.closed_without_record
    }

    /// Ended processes that a sample had no room for, and what they cost.
    pub fn crowded_out(&self) -> Closing {
        self.crowded_out
    }
}

fn exit_event(sample: &ProcessSample) -> Event {
    Event {
        kind: EventKind::Exit(Box::new(sample.clone())),
        time_ns: sample.state.ending().and_then(|ending| ending.time_ns),
        id: sample.id,
        parent: sample.parent,
        facts: Arc::clone(&sample.facts),
        source: sample.source,
    }
}

fn with_comm(mut facts: Arc<Facts>, comm: Comm) -> Arc<Facts> {
    let text = comm.text();
    if !text.is_empty() && *facts.comm != text {
        Arc::make_mut(&mut facts).comm = text.into();
    }
    facts
}

fn name_owner(facts: &mut Facts, owner: Owner, names: &mut dyn Names) {
    facts.uid = Some(owner.uid);
    facts.user = names.user(owner.uid);
    if owner.cgroup_id != 0 {
        (facts.cgroup, facts.container) = names.cgroup(owner.cgroup_id);
    }
}

fn raise(peak: &mut Option<u64>, reading: u64) {
    *peak = Some(peak.map_or(reading, |known| known.max(reading)));
}

#[cfg(test)]
mod tests;
