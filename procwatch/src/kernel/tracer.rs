//! The programs that trace: attached for the threads that somebody names, and their children, and gone when dropped.

use std::{io, net::IpAddr};

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, HashMap, MapData, PerCpuArray, RingBuf, StackTraceMap},
};
use procwatch_common::{
    connections::Ends as RawEnds,
    layout::{ABSENT, KernelLayout},
    trace::{
        FileRef, NO_SYSCALL, OffCpuRecord, Overflow, OverflowKey, SyscallRecord, SyscallWithEnds,
        TEXT_MAX, TraceHeader, TraceKind, TraceLoss, TracedBlockRecord, TracedExecRecord,
        TracedExitRecord, TracedFaultRecord, TracedForkRecord, TracedSignalRecord, TracedThread,
        options, shape,
    },
};
use zerocopy::{FromBytes, FromZeros as _};

use super::{
    attach::{self, refusal},
    object,
    probes::Hook,
    refusal::AttachError,
    session::{RingBufferSize, take_map},
    stacks::Stacks,
};
use crate::{
    model::facts::kernel_text,
    trace::{
        calls::{self, Argument},
        record::{
            Block, Born, Call, Disposition, Ends, Exec, Exit, Fault, FileId, FileKind, OffCpu,
            Operation, Record, Signal, SignalStage, Sleep, Waker, What,
        },
    },
};

const BPF_NOEXIST: u64 = 1;
/// Room for what a busy process does while its reader is held up for a tenth of a second.
const RING_BUFFER: u32 = 32 << 20;

/// A program, its tracepoint, what it tells, and whether a trace is worth nothing without it.
struct Row {
    program: &'static str,
    tracepoint: &'static str,
    tells: Tells,
    is_needed: bool,
}

/// What may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    Lives,
    Calls,
    Scheduling,
    Signals,
    Faults,
    Blocks,
}

const fn row(program: &'static str, tracepoint: &'static str, tells: Tells) -> Row {
    Row {
        program,
        tracepoint,
        is_needed: matches!(tells, Tells::Lives | Tells::Calls | Tells::Scheduling),
        tells,
    }
}

/// Births come last: whoever is born then is seen by all others.
const ROWS: &[Row] = &[
    row("pw_trace_end", "sched_process_exit", Tells::Lives),
    row("pw_trace_exec", "sched_process_exec", Tells::Lives),
    row("pw_trace_waking", "sched_waking", Tells::Scheduling),
    row("pw_trace_switch", "sched_switch", Tells::Scheduling),
    row("pw_trace_signal", "signal_generate", Tells::Signals),
    row("pw_trace_deliver", "signal_deliver", Tells::Signals),
    row("pw_trace_fault", "page_fault_user", Tells::Faults),
    row("pw_trace_rq_done", "block_rq_complete", Tells::Blocks),
    row("pw_trace_bio_done", "block_bio_complete", Tells::Blocks),
    row("pw_trace_bio", "block_bio_queue", Tells::Blocks),
    row("pw_trace_return", "sys_exit", Tells::Calls),
    row("pw_trace_enter", "sys_enter", Tells::Calls),
    row("pw_trace_fork", "sched_process_fork", Tells::Lives),
];

/// How to trace.
#[derive(Clone, Debug)]
pub struct TracerOptions {
    /// `None` for 32 MiB.
    pub ring_buffer: Option<RingBufferSize>,
    /// The stacks of threads that block.
    pub stacks: bool,
    /// Page faults one by one.
    pub faults: bool,
}

/// A thread that is to be traced and was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub pid: u32,
    pub tid: u32,
    /// As `/proc/PID/task/TID/stat` has it. `None` for one that runs or is about to.
    pub sleep: Option<Sleep>,
    /// The call that it is in, and with what. `None` outside of calls, and when that is not known.
    pub call: Option<(u32, [u64; 6])>,
    /// Whether the return of a call whose entry nobody saw is to be told.
    pub tells_unseen_call: bool,
}

/// A thread that is off its CPU when tracing ends, or of which something was lost.
#[derive(Clone, Debug)]
pub struct Left {
    pub tid: u32,
    pub off: Option<OffCpu>,
    pub lost_blocked_ns: u64,
    pub lost_waited_ns: u64,
}

/// Calls of one number that there was no room to tell one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untold {
    pub pid: u32,
    pub number: u32,
    pub calls: u64,
    pub errors: u64,
    pub time_ns: u64,
}

