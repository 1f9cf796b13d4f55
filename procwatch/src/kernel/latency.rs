//! The programs that measure latencies: of the whole host, and gone when dropped.

use std::io;

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{HashMap, MapData, PerCpuArray, RingBuf},
};
use procwatch_common::{
    latency::{
        Durations, LatencyHeader, LatencyLoss, LatencyRecord, ProcessBlock, ThreadKind,
        bucket_start_ns,
    },
    layout::ABSENT,
    totals::RawProcessId,
    trace::SYSCALLS_MAX,
};
use zerocopy::FromBytes as _;

use super::{
    attach::{attach, refusal},
    iterators::{self, Over},
    object,
    probes::Hook,
    refusal::AttachError,
    session::{RingBufferSize, take_map},
};
use crate::{
    latency::{BlockIo, Kind, Measured, Spent},
    model::{
        device::{Bucket, Histogram},
        facts::kernel_text,
        identity::ProcessId,
    },
};

/// Room for 8,000 threads that end before anybody looks.
const RING_BUFFER: u32 = 16 << 20;

const KNOW: &str = "pw_latency_know";
const READ: &str = "pw_latency_read";
/// Births come first: the pass over all that live then misses nobody. Whoever has an entry may be switched.
const SCHEDULING: &[(&str, &str)] = &[
    ("pw_latency_fork", "sched_process_fork"),
    ("pw_latency_end", "sched_process_exit"),
    ("pw_latency_swtch", "sched_switch"),
];
/// The end of a request comes first: it finds only what was queued since.
const BLOCK: &[(&str, &str)] = &[
    ("pw_latency_rq_d", "block_rq_complete"),
    ("pw_latency_bio_d", "block_bio_complete"),
    ("pw_latency_bio", "block_bio_queue"),
];
const SYSCALLS: &[(&str, &str)] = &[
    ("pw_latency_return", "sys_exit"),
    ("pw_latency_enter", "sys_enter"),
];

/// The attached programs and their maps.
pub struct LatencyMeter {
    ebpf: Ebpf,
    ended: RingBuf<MapData>,
    blocks: HashMap<MapData, RawProcessId, ProcessBlock>,
    calls: PerCpuArray<MapData, Durations>,
    losses: PerCpuArray<MapData, u64>,
    buffer: Vec<u8>,
    /// Why block I/O is not told.
    no_block: Option<String>,
    malformed: u64,
}

impl LatencyMeter {
    /// Loads and attaches the programs, and begins to measure. `None` is a ring buffer of 16 MiB.
    ///
    /// # Errors
    /// When the host refuses one that is needed; nothing stays attached then. Block I/O alone may be missing.
    pub fn start(
        with_syscalls: bool,
        ring_buffer: Option<RingBufferSize>,
    ) -> Result<Self, AttachError> {
        const KERNELS: &str = "5.13 and later";
        let (layout, btf) = object::known_to_programs()?;
        if layout.has_task_storage == 0 {
            return Err(AttachError::Lacks {
                what: "let tracing programs keep something with a task, as 5.13 and later can",
            });
        }
        if layout.task_run_delay == ABSENT {
            return Err(AttachError::Lacks {
                what: "tell how long tasks wait for a CPU: it was built without CONFIG_SCHED_INFO",
            });
        }
        let mut loader = EbpfLoader::new();
        if with_syscalls {
            loader.map_max_entries("CALLS", SYSCALLS_MAX);
        }
        let mut ebpf = loader
            // aya has no type for task storage, which only programs use.
            .allow_unsupported_maps()
            .btf(Some(&btf))
            .override_global("LAYOUT", &layout, true)
            .map_max_entries(
                "ENDED",
                ring_buffer.map_or(RING_BUFFER, RingBufferSize::bytes),
            )
            .load(include_bytes_aligned!(concat!(
                env!("OUT_DIR"),
                "/procwatch-latency"
            )))
            .map_err(|error| refusal(&error))?;
        let all = |ebpf: &mut Ebpf, rows: &[(&'static str, &'static str)]| {
            rows.iter().try_for_each(|(program, tracepoint)| {
                attach(
                    ebpf,
                    program,
                    Hook::BtfTracepoint(tracepoint),
                    KERNELS,
                    &btf,
                )
            })
        };
        for pass in [KNOW, READ] {
            attach(&mut ebpf, pass, Hook::Iterator("task"), KERNELS, &btf)
                .map_err(AttachError::of_needed)?;
        }
        all(&mut ebpf, SCHEDULING).map_err(AttachError::of_needed)?;
        if with_syscalls {
            all(&mut ebpf, SYSCALLS).map_err(AttachError::of_needed)?;
        }
        let no_block = all(&mut ebpf, BLOCK).err().map(|error| error.to_string());
        let mut buffer = Vec::new();
        iterators::run(&mut ebpf, KNOW, Over::All, &mut buffer, <[u8]>::len)
            .map_err(|error| AttachError::Load(format!("running {KNOW}: {error}")))?;
        let bad_map = |error: aya::maps::MapError| AttachError::Load(error.to_string());
        Ok(Self {
            ended: RingBuf::try_from(take_map(&mut ebpf, "ENDED")?).map_err(bad_map)?,
            blocks: HashMap::try_from(take_map(&mut ebpf, "BLOCKS")?).map_err(bad_map)?,
            calls: PerCpuArray::try_from(take_map(&mut ebpf, "CALLS")?).map_err(bad_map)?,
            losses: PerCpuArray::try_from(take_map(&mut ebpf, "LATENCY_LOSSES")?)
                .map_err(bad_map)?,
            ebpf,
            buffer,
            no_block,
            malformed: 0,
        })
    }

