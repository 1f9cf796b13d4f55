//! What is shown: rates and balances, derived from two samples and nothing else.

use std::sync::Arc;

use super::{
    device::DeviceSample,
    identity::ProcessId,
    sample::{CoreSample, HostCpu, InterfaceSample, ProcessSample, Sample},
    totals::{Counter, Totals},
};

/// Two samples seen as one interval. Immutable, and the same whether the samples are live or recorded.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The later of the two samples.
    pub sample: Arc<Sample>,
    pub interval_ns: u64,
    pub host: HostBalance,
    /// How busy each CPU was.
    pub cores: Vec<CoreShare>,
    /// What devices did in the interval.
    pub devices: Vec<DeviceSample>,
    /// What went over interfaces in the interval.
    pub interfaces: Vec<InterfaceSample>,
    /// Beside `sample.processes`, by position: what each process added in the interval.
    deltas: Vec<Totals>,
}

/// Where the host's CPU time of one interval went. All of it is time of the interval, not since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostBalance {
    /// Nanoseconds that CPUs were not idle: what the host was awake of the interval times the CPUs, less idle and
    /// stolen time. `None` where the host does not tell.
    pub cpu_busy_ns: Option<u64>,
    /// What processes had of it, the dead and the nameless included.
    pub processes_cpu_ns: u64,
    /// Busy time that no process owns: interrupts in the idle loop, the steps of /proc/stat (10 ms
    /// a CPU), and processes that /proc sampling missed. Negative when the steps go the other way.
    /// `None` where the busy time is unknown.
    pub unattributed_cpu_ns: Option<i64>,
}

/// [`HostBalance`] in percent of one core: two busy CPUs are 200.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuShares {
    pub busy_pct: Option<f64>,
    pub processes_pct: f64,
    pub unattributed_pct: Option<f64>,
}

/// How one CPU spent the interval, in percent; what is missing to 100 it was idle, or elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreShare {
    pub number: u32,
    pub user_pct: f64,
    pub system_pct: f64,
    /// Taken by the hypervisor.
    pub steal_pct: f64,
}

impl CoreShare {
    /// By its own clock: the ticks of /proc/stat are rough, and their sum is what they are parts of.
    fn between(before: &CoreSample, now: &CoreSample) -> Self {
        let user = now.user_ns.saturating_sub(before.user_ns);
        let system = now.system_ns.saturating_sub(before.system_ns);
        let steal = now.steal_ns.saturating_sub(before.steal_ns);
        let idle = now.idle_ns.saturating_sub(before.idle_ns);
        let all = user + system + steal + idle;
        let pct = |part: u64| {
            if all == 0 {
                0.0
            } else {
                part as f64 * 100.0 / all as f64
            }
        };
        Self {
            number: now.number,
            user_pct: pct(user),
            system_pct: pct(system),
            steal_pct: pct(steal),
        }
    }
}

impl HostCpu {
    fn busy_ns_since(self, before: Self) -> u64 {
        let not_busy_ns = self.idle_ns.saturating_sub(before.idle_ns)
            + self.steal_ns.saturating_sub(before.steal_ns);
        let awake_ns = self.awake_ns.saturating_sub(before.awake_ns);
        awake_ns
            .saturating_mul(u64::from(self.cpus))
            .saturating_sub(not_busy_ns)
    }
}

impl Snapshot {
    /// Derives the interval from `previous` to `current`.
    ///
    /// A process that started within the interval has all its totals in it. One that is older but
    /// was not in `previous` has no known rates.
    pub fn derive(previous: &Sample, current: Arc<Sample>) -> Self {
        let interval_ns = current.boot_time_ns.saturating_sub(previous.boot_time_ns);
        let mut deltas = Vec::with_capacity(current.processes.len());
        // Both are ordered by identity: one walk joins them.
        let mut earlier = previous.processes.iter().peekable();
        for process in &current.processes {
            while earlier.next_if(|before| before.id < process.id).is_some() {}
            deltas.push(match earlier.next_if(|before| before.id == process.id) {
                Some(before) => process.totals.since(&before.totals),
                None if process.id.start_time_ns >= previous.began_ns => process.totals,
                None => Totals::UNKNOWN,
            });
        }
        let named_cpu_ns: u64 = deltas
            .iter()
            .filter_map(|delta| delta.get(Counter::CpuTime))
            .fold(0, u64::saturating_add);
        // Falls when what was nameless is found out to have been closed under its name.
        let nameless = |sample: &Sample| sample.nameless.get(Counter::CpuTime).unwrap_or(0);
        let processes_cpu_ns = named_cpu_ns
            .saturating_add(nameless(&current))
            .saturating_sub(nameless(previous));
        let cpu_busy_ns = current
            .host
            .cpu
            .zip(previous.host.cpu)
            .map(|(now, before)| now.busy_ns_since(before));
        let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        let host = HostBalance {
            cpu_busy_ns,
            processes_cpu_ns,
            unattributed_cpu_ns: cpu_busy_ns.map(|busy| signed(busy) - signed(processes_cpu_ns)),
        };
        let cores = current.cores.iter().filter_map(|core| {
            let mut before = previous.cores.iter();
            let before = before.find(|before| before.number == core.number)?;
            Some(CoreShare::between(before, core))
        });
        let devices = current.devices.iter().map(|device| {
            let before = previous.devices.iter();
            device.since(before.clone().find(|before| before.number == device.number))
        });
        let interfaces = current.interfaces.iter().map(|interface| {
            let mut before = previous.interfaces.iter();
            let before = before.find(|before| before.name == interface.name);
            InterfaceSample {
                name: interface.name.clone(),
                sent_bytes: interface
                    .sent_bytes
                    .saturating_sub(before.map_or(0, |before| before.sent_bytes)),
                received_bytes: interface
                    .received_bytes
                    .saturating_sub(before.map_or(0, |before| before.received_bytes)),
            }
        });
        Self {
            cores: cores.collect(),
            devices: devices.collect(),
            interfaces: interfaces.collect(),
            interval_ns,
            host,
            deltas,
            sample: current,
        }
    }

