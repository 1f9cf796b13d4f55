//! Records of the ring buffer and of passes.

use procwatch::{
    kernel::Decoder,
    model::{
        observation::{Comm, Observation, Victim},
        totals::{Counter, Totals},
    },
};
use procwatch_common::{
    connections::ConnectionRecord,
    deaths::{OomRecord, SignalRecord},
    lifecycle::{ExecRecord, ExitRecord, FinalRecord, ForkRecord, RecordHeader, RecordKind},
    tasks::ThreadRecord,
};
use zerocopy::FromBytes as _;

pub(crate) const PAGE_SIZE: u64 = 4096;

pub(crate) fn decoder() -> Decoder {
    Decoder {
        page_size: PAGE_SIZE,
        unmeasured: Vec::new(),
    }
}

/// A record is decoded if it is whole, from its own bytes alone, wherever they lie.
pub(crate) fn ring_record(bytes: &[u8]) {
    let decoder = decoder();
    let decoded = decoder.record(bytes);
    let moved = [&[0], bytes].concat();
    assert_eq!(decoder.record(&moved[1..]), decoded);
    let Some(needed) = length(bytes) else {
        assert!(decoded.is_err(), "a record of no known kind: {decoded:?}");
        return;
    };
    let Ok(observation) = decoded else {
        let is_whole = usize::try_from(needed).is_ok_and(|needed| needed <= bytes.len());
        assert!(
            !is_whole || is_of_socket(bytes),
            "a whole record was refused"
        );
        return;
    };
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    let own = bytes.get(..needed).expect("more was read than there is");
    assert!(decoder.record(&own[..needed - 1]).is_err());
    let followed = [own, &[0xa5; 300]].concat();
    assert_eq!(decoder.record(&followed).as_ref(), Ok(&observation));
    check_head(bytes, &observation);
    check_text(own, &observation);
}

/// How long a record says that it is. `None` when it is of no known kind.
fn length(bytes: &[u8]) -> Option<u64> {
    let (header, _) = RecordHeader::read_from_prefix(bytes).ok()?;
    let kinds = [
        (RecordKind::Fork, size_of::<ForkRecord>()),
        (RecordKind::Exec, size_of::<ExecRecord>()),
        (RecordKind::Exit, size_of::<ExitRecord>()),
        (RecordKind::Final, size_of::<FinalRecord>()),
        (RecordKind::Connect, size_of::<ConnectionRecord>()),
        (RecordKind::Accept, size_of::<ConnectionRecord>()),
        (RecordKind::Close, size_of::<ConnectionRecord>()),
        (RecordKind::Oom, size_of::<OomRecord>()),
        (RecordKind::Signal, size_of::<SignalRecord>()),
    ];
    let (_, fixed) = kinds
        .into_iter()
        .find(|(kind, _)| *kind as u32 == header.kind)?;
    let strings = match ExecRecord::read_from_prefix(bytes) {
        Ok((exec, _)) if header.kind == RecordKind::Exec as u32 => {
            u64::from(exec.exe_len) + u64::from(exec.argv_len)
        }
        _ => 0,
    };
    Some(fixed as u64 + strings)
}

/// Those of sockets of other families are refused although they are whole.
fn is_of_socket(bytes: &[u8]) -> bool {
    let kinds = [RecordKind::Connect, RecordKind::Accept, RecordKind::Close];
    RecordHeader::read_from_prefix(bytes)
        .is_ok_and(|(header, _)| kinds.into_iter().any(|kind| kind as u32 == header.kind))
}

/// Time and process are where every record has them.
fn check_head(bytes: &[u8], observation: &Observation) {
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    let (time_ns, start_time_ns, tgid) = (word(0), word(8), word(16) as u32);
    let (seen_ns, id) = match observation {
        Observation::Forked(forked) => (forked.time_ns, Some(forked.id)),
        Observation::Executed(executed) => (executed.time_ns, Some(executed.id)),
        Observation::Exited(exited) => (exited.time_ns, Some(exited.id)),
        Observation::Closed(closed) => (closed.time_ns, Some(closed.id)),
        Observation::Connected(seen)
        | Observation::Accepted(seen)
        | Observation::Disconnected(seen) => (seen.time_ns, None),
        Observation::OomKilled(killed) => {
            let id = match &killed.victim {
                Victim::Pid(pid) => {
                    assert_eq!(*pid, tgid);
                    None
                }
                Victim::Process { id, .. } => Some(*id),
            };
            (killed.time_ns, id)
        }
        Observation::Signalled(signalled) => (signalled.time_ns, Some(signalled.id)),
    };
    assert_eq!(seen_ns, time_ns);
    if let Some(id) = id {
        assert_eq!((id.pid, id.start_time_ns), (tgid, start_time_ns));
    }
}

