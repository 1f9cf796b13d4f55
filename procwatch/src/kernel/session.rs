//! The loaded programs: attached on start, gone when dropped.
//!
//! Everything hangs on file descriptors of this process and nothing is pinned, so the kernel removes
//! programs, maps and links whichever way the process ends.

use std::{
    collections::BTreeMap,
    io,
    num::NonZeroU32,
    os::fd::{AsFd, BorrowedFd},
};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf},
};
use procwatch_common::{
    block::DeviceTotals,
    lifecycle::FinalRecord,
    loss::LossKind,
    switches::Switches,
    totals::{AddedUp, ProcessTotals, RawProcessId},
};

use super::{
    attach::{attach_all, refusal},
    btf::Btf,
    decode::Decoder,
    iterators::{self, Over},
    layout::{self, Wanted},
    limits,
    object::BTF_PATH,
    older,
    probes::{
        ACTIVE_TASKS, Ability, Figures, PER_CPU, PROBES, ProbeState, SETTLE, SOCKET_FILES, SOCKETS,
        TASKS,
    },
    refusal::AttachError,
    usage::{Meter, RingBufferUsage, Usage},
};
use crate::model::{
    connection::Connection,
    device::DeviceSample,
    identity::ProcessId,
    observation::{Observation, PassScope, ThreadSeen},
    sample::Losses,
    shed::Shed,
    totals::{Counter, Totals},
};

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
    /// Entries of each map that fills up as a host gets busier. `None` for as many as suit its memory.
    pub map_entries: Option<NonZeroU32>,
    /// Whether connects, accepts and closes are to be told one by one.
    pub connections: bool,
    /// Whether the kernel is to count how often and for how long programs run.
    pub count_runs: bool,
}

/// The attached programs and their maps.
pub struct Session {
    ebpf: Ebpf,
    events: RingBuf<MapData>,
    losses: PerCpuArray<MapData, u64>,
    lost_totals: PerCpuArray<MapData, ProcessTotals>,
    unsent: HashMap<MapData, RawProcessId, FinalRecord>,
    devices: HashMap<MapData, u32, DeviceTotals>,
    added_up: HashMap<MapData, RawProcessId, AddedUp>,
    /// A socket's entry goes with the socket.
    connections: MapData,
    states: BTreeMap<&'static str, ProbeState>,
    switches: Array<MapData, u32>,
    ring_peak: PerCpuArray<MapData, u64>,
    ring_buffer: RingBufferSize,
    meter: Meter,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// Records of the ring buffer that could not be decoded.
    malformed: u64,
}

impl Session {
    /// Loads and attaches the programs.
    ///
    /// # Errors
    /// When the host refuses one that the accounts need; nothing stays attached then.
    pub fn start(options: Options) -> Result<Self, AttachError> {
        limits::raise();
        let data = std::fs::read(BTF_PATH).map_err(AttachError::NoBtf)?;
        let types = Btf::parse(data, layout::NAMES).map_err(AttachError::Btf)?;
        let cpus = aya::util::nr_cpus().map_err(|(what, error)| {
            AttachError::Load(format!("counting CPUs from {what}: {error}"))
        })?;
        let ring_buffer = options
            .ring_buffer
            .unwrap_or_else(|| RingBufferSize::for_cpus(cpus));
        let wanted = Wanted {
            task_storage: older::has_task_storage(),
            connections: options.connections,
        };
        let layout = layout::resolve(&types, cpus, ring_buffer.bytes() / 4, wanted)
            .map_err(AttachError::Layout)?;
        drop(types);

        let btf = AyaBtf::from_sys_fs().map_err(|error| AttachError::Load(error.to_string()))?;
        let entries = options
            .map_entries
            .map_or_else(entries_max, NonZeroU32::get);
        let older;
        let mut object = object();
        let mut loader = EbpfLoader::new();
        if !wanted.task_storage {
            older = older::without_task_storage(object)?;
            object = &older;
            loader.map_max_entries("FLOWS", entries);
        }
        if let Some(entries) = options.map_entries {
            for name in ["UNSENT", "IN_FLIGHT", "DIRTIERS"] {
                loader.map_max_entries(name, entries.get());
            }
        }
        let mut ebpf = loader
            // aya has no type for task storage, which only programs use.
            .allow_unsupported_maps()
            .btf(Some(&btf))
            .override_global("LAYOUT", &layout, true)
            .map_max_entries("EVENTS", ring_buffer.bytes())
            .map_max_entries("ADDED_UP", entries)
            .load(object)
            .map_err(|error| refusal(&error))?;

        let abilities: &[Ability] = if layout.has_socket_storage == 1 {
            &[Ability::SocketStorage]
        } else {
            &[]
        };
        let states = attach_all(&mut ebpf, &btf, abilities)?;
        // The type information takes tens of megabytes in small pieces, and is not needed any more.
        drop(btf);
        return_free_memory();

        // All maps are still in one place.
        let mut meter = Meter::of(&ebpf);
        if options.count_runs {
            meter.count_runs();
        }
        let bad_map = |error: aya::maps::MapError| AttachError::Load(error.to_string());
        let events = RingBuf::try_from(take_map(&mut ebpf, "EVENTS")?).map_err(bad_map)?;
        let losses = PerCpuArray::try_from(take_map(&mut ebpf, "LOSSES")?).map_err(bad_map)?;
        let lost_totals =
            PerCpuArray::try_from(take_map(&mut ebpf, "LOST_TOTALS")?).map_err(bad_map)?;
        let unsent = HashMap::try_from(take_map(&mut ebpf, "UNSENT")?).map_err(bad_map)?;
        let devices = HashMap::try_from(take_map(&mut ebpf, "DEVICES")?).map_err(bad_map)?;
        let added_up = HashMap::try_from(take_map(&mut ebpf, "ADDED_UP")?).map_err(bad_map)?;
        let switches = Array::try_from(take_map(&mut ebpf, "SWITCHES")?).map_err(bad_map)?;
        let ring_peak =
            PerCpuArray::try_from(take_map(&mut ebpf, "RING_PEAK")?).map_err(bad_map)?;
        let Map::SkStorage(connections) = take_map(&mut ebpf, "CONNECTIONS")? else {
            return Err(AttachError::Load("CONNECTIONS is another map".to_owned()));
        };
        let mut session = Self {
            ebpf,
            events,
            losses,
            lost_totals,
            unsent,
            devices,
            added_up,
            connections,
            decoder: Decoder {
                page_size: rustix::param::page_size() as u64,
                unmeasured: Vec::new(),
            },
            states,
            switches,
            ring_peak,
            ring_buffer,
            meter,
            buffer: Vec::new(),
            malformed: 0,
        };
        session.decoder.unmeasured = session.unmeasured();
        session
            .run_iterator(PER_CPU, |_| ())
            .map_err(|error| AttachError::Load(format!("running {PER_CPU}: {error}")))?;
        // Connections that are older than collection have owners too; it does without.
        let _ = session.find_socket_owners();
        Ok(session)
    }