/// The attached programs and their maps.
pub struct Tracer {
    _ebpf: Ebpf,
    stream: RingBuf<MapData>,
    losses: PerCpuArray<MapData, u64>,
    threads: HashMap<MapData, u32, TracedThread>,
    overflow: HashMap<MapData, OverflowKey, Overflow>,
    stacks: Option<Stacks>,
    /// What this host does not let us tell, and why.
    missing: Vec<(Tells, String)>,
    malformed: u64,
}

impl Tracer {
    /// Loads and attaches the programs; they trace nobody yet.
    ///
    /// # Errors
    /// When the host refuses one that no trace can do without; nothing stays attached then.
    pub fn start(options: &TracerOptions) -> Result<Self, AttachError> {
        let (layout, btf) = object::known_to_programs()?;
        check(&layout)?;
        let room = options
            .ring_buffer
            .map_or(RING_BUFFER, RingBufferSize::bytes);
        let wanted = if options.stacks { options::STACKS } else { 0 };
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("LAYOUT", &layout, true)
            .override_global("OPTIONS", &wanted, true)
            .map_max_entries("TRACE", room)
            .load(include_bytes_aligned!(concat!(
                env!("OUT_DIR"),
                "/procwatch-trace"
            )))
            .map_err(|error| refusal(&error))?;
        let bad_map = |error: aya::maps::MapError| AttachError::Load(error.to_string());
        let mut shapes: Array<_, u32> =
            Array::try_from(take_map(&mut ebpf, "SHAPES")?).map_err(bad_map)?;
        for (number, word) in shape_words() {
            if number < shapes.len() {
                shapes.set(number, word, 0).map_err(bad_map)?;
            }
        }
        let mut new: Array<_, TracedThread> =
            Array::try_from(take_map(&mut ebpf, "NEW_THREAD")?).map_err(bad_map)?;
        let fresh = TracedThread {
            number: NO_SYSCALL,
            user_stack: -1,
            kernel_stack: -1,
            ..TracedThread::new_zeroed()
        };
        new.set(0, fresh, 0).map_err(bad_map)?;

        let mut missing = Vec::new();
        for row in ROWS {
            if row.tells == Tells::Faults && !options.faults {
                continue;
            }
            let hook = Hook::BtfTracepoint(row.tracepoint);
            match attach::attach(&mut ebpf, row.program, hook, "5.10 and later", &btf) {
                Ok(()) => {}
                Err(error) if row.is_needed => return Err(error.of_needed()),
                Err(error) => {
                    if !missing.iter().any(|(tells, _)| *tells == row.tells) {
                        missing.push((row.tells, error.to_string()));
                    }
                }
            }
        }
        let stacks: StackTraceMap<MapData> =
            StackTraceMap::try_from(take_map(&mut ebpf, "STACKS")?).map_err(bad_map)?;
        Ok(Self {
            stream: RingBuf::try_from(take_map(&mut ebpf, "TRACE")?).map_err(bad_map)?,
            losses: PerCpuArray::try_from(take_map(&mut ebpf, "TRACE_LOSSES")?).map_err(bad_map)?,
            threads: HashMap::try_from(take_map(&mut ebpf, "THREADS")?).map_err(bad_map)?,
            overflow: HashMap::try_from(take_map(&mut ebpf, "OVERFLOW")?).map_err(bad_map)?,
            stacks: options.stacks.then(|| Stacks::new(stacks)),
            _ebpf: ebpf,
            missing,
            malformed: 0,
        })
    }

    /// What this host does not let us tell, and why.
    pub fn missing(&self) -> &[(Tells, String)] {
        &self.missing
    }

    /// Whether a thread is traced already.
    pub fn is_traced(&self, tid: u32) -> bool {
        self.threads.get(&tid, 0).is_ok()
    }

    /// Traces a thread from now on, and whoever it starts. One that is traced already stays as it is.
    ///
    /// # Errors
    /// When there is no room for another.
    pub fn trace(&mut self, known: &Known, now_ns: u64) -> io::Result<()> {
        let (number, arguments) = known.call.unwrap_or((NO_SYSCALL, [0; 6]));
        let mut flags = TracedThread::UNSEEN;
        if known.tells_unseen_call {
            flags |= TracedThread::IN_UNSEEN_CALL;
        }
        let (mut state, mut off_ns) = (0, 0);
        if let Some(sleep) = known.sleep {
            off_ns = now_ns;
            state = match sleep {
                Sleep::Ready => 0,
                Sleep::Interruptible => 1,
                Sleep::Uninterruptible | Sleep::ForDevice => 2,
                Sleep::Stopped => 4,
            };
            if sleep == Sleep::ForDevice {
                flags |= TracedThread::IN_IOWAIT;
            }
        }
        let thread = TracedThread {
            tgid: known.pid,
            flags,
            number,
            state,
            since_ns: now_ns,
            arguments,
            off_ns,
            user_stack: -1,
            kernel_stack: -1,
            ..TracedThread::new_zeroed()
        };
        match self.threads.insert(known.tid, thread, BPF_NOEXIST) {
            Err(_) if self.is_traced(known.tid) => Ok(()),
            result => result.map_err(io::Error::other),
        }
    }

