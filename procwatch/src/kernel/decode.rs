//! From the bytes of a record to an observation.
//!
//! The bytes come from our own programs, and are checked all the same: a record that does not fit is
//! reported as malformed and counted, never guessed at.

mod sockets;

use procwatch_common::{
    block::{DeviceTotals, DirectionTotals, bucket_start_ns},
    connections::ConnectionRecord,
    deaths::{OomRecord, SignalRecord},
    lifecycle::{ExecRecord, ExitRecord, FinalRecord, ForkRecord, RecordHeader, RecordKind},
    tasks::{EndedTotals, MemoryPages, ThreadRecord},
    totals::{AddedUp, BlockTotals, FlowTotals, ProcessTotals, RawProcessId, RawTotals},
};
use thiserror::Error;
use zerocopy::FromBytes;

use crate::model::{
    connection::Connection,
    device::{Bucket, DeviceNumber, DeviceSample, DirectionSample, Histogram},
    facts::kernel_text,
    identity::{ProcessId, WaitStatus},
    observation::{
        Activity, Closed, Comm, Executed, Exited, Forked, Observation, OomKilled, Owner, Signalled,
        ThreadSeen, Victim,
    },
    sample::MemoryKinds,
    totals::{Counter, Totals},
};

/// A record that none of our programs writes.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("malformed record of {0} bytes")]
pub struct MalformedRecord(usize);

/// What the bytes do not tell.
pub struct Decoder {
    pub page_size: u64,
    /// The counters that no hook counts on this host: they are zero in records, and unknown in truth.
    pub unmeasured: Vec<Counter>,
}

impl Decoder {
    /// Decodes one record of the ring buffer.
    ///
    /// # Errors
    /// When the record is of no known kind, or shorter than its kind.
    pub fn record(&self, bytes: &[u8]) -> Result<Observation, MalformedRecord> {
        self.try_record(bytes).ok_or(MalformedRecord(bytes.len()))
    }

    fn try_record(&self, bytes: &[u8]) -> Option<Observation> {
        let (header, _) = RecordHeader::read_from_prefix(bytes).ok()?;
        match header.kind {
            kind if kind == RecordKind::Fork as u32 => forked(bytes),
            kind if kind == RecordKind::Exec as u32 => executed(bytes),
            kind if kind == RecordKind::Exit as u32 => self.exited(bytes),
            kind if kind == RecordKind::Final as u32 => {
                let (record, _) = FinalRecord::read_from_prefix(bytes).ok()?;
                Some(Observation::Closed(self.closed(&record)))
            }
            kind if kind == RecordKind::Connect as u32 => {
                Some(Observation::Connected(sockets::seen(bytes)?))
            }
            kind if kind == RecordKind::Accept as u32 => {
                Some(Observation::Accepted(sockets::seen(bytes)?))
            }
            kind if kind == RecordKind::Close as u32 => {
                Some(Observation::Disconnected(sockets::seen(bytes)?))
            }
            kind if kind == RecordKind::Oom as u32 => self.oom_killed(bytes),
            kind if kind == RecordKind::Signal as u32 => signalled(bytes),
            _ => None,
        }
    }

    fn exited(&self, bytes: &[u8]) -> Option<Observation> {
        let (record, _) = ExitRecord::read_from_prefix(bytes).ok()?;
        Some(Observation::Exited(Exited {
            id: process_id(record.header.process),
            time_ns: record.header.time_ns,
            parent: process_id(record.parent),
            uid: record.uid,
            comm: Comm(record.comm),
            totals: self.totals(&record.totals),
            peak_rss_bytes: record.peak_rss_pages.saturating_mul(self.page_size),
            status: WaitStatus(record.wait_status),
        }))
    }

    /// The closing of an account.
    pub fn closed(&self, record: &FinalRecord) -> Closed {
        Closed {
            id: process_id(record.header.process),
            time_ns: record.header.time_ns,
            comm: Comm(record.comm),
            totals: self.totals(&record.totals),
            peak_rss_bytes: record.peak_rss_pages.saturating_mul(self.page_size),
            status: WaitStatus(record.wait_status),
        }
    }

