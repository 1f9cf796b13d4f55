//! What the collector takes from /proc: processes that passes leave out, facts that no record carries,
//! and everything where there is no eBPF.

use std::{io, sync::Arc};

use super::{Collector, Dated, Now};
use crate::model::{event::Event, identity::ProcessId, observation::PassScope, sample::Source};

impl Collector {
    /// Takes a process that the pass has left out from /proc. False when it is not there either.
    pub(super) fn fill_hole(&mut self, id: ProcessId, tell: &mut dyn FnMut(Event)) -> bool {
        let on_record = self.ledger.process(id);
        let known = on_record.map(|process| Arc::clone(&process.facts));
        let is_in_passes = on_record
            .is_some_and(|process| process.source == Source::Ebpf && process.threads.is_some());
        let Ok(sample) = self.proc.try_sample(id.pid, &mut self.names, |_| known) else {
            // Not to be read just now, as when descriptors have run out: no sign of its end.
            self.ledger.excuse(id);
            return true;
        };
        let is_same = |start_ns| self.proc.is_same_start(id.start_time_ns, start_ns);
        let Some(mut sample) = sample.filter(|sample| is_same(sample.id.start_time_ns)) else {
            self.holes.remove(&id);
            return false;
        };
        // What passes do tell is exact; one that has missed it is made up for by the next.
        if is_in_passes {
            self.holes.remove(&id);
            self.ledger.excuse(id);
            return true;
        }
        sample.id = id;
        sample.parent = sample.parent.map(|parent| self.exactly(parent));
        self.holes.insert(id);
        self.ledger.adopt(sample, tell);
        true
    }

    /// Compares the living set with /proc, for processes that no pass and no record has told of.
    pub(super) fn search_holes(
        &mut self,
        pass_ns: u64,
        tell: &mut dyn FnMut(Event),
    ) -> io::Result<()> {
        let pids = self.proc.pids().map_err(io::Error::other)?;
        let known = self.ledger.pids();
        for pid in pids {
            if known.contains(&pid) {
                continue;
            }
            let Some(start_ns) = self.proc.start_time_ns(pid) else {
                continue;
            };
            // Younger ones have been born since the pass; their records are on their way.
            if start_ns + self.proc.tick_ns() < pass_ns {
                let id = self.exactly(ProcessId::new(pid, start_ns));
                self.fill_hole(id, tell);
            }
        }
        Ok(())
    }

    /// /proc tells a start in clock ticks; records may have told the same process's exactly.
    fn exactly(&self, id: ProcessId) -> ProcessId {
        let same = |start| self.proc.is_same_start(start, id.start_time_ns);
        self.ledger.known_as(id.pid, same).unwrap_or(id)
    }

    /// Looks up what only /proc tells, once per process.
    pub(super) fn learn_facts(&mut self) {
        for id in self.ledger.take_lacking_facts() {
            let facts = self
                .proc
                .facts(id.pid, &mut self.names)
                .filter(|(start_ns, _)| self.proc.is_same_start(id.start_time_ns, *start_ns))
                .map(|(_, facts)| facts);
            self.ledger.learn(id, facts);
        }
    }

    pub(super) fn read_all_from_proc(&mut self, tell: &mut dyn FnMut(Event)) -> io::Result<Dated> {
        let now = Now::read();
        self.names.set_time(now.boot_ns);
        self.ledger.begin_pass(PassScope::All, now.boot_ns);
        // Not to be read just now, as when descriptors have run out: no sign of their end.
        let mut unreadable = Vec::new();
        for pid in self.proc.pids().map_err(io::Error::other)? {
            let ledger = &self.ledger;
            let known = |id| ledger.process(id).map(|process| Arc::clone(&process.facts));
            match self.proc.try_sample(pid, &mut self.names, known) {
                Ok(Some(sample)) => self.ledger.adopt(sample, tell),
                Ok(None) => {}
                Err(_) => unreadable.push(pid),
            }
        }
        for pid in unreadable {
            if let Some(id) = self.ledger.holder(pid) {
                self.ledger.excuse(id);
            }
        }
        let taken = super::dated(&self.proc);
        let missing = self.ledger.end_pass(now.boot_ns, &mut self.names, tell);
        for id in missing {
            self.ledger.vanished(id, tell);
        }
        // No programs keep anything for them.
        self.ledger.take_unreleased();
        Ok(taken)
    }
}
