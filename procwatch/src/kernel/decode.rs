//! From the bytes of a record to an observation.
//!
//! The bytes come from our own programs, and are checked all the same: a record that does not fit is
//! reported as malformed and counted, never guessed at.

use procwatch_common::{
    lifecycle::{ExecRecord, ExitRecord, FinalRecord, ForkRecord, RecordHeader, RecordKind},
    tasks::{EndedTotals, ThreadRecord},
    totals::{DepartedTotals, RawProcessId, RawTotals},
};
use thiserror::Error;
use zerocopy::FromBytes;

use crate::model::{
    facts::kernel_text,
    identity::{ProcessId, WaitStatus},
    observation::{
        Activity, Closed, Comm, Executed, Exited, Forked, Observation, Owner, ThreadSeen,
    },
    totals::{Counter, Totals},
};

/// A record that none of our programs writes.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("malformed record of {0} bytes")]
pub struct MalformedRecord(usize);

/// Decodes one record of the ring buffer.
///
/// # Errors
/// When the record is of no known kind, or shorter than its kind.
pub fn decode_record(bytes: &[u8], page_size: u64) -> Result<Observation, MalformedRecord> {
    try_decode(bytes, page_size).ok_or(MalformedRecord(bytes.len()))
}

fn try_decode(bytes: &[u8], page_size: u64) -> Option<Observation> {
    let (header, _) = RecordHeader::read_from_prefix(bytes).ok()?;
    let id = process_id(header.process);
    let time_ns = header.time_ns;
    if header.kind == RecordKind::Fork as u32 {
        let (record, _) = ForkRecord::read_from_prefix(bytes).ok()?;
        Some(Observation::Forked(Forked {
            id,
            time_ns,
            parent: process_id(record.parent),
            owner: Owner {
                uid: record.uid,
                cgroup_id: record.cgroup_id,
            },
            comm: Comm(record.comm),
            is_kernel_thread: record.is_kernel_thread != 0,
        }))
    } else if header.kind == RecordKind::Exec as u32 {
        let (record, strings) = ExecRecord::read_from_prefix(bytes).ok()?;
        let exe = strings.get(..record.exe_len as usize)?;
        let argv = strings.get(exe.len()..exe.len().checked_add(record.argv_len as usize)?)?;
        let has = |flag| record.flags & flag != 0;
        Some(Observation::Executed(Executed {
            id,
            time_ns,
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
    } else if header.kind == RecordKind::Exit as u32 {
        let (record, _) = ExitRecord::read_from_prefix(bytes).ok()?;
        Some(Observation::Exited(Exited {
            id,
            time_ns,
            parent: process_id(record.parent),
            uid: record.uid,
            comm: Comm(record.comm),
            totals: totals(&record.totals),
            peak_rss_bytes: record.peak_rss_pages.saturating_mul(page_size),
            status: WaitStatus(record.wait_status),
        }))
    } else if header.kind == RecordKind::Final as u32 {
        let (record, _) = FinalRecord::read_from_prefix(bytes).ok()?;
        Some(Observation::Closed(closed(&record, page_size)))
    } else {
        None
    }
}

/// The closing of an account.
pub(super) fn closed(record: &FinalRecord, page_size: u64) -> Closed {
    Closed {
        id: process_id(record.header.process),
        time_ns: record.header.time_ns,
        comm: Comm(record.comm),
        totals: totals(&record.totals),
        peak_rss_bytes: record.peak_rss_pages.saturating_mul(page_size),
        status: WaitStatus(record.wait_status),
    }
}

/// Decodes whole thread records from the front of `bytes`, hands each over, and returns how many
/// bytes they took: what is left is the start of a record that has not arrived in full.
pub fn decode_threads(bytes: &[u8], page_size: u64, mut each: impl FnMut(ThreadSeen)) -> usize {
    let mut rest = bytes;
    while let Ok((record, after)) = ThreadRecord::read_from_prefix(rest) {
        each(thread_seen(&record, page_size));
        rest = after;
    }
    bytes.len() - rest.len()
}

fn thread_seen(record: &ThreadRecord, page_size: u64) -> ThreadSeen {
    let has = |flag| record.flags & flag != 0;
    let parent = process_id(record.parent);
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
        own: totals(&record.own),
        ended: ended_totals(&record.ended, &record.departed),
        rss_bytes: record.rss_pages.saturating_mul(page_size),
        peak_rss_bytes: record.peak_rss_pages.saturating_mul(page_size),
    }
}

fn process_id(raw: RawProcessId) -> ProcessId {
    ProcessId::new(raw.tgid, raw.start_time_ns)
}

pub(super) fn totals(raw: &RawTotals) -> Totals {
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

fn ended_totals(ended: &EndedTotals, departed: &DepartedTotals) -> Totals {
    Totals::ZERO
        .with(Counter::CpuTime, ended.cpu_time_ns)
        .with(Counter::RunQueueWait, departed.run_queue_wait_ns)
        .with(Counter::VoluntarySwitches, ended.voluntary_switches)
        .with(Counter::InvoluntarySwitches, ended.involuntary_switches)
        .with(Counter::MinorFaults, ended.minor_faults)
        .with(Counter::MajorFaults, ended.major_faults)
        .with(Counter::Read, departed.read_bytes)
        .with(Counter::Write, departed.write_bytes)
        .with(Counter::CancelledWrite, departed.cancelled_write_bytes)
        .with(Counter::LogicalRead, departed.logical_read_bytes)
        .with(Counter::LogicalWrite, departed.logical_write_bytes)
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

    fn executed(bytes: &[u8]) -> Executed {
        match decode_record(bytes, 4096) {
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
            assert!(decode_record(&exec(b"true\0", exe_len, argv_len, 0), 4096).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_malformed(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0u32..6) {
            if bytes.len() >= size_of::<RecordHeader>() {
                bytes[24..28].copy_from_slice(&kind.to_ne_bytes());
            }
            let _ = decode_record(&bytes, 4096);
            let taken = decode_threads(&bytes, 4096, |_| ());
            prop_assert!(taken <= bytes.len());
        }
    }
}
