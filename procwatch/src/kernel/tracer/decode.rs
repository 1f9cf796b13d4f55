//! What the programs have written, as records.

use std::net::IpAddr;

use procwatch_common::{
    connections::Ends as RawEnds,
    trace::{
        FileRef, NO_SYSCALL, OffCpuRecord, SyscallRecord, SyscallWithEnds, TEXT_MAX, TraceHeader,
        TraceKind, TracedBlockRecord, TracedExecRecord, TracedExitRecord, TracedFaultRecord,
        TracedForkRecord, TracedSignalRecord,
    },
};
use zerocopy::{FromBytes, FromZeros as _};

use crate::{
    kernel::stacks::Stacks,
    model::facts::kernel_text,
    trace::record::{
        Block, Born, Call, Disposition, Ends, Exec, Exit, Fault, FileId, FileKind, OffCpu,
        Operation, Record, Signal, SignalStage, Sleep, Waker, What,
    },
};

/// One record. `None` for bytes that are none.
pub(super) fn decode(bytes: &[u8], stacks: &mut Option<Stacks>) -> Option<Record> {
    let (header, _) = TraceHeader::read_from_prefix(bytes).ok()?;
    let what = match header.kind {
        kind if kind == TraceKind::Syscall as u32 => What::Call(Box::new(call(bytes)?)),
        kind if kind == TraceKind::OffCpu as u32 => {
            let (record, _) = OffCpuRecord::read_from_prefix(bytes).ok()?;
            What::OffCpu(Box::new(off_cpu(&record, stacks)))
        }
        kind if kind == TraceKind::Fork as u32 => {
            let (record, _) = TracedForkRecord::read_from_prefix(bytes).ok()?;
            What::Born(Born {
                parent_pid: record.parent_tgid,
                parent_tid: record.parent_tid,
                comm: text_of(&record.comm).into(),
            })
        }
        kind if kind == TraceKind::Exec as u32 => What::Exec(Box::new(exec(bytes)?)),
        kind if kind == TraceKind::Exit as u32 => {
            let (record, _) = TracedExitRecord::read_from_prefix(bytes).ok()?;
            What::Exit(Box::new(Exit {
                status: record.status,
                is_last: header.flags & TracedExitRecord::LAST != 0,
                cpu_time_ns: record.totals.cpu_time_ns,
                run_queue_wait_ns: record.totals.run_queue_wait_ns,
                minor_faults: record.totals.minor_faults,
                major_faults: record.totals.major_faults,
                lost_blocked_ns: record.lost_blocked_ns,
                lost_waited_ns: record.lost_waited_ns,
            }))
        }
        kind if kind == TraceKind::Signal as u32 => What::Signal(Box::new(signal(bytes)?)),
        kind if kind == TraceKind::Fault as u32 => {
            let (record, _) = TracedFaultRecord::read_from_prefix(bytes).ok()?;
            What::Fault(Fault {
                address: record.address,
                is_protection: record.error_code & 1 != 0,
                is_write: record.error_code & 2 != 0,
            })
        }
        kind if kind == TraceKind::Block as u32 => {
            let (record, _) = TracedBlockRecord::read_from_prefix(bytes).ok()?;
            What::Block(Box::new(block(&record)))
        }
        _ => return None,
    };
    Some(Record {
        time_ns: header.time_ns,
        pid: header.tgid,
        tid: header.tid,
        what,
    })
}

/// Up to the first NUL.
fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    kernel_text(&bytes[..end.unwrap_or(bytes.len())])
}

fn call(bytes: &[u8]) -> Option<Call> {
    let (record, rest) = SyscallRecord::read_from_prefix(bytes).ok()?;
    let flags = record.header.flags;
    let mut texts = [None, None];
    let mut remote = None;
    if flags & (SyscallRecord::HAS_TEXT | SyscallRecord::HAS_TEXTS) != 0 {
        let first = rest.get(..TEXT_MAX)?;
        texts[0] = if flags & SyscallRecord::IS_ADDRESS != 0 {
            socket_address(first).map(Into::into)
        } else {
            text(first)
        };
    }
    if flags & SyscallRecord::HAS_TEXTS != 0 {
        texts[1] = text(rest.get(TEXT_MAX..2 * TEXT_MAX)?);
    }
    if flags & SyscallRecord::HAS_ENDS != 0 {
        let (with_ends, _) = SyscallWithEnds::read_from_prefix(bytes).ok()?;
        remote = ends(&with_ends.ends);
    }
    Some(Call {
        number: record.number,
        entered_ns: (record.entered_ns != 0).then_some(record.entered_ns),
        result: record.result,
        arguments: record.arguments,
        file: file(record.file),
        second_file: file(record.second_file),
        ends: remote,
        texts,
        blocked_ns: record.blocked_ns,
        waited_ns: record.waited_ns,
    })
}