    fn oom_killed(&self, bytes: &[u8]) -> Option<Observation> {
        let (record, _) = OomRecord::read_from_prefix(bytes).ok()?;
        let id = process_id(record.header.process);
        let victim = if record.flags & OomRecord::PID_ONLY != 0 {
            Victim::Pid(id.pid)
        } else {
            Victim::Process {
                id,
                comm: Comm(record.comm),
                memory: self.memory(&record.memory),
                oom_score_adj: record.score_adjustment.cast_signed(),
            }
        };
        Some(Observation::OomKilled(Box::new(OomKilled {
            time_ns: record.header.time_ns,
            victim,
            asker: process_id(record.asker),
            asker_comm: Comm(record.asker_comm),
            asker_cgroup_id: record.asker_cgroup_id,
        })))
    }

    /// Decodes whole thread records from the front of `bytes`, hands each over, and returns how many
    /// bytes they took: what is left is the start of a record that has not arrived in full.
    pub fn threads(&self, bytes: &[u8], each: &mut impl FnMut(ThreadSeen)) -> usize {
        each_record(bytes, |record: ThreadRecord| each(self.thread(&record)))
    }

    /// The same with records of sockets. Those that are neither TCP nor UDP over IP are left out.
    pub fn connections(&self, bytes: &[u8], each: &mut impl FnMut(Connection)) -> usize {
        each_record(bytes, |record: ConnectionRecord| {
            if let Some(connection) = sockets::connection(&record) {
                each(connection);
            }
        })
    }

    fn thread(&self, record: &ThreadRecord) -> ThreadSeen {
        let has = |flag| record.flags & flag != 0;
        let parent = process_id(record.parent);
        let memory = self.memory(&record.memory);
        let own = flow_totals(task_totals(&record.own), &record.own_flows);
        ThreadSeen {
            id: process_id(record.process),
            // The scheduler's idle task, pid 0, is the parent of what has none.
            parent: (parent.pid != 0).then_some(parent),
            owner: Owner {
                uid: record.uid,
                cgroup_id: record.cgroup_id,
            },
            comm: Comm(record.comm),
            is_leader: has(ThreadRecord::LEADER),
            is_kernel_thread: has(ThreadRecord::KERNEL_THREAD),
            activity: if has(ThreadRecord::RUNNABLE) {
                Activity::Running
            } else if has(ThreadRecord::UNINTERRUPTIBLE) {
                Activity::Uninterruptible
            } else if has(ThreadRecord::STOPPED) {
                Activity::Stopped
            } else {
                Activity::Sleeping
            },
            exited: has(ThreadRecord::EXITED).then_some(WaitStatus(record.wait_status)),
            threads: record.threads,
            own: own.without(&self.unmeasured),
            ended: ended_totals(&record.ended, &record.added_up).without(&self.unmeasured),
            memory,
            peak_rss_bytes: record
                .peak_rss_pages
                .saturating_mul(self.page_size)
                .max(memory.rss_bytes()),
        }
    }

    /// A whole process's.
    pub fn totals(&self, raw: &ProcessTotals) -> Totals {
        let totals = flow_totals(task_totals(&raw.task), &raw.flows);
        block_totals(totals, &raw.block).without(&self.unmeasured)
    }

    fn memory(&self, pages: &MemoryPages) -> MemoryKinds {
        let bytes = |pages: i64| pages.max(0).cast_unsigned().saturating_mul(self.page_size);
        MemoryKinds {
            anon_bytes: bytes(pages.anon),
            file_bytes: bytes(pages.file),
            shmem_bytes: bytes(pages.shmem),
            swap_bytes: bytes(pages.swapped),
        }
    }
}

fn each_record<R: FromBytes>(bytes: &[u8], mut each: impl FnMut(R)) -> usize {
    let mut rest = bytes;
    while let Ok((record, after)) = R::read_from_prefix(rest) {
        each(record);
        rest = after;
    }
    bytes.len() - rest.len()
}