    /// The host's balance in percent of one core.
    pub fn cpu_shares(&self) -> CpuShares {
        let pct = |ns: f64| {
            if self.interval_ns == 0 {
                0.0
            } else {
                ns * 100.0 / self.interval_ns as f64
            }
        };
        CpuShares {
            busy_pct: self.host.cpu_busy_ns.map(|ns| pct(ns as f64)),
            processes_pct: pct(self.host.processes_cpu_ns as f64),
            unattributed_pct: self.host.unattributed_cpu_ns.map(|ns| pct(ns as f64)),
        }
    }

    /// The devices that moved anything in the interval, from the one that moved most.
    pub fn busy_devices(&self) -> Vec<&DeviceSample> {
        let devices = self.devices.iter();
        let mut busy: Vec<_> = devices.filter(|device| device.moved_bytes() > 0).collect();
        busy.sort_by_key(|device| std::cmp::Reverse(device.moved_bytes()));
        busy
    }

    /// What an amount of the interval is per second, rounded. `None` for an interval of no length.
    pub fn per_second(&self, amount: u64) -> Option<u64> {
        let exactly = amount as f64 * 1e9 / self.interval_ns as f64;
        (self.interval_ns > 0).then(|| exactly.round() as u64)
    }

    /// One process of the later sample. `None` when it was not there.
    pub fn process(&self, id: ProcessId) -> Option<ProcessView<'_>> {
        let processes = &self.sample.processes;
        let at = processes
            .binary_search_by_key(&id, |process| process.id)
            .ok()?;
        Some(ProcessView {
            process: &processes[at],
            delta: &self.deltas[at],
            interval_ns: self.interval_ns,
        })
    }

    /// Every process of the later sample, ordered by identity.
    pub fn processes(&self) -> impl ExactSizeIterator<Item = ProcessView<'_>> + Clone {
        self.sample
            .processes
            .iter()
            .zip(&self.deltas)
            .map(|(process, delta)| ProcessView {
                process,
                delta,
                interval_ns: self.interval_ns,
            })
    }
}

/// One process in one interval.
#[derive(Clone, Copy, Debug)]
pub struct ProcessView<'a> {
    pub process: &'a ProcessSample,
    /// What it added to its totals in the interval; unknown when it was not seen before.
    pub delta: &'a Totals,
    pub interval_ns: u64,
}

