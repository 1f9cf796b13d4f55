//! How long threads waited for a CPU, had it and were off it, and what block I/O and system calls took: by process, and
//! of the whole host. Pure.

use hashbrown::{HashMap, HashSet};

use crate::model::{
    device::{Bucket, Histogram},
    identity::ProcessId,
};

/// Names of ended processes that are told apart; what has more is under [`OTHERS`].
const NAMES_MAX: usize = 4096;
const OTHERS: &str = "(others)";

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Ready to run, without a CPU; also when it was pushed off.
    RunQueue,
    /// From coming to a CPU to leaving it.
    OnCpu,
    /// Asleep, blocked or stopped; the wait for a CPU that follows is not in it.
    OffCpu,
    /// Block I/O, from the queue to its end, of the process that queued it.
    Block,
    /// From the entry of a system call to its return.
    Syscall,
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::RunQueue,
        Self::OnCpu,
        Self::OffCpu,
        Self::Block,
        Self::Syscall,
    ];
    pub const COUNT: usize = Self::ALL.len();

    /// As machines read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RunQueue => "run_queue",
            Self::OnCpu => "on_cpu",
            Self::OffCpu => "off_cpu",
            Self::Block => "block",
            Self::Syscall => "syscall",
        }
    }
}

/// How often something took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// All of it together.
    pub total_ns: u64,
    /// In what [`Self::since`] gives, and unless it is new, the end of its bucket.
    pub longest_ns: u64,
    /// Whole buckets.
    pub counts: Histogram,
}

impl Spent {
    pub fn count(&self) -> u64 {
        self.counts.count()
    }

    pub fn add(&mut self, other: &Self) {
        self.total_ns += other.total_ns;
        self.longest_ns = self.longest_ns.max(other.longest_ns);
        self.counts.add(&other.counts);
    }

    /// What has been added since.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.since(&earlier.counts);
        let longest_ns = match counts.0.last() {
            None => 0,
            Some(_) if self.longest_ns > earlier.longest_ns => self.longest_ns,
            Some(last) => (last.to_ns - 1).min(self.longest_ns),
        };
        Self {
            total_ns: self.total_ns.saturating_sub(earlier.total_ns),
            longest_ns,
            counts,
        }
    }

    /// As it is shown: no bucket ends after the longest.
    pub fn histogram(&self) -> Histogram {
        let end_ns = self.longest_ns.saturating_add(1);
        let buckets = self.counts.0.iter();
        let buckets = buckets.map(|bucket| Bucket {
            to_ns: bucket.to_ns.min(end_ns).max(bucket.from_ns + 1),
            ..*bucket
        });
        Histogram(buckets.collect())
    }
}

/// What a thread has added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub process: ProcessId,
    pub tid: u32,
    /// Of the process's leader.
    pub comm: Box<str>,
    pub is_kernel_thread: bool,
    /// It has ended, and was the last of its process.
    pub is_last: bool,
    /// By [`Kind`]; of block I/O a thread knows nothing.
    pub kinds: [Spent; Kind::COUNT],
}

/// The block I/O of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockIo {
    pub process: ProcessId,
    /// When it had its first.
    pub comm: Box<str>,
    pub spent: Spent,
}

/// A process, or all of a name that have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub who: Who,
    pub comm: Box<str>,
    pub is_kernel_thread: bool,
    pub kinds: [Spent; Kind::COUNT],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Process(ProcessId),
    /// So many processes that have ended.
    Ended(u64),
}

impl Row {
    fn new(who: Who, comm: &str, is_kernel_thread: bool) -> Self {
        Self {
            who,
            comm: comm.into(),
            is_kernel_thread,
            kinds: <[Spent; Kind::COUNT]>::default(),
        }
    }

    pub fn of(&self, kind: Kind) -> &Spent {
        &self.kinds[kind as usize]
    }

    fn is_empty(&self) -> bool {
        self.kinds.iter().all(|spent| spent.count() == 0)
    }
}

/// Adds threads up to processes, and processes that have ended by name.
#[derive(Debug, Default)]
pub struct Latencies {
    /// What ended threads have left, of processes that live.
    partly_ended: HashMap<ProcessId, Kinds>,
    /// Since the last [`Self::restart`].
    ended: HashMap<Box<str>, Row>,
    /// Processes that have ended, until their block I/O is taken.
    just_ended: HashMap<ProcessId, Box<str>>,
    /// What each had come to at the last [`Self::restart`].
    before: HashMap<ProcessId, Kinds>,
    /// The same of system calls, by number.
    calls_before: HashMap<u32, Spent>,
}