fn forked(bytes: &[u8]) -> Option<Observation> {
    let (record, _) = ForkRecord::read_from_prefix(bytes).ok()?;
    Some(Observation::Forked(Forked {
        id: process_id(record.header.process),
        time_ns: record.header.time_ns,
        parent: process_id(record.parent),
        owner: Owner {
            uid: record.uid,
            cgroup_id: record.cgroup_id,
        },
        comm: Comm(record.comm),
        is_kernel_thread: record.is_kernel_thread != 0,
    }))
}

fn executed(bytes: &[u8]) -> Option<Observation> {
    let (record, strings) = ExecRecord::read_from_prefix(bytes).ok()?;
    let exe = strings.get(..record.exe_len as usize)?;
    let argv = strings.get(exe.len()..exe.len().checked_add(record.argv_len as usize)?)?;
    let has = |flag| record.flags & flag != 0;
    Some(Observation::Executed(Executed {
        id: process_id(record.header.process),
        time_ns: record.header.time_ns,
        parent: process_id(record.parent),
        owner: Owner {
            uid: record.uid,
            cgroup_id: record.cgroup_id,
        },
        comm: Comm(record.comm),
        exe: (!has(ExecRecord::EXE_TRUNCATED) && !exe.is_empty())
            .then(|| path(exe, has(ExecRecord::EXE_DELETED))),
        argv: (!has(ExecRecord::ARGV_UNREADABLE)).then(|| kernel_text(argv).into()),
        argv_truncated: has(ExecRecord::ARGV_TRUNCATED),
    }))
}

fn signalled(bytes: &[u8]) -> Option<Observation> {
    let (record, _) = SignalRecord::read_from_prefix(bytes).ok()?;
    let sender = process_id(record.sender);
    Some(Observation::Signalled(Box::new(Signalled {
        time_ns: record.header.time_ns,
        id: process_id(record.header.process),
        comm: Comm(record.comm),
        signal: record.signal,
        code: record.code.cast_signed(),
        sender: (sender.pid != 0).then_some((sender, Comm(record.sender_comm))),
        waits: record.flags & SignalRecord::WAITS != 0,
    })))
}

/// A device's totals, by its number.
pub(super) fn device(number: u32, totals: &DeviceTotals) -> DeviceSample {
    const MINOR_BITS: u32 = 20;
    DeviceSample {
        number: DeviceNumber {
            major: number >> MINOR_BITS,
            minor: number & ((1 << MINOR_BITS) - 1),
        },
        name: None,
        read: direction(&totals.read),
        write: direction(&totals.write),
        attributed_bytes: totals.attributed_bytes,
        unattributed_bytes: totals.unattributed_bytes,
    }
}

fn direction(totals: &DirectionTotals) -> DirectionSample {
    let buckets = totals
        .latencies
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(bucket, count)| Bucket {
            from_ns: bucket_start_ns(bucket),
            to_ns: bucket_start_ns(bucket + 1),
            count: *count,
        });
    DirectionSample {
        bytes: totals.bytes,
        requests: totals.requests,
        latency_ns: totals.latency_ns,
        queue_ns: totals.queue_ns,
        latencies: Histogram(buckets.collect()),
    }
}

fn process_id(raw: RawProcessId) -> ProcessId {
    ProcessId::new(raw.tgid, raw.start_time_ns)
}

fn task_totals(raw: &RawTotals) -> Totals {
    Totals::ZERO
        .with(Counter::CpuTime, raw.cpu_time_ns)
        .with(Counter::RunQueueWait, raw.run_queue_wait_ns)
        .with(Counter::VoluntarySwitches, raw.voluntary_switches)
        .with(Counter::InvoluntarySwitches, raw.involuntary_switches)
        .with(Counter::MinorFaults, raw.minor_faults)
        .with(Counter::MajorFaults, raw.major_faults)
        .with(Counter::Read, raw.read_bytes)
        .with(Counter::Write, raw.write_bytes)
        .with(Counter::CancelledWrite, raw.cancelled_write_bytes)
        .with(Counter::LogicalRead, raw.logical_read_bytes)
        .with(Counter::LogicalWrite, raw.logical_write_bytes)
}

