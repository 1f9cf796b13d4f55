//! What happens to processes without changing their accounts: connections, OOM kills, fatal signals.

use std::sync::Arc;

use super::{Ledger, Names};
use crate::model::{
    connection::Connection,
    event::{Event, EventKind, FatalSignal, OomKill, Party},
    facts::Facts,
    identity::ProcessId,
    observation::{Comm, ConnectionSeen, OomKilled, Signalled, Victim},
    sample::{ProcessSample, Source},
};

/// Real-time signals queue up; of any other the kernel keeps one.
const REAL_TIME: u32 = 32;
/// Signals of one process that wait at the same time.
const WAITING_MAX: usize = 64;

/// The signals that may end a process, and whether the one that did has been told.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) is_told: bool,
    waiting: Vec<(u64, FatalSignal)>,
}

impl Signals {
    fn wait(&mut self, time_ns: u64, signal: FatalSignal) {
        let earlier = self
            .waiting
            .iter_mut()
            .find(|(_, waiting)| waiting.signal == signal.signal);
        match earlier {
            // The first of a queue comes first.
            Some(_) if signal.signal >= REAL_TIME => {}
            // It was sent anew, so the earlier one has been taken.
            Some(earlier) => *earlier = (time_ns, signal),
            None => {
                if self.waiting.len() < WAITING_MAX {
                    self.waiting.push((time_ns, signal));
                }
            }
        }
    }

    /// The signal that has ended the process, if it has not been told: as it was sent, else as all that the
    /// end tells of it.
    pub(super) fn untold(&mut self, number: u32) -> Option<(Option<u64>, FatalSignal)> {
        if std::mem::replace(&mut self.is_told, true) {
            return None;
        }
        let waiting = std::mem::take(&mut self.waiting);
        let sent = waiting
            .into_iter()
            .find(|(_, waiting)| waiting.signal == number);
        Some(match sent {
            Some((time_ns, signal)) => (Some(time_ns), signal),
            None => (
                None,
                FatalSignal {
                    signal: number,
                    code: None,
                    sender: None,
                },
            ),
        })
    }
}

/// Stands for an owner that is not known.
const NOBODY: ProcessId = ProcessId::new(0, 0);

impl Ledger {
    pub(super) fn connection(
        &self,
        seen: ConnectionSeen,
        kind: fn(Box<Connection>) -> EventKind,
        tell: &mut dyn FnMut(Event),
    ) {
        let connection = seen.connection;
        let time_ns = match kind(Box::new(connection.clone())) {
            // It is told when the owner shows; it had happened by then.
            EventKind::Accept(_) => connection.opened_ns.unwrap_or(seen.time_ns),
            EventKind::Close(_) => connection.closed_ns.unwrap_or(seen.time_ns),
            _ => seen.time_ns,
        };
        let id = connection.owner.unwrap_or(NOBODY);
        let comm = connection.comm;
        tell(self.event(kind(Box::new(connection)), time_ns, id, comm));
    }

    pub(super) fn oom_killed(
        &self,
        killed: &OomKilled,
        names: &mut dyn Names,
        tell: &mut dyn FnMut(Event),
    ) {
        let mut asked_by = self.party(killed.asker, killed.asker_comm);
        // The record is newer than the account; only on a host of the old kind does it know the root alone.
        let by_record = names.cgroup(killed.asker_cgroup_id).0;
        if by_record.as_deref().is_some_and(|path| path != "/") || asked_by.cgroup.is_none() {
            asked_by.cgroup = by_record;
        }
        let (id, comm, memory, oom_score_adj) = match &killed.victim {
            Victim::Pid(pid) => {
                let id = self.holder(*pid).unwrap_or(ProcessId::new(*pid, 0));
                (id, Comm::default(), None, None)
            }
            Victim::Process {
                id,
                comm,
                memory,
                oom_score_adj,
            } => (*id, *comm, Some(*memory), Some(*oom_score_adj)),
        };
        let kill = OomKill {
            memory,
            oom_score_adj,
            asked_by,
        };
        tell(self.event(EventKind::Oom(Box::new(kill)), killed.time_ns, id, comm));
    }

    pub(super) fn signalled(&mut self, signalled: &Signalled, tell: &mut dyn FnMut(Event)) {
        let signal = FatalSignal {
            signal: signalled.signal,
            code: Some(signalled.code),
            sender: signalled
                .sender
                .map(|(sender, comm)| self.party(sender, comm)),
        };
        let account = self.accounts.get_mut(&signalled.id);
        if signalled.waits {
            if let Some(account) = account {
                account.signals.wait(signalled.time_ns, signal);
            }
            return;
        }
        if let Some(account) = account {
            account.signals.is_told = true;
        }
        let kind = EventKind::Signal(Box::new(signal));
        tell(self.event(kind, signalled.time_ns, signalled.id, signalled.comm));
    }

    /// The process's account, or its last one.
    fn known(&self, id: ProcessId) -> Option<&ProcessSample> {
        let living = self.accounts.get(&id).map(|account| &account.sample);
        living.or_else(|| self.tree.get(id)?.last_account())
    }

    fn party(&self, id: ProcessId, comm: Comm) -> Party {
        Party {
            id,
            comm: comm.text().into(),
            cgroup: self
                .known(id)
                .and_then(|process| process.facts.cgroup.clone()),
        }
    }

    /// An event of a process of which all that the record itself tells is a name.
    fn event(&self, kind: EventKind, time_ns: u64, id: ProcessId, comm: Comm) -> Event {
        let known = self.known(id);
        let facts = known.map_or_else(
            || {
                Arc::new(Facts {
                    comm: comm.text().into(),
                    ..Facts::default()
                })
            },
            |process| Arc::clone(&process.facts),
        );
        Event {
            kind,
            time_ns: Some(time_ns),
            id,
            parent: known.and_then(|process| process.parent),
            facts,
            source: Source::Ebpf,
        }
    }
}