impl ProcessView<'_> {
    /// Per second of the interval. `None` when the counter or what it was before is unknown.
    pub fn rate(&self, counter: Counter) -> Option<f64> {
        let delta = self.delta.get(counter)?;
        (self.interval_ns > 0).then(|| delta as f64 * 1e9 / self.interval_ns as f64)
    }

    /// CPU time in the interval in percent of one core: four busy threads are 400.
    pub fn cpu_pct(&self) -> Option<f64> {
        self.rate(Counter::CpuTime)
            .map(|ns_per_sec| ns_per_sec / 1e7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        field::fixture::Fixture,
        sample::{HostCpu, HostSample, Losses, Source, SourceState, Sources},
        shed::Shed,
    };

    /// The host, idle, and these processes.
    fn sample(boot_time_ns: u64, processes: Vec<ProcessSample>) -> Sample {
        let ebpf = || SourceState::From(Source::Ebpf);
        Sample {
            time_ns: boot_time_ns,
            boot_time_ns,
            began_ns: boot_time_ns,
            host: HostSample {
                cpu: Some(HostCpu {
                    cpus: 1,
                    awake_ns: boot_time_ns,
                    idle_ns: boot_time_ns,
                    steal_ns: 0,
                }),
                ..HostSample::default()
            },
            cores: Vec::new(),
            devices: Vec::new(),
            interfaces: Vec::new(),
            processes,
            nameless: Totals::ZERO,
            loss: Losses::default(),
            sources: Sources::all(&ebpf()),
            shed: Shed::NOTHING,
        }
    }

    #[test]
    fn time_asleep_is_nobodys() {
        const SECOND: u64 = 1_000_000_000;
        let process = |cpu_ns| {
            let mut process = Fixture::new(1, "worker").process;
            process.totals = Totals::ZERO.with(Counter::CpuTime, cpu_ns);
            vec![process]
        };
        let host = |boot_ns, awake_ns, idle_ns, cpu_ns| {
            let mut sample = sample(boot_ns, process(cpu_ns));
            let cpu = sample.host.cpu.as_mut().unwrap();
            (cpu.awake_ns, cpu.idle_ns) = (awake_ns, idle_ns);
            sample
        };
        // A second awake, half of it busy, then a night's sleep, and a quarter of a second awake again.
        let before = host(100 * SECOND, 60 * SECOND, 50 * SECOND, 0);
        let night = 8 * 3600 * SECOND;
        let (awake, idle) = (SECOND + SECOND / 4, SECOND / 2 + SECOND / 4);
        let after = host(
            100 * SECOND + night + awake,
            60 * SECOND + awake,
            50 * SECOND + idle,
            SECOND / 2,
        );
        let snapshot = Snapshot::derive(&before, Arc::new(after));
        assert_eq!(snapshot.interval_ns, night + awake);
        assert_eq!(snapshot.host.cpu_busy_ns, Some(SECOND / 2));
        assert_eq!(snapshot.host.unattributed_cpu_ns, Some(0));
    }

    #[test]
    fn the_time_of_day_is_no_measure() {
        let process = |cpu_ns| {
            let mut process = Fixture::new(1, "worker").process;
            process.totals = Totals::ZERO.with(Counter::CpuTime, cpu_ns);
            vec![process]
        };
        let derived = |wall_before, wall_after| {
            let mut before = sample(1_000, process(1));
            let mut after = sample(2_000, process(501));
            (before.time_ns, after.time_ns) = (wall_before, wall_after);
            let snapshot = Snapshot::derive(&before, Arc::new(after));
            let rates: Vec<_> = snapshot.processes().map(|view| view.cpu_pct()).collect();
            (snapshot.interval_ns, snapshot.host, rates)
        };
        let truth = derived(5_000, 6_000);
        for (before, after) in [(5_000, 0), (0, u64::MAX), (u64::MAX, 0), (7, 7)] {
            assert_eq!(derived(before, after), truth, "from {before} to {after}");
        }
    }

    #[test]
    fn totals_that_add_up_to_more_than_a_number_holds_are_as_much_as_it_holds() {
        let process = |pid, cpu_ns| {
            let mut process = Fixture::new(pid, "absurd").process;
            process.totals = Totals::ZERO.with(Counter::CpuTime, cpu_ns);
            process
        };
        let both = |cpu_ns| vec![process(1, cpu_ns), process(2, cpu_ns)];
        let snapshot = Snapshot::derive(&sample(5, both(0)), Arc::new(sample(6, both(u64::MAX))));
        assert_eq!(snapshot.host.processes_cpu_ns, u64::MAX);
        assert_eq!(snapshot.host.unattributed_cpu_ns, Some(-i64::MAX));
    }

    #[test]
    fn the_time_of_day_may_jump_and_the_host_may_sleep() {
        let fixture = |cpu_ns| {
            let mut fixture = Fixture::new(7, "x");
            fixture.process.totals = Totals::ZERO.with(Counter::CpuTime, cpu_ns);
            fixture.process
        };
        let hour_ns = 3_600_000_000_000_u64;
        let pct = |before: Sample, now: Sample| {
            let snapshot = Snapshot::derive(&before, Arc::new(now));
            let view = snapshot.processes().next().unwrap();
            (snapshot.interval_ns, view.cpu_pct())
        };
        // Set back an hour in between: the interval is the one since boot.
        let before = sample(5 * hour_ns, vec![fixture(0)]);
        let mut now = sample(5 * hour_ns + 2_000_000_000, vec![fixture(1_000_000_000)]);
        now.time_ns -= hour_ns;
        assert_eq!(
            pct(before.clone(), now.clone()),
            (2_000_000_000, Some(50.0))
        );
        now.time_ns += 2 * hour_ns;
        assert_eq!(pct(before.clone(), now).1, Some(50.0));
        // Asleep for eight hours: time since boot goes on, and CPUs did nothing.
        let awake = sample(13 * hour_ns, vec![fixture(1_000_000_000)]);
        let (interval_ns, share) = pct(before, awake);
        assert_eq!(interval_ns, 8 * hour_ns);
        assert!(share.is_some_and(|pct| pct > 0.0 && pct < 0.01));
    }
}
