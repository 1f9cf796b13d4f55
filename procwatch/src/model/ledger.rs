//! The accounts: every observation meets here, and leaves as samples and events.
//!
//! One rule per field says which source wins:
//!
//! | field | rule |
//! |---|---|
//! | every total | the highest reading: totals never fall, and a lower one has missed a thread |
//! | peak RSS | the closing record's; else the highest reading |
//! | exe, argv | the last exec record; else the parent's at the fork; else /proc, once; argv without secrets |
//! | comm, uid, cgroup | the latest reading from any source |
//! | parent now | the latest of pass and exit record; until then the fork record |
//! | parent at birth (the tree) | the fork record; else the first reading |
//! | exit status | the closing record; else the zombie's; else the exit record's |
//! | end | an exit or closing record; else absence from two passes over all threads, and from /proc |
//!
//! Observations may be lost, late or doubled: an end is told once, a process that ended does not come
//! back, and a pass over all threads settles which processes live.

mod awaited;
mod happenings;
mod lifecycle;
mod lookups;
mod passes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hashbrown::HashSet;

use self::{awaited::Awaited, happenings::Signals};
use super::{
    event::{Event, EventKind},
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    observation::{Comm, Owner, PassScope},
    redact::Redactor,
    sample::{Ending, ProcessSample, Source, State},
    threads::ThreadSum,
    totals::{Counter, Totals},
    tree::ForkTree,
};

/// Processes that may end between two samples and still be named in the later one.
const ENDED_MAX: usize = 65_536;

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
    /// Its birth has been told, or its record was lost or is from before us.
    is_birth_told: bool,
    /// Its end has been told.
    is_end_told: bool,
    /// When it was first missing from a pass over all threads.
    missing_since_ns: Option<u64>,
    /// Waits to be reaped, and has run its last.
    is_zombie_off_cpu: bool,
    /// Its program and arguments are still to be looked up, or the parent's that it took over were.
    lacks_facts: bool,
    signals: Signals,
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
    awaited: Awaited,
    /// What closing records told, beyond what was known, that came after their account had been closed.
    late: Closing,
    /// Those of them that have not been asked for: at most as many as have ended since the last pass.
    unreleased: Vec<ProcessId>,
    /// Ended processes that one sample had no room for.
    crowded_out: Closing,
    /// Processes that started before this were there already: their birth is no event.
    watching_since_ns: u64,
    /// What this host's hooks do not count.
    unmeasured: Vec<Counter>,
    /// Takes secrets out of arguments before they are on the books. `None` where they are wanted.
    redactor: Option<Redactor>,
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

    fn take_back(&mut self, totals: &Totals) {
        self.processes = self.processes.saturating_sub(1);
        self.totals = self.totals.since(totals);
    }
}

impl Ledger {
    /// Empty books, opened at this time since boot.
    ///
    /// `unmeasured` are the counters that no hook counts here: they are unknown, and not 0.
    pub fn watching_since(boot_ns: u64, unmeasured: &[Counter]) -> Self {
        Self {
            watching_since_ns: boot_ns,
            unmeasured: unmeasured.to_vec(),
            ..Self::default()
        }
    }

    /// The same books, without the secrets of command lines from here on.
    #[must_use]
    pub fn redacting(self, redactor: Option<Redactor>) -> Self {
        Self { redactor, ..self }
    }

    /// Arguments as they may stand on the books.
    fn without_secrets(&self, argv: Option<Box<str>>, is_truncated: bool) -> Option<Box<str>> {
        let argv = argv?;
        let redactor = self.redactor.as_ref();
        match redactor.and_then(|redactor| redactor.argv(&argv, is_truncated)) {
            Some(redacted) => Some(redacted.into()),
            None => Some(argv),
        }
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
            totals: Totals::ZERO.without(&self.unmeasured),
            rss_bytes: None,
            peak_rss_bytes: None,
            memory: None,
            pss_bytes: None,
            threads: None,
            state: State::Running,
            source: Source::Ebpf,
            predates_collection: false,
            flows_since_ns: Some(id.start_time_ns.max(self.watching_since_ns)),
        };
        let pass = self.pass.number;
        self.accounts.entry(id).or_insert(Account {
            sample,
            comm,
            owner,
            pass,
            is_birth_told: false,
            is_end_told: false,
            is_zombie_off_cpu: false,
            missing_since_ns: None,
            lacks_facts,
            signals: Signals::default(),
        })
    }

    /// Takes an account out of the books, for the next sample to show once more.
    fn close(&mut self, id: ProcessId, ending: Ending, tell: &mut dyn FnMut(Event)) {
        let Some(mut account) = self.accounts.remove(&id) else {
            return;
        };
        self.ending.remove(&id);
        account.sample.state = State::Exited(ending);
        account.sample.rss_bytes = None;
        account.sample.memory = None;
        if !account.is_end_told {
            account.tell_end(tell);
        }
        self.tree.ended(account.sample.clone());
        if self.ended.len() < ENDED_MAX {
            self.ended.push(account.sample);
        } else {
            self.crowded_out.add(&account.sample.totals);
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

    /// Whatever else comes of it is late.
    fn has_ended(&self, id: ProcessId) -> bool {
        self.tree.has_ended(id) || self.awaited.contains(id)
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
        let holders = ProcessId::new(pid, 0)..=ProcessId::new(pid, u64::MAX);
        let account = self
            .accounts
            .range(holders)
            .map(|(id, _)| id)
            .find(|id| is_same(id.start_time_ns));
        let fits = |id: &&ProcessId| id.pid == pid && is_same(id.start_time_ns);
        account.or_else(|| self.tree.ids().find(fits)).copied()
    }

    /// The processes whose exit has been seen, and whose end has not been told.
    pub fn pending_ends(&self) -> BTreeSet<ProcessId> {
        self.ending.clone()
    }

    /// Whether the end of any of these has still not been told.
    pub fn is_any_pending(&self, ends: &BTreeSet<ProcessId>) -> bool {
        !self.ending.is_disjoint(ends)
    }

    /// A process that has not been let go of.
    pub fn process(&self, id: ProcessId) -> Option<&ProcessSample> {
        self.accounts.get(&id).map(|account| &account.sample)
    }

    /// Processes that were closed without their closing record.
    pub fn closed_without_record(&self) -> Closing {
        self.closed_without_record
    }

    /// What was found out of processes after their last sample: part of no row.
    pub fn late(&self) -> Closing {
        self.late
    }

    /// Ended processes that a sample had no room for, and what they cost.
    pub fn crowded_out(&self) -> Closing {
        self.crowded_out
    }
}

impl Account {
    /// Tells the end, and before it the signal that was its cause, if that has not been told.
    fn tell_end(&mut self, tell: &mut dyn FnMut(Event)) {
        let exit = exit_event(&self.sample);
        let status = self.sample.state.ending().and_then(|ending| ending.status);
        if self.sample.source == Source::Ebpf
            && let Some(number) = status.and_then(WaitStatus::signal)
            && let Some((time_ns, signal)) = self.signals.untold(number.into())
        {
            tell(Event {
                kind: EventKind::Signal(Box::new(signal)),
                time_ns: time_ns.or(exit.time_ns),
                ..exit.clone()
            });
        }
        tell(exit);
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