impl Latencies {
    /// A thread has ended.
    pub fn end(&mut self, thread: &Measured) {
        if !thread.is_last {
            let kinds = self.partly_ended.entry(thread.process).or_default();
            add(kinds, &thread.kinds);
            return;
        }
        let mut kinds = self
            .partly_ended
            .remove(&thread.process)
            .unwrap_or_default();
        add(&mut kinds, &thread.kinds);
        if let Some(before) = self.before.remove(&thread.process) {
            kinds = since(&kinds, &before);
            // Of its block I/O nothing is known here.
            self.before.entry(thread.process).or_default()[Kind::Block as usize] =
                before[Kind::Block as usize].clone();
        }
        let row = self.ended_row(&thread.comm, thread.is_kernel_thread);
        if let Who::Ended(count) = &mut row.who {
            *count += 1;
        }
        add(&mut row.kinds, &kinds);
        self.just_ended.insert(thread.process, thread.comm.clone());
    }

    fn ended_row(&mut self, comm: &str, is_kernel_thread: bool) -> &mut Row {
        let comm = if self.ended.len() < NAMES_MAX || self.ended.contains_key(comm) {
            comm
        } else {
            OTHERS
        };
        self.ended
            .entry(comm.into())
            .or_insert_with(|| Row::new(Who::Ended(0), comm, is_kernel_thread))
    }

    /// Adds the block I/O of processes that have ended to what they have left. What each has come to since measuring
    /// began; returned are those whose is in for good: it is not to be handed over again.
    pub fn take_blocks(&mut self, blocks: &[BlockIo]) -> HashSet<ProcessId> {
        const BLOCK: usize = Kind::Block as usize;
        let mut taken = HashSet::new();
        for io in blocks {
            let Some(comm) = self.just_ended.remove(&io.process) else {
                continue;
            };
            let before = self.before.remove(&io.process).unwrap_or_default();
            let spent = io.spent.since(&before[BLOCK]);
            self.ended_row(&comm, false).kinds[BLOCK].add(&spent);
            taken.insert(io.process);
        }
        // The others have had none, and will have none.
        for (process, _) in self.just_ended.drain() {
            self.before.remove(&process);
        }
        taken
    }

    /// What it has come to since the last [`Self::restart`]. `blocks` is without those that were taken; `calls` is what
    /// those of each number have come to since measuring began.
    pub fn table(
        &self,
        living: &[Measured],
        blocks: &[BlockIo],
        calls: Vec<(u32, Spent)>,
    ) -> Table {
        let mut rows: HashMap<ProcessId, Row> = HashMap::new();
        for thread in living {
            let row = rows.entry(thread.process).or_insert_with(|| {
                let who = Who::Process(thread.process);
                let mut row = Row::new(who, &thread.comm, thread.is_kernel_thread);
                if let Some(kinds) = self.partly_ended.get(&thread.process) {
                    add(&mut row.kinds, kinds);
                }
                row
            });
            add(&mut row.kinds, &thread.kinds);
        }
        for io in blocks {
            let row = rows
                .entry(io.process)
                .or_insert_with(|| Row::new(Who::Process(io.process), &io.comm, false));
            row.kinds[Kind::Block as usize].add(&io.spent);
        }
        for (process, row) in &mut rows {
            if let Some(before) = self.before.get(process) {
                row.kinds = since(&row.kinds, before);
            }
        }
        let ended = self.ended.values().cloned();
        let rows = rows.into_values().chain(ended);
        let rows: Vec<Row> = rows.filter(|row| !row.is_empty()).collect();
        let mut host = Kinds::default();
        for row in &rows {
            add(&mut host, &row.kinds);
        }
        let calls = calls.into_iter().map(|(number, spent)| {
            let before = self.calls_before.get(&number);
            (
                number,
                before.map_or(spent.clone(), |before| spent.since(before)),
            )
        });
        Table {
            rows,
            host,
            calls: calls.filter(|(_, spent)| spent.count() > 0).collect(),
        }
    }

