//! What is shown: rates and balances, derived from two samples and nothing else.

use std::sync::Arc;

use super::{
    device::DeviceSample,
    sample::{InterfaceSample, ProcessSample, Sample},
    totals::{Counter, Totals},
};

/// Two samples seen as one interval. Immutable, and the same whether the samples are live or recorded.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The later of the two samples.
    pub sample: Arc<Sample>,
    pub interval_ns: u64,
    pub host: HostBalance,
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
    /// Nanoseconds that CPUs were not idle: the interval times the CPUs, less idle and stolen time.
    pub cpu_busy_ns: u64,
    /// What processes had of it, the dead and the nameless included.
    pub processes_cpu_ns: u64,
    /// Busy time that no process owns: interrupts in the idle loop, the steps of /proc/stat (10 ms
    /// a CPU), and processes that /proc sampling missed. Negative when the steps go the other way.
    pub unattributed_cpu_ns: i64,
}

/// [`HostBalance`] in percent of one core: two busy CPUs are 200.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuShares {
    pub busy_pct: f64,
    pub processes_pct: f64,
    pub unattributed_pct: f64,
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
            .sum();
        // Falls when what was nameless is found out to have been closed under its name.
        let nameless = |sample: &Sample| sample.nameless.get(Counter::CpuTime).unwrap_or(0);
        let processes_cpu_ns =
            (named_cpu_ns + nameless(&current)).saturating_sub(nameless(previous));
        let not_busy_ns = current
            .host
            .cpu_idle_ns
            .saturating_sub(previous.host.cpu_idle_ns)
            + current
                .host
                .cpu_steal_ns
                .saturating_sub(previous.host.cpu_steal_ns);
        let cpu_busy_ns = (interval_ns * u64::from(current.host.cpus)).saturating_sub(not_busy_ns);
        let host = HostBalance {
            cpu_busy_ns,
            processes_cpu_ns,
            unattributed_cpu_ns: cpu_busy_ns as i64 - processes_cpu_ns as i64,
        };
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
            busy_pct: pct(self.host.cpu_busy_ns as f64),
            processes_pct: pct(self.host.processes_cpu_ns as f64),
            unattributed_pct: pct(self.host.unattributed_cpu_ns as f64),
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
