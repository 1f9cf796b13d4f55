//! The loaded programs: attached on start, gone when dropped.
//!
//! Everything hangs on file descriptors of this process and nothing is pinned, so the kernel removes
//! programs, maps and links whichever way the process ends.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd, BorrowedFd},
};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{HashMap, MapData, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, Iter, ProgramError},
};
use procwatch_common::{
    lifecycle::FinalRecord,
    loss::LossKind,
    totals::{RawProcessId, RawTotals},
};
use thiserror::Error;

use super::{
    btf::Btf,
    decode::{closed, decode_record, decode_threads},
    layout,
    probes::{ACTIVE_TASKS, Hook, PER_CPU, PROBES, ProbeState, TASKS},
};
use crate::model::{
    observation::{Observation, PassScope, ThreadSeen},
    sample::Losses,
    totals::Totals,
};

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
/// What the kernel buffers for one read of an iterator; asking for less would only add calls.
const PASS_BUFFER: usize = 64 * 1024;

/// Bytes of the ring buffer: a power of two, and at least a page. Every page of it counts twice in our
/// resident set, for it is mapped twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingBufferSize(u32);

impl RingBufferSize {
    /// The smallest that the kernel takes.
    pub const MIN: u32 = 4096;
    /// Enough for any host, and well within what a `u32` map size can say.
    pub const MAX: u32 = 1 << 30;

    /// Room for a third of a second of the fastest spawn storm that so many CPUs can make, as measured:
    /// 1,200 processes a second and CPU, 700 bytes of records each.
    pub fn for_cpus(cpus: usize) -> Self {
        let bytes = (cpus as u64)
            .saturating_mul(512 << 10)
            .clamp(1 << 20, 32 << 20);
        Self(bytes.next_power_of_two() as u32)
    }

    /// Rounds up to what the kernel takes. `None` when that is more than [`Self::MAX`].
    pub fn at_least(bytes: u64) -> Option<Self> {
        let bytes = bytes
            .max(u64::from(Self::MIN))
            .checked_next_power_of_two()?;
        (bytes <= u64::from(Self::MAX)).then_some(Self(bytes as u32))
    }

    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// How to start a session.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `None` for one that suits the number of CPUs.
    pub ring_buffer: Option<RingBufferSize>,
}

