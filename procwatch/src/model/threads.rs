//! From threads to processes: the account of a process is the sum over its threads.

use hashbrown::HashMap;

use super::{
    identity::{ProcessId, WaitStatus},
    observation::{Activity, Comm, Owner, ThreadSeen},
    sample::MemoryKinds,
    totals::{Counter, Totals},
};

/// One process as one pass saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    pub id: ProcessId,
    pub parent: Option<ProcessId>,
    pub owner: Owner,
    /// The leader's name; another thread's when the leader was not seen.
    pub comm: Comm,
    pub is_kernel_thread: bool,
    /// That of its busiest thread.
    pub activity: Activity,
    pub exited: Option<WaitStatus>,
    pub threads: u32,
    pub totals: Totals,
    /// The largest over the threads: they share one address space, and an exiting one has left it.
    pub memory: MemoryKinds,
    pub peak_rss_bytes: u64,
    /// Some of its threads had ended by then.
    pub has_ended_threads: bool,
}

/// Puts the threads of one pass together.
///
/// The totals of ended threads are taken from the thread that came first: a thread that ends while
/// the pass runs is then missed until the next one, and never counted twice.
#[derive(Debug, Default)]
pub struct ThreadSum {
    groups: HashMap<ProcessId, ProcessSeen>,
}

impl ThreadSum {
    /// Takes one thread. Gives the process back at once when that is its only one.
    pub fn add(&mut self, thread: &ThreadSeen) -> Option<ProcessSeen> {
        if thread.threads <= 1 && thread.is_leader && !self.groups.contains_key(&thread.id) {
            return Some(alone(thread));
        }
        match self.groups.entry(thread.id) {
            hashbrown::hash_map::Entry::Vacant(entry) => {
                entry.insert(alone(thread));
            }
            hashbrown::hash_map::Entry::Occupied(mut entry) => {
                let process = entry.get_mut();
                process.totals.add(&thread.own);
                process.activity = process.activity.max(thread.activity);
                process.exited = process.exited.or(thread.exited);
                if thread.memory.rss_bytes() > process.memory.rss_bytes() {
                    process.memory = thread.memory;
                }
                process.peak_rss_bytes = process.peak_rss_bytes.max(thread.peak_rss_bytes);
                if thread.is_leader {
                    process.comm = thread.comm;
                    process.owner = thread.owner;
                    process.parent = thread.parent;
                }
            }
        }
        None
    }

    /// The processes of several threads, once the pass is over.
    pub fn finish(&mut self) -> impl Iterator<Item = ProcessSeen> + '_ {
        self.groups.drain().map(|(_, process)| process)
    }
}

fn alone(thread: &ThreadSeen) -> ProcessSeen {
    let mut totals = thread.ended;
    totals.add(&thread.own);
    ProcessSeen {
        id: thread.id,
        parent: thread.parent,
        owner: thread.owner,
        comm: thread.comm,
        is_kernel_thread: thread.is_kernel_thread,
        activity: thread.activity,
        exited: thread.exited,
        threads: thread.threads,
        totals,
        memory: thread.memory,
        peak_rss_bytes: thread.peak_rss_bytes,
        has_ended_threads: thread.ended.get(Counter::CpuTime).is_some_and(|ns| ns > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(tid_is_leader: bool, threads: u32, own: u64, ended: u64) -> ThreadSeen {
        ThreadSeen {
            id: ProcessId::new(7, 1),
            parent: None,
            owner: Owner::default(),
            comm: Comm::new(if tid_is_leader { "leader" } else { "worker" }),
            is_leader: tid_is_leader,
            is_kernel_thread: false,
            activity: if tid_is_leader {
                Activity::Sleeping
            } else {
                Activity::Running
            },
            exited: None,
            threads,
            own: Totals::ZERO.with(Counter::CpuTime, own),
            ended: Totals::ZERO.with(Counter::CpuTime, ended),
            memory: MemoryKinds::default(),
            peak_rss_bytes: 4096,
        }
    }

    #[test]
    fn a_process_of_one_thread_needs_no_waiting() {
        let seen = ThreadSum::default().add(&thread(true, 1, 5, 2)).unwrap();
        assert_eq!(seen.totals.get(Counter::CpuTime), Some(7));
    }

    #[test]
    fn ended_threads_are_counted_as_of_the_first_visit() {
        let mut sum = ThreadSum::default();
        assert_eq!(sum.add(&thread(false, 3, 10, 100)), None);
        // By the time the leader was visited a thread of 50 had ended; whether it was visited
        // before that is not known.
        assert_eq!(sum.add(&thread(true, 2, 1, 150)), None);
        let seen: Vec<_> = sum.finish().collect();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].totals.get(Counter::CpuTime), Some(111));
        assert_eq!(seen[0].comm, Comm::new("leader"));
        assert_eq!(seen[0].activity, Activity::Running);
        assert_eq!(sum.finish().count(), 0);
    }
}
