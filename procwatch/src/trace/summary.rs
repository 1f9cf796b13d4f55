//! What a trace adds up to.

use std::{cmp::Reverse, collections::BinaryHeap};

use hashbrown::{HashMap, HashSet};

use super::{
    arguments,
    calls::{self, Moves},
    cause::Cause,
    histogram::Histogram,
    names::Names,
    record::{Block, Call, Ends, FileId, FileKind, Operation, Record, SignalStage, What},
    split::{Split, Thread},
};

/// The slowest operations that are kept.
const SLOWEST_MAX: usize = 20;
/// Processes that failed, and are told apart.
const FAILED_MAX: usize = 1000;
/// Threads that are told apart; further ones are in the sums only.
const THREADS_MAX: usize = 65_536;
/// Files and peers that are told apart; what moves through further ones is counted together.
const NAMED_MAX: usize = 65_536;

/// Calls of one number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    pub count: u64,
    pub errors: u64,
    pub time_ns: u64,
    /// Of that time: asleep or blocked; and ready to run, without a CPU.
    pub blocked_ns: u64,
    pub waited_ns: u64,
    pub longest_ns: u64,
    /// Of those whose entry was seen.
    pub latencies: Histogram,
}

/// What went through one file or connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// Calls about it, whether or not they moved anything.
    pub calls: u64,
    pub time_ns: u64,
}

/// Block I/O of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    pub count: u64,
    pub bytes: u64,
    pub failed: u64,
    pub time_ns: u64,
    pub latencies: Histogram,
}

/// One operation that took long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slow {
    pub duration_ns: u64,
    /// When it ended.
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    /// What it was, as in the timeline.
    pub text: String,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub pid: u32,
    pub comm: Box<str>,
    /// As `wait4` tells it.
    pub status: u32,
}

/// Everything, added up.
#[derive(Debug, Default)]
pub struct Summary {
    threads: Vec<Thread>,
    /// The place among the threads of each that lives.
    living: HashMap<u32, usize>,
    calls: HashMap<u32, Calls>,
    files: HashMap<FileId, Moved>,
    peers: HashMap<Ends, Moved>,
    /// What there was no room to tell apart.
    pub other_files: Moved,
    pub requests: HashMap<Operation, Requests>,
    /// Signals that were sent, by number, and those that were taken.
    pub signals_sent: HashMap<u32, u64>,
    pub signals_taken: HashMap<u32, u64>,
    slowest: BinaryHeap<Reverse<Slow>>,
    pub run_queue_waits: Histogram,
    /// Of threads that have ended.
    pub minor_faults: u64,
    pub major_faults: u64,
    pub births: u64,
    pub execs: u64,
    pub ends: u64,
    /// Of processes that ended otherwise than with 0: the first of them.
    pub failed: Vec<Ended>,
    /// Threads beyond those that are told apart.
    pub threads_left_out: u64,
}

impl Summary {
    /// A thread that is traced from now on.
    pub fn begin(&mut self, pid: u32, tid: u32, comm: &str, since_ns: u64) {
        if self.threads.len() >= THREADS_MAX {
            self.threads_left_out += 1;
            return;
        }
        self.living.insert(tid, self.threads.len());
        self.threads.push(Thread::new(pid, tid, comm, since_ns));
    }

    /// `None` for one that is not known, or whose end has been told.
    pub fn thread(&self, tid: u32) -> Option<&Thread> {
        self.threads.get(*self.living.get(&tid)?)
    }

    fn thread_mut(&mut self, tid: u32) -> Option<&mut Thread> {
        self.threads.get_mut(*self.living.get(&tid)?)
    }

    pub fn comm(&self, tid: u32) -> &str {
        self.thread(tid).map_or("", |thread| &thread.comm)
    }

    /// Threads that are traced, and live.
    pub fn living(&self) -> usize {
        self.living.len()
    }

    /// The threads that have not ended, as far as records tell.
    pub fn living_tids(&self) -> Vec<u32> {
        self.living.keys().copied().collect()
    }

    /// A thread has ended, and no record tells when and how.
    pub fn end_untold(&mut self, tid: u32, now_ns: u64) {
        if let Some(thread) = self.thread_mut(tid) {
            thread.until_ns = Some(now_ns);
        }
        self.living.remove(&tid);
    }