/// The same. `None` when nothing could be read.
fn text(bytes: &[u8]) -> Option<Box<str>> {
    let text = text_of(bytes);
    (!text.is_empty()).then(|| text.into())
}

/// A `struct sockaddr`, as far as its family is known.
fn socket_address(bytes: &[u8]) -> Option<String> {
    let port = |bytes: &[u8]| u16::from_be_bytes([bytes[2], bytes[3]]);
    let family = u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]);
    Some(match i32::from(family) {
        libc::AF_INET => {
            let address: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            format!("{}:{}", IpAddr::from(address), port(bytes))
        }
        libc::AF_INET6 => {
            let address: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            format!("[{}]:{}", IpAddr::from(address), port(bytes))
        }
        libc::AF_UNIX => match bytes.get(2)? {
            // An abstract name begins with a NUL.
            0 => format!("unix:@{}", text_of(bytes.get(3..110)?)),
            _ => format!("unix:{}", text_of(bytes.get(2..110)?)),
        },
        other => format!("family {other}"),
    })
}

fn ends(raw: &RawEnds) -> Option<Ends> {
    let address = |bytes: [u8; 16]| match i32::from(raw.family) {
        libc::AF_INET => {
            let [a, b, c, d, ..] = bytes;
            Some(IpAddr::from([a, b, c, d]))
        }
        libc::AF_INET6 => Some(IpAddr::from(bytes)),
        _ => None,
    };
    let local = (address(raw.local_address)?, raw.local_port);
    let remote = (address(raw.remote_address)?, raw.remote_port);
    Some(Ends::new(raw.protocol, local, remote))
}

/// `None` where there was no descriptor.
pub(super) fn file(raw: FileRef) -> Option<FileId> {
    (raw != FileRef::new_zeroed()).then(|| FileId {
        device: raw.device,
        inode: raw.inode,
        kind: FileKind::of_mode(raw.mode),
    })
}

/// `None` outside of calls.
pub(super) fn call_number(number: u32) -> Option<u32> {
    (number != NO_SYSCALL).then_some(number)
}

/// How a thread is off its CPU, by its state.
pub(super) fn sleep(state: u32, is_in_iowait: bool) -> Sleep {
    const INTERRUPTIBLE: u32 = 1;
    const UNINTERRUPTIBLE: u32 = 2;
    const STOPPED: u32 = 4 | 8;
    match state {
        0 => Sleep::Ready,
        _ if is_in_iowait => Sleep::ForDevice,
        state if state & STOPPED != 0 => Sleep::Stopped,
        state if state & UNINTERRUPTIBLE != 0 => Sleep::Uninterruptible,
        state if state & INTERRUPTIBLE != 0 => Sleep::Interruptible,
        // Somebody was waking it already when the state was read.
        _ => Sleep::Interruptible,
    }
}

fn waker(tid: u32, pid: u32, comm: &[u8]) -> Waker {
    Waker {
        pid,
        tid,
        comm: text_of(comm).into(),
    }
}

fn off_cpu(record: &OffCpuRecord, stacks: &mut Option<Stacks>) -> OffCpu {
    let is_in_iowait = record.header.flags & OffCpuRecord::IN_IOWAIT != 0;
    // The idle task goes by 0 and has a name; who was seen by nobody has none.
    let has_waker = record.state != 0 && record.waker_comm[0] != 0;
    OffCpu {
        since_ns: record.off_ns,
        ready_ns: record.woken_ns,
        waker: has_waker.then(|| waker(record.waker_tid, record.waker_tgid, &record.waker_comm)),
        sleep: sleep(record.state, is_in_iowait),
        call: call_number(record.number),
        file: file(record.file),
        stack: stacks.as_mut().map_or_else(Vec::new, |stacks| {
            stacks.resolve(record.header.tgid, record.user_stack, record.kernel_stack)
        }),
    }
}