    /// Counts anew after a table. Of what lives, `table` has what was added since the restart before.
    pub fn restart(&mut self, table: &Table) {
        self.ended.clear();
        let mut before = HashMap::new();
        for row in &table.rows {
            if let Who::Process(process) = row.who {
                let mut kinds = self.before.remove(&process).unwrap_or_default();
                add(&mut kinds, &row.kinds);
                before.insert(process, kinds);
            }
        }
        // Who lives and had nothing new has what it had.
        before.extend(self.before.drain());
        self.before = before;
        for (number, spent) in &table.calls {
            self.calls_before.entry(*number).or_default().add(spent);
        }
    }
}

/// By [`Kind`].
type Kinds = [Spent; Kind::COUNT];

fn add(sum: &mut Kinds, more: &Kinds) {
    for (sum, more) in sum.iter_mut().zip(more) {
        sum.add(more);
    }
}

fn since(kinds: &Kinds, earlier: &Kinds) -> Kinds {
    std::array::from_fn(|place| kinds[place].since(&earlier[place]))
}

/// Everybody, and their sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub rows: Vec<Row>,
    pub host: Kinds,
    /// System calls of the host by number; empty when they are not measured.
    pub calls: Vec<(u32, Spent)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: ProcessId = ProcessId::new(7, 1);

    /// In buckets of a thousand.
    fn spent(durations: &[u64]) -> Spent {
        let mut spent = Spent::default();
        for duration in durations {
            let from_ns = duration / 1000 * 1000;
            spent.add(&Spent {
                total_ns: *duration,
                longest_ns: *duration,
                counts: Histogram(vec![Bucket {
                    from_ns,
                    to_ns: from_ns + 1000,
                    count: 1,
                }]),
            });
        }
        spent
    }

    fn thread(tid: u32, waits: &[u64]) -> Measured {
        let mut kinds = Kinds::default();
        kinds[Kind::RunQueue as usize] = spent(waits);
        Measured {
            process: ME,
            tid,
            comm: "me".into(),
            is_kernel_thread: false,
            is_last: false,
            kinds,
        }
    }

    fn waits(table: &Table) -> (u64, u64) {
        let spent = &table.host[Kind::RunQueue as usize];
        (spent.count(), spent.total_ns)
    }

    #[test]
    fn threads_of_a_process_are_one_row_whether_or_not_they_have_ended() {
        let mut latencies = Latencies::default();
        latencies.end(&thread(8, &[1000]));
        let table = latencies.table(&[thread(7, &[2000, 3000])], &[], vec![]);
        assert_eq!(table.rows.len(), 1);
        assert_eq!(waits(&table), (3, 6000));
        latencies.end(&Measured {
            is_last: true,
            ..thread(7, &[2000, 3000])
        });
        let table = latencies.table(&[], &[], vec![]);
        assert_eq!(table.rows[0].who, Who::Ended(1));
        assert_eq!(waits(&table), (3, 6000));
    }

    #[test]
    fn nothing_is_told_twice_or_left_out_over_intervals() {
        let mut latencies = Latencies::default();
        let mut block = spent(&[500]);
        let blocks = |block: &Spent| {
            [BlockIo {
                process: ME,
                comm: "me".into(),
                spent: block.clone(),
            }]
        };
        let first = latencies.table(
            &[thread(7, &[1000])],
            &blocks(&block),
            vec![(0, spent(&[9000]))],
        );
        assert_eq!(waits(&first), (1, 1000));
        latencies.restart(&first);
        let calls = vec![(0, spent(&[9000])), (1, spent(&[8000]))];
        let second = latencies.table(&[thread(7, &[1000])], &blocks(&block), calls);
        assert_eq!(second.calls, [(1, spent(&[8000]))], "one that is new");
        assert!(second.rows.is_empty());
        latencies.restart(&second);
        block.add(&spent(&[700]));
        latencies.end(&Measured {
            is_last: true,
            ..thread(7, &[1000, 5000])
        });
        assert!(latencies.take_blocks(&blocks(&block)).contains(&ME));
        let third = latencies.table(&[], &[], vec![]);
        assert_eq!(waits(&third), (1, 5000));
        assert_eq!(third.host[Kind::Block as usize].total_ns, 700);
        latencies.restart(&third);
        let last = latencies.table(&[], &[], vec![]);
        assert!(last.rows.is_empty());
        assert!(latencies.before.is_empty(), "nothing is kept of the dead");
    }

    #[test]
    fn a_histogram_ends_with_the_longest() {
        let histogram = spent(&[100, 1030]).histogram();
        assert_eq!(histogram.0.last().unwrap().to_ns, 1031);
        assert_eq!(histogram.p99_ns(), Some(1030));
    }
}