/// Why the programs could not be attached. The last words say what to try.
#[derive(Debug, Error)]
pub enum AttachError {
    #[error(
        "this kernel has no type information ({BTF_PATH}: {0}); it needs CONFIG_DEBUG_INFO_BTF"
    )]
    NoBtf(#[source] io::Error),
    #[error("the kernel's type information cannot be read: {0}")]
    Btf(#[from] super::btf::BtfError),
    #[error(transparent)]
    Layout(#[from] layout::LayoutError),
    #[error("not permitted to load eBPF programs; run as root, or with CAP_BPF and CAP_PERFMON")]
    NotPermitted,
    #[error("the kernel did not take the programs: {0}")]
    Load(String),
    #[error("{program} could not be attached to {hook}: {reason}")]
    Attach {
        program: &'static str,
        hook: Hook,
        reason: String,
    },
}

/// The attached programs and their maps.
pub struct Session {
    ebpf: Ebpf,
    events: RingBuf<MapData>,
    losses: PerCpuArray<MapData, u64>,
    lost_totals: PerCpuArray<MapData, RawTotals>,
    unsent: HashMap<MapData, RawProcessId, FinalRecord>,
    page_size: u64,
    buffer: Vec<u8>,
    /// Records of the ring buffer that could not be decoded.
    malformed: u64,
}

impl Session {
    /// Loads and attaches every program.
    ///
    /// # Errors
    /// When the host refuses any of them; nothing stays attached then.
    pub fn start(options: Options) -> Result<Self, AttachError> {
        let page_size = rustix::param::page_size() as u64;
        let data = std::fs::read(BTF_PATH).map_err(AttachError::NoBtf)?;
        let types = Btf::parse(data, layout::NAMES)?;
        let cpus = aya::util::nr_cpus().map_err(|(what, error)| {
            AttachError::Load(format!("counting CPUs from {what}: {error}"))
        })?;
        let ring_buffer = options
            .ring_buffer
            .unwrap_or_else(|| RingBufferSize::for_cpus(cpus));
        let layout = layout::resolve(&types, cpus, ring_buffer.bytes() / 4)?;
        drop(types);

        let btf = AyaBtf::from_sys_fs().map_err(|error| AttachError::Load(error.to_string()))?;
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("LAYOUT", &layout, true)
            .map_max_entries("EVENTS", ring_buffer.bytes())
            .load(include_bytes_aligned!(concat!(
                env!("OUT_DIR"),
                "/procwatch-ebpf"
            )))
            .map_err(|error| refusal(&error))?;

        for probe in PROBES {
            attach(&mut ebpf, probe.program, probe.hook, &btf)?;
        }
        // The type information takes tens of megabytes in small pieces, and is not needed any more.
        drop(btf);
        return_free_memory();

        let taken = |name: &str, map: Option<aya::maps::Map>| {
            map.ok_or_else(|| AttachError::Load(format!("the object has no map {name}")))
        };
        let bad_map = |error: aya::maps::MapError| AttachError::Load(error.to_string());
        let events =
            RingBuf::try_from(taken("EVENTS", ebpf.take_map("EVENTS"))?).map_err(bad_map)?;
        let losses =
            PerCpuArray::try_from(taken("LOSSES", ebpf.take_map("LOSSES"))?).map_err(bad_map)?;
        let lost_totals =
            PerCpuArray::try_from(taken("LOST_TOTALS", ebpf.take_map("LOST_TOTALS"))?)
                .map_err(bad_map)?;
        let unsent =
            HashMap::try_from(taken("UNSENT", ebpf.take_map("UNSENT"))?).map_err(bad_map)?;
        let mut session = Self {
            unsent,
            ebpf,
            events,
            losses,
            lost_totals,
            page_size,
            buffer: Vec::with_capacity(PASS_BUFFER + 4096),
            malformed: 0,
        };
        session
            .run_iterator(PER_CPU, |_| ())
            .map_err(|error| AttachError::Load(format!("running {PER_CPU}: {error}")))?;
        Ok(session)
    }

    /// Hands over every record that waits in the ring buffer, oldest first, and returns how many.
    pub fn drain(&mut self, mut each: impl FnMut(Observation)) -> u64 {
        let mut records = 0;
        while let Some(record) = self.events.next() {
            records += 1;
            match decode_record(&record, self.page_size) {
                Ok(observation) => each(observation),
                Err(_) => self.malformed += 1,
            }
        }
        records
    }

    /// Hands over the closing records that found no room in the ring buffer.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn drain_unsent(&mut self, mut each: impl FnMut(Observation)) -> io::Result<()> {
        let ids: Vec<RawProcessId> = self
            .unsent
            .keys()
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?;
        for id in ids {
            let record = self.unsent.get(&id, 0).map_err(io::Error::other)?;
            self.unsent.remove(&id).map_err(io::Error::other)?;
            each(Observation::Closed(closed(&record, self.page_size)));
        }
        Ok(())
    }

    /// One pass over the threads of the host.
    ///
    /// # Errors
    /// When the pass could not be started or broke off; what was handed over until then is true, but
    /// what was not handed over may well be alive.
    pub fn pass(&mut self, scope: PassScope, each: impl FnMut(ThreadSeen)) -> io::Result<()> {
        let program = match scope {
            PassScope::All => TASKS,
            PassScope::Active => ACTIVE_TASKS,
        };
        self.run_iterator(program, each)
    }

    fn run_iterator(&mut self, program: &str, mut each: impl FnMut(ThreadSeen)) -> io::Result<()> {
        let mut file = self.start_iterator(program)?;
        self.buffer.clear();
        loop {
            let kept = self.buffer.len();
            self.buffer.resize(kept + PASS_BUFFER, 0);
            let read = match file.read(&mut self.buffer[kept..]) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.buffer.truncate(kept);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.buffer.truncate(kept + read);
            if read == 0 {
                break;
            }
            let taken = decode_threads(&self.buffer, self.page_size, &mut each);
            self.buffer.drain(..taken);
        }
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the last thread record is cut off",
            ))
        }
    }

    fn start_iterator(&mut self, program: &str) -> io::Result<File> {
        let iterator = self
            .ebpf
            .program_mut(program)
            .ok_or(ProgramError::NotLoaded);
        let iterator: &mut Iter = iterator
            .and_then(TryInto::try_into)
            .map_err(io::Error::other)?;
        let link = iterator.attach().map_err(io::Error::other)?;
        let link = iterator.take_link(link).map_err(io::Error::other)?;
        link.into_file().map_err(io::Error::other)
    }

    /// What the programs could not hand over since the session started.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn losses(&self) -> io::Result<Losses> {
        let count = |kind: LossKind| -> io::Result<u64> {
            let per_cpu = self
                .losses
                .get(&(kind as u32), 0)
                .map_err(io::Error::other)?;
            Ok(per_cpu.iter().sum())
        };
        Ok(Losses {
            fork: count(LossKind::Fork)?,
            exec: count(LossKind::Exec)?,
            exit: count(LossKind::Exit)?,
            final_totals: count(LossKind::FinalTotals)?,
            departed_thread: count(LossKind::DepartedThread)?,
            crowded_out: 0,
            malformed: self.malformed,
            output: 0,
        })
    }

    /// The sum of the final totals that were not handed over by name.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn nameless(&self) -> io::Result<Totals> {
        let per_cpu = self.lost_totals.get(&0, 0).map_err(io::Error::other)?;
        let mut sum = Totals::ZERO;
        for totals in per_cpu.iter() {
            sum.add(&super::decode::totals(totals));
        }
        Ok(sum)
    }

    /// Every probe with what became of it.
    pub fn probe_states(&self) -> BTreeMap<&'static str, ProbeState> {
        PROBES
            .iter()
            .map(|probe| (probe.program, ProbeState::Active))
            .collect()
    }
}