fn exec(bytes: &[u8]) -> Option<Exec> {
    let (record, _) = TracedExecRecord::read_from_prefix(bytes).ok()?;
    let argv = record.argv.as_flattened();
    let argv = argv.get(..record.argv_len as usize)?;
    let arguments = argv
        .split(|byte| *byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into());
    let mut arguments: Vec<Box<str>> = arguments.collect();
    // Each ends with a NUL, also the last.
    arguments.pop_if(|last| last.is_empty());
    Some(Exec {
        old_tid: record.old_tid,
        comm: text_of(&record.comm).into(),
        path: text_of(record.path.as_flattened()).into(),
        arguments,
        is_truncated: record.header.flags & TracedExecRecord::ARGV_TRUNCATED != 0,
    })
}

fn signal(bytes: &[u8]) -> Option<Signal> {
    let (record, _) = TracedSignalRecord::read_from_prefix(bytes).ok()?;
    let stage = if record.header.flags & TracedSignalRecord::TAKEN != 0 {
        SignalStage::Taken(match record.handler {
            0 => Disposition::Default,
            1 => Disposition::Ignored,
            _ => Disposition::Handled,
        })
    } else {
        SignalStage::Sent {
            by: waker(record.sender_tid, record.sender_tgid, &record.sender_comm),
            has_effect: record.header.flags & TracedSignalRecord::WITHOUT_EFFECT == 0,
        }
    };
    Some(Signal {
        number: record.signal,
        code: record.code,
        stage,
    })
}

fn block(record: &TracedBlockRecord) -> Block {
    const OPERATION: u32 = 0xff;
    const PREFLUSH: u32 = 1 << 18;
    let operation = match record.operation & OPERATION {
        0 => Operation::Read,
        // An empty write that asks for what is in the device's cache to be kept.
        1 if record.bytes == 0 && record.operation & PREFLUSH != 0 => Operation::Flush,
        1 => Operation::Write,
        2 => Operation::Flush,
        3 => Operation::Discard,
        _ => Operation::Other,
    };
    Block {
        queued_ns: record.queued_ns,
        sector: record.sector,
        bytes: record.bytes,
        operation,
        major: record.disk >> 20,
        minor: record.disk & 0xf_ffff,
        has_failed: record.status != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_sockets_are_read() {
        let inet = [2, 0, 0x1f, 0x90, 127, 0, 0, 1];
        assert_eq!(socket_address(&inet).as_deref(), Some("127.0.0.1:8080"));
        let mut path = [0u8; 128];
        path[0] = 1;
        path[2..7].copy_from_slice(b"/run\0");
        assert_eq!(socket_address(&path).as_deref(), Some("unix:/run"));
        path[2..7].copy_from_slice(b"\0abs\0");
        assert_eq!(socket_address(&path).as_deref(), Some("unix:@abs"));
        assert_eq!(socket_address(&[2]), None);
        assert_eq!(socket_address(&[2, 0, 1]), None);
    }

    #[test]
    fn bytes_that_are_no_record_are_none() {
        for length in 0..400 {
            let bytes = vec![0xff; length];
            assert_eq!(decode(&bytes, &mut None), None, "{length}");
            let mut known = vec![0; length];
            for kind in 1..=8u8 {
                if length > 16 {
                    known[16] = kind;
                }
                // Whatever it is, it does not panic.
                let _ = decode(&known, &mut None);
            }
        }
    }

    #[test]
    fn how_a_thread_sleeps_is_in_its_state() {
        assert_eq!(sleep(0, true), Sleep::Ready);
        assert_eq!(sleep(1, false), Sleep::Interruptible);
        assert_eq!(sleep(2, false), Sleep::Uninterruptible);
        assert_eq!(sleep(2, true), Sleep::ForDevice);
        assert_eq!(sleep(0x2002, false), Sleep::Uninterruptible);
        assert_eq!(sleep(8, false), Sleep::Stopped);
        assert_eq!(sleep(0x200, false), Sleep::Interruptible);
    }
}
