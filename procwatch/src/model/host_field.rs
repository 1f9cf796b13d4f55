//! The host's own figures by name, as rules compare them.

use super::{filter::remedy_among, sample::State, snapshot::Snapshot, units::Unit};

/// One figure of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostField {
    /// Percent of one core: two busy CPUs are 200.
    CpuPct,
    /// Percent of all CPUs together.
    CpuUsedPct,
    MemoryAvailable,
    /// Percent of the memory there is.
    MemoryAvailablePct,
    /// Percent of the swap there is. Unknown where there is none.
    SwapUsedPct,
    /// Threads that ran or waited to, on average over 1, 5 and 15 minutes.
    Load1,
    Load5,
    Load15,
    /// Percent of ten seconds in which some thread waited for want of it.
    CpuPressurePct,
    MemoryPressurePct,
    IoPressurePct,
    Processes,
    Threads,
    Zombies,
}

impl HostField {
    pub const ALL: [Self; 14] = [
        Self::CpuPct,
        Self::CpuUsedPct,
        Self::MemoryAvailable,
        Self::MemoryAvailablePct,
        Self::SwapUsedPct,
        Self::Load1,
        Self::Load5,
        Self::Load15,
        Self::CpuPressurePct,
        Self::MemoryPressurePct,
        Self::IoPressurePct,
        Self::Processes,
        Self::Threads,
        Self::Zombies,
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuPct => "cpu_pct",
            Self::CpuUsedPct => "cpu_used_pct",
            Self::MemoryAvailable => "memory_available_bytes",
            Self::MemoryAvailablePct => "memory_available_pct",
            Self::SwapUsedPct => "swap_used_pct",
            Self::Load1 => "load_1",
            Self::Load5 => "load_5",
            Self::Load15 => "load_15",
            Self::CpuPressurePct => "pressure_cpu_pct",
            Self::MemoryPressurePct => "pressure_memory_pct",
            Self::IoPressurePct => "pressure_io_pct",
            Self::Processes => "processes",
            Self::Threads => "threads",
            Self::Zombies => "zombies",
        }
    }

    pub const fn unit(self) -> Unit {
        match self {
            Self::MemoryAvailable => Unit::Bytes,
            Self::Load1
            | Self::Load5
            | Self::Load15
            | Self::Processes
            | Self::Threads
            | Self::Zombies => Unit::Count,
            _ => Unit::Percent,
        }
    }

    /// `None` where the host does not tell.
    pub fn value(self, snapshot: &Snapshot) -> Option<f64> {
        let host = &snapshot.sample.host;
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 * 100.0 / whole as f64);
        let load = |at: usize| host.load.map(|load| f64::from(load[at]));
        let count = |counted: usize| Some(counted as f64);
        let living = || {
            let processes = snapshot.sample.processes.iter();
            processes.filter(|process| !process.state.has_gone())
        };
        match self {
            Self::CpuPct => snapshot.cpu_shares().busy_pct,
            Self::CpuUsedPct => {
                let cpus = host.cpu.map(|cpu| cpu.cpus).filter(|cpus| *cpus > 0)?;
                Some(snapshot.cpu_shares().busy_pct? / f64::from(cpus))
            }
            Self::MemoryAvailable => host.memory_available_bytes.map(|bytes| bytes as f64),
            Self::MemoryAvailablePct => {
                share(host.memory_available_bytes?, host.memory_total_bytes?)
            }
            Self::SwapUsedPct => {
                let (free, total) = (host.swap_free_bytes?, host.swap_total_bytes?);
                share(total.saturating_sub(free), total)
            }
            Self::Load1 => load(0),
            Self::Load5 => load(1),
            Self::Load15 => load(2),
            Self::CpuPressurePct => host.pressure.cpu_pct.map(f64::from),
            Self::MemoryPressurePct => host.pressure.memory_pct.map(f64::from),
            Self::IoPressurePct => host.pressure.io_pct.map(f64::from),
            Self::Processes => count(living().count()),
            Self::Threads => Some(living().filter_map(|one| one.threads).map(f64::from).sum()),
            Self::Zombies => count(
                living()
                    .filter(|one| matches!(one.state, State::Zombie(_)))
                    .count(),
            ),
        }
    }
}

/// What to try instead of a name that nothing of the host has.
pub(super) fn remedy_for(name: &str) -> String {
    remedy_among(name, &HostField::ALL.map(HostField::name), "of the host")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::{field::fixture::snapshot_of, filter::HostFilter, sample::HostSample};

    #[test]
    fn rules_of_the_host_compare_its_figures() {
        let mut snapshot = snapshot_of(&[], 9_000_000_000);
        let sample = Arc::make_mut(&mut snapshot.sample);
        sample.host = HostSample {
            memory_total_bytes: Some(1000),
            memory_available_bytes: Some(40),
            load: Some([3.0, 2.0, 1.0]),
            ..HostSample::default()
        };
        let check = |text: &str, expected: bool| {
            let filter: HostFilter = text.parse().unwrap();
            assert_eq!(filter.matches(&snapshot), expected, "{text}");
        };
        check("memory_available_pct < 5", true);
        check("memory_available_bytes < 1KiB and load_1 > 2", true);
        check("load_15 > 2", false);
        // There is no swap: nothing of it is used, and nothing is known.
        check("swap_used_pct < 5", false);
        check("swap_used_pct == null", true);
        let refused = |text: &str| text.parse::<HostFilter>().unwrap_err().to_string();
        assert_eq!(
            refused("load1 > 5"),
            "unknown field \"load1\" at column 1; did you mean \"load_1\"?"
        );
        assert!(refused("nginx").contains("searched for where there is no text"));
    }
}
