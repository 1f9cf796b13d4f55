//! The fields of a process by their binding names: what JSON, CSV, filters, rules and sorting share.
//!
//! Takes a `ProcessView` and yields one value of it. Deliberately does not write values out: escaping,
//! units for people and column widths belong to the medium. The fields of the host and of events are not
//! here.

#[cfg(test)]
pub(crate) mod fixture;
mod sort;
mod unknown;
mod value;

pub use sort::compare_by;
pub(super) use unknown::remedy_for;
pub use unknown::{UnknownField, nearest_name};
pub use value::Value;

use super::{totals::Counter, units::Unit};

/// One field of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Pid,
    /// Since boot.
    StartTime,
    /// The parent now; unknown when there is none.
    ParentPid,
    Comm,
    Exe,
    /// The arguments joined by spaces. JSON writes them one by one, off `Facts::arguments`.
    Argv,
    /// Unknown where `argv` is.
    ArgvTruncated,
    Uid,
    User,
    Cgroup,
    Container,
    Threads,
    /// `State::name`.
    State,
    /// `Source::name`.
    Source,
    PredatesCollection,
    /// Since the process started.
    Total(Counter),
    /// Per second of the interval.
    Rate(Counter),
    CpuPct,
    Rss,
    PeakRss,
    RssAnon,
    RssFile,
    RssShmem,
    Swap,
    /// Unknown unless it was asked for.
    Pss,
    /// Since boot: from when the network, Unix socket and block totals count.
    FlowsSince,
    /// Unknown while the process lives, when a signal ended it, and when its end was not seen.
    ExitCode,
    /// Unknown while the process lives, when it exited by itself, and when its end was not seen.
    ExitSignal,
    /// Unknown while the process lives and when its end was not seen.
    CoreDumped,
    /// From start to exit. Unknown while the process lives and when its end was not seen.
    Lifetime,
    /// `TotalsAt::name`. Unknown while the process lives.
    TotalsAt,
}

/// In the order of the interface: identity, CPU, memory, I/O, network, the end.
const ALL: [Field; 71] = [
    Field::Pid,
    Field::StartTime,
    Field::ParentPid,
    Field::Comm,
    Field::Exe,
    Field::Argv,
    Field::ArgvTruncated,
    Field::Uid,
    Field::User,
    Field::Cgroup,
    Field::Container,
    Field::Threads,
    Field::State,
    Field::Source,
    Field::PredatesCollection,
    Field::Total(Counter::CpuTime),
    Field::Rate(Counter::CpuTime),
    Field::CpuPct,
    Field::Total(Counter::RunQueueWait),
    Field::Rate(Counter::RunQueueWait),
    Field::Total(Counter::VoluntarySwitches),
    Field::Rate(Counter::VoluntarySwitches),
    Field::Total(Counter::InvoluntarySwitches),
    Field::Rate(Counter::InvoluntarySwitches),
    Field::Rss,
    Field::PeakRss,
    Field::RssAnon,
    Field::RssFile,
    Field::RssShmem,
    Field::Swap,
    Field::Pss,
    Field::Total(Counter::MinorFaults),
    Field::Rate(Counter::MinorFaults),
    Field::Total(Counter::MajorFaults),
    Field::Rate(Counter::MajorFaults),
    Field::Total(Counter::Read),
    Field::Rate(Counter::Read),
    Field::Total(Counter::Write),
    Field::Rate(Counter::Write),
    Field::Total(Counter::CancelledWrite),
    Field::Rate(Counter::CancelledWrite),
    Field::Total(Counter::LogicalRead),
    Field::Rate(Counter::LogicalRead),
    Field::Total(Counter::LogicalWrite),
    Field::Rate(Counter::LogicalWrite),
    Field::Total(Counter::BlockRead),
    Field::Rate(Counter::BlockRead),
    Field::Total(Counter::BlockWrite),
    Field::Rate(Counter::BlockWrite),
    Field::Total(Counter::BlockWriteback),
    Field::Rate(Counter::BlockWriteback),
    Field::Total(Counter::BlockIos),
    Field::Rate(Counter::BlockIos),
    Field::Total(Counter::BlockLatency),
    Field::Rate(Counter::BlockLatency),
    Field::Total(Counter::BlockQueue),
    Field::Rate(Counter::BlockQueue),
    Field::Total(Counter::NetSent),
    Field::Rate(Counter::NetSent),
    Field::Total(Counter::NetReceived),
    Field::Rate(Counter::NetReceived),
    Field::Total(Counter::UnixSent),
    Field::Rate(Counter::UnixSent),
    Field::Total(Counter::UnixReceived),
    Field::Rate(Counter::UnixReceived),
    Field::FlowsSince,
    Field::ExitCode,
    Field::ExitSignal,
    Field::CoreDumped,
    Field::Lifetime,
    Field::TotalsAt,
];

/// What kind of value a field has when it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Real,
    Flag,
    Text,
}

