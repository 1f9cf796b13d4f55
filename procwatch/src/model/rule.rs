//! When somebody is to be told of something, as it is configured.

use std::time::Duration;

use super::{
    alert::Severity,
    filter::{Filter, HostFilter},
};

/// One thing to look out for.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// No other rule has it.
    pub name: String,
    pub scope: Scope,
    pub test: Test,
    /// How long it has to hold before it fires.
    pub hold: Duration,
    /// How long it may not hold before it is resolved: what comes and goes is one alert.
    pub keep: Duration,
    /// From the end of an alert, how long no other about the same program fires.
    pub cooldown: Duration,
    pub severity: Severity,
    /// Nobody is told while one of these rules fires about the same.
    pub inhibited_by: Vec<String>,
}

/// What a rule judges one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    #[default]
    Process,
    /// All processes of the same executable, added up.
    Program,
    /// All processes of the same container, added up.
    Container,
    Host,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Of processes, programs and containers.
    Filter {
        when: Filter,
        /// Ends it, once it fires. `None` ends it when `when` holds no more.
        until: Option<Filter>,
    },
    Host {
        when: HostFilter,
        /// As above.
        until: Option<HostFilter>,
    },
    Detector(Detector),
}

/// What is looked out for without a limit that somebody has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Detector {
    /// A program takes far more CPU than it ever does.
    CpuSpike,
    /// A program reads and writes far more than it ever does.
    IoSpike,
    /// A program's CPU has moved to another level.
    LevelShift,
    /// Memory that grows and is not given back.
    MemoryLeak,
    /// Open files that become ever more.
    DescriptorLeak,
    /// Threads that become ever more.
    ThreadLeak,
    /// More processes are started than ever.
    ForkStorm,
    /// A program that fails is started again and again.
    RestartLoop,
    /// What is always there is gone.
    Absence,
    /// Ready to run, and kept from it.
    Starvation,
    /// Waiting for storage, and for nothing else.
    Blocked,
    /// The dead whose parent takes no note.
    Zombies,
    /// A program does what it has never done.
    Novelty,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Process, Self::Program, Self::Container, Self::Host];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Program => "program",
            Self::Container => "container",
            Self::Host => "host",
        }
    }
}

impl Detector {
    pub const ALL: [Self; 13] = [
        Self::CpuSpike,
        Self::IoSpike,
        Self::LevelShift,
        Self::MemoryLeak,
        Self::DescriptorLeak,
        Self::ThreadLeak,
        Self::ForkStorm,
        Self::RestartLoop,
        Self::Absence,
        Self::Starvation,
        Self::Blocked,
        Self::Zombies,
        Self::Novelty,
    ];

    /// The key in the configuration, and the rule's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuSpike => "cpu_spike",
            Self::IoSpike => "io_spike",
            Self::LevelShift => "level_shift",
            Self::MemoryLeak => "memory_leak",
            Self::DescriptorLeak => "descriptor_leak",
            Self::ThreadLeak => "thread_leak",
            Self::ForkStorm => "fork_storm",
            Self::RestartLoop => "restart_loop",
            Self::Absence => "absence",
            Self::Starvation => "starvation",
            Self::Blocked => "blocked",
            Self::Zombies => "zombies",
            Self::Novelty => "novelty",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The rule as it is when nothing is configured.
    pub fn rule(self) -> Rule {
        let (scope, severity) = match self {
            Self::CpuSpike | Self::IoSpike => (Scope::Program, Severity::Warning),
            Self::LevelShift | Self::Novelty => (Scope::Program, Severity::Info),
            Self::MemoryLeak => (Scope::Process, Severity::Critical),
            Self::DescriptorLeak | Self::ThreadLeak | Self::Zombies => {
                (Scope::Process, Severity::Warning)
            }
            Self::ForkStorm => (Scope::Host, Severity::Warning),
            Self::RestartLoop | Self::Absence => (Scope::Program, Severity::Critical),
            Self::Starvation | Self::Blocked => (Scope::Process, Severity::Warning),
        };
        Rule {
            name: self.name().to_owned(),
            scope,
            test: Test::Detector(self),
            hold: Duration::ZERO,
            keep: Duration::from_secs(30),
            cooldown: Duration::from_secs(1800),
            severity,
            inhibited_by: Vec::new(),
        }
    }
}
