//! `host`: a row a frame, with the host's own figures.

use std::{ffi::CStr, sync::Arc};

use super::{
    frames::{Frames, Step},
    samples::interval,
    table::{Bounds, Cell, Column, Rows, Shared, Table},
};
use crate::{
    history::{HistoryError, assemble::Assembler, frame::Frame},
    model::{sample::Sample, snapshot::Snapshot, totals::Counter},
};

const COLUMNS: [Column; 22] = [
    Column::new("time", "INTEGER"),
    Column::new("interval_ns", "INTEGER"),
    Column::new("cpus", "INTEGER"),
    Column::new("cpu_busy_ns", "INTEGER"),
    Column::new("processes_cpu_ns", "INTEGER"),
    Column::new("unattributed_cpu_ns", "INTEGER"),
    Column::new("memory_total_bytes", "INTEGER"),
    Column::new("memory_available_bytes", "INTEGER"),
    Column::new("swap_total_bytes", "INTEGER"),
    Column::new("swap_free_bytes", "INTEGER"),
    Column::new("load_1", "REAL"),
    Column::new("load_5", "REAL"),
    Column::new("load_15", "REAL"),
    Column::new("pressure_cpu_pct", "REAL"),
    Column::new("pressure_memory_pct", "REAL"),
    Column::new("pressure_io_pct", "REAL"),
    Column::new("net_sent_bytes", "INTEGER"),
    Column::new("net_received_bytes", "INTEGER"),
    Column::new("active_processes", "INTEGER"),
    Column::new("lost", "INTEGER"),
    Column::new("details", "TEXT"),
    Column::hidden("tier", "INTEGER"),
];

pub(super) struct Host;

impl Table for Host {
    const NAME: &'static CStr = c"host";
    type Rows = HostRows;

    fn columns() -> Vec<Column> {
        COLUMNS.to_vec()
    }

    fn rows(shared: &Arc<Shared>, bounds: Bounds) -> Result<HostRows, HistoryError> {
        Ok(HostRows {
            frames: Frames::new(shared, bounds)?,
            shared: Arc::clone(shared),
            before: None,
            current: None,
        })
    }
}

pub(super) struct HostRows {
    shared: Arc<Shared>,
    frames: Frames,
    /// The frame before, as a sample without processes.
    before: Option<Sample>,
    current: Option<Told>,
}

struct Told {
    snapshot: Snapshot,
    interval_ns: u64,
    processes_cpu_ns: u64,
    active: usize,
    tier: usize,
}

impl HostRows {
    fn sample(&self, frame: Frame) -> Result<Sample, HistoryError> {
        Assembler::default().sample(frame, &mut self.shared.history().directory())
    }

    fn tell(&mut self, frame: Frame, tier: usize) -> Result<(), HistoryError> {
        let active = frame.rows.len();
        let named_ns = frame
            .rows
            .iter()
            .map(|row| row.added[Counter::CpuTime as usize])
            .fold(0, u64::saturating_add);
        let before_ns = self.before.as_ref().map(|before| before.boot_time_ns);
        let interval_ns = interval(&frame, before_ns);
        let sample = self.sample(frame)?;
        let before = self.before.replace(sample.clone());
        // Without one before it nothing is known of the interval.
        let before = before.unwrap_or_else(|| sample.clone());
        let mut snapshot = Snapshot::derive(&before, Arc::new(sample));
        let host = &mut snapshot.host;
        host.processes_cpu_ns = host.processes_cpu_ns.saturating_add(named_ns);
        host.unattributed_cpu_ns = host
            .unattributed_cpu_ns
            .map(|ns| ns.saturating_sub_unsigned(named_ns));
        self.current = Some(Told {
            processes_cpu_ns: host.processes_cpu_ns,
            snapshot,
            interval_ns,
            active,
            tier,
        });
        Ok(())
    }
}

impl Rows for HostRows {
    fn advance(&mut self) -> Result<bool, HistoryError> {
        loop {
            match self.frames.next()? {
                None => {
                    self.current = None;
                    return Ok(false);
                }
                Some(Step::Pass(frame)) => self.before = Some(self.sample(frame)?),
                Some(Step::Tell(frame, tier)) => {
                    self.tell(frame, tier)?;
                    return Ok(true);
                }
            }
        }
    }

    fn value(&self, column: usize) -> Cell<'_> {
        let Some(told) = &self.current else {
            return Cell::Null;
        };
        let sample = &told.snapshot.sample;
        let host = &sample.host;
        let balance = &told.snapshot.host;
        let interfaces = &told.snapshot.interfaces;
        // A host without interfaces has not sent nothing: nobody looked.
        let over_interfaces = |sum: u64| (!interfaces.is_empty()).then_some(sum);
        match COLUMNS.get(column).map_or("", |column| column.name) {
            "time" => sample.time_ns.into(),
            "interval_ns" => told.interval_ns.into(),
            "cpus" => host.cpu.map(|cpu| cpu.cpus).into(),
            "cpu_busy_ns" => balance.cpu_busy_ns.into(),
            "processes_cpu_ns" => told.processes_cpu_ns.into(),
            "unattributed_cpu_ns" => balance
                .unattributed_cpu_ns
                .map_or(Cell::Null, Cell::Integer),
            "memory_total_bytes" => host.memory_total_bytes.into(),
            "memory_available_bytes" => host.memory_available_bytes.into(),
            "swap_total_bytes" => host.swap_total_bytes.into(),
            "swap_free_bytes" => host.swap_free_bytes.into(),
            "load_1" => host.load.map(|load| load[0]).into(),
            "load_5" => host.load.map(|load| load[1]).into(),
            "load_15" => host.load.map(|load| load[2]).into(),
            "pressure_cpu_pct" => host.pressure.cpu_pct.into(),
            "pressure_memory_pct" => host.pressure.memory_pct.into(),
            "pressure_io_pct" => host.pressure.io_pct.into(),
            "net_sent_bytes" => {
                over_interfaces(interfaces.iter().map(|one| one.sent_bytes).sum()).into()
            }
            "net_received_bytes" => {
                over_interfaces(interfaces.iter().map(|one| one.received_bytes).sum()).into()
            }
            "active_processes" => (told.active as u64).into(),
            "lost" => sample.loss.total().into(),
            "details" => (self.shared.faces.host)(&told.snapshot).into(),
            "tier" => (told.tier as u64).into(),
            _ => Cell::Null,
        }
    }
}
