//! Passes over the threads: they bring totals up to date, and settle who lives.

use std::sync::Arc;

use super::{Ledger, Names, Pass, name_owner, raise, with_comm};
use crate::model::{
    event::Event,
    facts::Facts,
    identity::ProcessId,
    observation::{Activity, PassScope, ThreadSeen},
    sample::{Ending, Source, State, TotalsAt},
    threads::{ProcessSeen, ThreadSum},
};

/// How long a record may be out of sight: one that is being written hides those behind it, and its writer
/// may be off its CPU, in a virtual machine for long.
pub(super) const RECORD_DELAY_MAX_NS: u64 = 200_000_000;
/// How long a process that has exited may be on its way out before what a pass sees of it is final.
pub(super) const WAY_OUT_NS: u64 = 20_000_000;
/// How long a closing record may be on its way: it waits for a grace period of RCU, which kernels with
/// lazy RCU callbacks draw out to ten seconds.
pub(super) const CLOSING_RECORD_MAX_NS: u64 = 15_000_000_000;

impl Ledger {
    /// A pass over the threads starts at this time since boot. What a pass before it had handed over
    /// without being [ended](Self::end_pass) is dropped.
    pub fn begin_pass(&mut self, scope: PassScope, now_ns: u64) {
        self.threads = ThreadSum::default();
        self.awaited.give_up(now_ns);
        self.pass = Pass {
            number: self.pass.number + 1,
            scope: Some(scope),
            started_ns: now_ns,
        };
    }

    /// One thread of the pass.
    pub fn thread_seen(&mut self, thread: &ThreadSeen, names: &mut dyn Names) {
        if let Some(process) = self.threads.add(thread) {
            self.process_seen(&process, names);
        }
    }

    fn process_seen(&mut self, seen: &ProcessSeen, names: &mut dyn Names) {
        if self.has_ended(seen.id) {
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
        account.missing_since_ns = None;
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
            sample.memory = seen.exited.is_none().then_some(seen.memory);
            sample.rss_bytes = sample.memory.map(|memory| memory.rss_bytes());
        }
        let known = sample.state.ending();
        sample.state = match (seen.exited, known) {
            (Some(status), known) => {
                // Who was a zombie before anyone watched has ended long ago.
                account.is_end_told |= is_new && seen.id.start_time_ns < self.watching_since_ns;
                if !account.is_end_told {
                    self.ending.insert(seen.id);
                }
                account.is_zombie_off_cpu = seen.threads <= 1 && seen.activity != Activity::Running;
                State::Zombie(Ending {
                    time_ns: known.and_then(|ending| ending.time_ns),
                    status: Some(status),
                    totals: known.map_or(TotalsAt::Exit, |ending| ending.totals),
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

    /// Tells the ends of zombies whose totals are final, though nobody has reaped them: those that a
    /// pass has seen off their CPU, and that no pass has seen moving since.
    fn tell_settled_ends(&mut self, tell: &mut dyn FnMut(Event)) {
        let started_ns = self.pass.started_ns;
        let accounts = &mut self.accounts;
        self.ending.retain(|id| {
            let Some(account) = accounts.get_mut(id) else {
                return false;
            };
            let State::Zombie(mut ending) = account.sample.state else {
                return true;
            };
            // Its last thread may still be on its way out; then a later pass tells.
            let is_out = ending
                .time_ns
                .is_none_or(|time| time.saturating_add(WAY_OUT_NS) < started_ns);
            if account.is_zombie_off_cpu && is_out {
                ending.totals = TotalsAt::Final;
                account.sample.state = State::Zombie(ending);
                account.is_end_told = true;
                account.tell_end(tell);
            }
            !account.is_end_told
        });
    }

    /// Finds what was not in a pass over all threads.
    fn settle_living_set(&mut self, now_ns: u64, tell: &mut dyn FnMut(Event)) -> Vec<ProcessId> {
        let mut missing = Vec::new();
        let mut overdue = Vec::new();
        for account in self.accounts.values_mut() {
            let sample = &account.sample;
            if account.pass == self.pass.number || sample.id.start_time_ns >= self.pass.started_ns {
                continue;
            }
            match sample.state.ending() {
                None => {
                    missing.push(sample.id);
                    account.missing_since_ns.get_or_insert(now_ns);
                }
                // Reaped: its closing record is on its way.
                Some(ending) => {
                    let missing_since = *account.missing_since_ns.get_or_insert(now_ns);
                    let since = now_ns.saturating_sub(ending.time_ns.unwrap_or(missing_since));
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
            let totals = account.sample.totals;
            self.closed_without_record.add(&totals);
            self.awaited.insert(id, totals, self.pass.started_ns);
            self.unreleased.push(id);
        }
        self.close(id, ending, tell);
    }

    /// The processes that have ended without a closing record since this was last called: whoever keeps
    /// something for them until that comes need not.
    pub fn take_unreleased(&mut self) -> Vec<ProcessId> {
        std::mem::take(&mut self.unreleased)
    }

    /// Whether a process has been missing from passes for longer than its exit record could be held up
    /// behind one that was being written.
    pub fn is_missing_for_long(&self, id: ProcessId, now_ns: u64) -> bool {
        let missing_since_ns = self
            .accounts
            .get(&id)
            .and_then(|account| account.missing_since_ns);
        missing_since_ns.is_some_and(|since| now_ns.saturating_sub(since) >= RECORD_DELAY_MAX_NS)
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
}