    /// One record, after the names have learned from it.
    pub fn add(&mut self, record: &Record, names: &Names) {
        match &record.what {
            What::Call(call) => self.add_call(record, call, names),
            What::OffCpu(off) => {
                let waited_ns = record.time_ns.saturating_sub(off.ready_ns);
                self.run_queue_waits.add(waited_ns);
                if let Some(thread) = self.thread_mut(record.tid) {
                    thread.was_off(off, record.time_ns);
                }
            }
            What::Born(born) => {
                self.births += u64::from(record.pid == record.tid);
                self.begin(record.pid, record.tid, &born.comm, record.time_ns);
            }
            What::Exec(exec) => {
                self.execs += 1;
                // The thread that called it has taken the leader's place.
                if exec.old_tid != record.tid
                    && let Some(place) = self.living.remove(&exec.old_tid)
                {
                    self.threads[place].tid = record.tid;
                    self.living.insert(record.tid, place);
                }
                if let Some(thread) = self.thread_mut(record.tid) {
                    thread.comm.clone_from(&exec.comm);
                }
            }
            What::Exit(exit) => {
                self.minor_faults += exit.minor_faults;
                self.major_faults += exit.major_faults;
                let comm: Box<str> = self.comm(record.tid).into();
                if let Some(thread) = self.thread_mut(record.tid) {
                    thread.until_ns = Some(record.time_ns);
                    thread.spend(Cause::Unknown, exit.lost_blocked_ns);
                    thread.spend(Cause::RunQueue, exit.lost_waited_ns);
                }
                self.living.remove(&record.tid);
                self.ends += u64::from(exit.is_last);
                if exit.is_last && exit.status != 0 && self.failed.len() < FAILED_MAX {
                    self.failed.push(Ended {
                        pid: record.pid,
                        comm,
                        status: exit.status,
                    });
                }
            }
            What::Signal(signal) => {
                let counts = match signal.stage {
                    SignalStage::Sent { .. } => &mut self.signals_sent,
                    SignalStage::Taken(_) => &mut self.signals_taken,
                };
                *counts.entry(signal.number).or_default() += 1;
            }
            What::Fault(_) => {}
            What::Block(block) => self.add_request(record, block),
        }
    }

    fn add_call(&mut self, record: &Record, call: &Call, names: &Names) {
        let duration_ns = call.duration_ns(record.time_ns);
        let sums = self.calls.entry(call.number).or_default();
        sums.count += 1;
        sums.errors += u64::from(call.error().is_some());
        sums.blocked_ns += call.blocked_ns;
        sums.waited_ns += call.waited_ns;
        if let Some(duration_ns) = duration_ns {
            sums.time_ns += duration_ns;
            sums.longest_ns = sums.longest_ns.max(duration_ns);
            sums.latencies.add(duration_ns);
        }
        let moves = calls::shape(call.number).map_or(Moves::Nothing, |shape| shape.moves);
        let bytes = u64::try_from(call.result).unwrap_or(0);
        let (first, second) = match moves {
            Moves::Nothing => ((0, 0), (0, 0)),
            Moves::Reads => ((bytes, 0), (0, 0)),
            Moves::Writes => ((0, bytes), (0, 0)),
            Moves::SecondToFirst => ((0, bytes), (bytes, 0)),
            Moves::FirstToSecond => ((bytes, 0), (0, bytes)),
        };
        let time_ns = duration_ns.unwrap_or(0);
        for (file, (read_bytes, written_bytes)) in [(call.file, first), (call.second_file, second)]
        {
            let Some(file) = file else { continue };
            let ends = call.ends.filter(|_| file.kind == FileKind::Socket);
            let moved = self.moved(file, ends);
            moved.read_bytes += read_bytes;
            moved.written_bytes += written_bytes;
            moved.calls += 1;
            moved.time_ns += time_ns;
        }
        if let Some(duration_ns) = duration_ns {
            self.note_slow(record, duration_ns, || {
                let mut text = calls::label(call.number);
                text.push('(');
                arguments::write(&mut text, call, |out, file, ends| {
                    names.write(out, file, ends);
                });
                text.push(')');
                text
            });
        }
    }

    fn moved(&mut self, file: FileId, ends: Option<Ends>) -> &mut Moved {
        if let Some(ends) = ends.filter(|ends| ends.remote.is_some()) {
            if self.peers.len() >= NAMED_MAX && !self.peers.contains_key(&ends) {
                return &mut self.other_files;
            }
            return self.peers.entry(ends).or_default();
        }
        if self.files.len() >= NAMED_MAX && !self.files.contains_key(&file) {
            return &mut self.other_files;
        }
        self.files.entry(file).or_default()
    }