/// What is text stays within its bounds.
fn check_text(own: &[u8], observation: &Observation) {
    if let Observation::Executed(executed) = observation {
        check_comm(&executed.comm);
        if let Some(exe) = &executed.exe {
            assert!(exe.starts_with('/') && !exe.contains('\0'), "{exe:?}");
        }
        // A byte that is no text stands as four.
        let longest = 4 * own.len();
        assert!(
            executed
                .argv
                .as_ref()
                .is_none_or(|argv| argv.len() <= longest)
        );
    }
}

pub(crate) fn check_comm(comm: &Comm) {
    let text = comm.text();
    assert!(!text.contains('\0') && text.len() <= 4 * comm.0.len());
}

/// Whole records are taken, in their order, however the stream is cut into reads.
pub(crate) fn thread_records(bytes: &[u8]) {
    let decoder = decoder();
    let mut threads = Vec::new();
    let taken = decoder.threads(bytes, &mut |thread| threads.push(thread));
    assert_eq!(taken, bytes.len() - bytes.len() % size_of::<ThreadRecord>());
    assert_eq!(threads.len() * size_of::<ThreadRecord>(), taken);
    let mut again = Vec::new();
    in_reads(bytes, |part| {
        decoder.threads(part, &mut |thread| again.push(thread))
    });
    assert_eq!(again, threads);
    for (thread, raw) in threads
        .iter()
        .zip(bytes.chunks_exact(size_of::<ThreadRecord>()))
    {
        let raw = ThreadRecord::read_from_bytes(raw).unwrap();
        assert_eq!(thread.id.pid, raw.process.tgid);
        assert_eq!(
            thread.exited.is_some(),
            raw.flags & ThreadRecord::EXITED != 0
        );
        assert!(thread.parent.is_none_or(|parent| parent.pid != 0));
        assert!(thread.peak_rss_bytes >= thread.memory.rss_bytes());
        check_known(&thread.own, Counter::CpuTime, raw.own.cpu_time_ns);
        check_known(&thread.own, Counter::NetSent, raw.own_flows.net_sent_bytes);
        check_known(&thread.ended, Counter::CpuTime, raw.ended.cpu_time_ns);
        check_known(
            &thread.ended,
            Counter::BlockIos,
            raw.added_up.block.requests,
        );
        check_comm(&thread.comm);
    }
    check_unmeasured(bytes);
}

/// A counter is told as it is; the highest number there is stands for an unknown one and is not told.
fn check_known(totals: &Totals, counter: Counter, raw: u64) {
    assert_eq!(totals.get(counter), Some(raw.min(u64::MAX - 1)));
}

/// A counter that no hook counts is unknown in every record.
fn check_unmeasured(bytes: &[u8]) {
    let blind = Decoder {
        page_size: PAGE_SIZE,
        unmeasured: Counter::ALL.to_vec(),
    };
    blind.threads(bytes, &mut |thread| {
        assert_eq!(
            (thread.own, thread.ended),
            (Totals::UNKNOWN, Totals::UNKNOWN)
        );
    });
}

/// The same of sockets; and addresses are in their shortest form.
pub(crate) fn connection_records(bytes: &[u8]) {
    let decoder = decoder();
    let mut connections = Vec::new();
    let taken = decoder.connections(bytes, &mut |connection| connections.push(connection));
    assert_eq!(
        taken,
        bytes.len() - bytes.len() % size_of::<ConnectionRecord>()
    );
    assert!(connections.len() * size_of::<ConnectionRecord>() <= taken);
    let mut again = Vec::new();
    in_reads(bytes, |part| {
        decoder.connections(part, &mut |connection| again.push(connection))
    });
    assert_eq!(again, connections);
    for connection in &connections {
        let ends = [Some(connection.local), connection.remote];
        for end in ends.into_iter().flatten() {
            assert_eq!(end.ip().to_canonical(), end.ip());
        }
        assert!(connection.remote.is_none_or(|remote| remote.port() != 0));
        assert!(connection.owner.is_none_or(|owner| owner.pid != 0));
        assert_ne!(connection.error, Some(0));
        check_comm(&connection.comm);
    }
}

/// Hands over the bytes as reads of uneven length would: what was not taken comes again, with what follows.
fn in_reads(bytes: &[u8], mut take: impl FnMut(&[u8]) -> usize) {
    let mut buffer = Vec::new();
    for (number, part) in bytes.chunks(151).enumerate() {
        buffer.extend(part);
        if number % 3 != 1 {
            let taken = take(&buffer);
            buffer.drain(..taken);
        }
    }
    take(&buffer);
}
