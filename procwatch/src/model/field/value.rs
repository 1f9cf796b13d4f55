//! What a field of one process is.

use std::borrow::Cow;

use super::Field;
use crate::model::{identity::WaitStatus, snapshot::ProcessView};

/// The value of one [`Field`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`: not measured here, not readable, or the process has none.
    Unknown,
    Integer(u64),
    Real(f64),
    Flag(bool),
    /// As the process chose it, and therefore hostile.
    Text(Cow<'a, str>),
}

impl Field {
    /// The field's value for one process in one interval.
    pub fn value<'a>(&self, view: &ProcessView<'a>) -> Value<'a> {
        let process = view.process;
        let facts = &process.facts;
        let ending = process.state.ending();
        let status = ending.and_then(|ending| ending.status);
        match *self {
            Self::Pid => process.id.pid.into(),
            Self::StartTime => process.id.start_time_ns.into(),
            Self::ParentPid => process.parent.map(|parent| parent.pid).into(),
            Self::Comm => Some(&*facts.comm).filter(|comm| !comm.is_empty()).into(),
            Self::Exe => facts.exe.as_deref().into(),
            Self::Argv => facts.argv.as_deref().map_or(Value::Unknown, |argv| {
                Value::Text(Cow::Owned(
                    argv.strip_suffix('\0').unwrap_or(argv).replace('\0', " "),
                ))
            }),
            Self::ArgvTruncated => facts.argv.as_ref().map(|_| facts.argv_truncated).into(),
            Self::Uid => facts.uid.into(),
            Self::User => facts.user.as_deref().into(),
            Self::Cgroup => facts.cgroup.as_deref().into(),
            Self::Container => facts.container.as_deref().into(),
            Self::Threads => process.threads.into(),
            Self::State => process.state.name().into(),
            Self::Source => process.source.name().into(),
            Self::PredatesCollection => process.predates_collection.into(),
            Self::Total(counter) => process.totals.get(counter).into(),
            Self::Rate(counter) => view.rate(counter).into(),
            Self::CpuPct => view.cpu_pct().into(),
            Self::Rss => process.rss_bytes.into(),
            Self::PeakRss => process.peak_rss_bytes.into(),
            Self::RssAnon => process.memory.map(|memory| memory.anon_bytes).into(),
            Self::RssFile => process.memory.map(|memory| memory.file_bytes).into(),
            Self::RssShmem => process.memory.map(|memory| memory.shmem_bytes).into(),
            Self::Swap => process.memory.map(|memory| memory.swap_bytes).into(),
            Self::Pss => process.pss_bytes.into(),
            Self::FlowsSince => process.flows_since_ns.into(),
            Self::ExitCode => status.and_then(WaitStatus::exit_code).into(),
            Self::ExitSignal => status.and_then(WaitStatus::signal).into(),
            Self::CoreDumped => status.map(WaitStatus::core_dumped).into(),
            Self::Lifetime => ending
                .and_then(|ending| ending.time_ns)
                .map(|end_ns| end_ns.saturating_sub(process.id.start_time_ns))
                .into(),
            Self::TotalsAt => ending.map(|ending| ending.totals.name()).into(),
        }
    }
}

impl<'a, T> From<Option<T>> for Value<'a>
where
    Value<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Unknown, Value::from)
    }
}