    fn add_request(&mut self, record: &Record, block: &Block) {
        let duration_ns = record.time_ns.saturating_sub(block.queued_ns);
        let sums = self.requests.entry(block.operation).or_default();
        sums.count += 1;
        sums.bytes += u64::from(block.bytes);
        sums.failed += u64::from(block.has_failed);
        sums.time_ns += duration_ns;
        sums.latencies.add(duration_ns);
        self.note_slow(record, duration_ns, || {
            format!(
                "block {} of {} bytes at sector {} of {}:{}",
                block.operation.name(),
                block.bytes,
                block.sector,
                block.major,
                block.minor
            )
        });
    }

    fn note_slow(&mut self, record: &Record, duration_ns: u64, text: impl FnOnce() -> String) {
        let is_full = self.slowest.len() >= SLOWEST_MAX;
        if is_full
            && self
                .slowest
                .peek()
                .is_some_and(|least| duration_ns <= least.0.duration_ns)
        {
            return;
        }
        if is_full {
            self.slowest.pop();
        }
        self.slowest.push(Reverse(Slow {
            duration_ns,
            time_ns: record.time_ns,
            pid: record.pid,
            tid: record.tid,
            text: text(),
        }));
    }

    /// Calls of which there are no records: they are in the counts all the same.
    pub fn add_overflow(&mut self, number: u32, count: u64, errors: u64, time_ns: u64) {
        let sums = self.calls.entry(number).or_default();
        sums.count += count;
        sums.errors += errors;
        sums.time_ns += time_ns;
    }

    /// What a thread that lives has spent without a record of it.
    pub fn add_lost(&mut self, tid: u32, blocked_ns: u64, waited_ns: u64) {
        if let Some(thread) = self.thread_mut(tid) {
            thread.spend(Cause::Unknown, blocked_ns);
            thread.spend(Cause::RunQueue, waited_ns);
        }
    }

    /// A thread is off its CPU when tracing ends.
    pub fn is_off(&mut self, tid: u32, off: &super::record::OffCpu, now_ns: u64) {
        if let Some(thread) = self.thread_mut(tid) {
            thread.was_off(off, now_ns);
        }
    }

    /// Every thread that was traced, in the order in which they began.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// Of each process, its threads together, in the order in which they began.
    pub fn processes(&self, now_ns: u64) -> Vec<(u32, Box<str>, Split)> {
        let mut processes: Vec<(u32, Box<str>, Split)> = Vec::new();
        let mut places: HashMap<u32, usize> = HashMap::new();
        for thread in &self.threads {
            let place = *places.entry(thread.pid).or_insert_with(|| {
                processes.push((thread.pid, thread.comm.clone(), Split::default()));
                processes.len() - 1
            });
            if thread.pid == thread.tid {
                processes[place].1.clone_from(&thread.comm);
            }
            processes[place].2.add(&thread.split(now_ns));
        }
        processes
    }

    /// All threads together.
    pub fn total(&self, now_ns: u64) -> Split {
        let mut total = Split::default();
        for thread in &self.threads {
            total.add(&thread.split(now_ns));
        }
        total
    }

    /// By time, the most first.
    pub fn calls(&self) -> Vec<(u32, &Calls)> {
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .map(|(number, sums)| (*number, sums))
            .collect();
        calls.sort_unstable_by_key(|(number, sums)| (Reverse(sums.time_ns), *number));
        calls
    }

    /// By bytes, then by time, the most first.
    pub fn files(&self) -> Vec<(FileId, Moved)> {
        sorted(&self.files)
    }

    /// The same of connections.
    pub fn peers(&self) -> Vec<(Ends, Moved)> {
        sorted(&self.peers)
    }

    /// The longest first.
    pub fn slowest(&self) -> Vec<&Slow> {
        let mut slowest: Vec<_> = self.slowest.iter().map(|slow| &slow.0).collect();
        slowest.sort_unstable_by(|a, b| b.cmp(a));
        slowest
    }

    /// Processes that were traced.
    pub fn process_count(&self) -> usize {
        let pids: HashSet<u32> = self.threads.iter().map(|thread| thread.pid).collect();
        pids.len()
    }
}

fn sorted<K: Copy + Ord>(moved: &HashMap<K, Moved>) -> Vec<(K, Moved)> {
    let mut moved: Vec<_> = moved.iter().map(|(key, moved)| (*key, *moved)).collect();
    moved.sort_unstable_by_key(|(key, moved)| {
        let bytes = moved.read_bytes + moved.written_bytes;
        (Reverse(bytes), Reverse(moved.time_ns), *key)
    });
    moved
}