    /// Hands over every record that waits in the ring buffer, oldest first, and returns how many.
    pub fn drain(&mut self, mut each: impl FnMut(Observation)) -> u64 {
        let mut records = 0;
        while let Some(record) = self.events.next() {
            records += 1;
            match self.decoder.record(&record) {
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
            each(Observation::Closed(self.decoder.closed(&record)));
        }
        Ok(())
    }

    /// Frees what the programs had added up for a process whose release they have not seen.
    pub fn forget(&mut self, id: ProcessId) {
        let key = RawProcessId {
            start_time_ns: id.start_time_ns,
            tgid: id.pid,
            reserved: 0,
        };
        // Most have nothing there.
        let _ = self.added_up.remove(&key);
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
        let decoder = &self.decoder;
        iterators::run(
            &mut self.ebpf,
            program,
            Over::All,
            &mut self.buffer,
            |bytes| decoder.threads(bytes, &mut each),
        )
    }

    /// Names the owners of those sockets that processes have open and whose owner is not known.
    ///
    /// # Errors
    /// When the pass could not be started or broke off.
    pub fn find_socket_owners(&mut self) -> io::Result<()> {
        if !self.measures(Figures::Connections) {
            return Ok(());
        }
        // Nothing is written: what it finds, it keeps with the sockets.
        iterators::run(
            &mut self.ebpf,
            SOCKET_FILES,
            Over::All,
            &mut self.buffer,
            <[u8]>::len,
        )
    }

    /// Charges what processes have read off TCP streams by `splice` and the like since the last but one time
    /// that this was called. The end of a connection settles it in any case.
    ///
    /// # Errors
    /// When the pass could not be started or broke off.
    pub fn settle_streams(&mut self) -> io::Result<()> {
        if !self.measures(Figures::Connections) {
            return Ok(());
        }
        iterators::run(
            &mut self.ebpf,
            SETTLE,
            Over::Map(self.connections.fd().as_fd()),
            &mut self.buffer,
            <[u8]>::len,
        )
    }

    /// Every socket that is followed.
    ///
    /// # Errors
    /// When the pass could not be started or broke off.
    pub fn connections(&mut self) -> io::Result<Vec<Connection>> {
        let mut connections = Vec::new();
        if !self.measures(Figures::Connections) {
            return Ok(connections);
        }
        self.find_socket_owners()?;
        let decoder = &self.decoder;
        iterators::run(
            &mut self.ebpf,
            SOCKETS,
            Over::Map(self.connections.fd().as_fd()),
            &mut self.buffer,
            |bytes| decoder.connections(bytes, &mut |connection| connections.push(connection)),
        )?;
        Ok(connections)
    }

    /// Every block device with a request queue that has been used since the session started, by number; none
    /// where a hook for them is missing, for half of their figures would be 0 and not true.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn devices(&self) -> io::Result<Vec<DeviceSample>> {
        let mut devices = Vec::new();
        if !self.measures(Figures::Block) {
            return Ok(devices);
        }
        for entry in &self.devices {
            let (number, totals) = entry.map_err(io::Error::other)?;
            devices.push(super::decode::device(number, &totals));
        }
        devices.sort_unstable_by_key(|device| device.number);
        Ok(devices)
    }