/// Readable when the backlog has passed the mark. Records below it are silent: drain on a timer too.
impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

fn attach(
    ebpf: &mut Ebpf,
    name: &'static str,
    hook: Hook,
    btf: &AyaBtf,
) -> Result<(), AttachError> {
    let failed = |error: ProgramError| match &error {
        ProgramError::LoadError { io_error, .. } if is_not_permitted(io_error) => {
            AttachError::NotPermitted
        }
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => AttachError::Attach {
            program: name,
            hook,
            reason: format!(
                "{io_error}; the verifier's last words: {}",
                last_lines(verifier_log)
            ),
        },
        other => AttachError::Attach {
            program: name,
            hook,
            reason: other.to_string(),
        },
    };
    let program = ebpf.program_mut(name).ok_or_else(|| AttachError::Attach {
        program: name,
        hook,
        reason: "the object has no such program".to_owned(),
    })?;
    match hook {
        Hook::BtfTracepoint(tracepoint) => {
            let program: &mut BtfTracePoint = program.try_into().map_err(failed)?;
            program.load(tracepoint, btf).map_err(failed)?;
            program.attach().map_err(failed)?;
        }
        Hook::TaskIterator => {
            let program: &mut Iter = program.try_into().map_err(failed)?;
            program.load("task", btf).map_err(failed)?;
        }
    }
    Ok(())
}

/// EPERM, and not EACCES, which is what the verifier says when it refuses a program.
fn is_not_permitted(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

/// The verifier's log can be megabytes; its last lines hold the reason.
fn last_lines(log: &impl std::fmt::Display) -> String {
    let log = log.to_string();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}

fn refusal(error: &aya::EbpfError) -> AttachError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(link) = cause {
        if let Some(io) = link.downcast_ref::<io::Error>()
            && is_not_permitted(io)
        {
            return AttachError::NotPermitted;
        }
        cause = link.source();
    }
    AttachError::Load(error.to_string())
}

/// Gives memory that was freed back to the system; the allocator would keep it for later.
fn return_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
