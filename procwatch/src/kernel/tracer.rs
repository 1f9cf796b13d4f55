//! The programs that trace: attached for the threads that somebody names, and their children, and gone when dropped.

mod decode;

use std::io;

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, HashMap, MapData, PerCpuArray, RingBuf, StackTraceMap},
};
use procwatch_common::{
    layout::{ABSENT, KernelLayout},
    trace::{
        NO_SYSCALL, Overflow, OverflowKey, TraceLoss, TracedExitRecord, TracedThread, options,
        shape,
    },
};
use zerocopy::FromZeros as _;

use super::{
    attach::{self, refusal},
    object,
    probes::Hook,
    refusal::AttachError,
    session::{RingBufferSize, take_map},
    stacks::Stacks,
};
use crate::trace::{
    calls::{self, Argument},
    record::{OffCpu, Record, Sleep},
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
    /// Ends that found no room in the stream, by tid.
    ends: HashMap<MapData, u32, [u8; size_of::<TracedExitRecord>()]>,
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
            ends: HashMap::try_from(take_map(&mut ebpf, "ENDS")?).map_err(bad_map)?,
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
            match decode::decode(&bytes, &mut self.stacks) {
                Some(record) => each(record),
                None => self.malformed += 1,
            }
        }
        records
    }

    /// Hands over the ends that there was no room to tell in their turn.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn drain_ends(&mut self, mut each: impl FnMut(Record)) -> io::Result<()> {
        let tids: Result<Vec<u32>, _> = self.ends.keys().collect();
        for tid in tids.map_err(io::Error::other)? {
            let bytes = self.ends.get(&tid, 0).map_err(io::Error::other)?;
            self.ends.remove(&tid).map_err(io::Error::other)?;
            match decode::decode(&bytes, &mut self.stacks) {
                Some(record) => each(record),
                None => self.malformed += 1,
            }
        }
        Ok(())
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
                    sleep: decode::sleep(thread.state, thread.flags & TracedThread::IN_IOWAIT != 0),
                    call: decode::call_number(thread.number),
                    file: decode::file(thread.file),
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