    /// Why block I/O is not told. `None` when it is.
    pub fn no_block(&self) -> Option<&str> {
        self.no_block.as_deref()
    }

    /// Hands over what threads have added up that have ended since the last time.
    pub fn drain(&mut self, mut each: impl FnMut(Measured)) {
        while let Some(bytes) = self.ended.next() {
            match LatencyRecord::read_from_bytes(&bytes) {
                Ok(record) => each(measured(&record)),
                Err(_) => self.malformed += 1,
            }
        }
    }

    /// Hands over what every thread has added up that has not ended.
    ///
    /// # Errors
    /// When the pass breaks off.
    pub fn living(&mut self, mut each: impl FnMut(Measured)) -> io::Result<()> {
        let Self { ebpf, buffer, .. } = self;
        iterators::run(ebpf, READ, Over::All, buffer, |bytes| {
            let mut rest = bytes;
            while let Ok((record, after)) = LatencyRecord::read_from_prefix(rest) {
                each(measured(&record));
                rest = after;
            }
            bytes.len() - rest.len()
        })
    }

    /// The block I/O of each process that has had any.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn blocks(&self) -> io::Result<Vec<BlockIo>> {
        let entries = self.blocks.iter().map(|entry| {
            let (id, block) = entry.map_err(io::Error::other)?;
            Ok(BlockIo {
                process: process_id(id),
                comm: text(&block.comm),
                spent: spent(&block.durations),
            })
        });
        entries.collect()
    }

    /// Makes room: of this process there will be nothing more.
    pub fn forget_block(&mut self, process: ProcessId) {
        let _ = self.blocks.remove(&RawProcessId {
            start_time_ns: process.start_time_ns,
            tgid: process.pid,
            reserved: 0,
        });
    }

    /// System calls of the host by number; empty when they are not measured.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn calls(&self) -> io::Result<Vec<(u32, Spent)>> {
        let mut calls = Vec::new();
        if self.calls.len() < SYSCALLS_MAX {
            return Ok(calls);
        }
        for number in 0..SYSCALLS_MAX {
            let cpus = self.calls.get(&number, 0).map_err(io::Error::other)?;
            let mut sum = Spent::default();
            for cpu in cpus.iter() {
                sum.add(&spent(cpu));
            }
            if sum.count() > 0 {
                calls.push((number, sum));
            }
        }
        Ok(calls)
    }

    /// What is missing, by kind; every kind is there.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn losses(&self) -> io::Result<Vec<(&'static str, u64)>> {
        let mut losses = Vec::new();
        for kind in LatencyLoss::ALL {
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

fn measured(record: &LatencyRecord) -> Measured {
    let header = &record.header;
    let mut kinds = <[Spent; Kind::COUNT]>::default();
    let of_thread = [
        (ThreadKind::RunQueue, Kind::RunQueue),
        (ThreadKind::OnCpu, Kind::OnCpu),
        (ThreadKind::OffCpu, Kind::OffCpu),
        (ThreadKind::Syscall, Kind::Syscall),
    ];
    for (theirs, ours) in of_thread {
        kinds[ours as usize] = spent(&record.kinds[theirs as usize]);
    }
    Measured {
        process: process_id(header.process),
        tid: header.tid,
        comm: text(&header.comm),
        is_kernel_thread: header.flags & LatencyHeader::IS_KERNEL_THREAD != 0,
        is_last: header.flags & LatencyHeader::IS_LAST != 0,
        kinds,
    }
}

fn process_id(raw: RawProcessId) -> ProcessId {
    ProcessId::new(raw.tgid, raw.start_time_ns)
}

/// Up to the first NUL.
fn text(bytes: &[u8]) -> Box<str> {
    let end = bytes.iter().position(|byte| *byte == 0);
    kernel_text(&bytes[..end.unwrap_or(bytes.len())]).into()
}

fn spent(raw: &Durations) -> Spent {
    let filled = raw.counts.iter().enumerate();
    let filled = filled.filter(|(_, count)| **count > 0);
    let buckets = filled.map(|(place, count)| Bucket {
        from_ns: bucket_start_ns(place),
        to_ns: bucket_start_ns(place + 1),
        count: u64::from(*count),
    });
    Spent {
        total_ns: raw.total_ns,
        longest_ns: raw.longest_ns,
        counts: Histogram(buckets.collect()),
    }
}

#[cfg(test)]
mod tests {
    use procwatch_common::latency::{BUCKETS, bucket};

    use super::*;

    #[test]
    fn a_duration_lies_in_its_bucket() {
        for duration in [0, 127, 128, 511, 512, 1000, 4_000_000, 1 << 35, u64::MAX] {
            let place = bucket(duration);
            assert!(bucket_start_ns(place) <= duration, "{duration}");
            if place + 1 < BUCKETS {
                assert!(duration < bucket_start_ns(place + 1), "{duration}");
            }
        }
    }
}