impl Field {
    /// Every field, in the order in which columns stand.
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The field of exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|field| field.name() == name)
    }

    /// The name in JSON, CSV, filters and rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::StartTime => "start_time_ns",
            Self::ParentPid => "ppid",
            Self::Comm => "comm",
            Self::Exe => "exe",
            Self::Argv => "argv",
            Self::ArgvTruncated => "argv_truncated",
            Self::Uid => "uid",
            Self::User => "user",
            Self::Cgroup => "cgroup",
            Self::Container => "container",
            Self::Threads => "threads",
            Self::State => "state",
            Self::Source => "source",
            Self::PredatesCollection => "predates_collection",
            Self::Total(counter) => counter.name(),
            Self::Rate(counter) => counter.rate_name(),
            Self::CpuPct => "cpu_pct",
            Self::Rss => "rss_bytes",
            Self::PeakRss => "peak_rss_bytes",
            Self::RssAnon => "rss_anon_bytes",
            Self::RssFile => "rss_file_bytes",
            Self::RssShmem => "rss_shmem_bytes",
            Self::Swap => "swap_bytes",
            Self::Pss => "pss_bytes",
            Self::FlowsSince => "flows_since_ns",
            Self::ExitCode => "exit_code",
            Self::ExitSignal => "exit_signal",
            Self::CoreDumped => "core_dumped",
            Self::Lifetime => "lifetime_ns",
            Self::TotalsAt => "totals_at",
        }
    }

    pub const fn kind(self) -> Kind {
        match self {
            Self::Comm
            | Self::Exe
            | Self::Argv
            | Self::User
            | Self::Cgroup
            | Self::Container
            | Self::State
            | Self::Source
            | Self::TotalsAt => Kind::Text,
            Self::ArgvTruncated | Self::PredatesCollection | Self::CoreDumped => Kind::Flag,
            Self::Rate(_) | Self::CpuPct => Kind::Real,
            _ => Kind::Integer,
        }
    }

    /// What the field's numbers count; of a rate, what is counted each second. [`Unit::Count`] for
    /// what is no number.
    pub fn unit(self) -> Unit {
        let total = match self {
            Self::CpuPct => return Unit::Percent,
            Self::Rate(counter) => counter.name(),
            _ => self.name(),
        };
        // The name of every field ends in its unit.
        if total.ends_with("_bytes") {
            Unit::Bytes
        } else if total.ends_with("_ns") {
            Unit::Nanoseconds
        } else {
            Unit::Count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_interface() {
        let names: Vec<_> = Field::all().iter().map(|field| field.name()).collect();
        let expected = "pid start_time_ns ppid comm exe argv argv_truncated uid user cgroup container threads \
            state source predates_collection \
            cpu_time_ns cpu_time_ns_per_sec cpu_pct run_queue_wait_ns run_queue_wait_ns_per_sec \
            voluntary_switches voluntary_switches_per_sec \
            involuntary_switches involuntary_switches_per_sec \
            rss_bytes peak_rss_bytes rss_anon_bytes rss_file_bytes rss_shmem_bytes swap_bytes pss_bytes minor_faults minor_faults_per_sec major_faults major_faults_per_sec \
            read_bytes read_bytes_per_sec write_bytes write_bytes_per_sec \
            cancelled_write_bytes cancelled_write_bytes_per_sec \
            logical_read_bytes logical_read_bytes_per_sec logical_write_bytes logical_write_bytes_per_sec \
            block_read_bytes block_read_bytes_per_sec \
            block_write_bytes block_write_bytes_per_sec \
            block_writeback_bytes block_writeback_bytes_per_sec \
            block_ios block_ios_per_sec \
            block_latency_ns block_latency_ns_per_sec \
            block_queue_ns block_queue_ns_per_sec \
            net_sent_bytes net_sent_bytes_per_sec \
            net_received_bytes net_received_bytes_per_sec \
            unix_sent_bytes unix_sent_bytes_per_sec \
            unix_received_bytes unix_received_bytes_per_sec \
            flows_since_ns \
            exit_code exit_signal core_dumped lifetime_ns totals_at";
        assert_eq!(names.join(" "), expected);
        for field in Field::all() {
            assert_eq!(Field::from_name(field.name()), Some(*field));
        }
        for counter in Counter::ALL {
            assert!(Field::all().contains(&Field::Total(counter)));
            assert!(Field::all().contains(&Field::Rate(counter)));
        }
    }

    #[test]
    fn units_are_read_off_the_name() {
        let check = |name: &str, unit: Unit| {
            assert_eq!(Field::from_name(name).unwrap().unit(), unit, "{name}");
        };
        check("pid", Unit::Count);
        check("comm", Unit::Count);
        check("start_time_ns", Unit::Nanoseconds);
        check("cpu_time_ns_per_sec", Unit::Nanoseconds);
        check("cpu_pct", Unit::Percent);
        check("net_sent_bytes", Unit::Bytes);
        check("read_bytes_per_sec", Unit::Bytes);
        check("major_faults_per_sec", Unit::Count);
    }
}