    /// Whether every probe of a group measures.
    pub fn measures(&self, figures: Figures) -> bool {
        self.missing(figures).is_none()
    }

    /// Why a group of figures cannot be had. `None` when it can.
    pub fn missing(&self, figures: Figures) -> Option<String> {
        PROBES
            .iter()
            .filter(|probe| probe.figures == figures)
            .find_map(|probe| {
                let state = self.states.get(probe.program)?;
                let reason = state.reason().unwrap_or_default();
                (!state.is_measuring()).then(|| format!("{}: {reason}", probe.program))
            })
    }

    /// The counters that no hook counts on this host.
    pub fn unmeasured(&self) -> Vec<Counter> {
        let groups = [
            (Figures::Network, Counter::NETWORK.as_slice()),
            (Figures::Block, Counter::BLOCK.as_slice()),
            (Figures::Writeback, &[Counter::BlockWriteback]),
        ];
        let missing = groups
            .into_iter()
            .filter(|(figures, _)| !self.measures(*figures));
        missing
            .flat_map(|(_, counters)| counters.iter().copied())
            .collect()
    }

    /// The same as [`Self::losses`], with runs that were skipped as of now: for a last word.
    ///
    /// # Errors
    /// As [`Self::losses`].
    pub fn final_losses(&mut self) -> io::Result<Losses> {
        self.meter.forget_skipped();
        self.losses()
    }

    /// What the programs could not hand over since the session started; runs that the kernel skipped as of at
    /// most a second ago.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn losses(&mut self) -> io::Result<Losses> {
        let skipped = self.meter.skipped();
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
            flow: count(LossKind::Flow)?,
            connection: count(LossKind::Connection)?,
            connection_record: count(LossKind::ConnectionRecord)?,
            block: count(LossKind::Block)?,
            oom: count(LossKind::Oom)?,
            signal: count(LossKind::Signal)?,
            skipped,
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
            sum.add(&self.decoder.totals(totals));
        }
        Ok(sum)
    }

    /// How full maps and the ring buffer are, and what programs cost.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn usage(&self) -> io::Result<Usage> {
        let peaks = self.ring_peak.get(&0, 0).map_err(io::Error::other)?;
        Ok(Usage {
            ring_buffer: RingBufferUsage {
                size_bytes: self.ring_buffer.bytes().into(),
                peak_bytes: peaks.iter().copied().max().unwrap_or(0),
            },
            programs: self.meter.programs(),
            maps: self.meter.maps(),
            counted_ns: self.meter.counted_ns(),
        })
    }

    /// Turns detail off, and on again. What is on its way already comes as it was.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn shed(&mut self, detail: Shed) -> io::Result<()> {
        let bits = [
            (detail.connection_events, Switches::NO_CONNECTION_RECORDS),
            (detail.command_lines, Switches::NO_COMMAND_LINES),
        ];
        let word = bits
            .into_iter()
            .filter(|(is_off, _)| *is_off)
            .fold(0, |word, (_, bit)| word | bit);
        self.switches.set(0, word, 0).map_err(io::Error::other)
    }

    /// What became of each probe, by its program.
    pub fn probe_states(&self) -> &BTreeMap<&'static str, ProbeState> {
        &self.states
    }
}

/// The programs and maps, as they were built with this program.
pub(super) fn object() -> &'static [u8] {
    include_bytes_aligned!(concat!(env!("OUT_DIR"), "/procwatch-ebpf"))
}

/// How many threads and processes with data can be told apart: two for each megabyte of the host's memory. A
/// thread takes about 100 bytes, a process 250, and all of them are taken at once.
fn entries_max() -> u32 {
    const ENTRIES_A_MEGABYTE: u64 = 2;
    let info = rustix::system::sysinfo();
    let megabytes = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit)) >> 20;
    let entries = (megabytes * ENTRIES_A_MEGABYTE).clamp(8192, 131_072);
    // Within what a `u32` holds.
    entries as u32
}

pub(super) fn take_map(ebpf: &mut Ebpf, name: &str) -> Result<Map, AttachError> {
    ebpf.take_map(name)
        .ok_or_else(|| AttachError::Load(format!("the object has no map {name}")))
}

/// Readable when the backlog has passed the mark. Records below it are silent: drain on a timer too.
impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// Gives memory that was freed back to the system; the allocator would keep it for later.
fn return_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