    /// Hands over what has happened, oldest first, at most so many, and returns how many.
    pub fn drain(&mut self, max: u64, mut each: impl FnMut(Record)) -> u64 {
        let mut records = 0;
        while records < max
            && let Some(bytes) = self.stream.next()
        {
            records += 1;
            match decode(&bytes, &mut self.stacks) {
                Some(record) => each(record),
                None => self.malformed += 1,
            }
        }
        records
    }

    /// The threads that are traced still.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn left(&mut self) -> io::Result<Vec<Left>> {
        let mut all = Vec::new();
        for entry in &self.threads {
            let (tid, thread) = entry.map_err(io::Error::other)?;
            let is_off = thread.off_ns != 0 && thread.off_ns >= thread.since_ns;
            let off = is_off.then(|| {
                let ready_ns = match (thread.state, thread.woken_ns) {
                    (0, _) => thread.off_ns,
                    (_, 0) => u64::MAX,
                    (_, woken) => woken,
                };
                OffCpu {
                    since_ns: thread.off_ns,
                    ready_ns,
                    waker: None,
                    sleep: sleep(thread.state, thread.flags & TracedThread::IN_IOWAIT != 0),
                    call: call_number(thread.number),
                    file: file(thread.file),
                    stack: Vec::new(),
                }
            });
            all.push(Left {
                tid,
                off,
                lost_blocked_ns: thread.lost_blocked_ns,
                lost_waited_ns: thread.lost_waited_ns,
            });
        }
        Ok(all)
    }

    /// Calls that there was no room to tell one by one.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn untold(&self) -> io::Result<Vec<Untold>> {
        let entries = self.overflow.iter().map(|entry| {
            let (key, sums) = entry.map_err(io::Error::other)?;
            Ok(Untold {
                pid: key.tgid,
                number: key.number,
                calls: sums.calls,
                errors: sums.errors,
                time_ns: sums.time_ns,
            })
        });
        entries.collect()
    }

    /// What there was no room for, by kind; every kind is there.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn losses(&self) -> io::Result<Vec<(&'static str, u64)>> {
        let mut losses = Vec::new();
        for kind in TraceLoss::ALL {
            let cpus = self
                .losses
                .get(&(kind as u32), 0)
                .map_err(io::Error::other)?;
            losses.push((kind.name(), cpus.iter().sum()));
        }
        losses.push(("malformed", self.malformed));
        Ok(losses)
    }
}

/// What no trace can be without.
fn check(layout: &KernelLayout) -> Result<(), AttachError> {
    let needed = [
        layout.task_files,
        layout.files_fdt,
        layout.fdt_fd,
        layout.file_inode,
        layout.regs_argument_0,
    ];
    if needed.contains(&ABSENT) {
        return Err(AttachError::Load(
            "the kernel's types do not say where descriptors and registers are".to_owned(),
        ));
    }
    Ok(())
}

/// What the programs are to fetch of each call's arguments.
fn shape_words() -> impl Iterator<Item = (u32, u32)> {
    calls::shapes().map(|(number, known)| {
        let place = |kind| {
            let place = known.arguments.iter().position(|one| *one == kind);
            place.map_or(0, |place| place as u32 + 1)
        };
        let mut word = place(Argument::Path) << shape::PATH
            | place(Argument::SecondPath) << shape::PATH_2
            | place(Argument::Address) << shape::ADDRESS
            | place(Argument::Descriptor) << shape::FD
            | place(Argument::SecondDescriptor) << shape::FD_2;
        if known.returns_descriptor {
            word |= shape::RETURNS_FD;
        }
        if known.is_read_early {
            word |= shape::AT_ENTRY;
        }
        (number, word)
    })
}

fn decode(bytes: &[u8], stacks: &mut Option<Stacks>) -> Option<Record> {
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

fn file(raw: FileRef) -> Option<FileId> {
    (raw != FileRef::new_zeroed()).then(|| FileId {
        device: raw.device,
        inode: raw.inode,
        kind: FileKind::of_mode(raw.mode),
    })
}

fn call_number(number: u32) -> Option<u32> {
    (number != NO_SYSCALL).then_some(number)
}

fn sleep(state: u32, is_in_iowait: bool) -> Sleep {
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