impl From<u8> for Value<'_> {
    fn from(value: u8) -> Self {
        Value::Integer(value.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Value::Integer(value.into())
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Value::Integer(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Flag(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(Cow::Borrowed(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        facts::Facts,
        field::fixture::{Fixture, ended},
        identity::ProcessId,
        sample::{State, TotalsAt},
        totals::{Counter, Totals},
    };

    fn check<'a>(fixture: &Fixture, name: &str, expected: impl Into<Value<'a>>) {
        let field = Field::from_name(name).unwrap();
        assert_eq!(field.value(&fixture.view()), expected.into(), "{name}");
    }

    #[test]
    fn a_living_process() {
        let mut fixture = Fixture::new(7, "nginx");
        fixture.process.parent = Some(ProcessId::new(1, 0));
        fixture.facts(|facts| {
            *facts = Facts {
                exe: Some("/usr/sbin/nginx".into()),
                argv: Some("nginx\0-g\0daemon off;\0".into()),
                uid: Some(33),
                user: Some("www-data".into()),
                ..facts.clone()
            };
        });
        fixture.process.totals = Totals::UNKNOWN.with(Counter::CpuTime, 5_000_000_000);
        fixture.delta = Totals::UNKNOWN.with(Counter::CpuTime, 500_000_000);
        fixture.process.rss_bytes = Some(4096);
        check(&fixture, "pid", Value::Integer(7));
        check(&fixture, "ppid", Value::Integer(1));
        check(&fixture, "comm", "nginx");
        check(&fixture, "exe", "/usr/sbin/nginx");
        check(&fixture, "argv", "nginx -g daemon off;");
        check(&fixture, "argv_truncated", Value::Flag(false));
        check(&fixture, "uid", Value::Integer(33));
        check(&fixture, "user", "www-data");
        check(&fixture, "container", Value::Unknown);
        check(&fixture, "state", "sleeping");
        check(&fixture, "source", "ebpf");
        check(&fixture, "predates_collection", Value::Flag(false));
        check(&fixture, "cpu_time_ns", Value::Integer(5_000_000_000));
        check(&fixture, "cpu_time_ns_per_sec", Value::Real(500_000_000.0));
        check(&fixture, "cpu_pct", Value::Real(50.0));
        check(&fixture, "rss_bytes", Value::Integer(4096));
        for unknown in [
            "read_bytes",
            "read_bytes_per_sec",
            "net_sent_bytes",
            "exit_code",
            "core_dumped",
            "lifetime_ns",
            "totals_at",
        ] {
            check(&fixture, unknown, Value::Unknown);
        }
    }

    #[test]
    fn a_process_of_which_little_is_known() {
        let mut fixture = Fixture::new(2, "");
        fixture.process.threads = None;
        for unknown in [
            "ppid",
            "comm",
            "exe",
            "argv",
            "argv_truncated",
            "uid",
            "threads",
            "rss_bytes",
            "cpu_pct",
        ] {
            check(&fixture, unknown, Value::Unknown);
        }
    }

    #[test]
    fn an_ended_process() {
        let mut fixture = Fixture::new(7, "true");
        fixture.process.id.start_time_ns = 1_000;
        fixture.process.state = State::Exited(ended(Some(4_000), Some(3 << 8), TotalsAt::Final));
        check(&fixture, "state", "exited");
        check(&fixture, "exit_code", Value::Integer(3));
        check(&fixture, "exit_signal", Value::Unknown);
        check(&fixture, "core_dumped", Value::Flag(false));
        check(&fixture, "lifetime_ns", Value::Integer(3_000));
        check(&fixture, "totals_at", "final");
        fixture.process.state = State::Zombie(ended(Some(4_000), Some(0x80 | 11), TotalsAt::Exit));
        check(&fixture, "exit_code", Value::Unknown);
        check(&fixture, "exit_signal", Value::Integer(11));
        check(&fixture, "core_dumped", Value::Flag(true));
        fixture.process.state = State::Exited(ended(None, None, TotalsAt::LastSeen));
        check(&fixture, "exit_code", Value::Unknown);
        check(&fixture, "core_dumped", Value::Unknown);
        check(&fixture, "lifetime_ns", Value::Unknown);
        check(&fixture, "totals_at", "last_seen");
    }

    #[test]
    fn a_value_is_of_its_field_s_kind() {
        use crate::model::field::Kind;
        let mut fixture = Fixture::full();
        let check =
            |fixture: &Fixture, field: Field| match (field.value(&fixture.view()), field.kind()) {
                (Value::Unknown, _)
                | (Value::Integer(_), Kind::Integer)
                | (Value::Real(_), Kind::Real)
                | (Value::Flag(_), Kind::Flag)
                | (Value::Text(_), Kind::Text) => {}
                (value, kind) => panic!("{field:?} is {value:?}, which is not {kind:?}"),
            };
        let mut known = 0;
        for status in [3 << 8, 9] {
            fixture.process.state =
                State::Exited(ended(Some(9_000), Some(status), TotalsAt::Final));
            for field in Field::all() {
                check(&fixture, *field);
                known += usize::from(field.value(&fixture.view()) != Value::Unknown);
            }
        }
        // All but either the code or the signal.
        assert_eq!(known, 2 * (Field::all().len() - 1));
    }
}
