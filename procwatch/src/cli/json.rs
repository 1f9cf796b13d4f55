//! JSON: every field by its binding name, unrounded, `null` where unknown.

mod connections;
mod devices;
mod happenings;
mod harmless;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    collector::Now,
    model::{
        event::{Event, EventKind},
        facts::Facts,
        field::{Field, Value},
        sample::{Losses, ProcessSample, Sources},
        snapshot::{ProcessView, Snapshot},
        totals::Totals,
    },
};

pub use connections::ConnectionList;
pub use harmless::write_json;

/// RFC 3339 with nanoseconds, in UTC.
pub fn rfc3339(time_ns: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(time_ns)) {
        Ok(time) => format!("{time:.9}"),
        Err(_) => time_ns.to_string(),
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => out.serialize_none(),
            Self::Integer(number) => out.serialize_u64(*number),
            Self::Real(number) => out.serialize_f64(*number),
            Self::Flag(flag) => out.serialize_bool(*flag),
            Self::Text(text) => out.serialize_str(text),
        }
    }
}

/// The arguments as an array.
struct Arguments<'a>(&'a Facts);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        if self.0.argv.is_some() {
            out.collect_seq(self.0.arguments())
        } else {
            out.serialize_none()
        }
    }
}

/// One process with every field.
pub struct Process<'a>(pub ProcessView<'a>);

impl Serialize for Process<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(Field::all().len()))?;
        for field in Field::all() {
            if *field == Field::Argv {
                map.serialize_entry(field.name(), &Arguments(&self.0.process.facts))?;
            } else {
                map.serialize_entry(field.name(), &field.value(&self.0))?;
            }
        }
        map.end()
    }
}

/// A count per kind of loss, all present.
pub struct LossCounts<'a>(pub &'a Losses);

impl Serialize for LossCounts<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.entries())
    }
}

/// Where each group of fields comes from.
pub struct SourceGroups<'a>(pub &'a Sources);

impl Serialize for SourceGroups<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(
            self.0
                .entries()
                .map(|(group, state)| (group, state.to_string())),
        )
    }
}

/// A snapshot with these of its processes, in this order.
pub struct SnapshotOf<'a> {
    pub snapshot: &'a Snapshot,
    pub processes: &'a [ProcessView<'a>],
}

impl Serialize for SnapshotOf<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Core {
            number: u32,
            cpu_pct: f64,
        }
        #[derive(Serialize)]
        struct Host<'a> {
            cpus: Option<u32>,
            cpu_busy_ns: Option<u64>,
            processes_cpu_ns: u64,
            unattributed_cpu_ns: Option<i64>,
            memory_total_bytes: Option<u64>,
            memory_available_bytes: Option<u64>,
            swap_total_bytes: Option<u64>,
            swap_free_bytes: Option<u64>,
            load: Option<[f32; 3]>,
            pressure_cpu_pct: Option<f32>,
            pressure_memory_pct: Option<f32>,
            pressure_io_pct: Option<f32>,
            cores: Vec<Core>,
            devices: Vec<devices::Device<'a>>,
            interfaces: Vec<devices::Interface<'a>>,
        }
        let sample = &self.snapshot.sample;
        let balance = self.snapshot.host;
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("time", &rfc3339(sample.time_ns))?;
        map.serialize_entry("interval_ns", &self.snapshot.interval_ns)?;
        map.serialize_entry(
            "host",
            &Host {
                cpus: sample.host.cpu.map(|cpu| cpu.cpus),
                cpu_busy_ns: balance.cpu_busy_ns,
                processes_cpu_ns: balance.processes_cpu_ns,
                unattributed_cpu_ns: balance.unattributed_cpu_ns,
                memory_total_bytes: sample.host.memory_total_bytes,
                memory_available_bytes: sample.host.memory_available_bytes,
                swap_total_bytes: sample.host.swap_total_bytes,
                swap_free_bytes: sample.host.swap_free_bytes,
                load: sample.host.load,
                pressure_cpu_pct: sample.host.pressure.cpu_pct,
                pressure_memory_pct: sample.host.pressure.memory_pct,
                pressure_io_pct: sample.host.pressure.io_pct,
                cores: self
                    .snapshot
                    .cores
                    .iter()
                    .map(|core| Core {
                        number: core.number,
                        cpu_pct: core.user_pct + core.system_pct,
                    })
                    .collect(),
                devices: self.snapshot.devices.iter().map(Into::into).collect(),
                interfaces: self.snapshot.interfaces.iter().map(Into::into).collect(),
            },
        )?;
        map.serialize_entry("sources", &SourceGroups(&sample.sources))?;
        map.serialize_entry("shed", &sample.shed.names())?;
        map.serialize_entry("loss", &LossCounts(&sample.loss))?;
        map.serialize_entry("nameless", &TotalsOf(&sample.nameless))?;
        map.serialize_entry("process_count", &sample.processes.len())?;
        map.serialize_entry("processes", &Rows(self.processes))?;
        map.end()
    }
}