fn flow_totals(totals: Totals, raw: &FlowTotals) -> Totals {
    totals
        .with(Counter::NetSent, raw.net_sent_bytes)
        .with(Counter::NetReceived, raw.net_received_bytes)
        .with(Counter::UnixSent, raw.unix_sent_bytes)
        .with(Counter::UnixReceived, raw.unix_received_bytes)
}

fn block_totals(totals: Totals, raw: &BlockTotals) -> Totals {
    totals
        .with(Counter::BlockRead, raw.read_bytes)
        .with(Counter::BlockWrite, raw.write_bytes)
        .with(Counter::BlockWriteback, raw.writeback_bytes)
        .with(Counter::BlockIos, raw.requests)
        .with(Counter::BlockLatency, raw.latency_ns)
        .with(Counter::BlockQueue, raw.queue_ns)
}

fn ended_totals(ended: &EndedTotals, added_up: &AddedUp) -> Totals {
    let departed = &added_up.departed;
    let totals = task_totals(&RawTotals {
        cpu_time_ns: ended.cpu_time_ns,
        run_queue_wait_ns: departed.run_queue_wait_ns,
        voluntary_switches: ended.voluntary_switches,
        involuntary_switches: ended.involuntary_switches,
        minor_faults: ended.minor_faults,
        major_faults: ended.major_faults,
        read_bytes: departed.read_bytes,
        write_bytes: departed.write_bytes,
        cancelled_write_bytes: departed.cancelled_write_bytes,
        logical_read_bytes: departed.logical_read_bytes,
        logical_write_bytes: departed.logical_write_bytes,
    });
    block_totals(flow_totals(totals, &departed.flows), &added_up.block)
}

/// From components, last first and each ended by a NUL, to a path as /proc shows it.
fn path(components: &[u8], is_deleted: bool) -> Box<str> {
    let mut path = Vec::with_capacity(components.len());
    let components = components.strip_suffix(&[0]).unwrap_or(components);
    for component in components.split(|byte| *byte == 0).rev() {
        path.push(b'/');
        path.extend(component);
    }
    if is_deleted {
        path.extend(b" (deleted)");
    }
    kernel_text(&path).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::IntoBytes;

    fn exec(strings: &[u8], exe_len: u32, argv_len: u32, flags: u32) -> Vec<u8> {
        let record = ExecRecord {
            header: RecordHeader {
                kind: RecordKind::Exec as u32,
                ..Default::default()
            },
            exe_len,
            argv_len,
            flags,
            ..Default::default()
        };
        [record.as_bytes(), strings].concat()
    }

    const DECODER: Decoder = Decoder {
        page_size: 4096,
        unmeasured: Vec::new(),
    };

    fn executed(bytes: &[u8]) -> Executed {
        match DECODER.record(bytes) {
            Ok(Observation::Executed(executed)) => executed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_path_is_put_together_from_its_end() {
        let executed = executed(&exec(b"true\0bin\0usr\0true\0-x\0", 13, 8, 0));
        assert_eq!(executed.exe.as_deref(), Some("/usr/bin/true"));
        assert_eq!(executed.argv.as_deref(), Some("true\0-x\0"));
    }

    #[test]
    fn what_could_not_be_read_is_unknown_and_not_empty() {
        let flags = ExecRecord::ARGV_UNREADABLE | ExecRecord::EXE_TRUNCATED;
        let executed = executed(&exec(b"true\0", 5, 0, flags));
        assert_eq!((executed.exe, executed.argv), (None, None));
    }

    #[test]
    fn lengths_past_the_end_are_malformed() {
        for (exe_len, argv_len) in [(100, 0), (0, 100), (u32::MAX, u32::MAX)] {
            assert!(
                DECODER
                    .record(&exec(b"true\0", exe_len, argv_len, 0))
                    .is_err()
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_malformed(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0u32..12) {
            if bytes.len() >= size_of::<RecordHeader>() {
                bytes[24..28].copy_from_slice(&kind.to_ne_bytes());
            }
            let _ = DECODER.record(&bytes);
            prop_assert!(DECODER.threads(&bytes, &mut |_| ()) <= bytes.len());
            prop_assert!(DECODER.connections(&bytes, &mut |_| ()) <= bytes.len());
        }
    }
}