struct Rows<'a>(&'a [ProcessView<'a>]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.0.iter().map(|view| Process(*view)))
    }
}

struct TotalsOf<'a>(&'a Totals);

impl Serialize for TotalsOf<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(
            self.0
                .iter()
                .map(|(counter, value)| (counter.name(), value)),
        )
    }
}

/// One event as one object.
pub struct EventLine<'a> {
    pub event: &'a Event,
    pub now: Now,
}

/// The identity fields that every event carries.
const IDENTITY: [Field; 12] = [
    Field::Pid,
    Field::StartTime,
    Field::ParentPid,
    Field::Comm,
    Field::Exe,
    Field::ArgvTruncated,
    Field::Uid,
    Field::User,
    Field::Cgroup,
    Field::Container,
    Field::Threads,
    Field::Source,
];

/// What an exit adds besides the totals.
const ENDING: [Field; 7] = [
    Field::PeakRss,
    Field::FlowsSince,
    Field::ExitCode,
    Field::ExitSignal,
    Field::CoreDumped,
    Field::Lifetime,
    Field::TotalsAt,
];

impl Serialize for EventLine<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("type", event.kind.name())?;
        let time = event
            .time_ns
            .map(|boot_ns| rfc3339(self.now.wall_at(boot_ns)));
        map.serialize_entry("time", &time)?;
        match &event.kind {
            EventKind::Exit(account) => return exit_fields(map, account),
            kind => {
                // Pid 0 stands for an owner that is not known.
                let id = Some(event.id).filter(|id| id.pid != 0);
                map.serialize_entry("pid", &id.map(|id| id.pid))?;
                map.serialize_entry("start_time_ns", &id.map(|id| id.start_time_ns))?;
                map.serialize_entry("ppid", &event.parent.map(|parent| parent.pid))?;
                let facts = &event.facts;
                map.serialize_entry("comm", &facts.comm)?;
                map.serialize_entry("exe", &facts.exe)?;
                map.serialize_entry("argv", &Arguments(facts))?;
                map.serialize_entry(
                    "argv_truncated",
                    &facts.argv.as_ref().map(|_| facts.argv_truncated),
                )?;
                map.serialize_entry("uid", &facts.uid)?;
                map.serialize_entry("user", &facts.user)?;
                map.serialize_entry("cgroup", &facts.cgroup)?;
                map.serialize_entry("container", &facts.container)?;
                // One that has just begun, or executed a program, has its main thread alone.
                let is_alone = matches!(kind, EventKind::Fork | EventKind::Exec);
                map.serialize_entry("threads", &is_alone.then_some(1))?;
                map.serialize_entry("source", event.source.name())?;
                happenings::fields(&mut map, kind)?;
            }
        }
        map.end()
    }
}

fn exit_fields<M: SerializeMap>(mut map: M, account: &ProcessSample) -> Result<M::Ok, M::Error> {
    let view = ProcessView {
        process: account,
        delta: &Totals::UNKNOWN,
        interval_ns: 0,
    };
    for field in IDENTITY {
        map.serialize_entry(field.name(), &field.value(&view))?;
        if field == Field::Exe {
            map.serialize_entry(Field::Argv.name(), &Arguments(&account.facts))?;
        }
    }
    for (counter, value) in account.totals.iter() {
        map.serialize_entry(counter.name(), &value)?;
    }
    for field in ENDING {
        map.serialize_entry(field.name(), &field.value(&view))?;
    }
    map.end()
}
