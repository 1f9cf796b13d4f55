//! The host's own figures.

use rustix::time::{ClockId, clock_gettime};

use super::{
    figures::{decimal, named_values},
    root::ProcRoot,
};
use crate::model::sample::{CoreSample, HostCpu, HostSample, Pressure};

/// Reads the host's figures, and those of each CPU. What cannot be read is unknown.
pub fn host_sample(root: &ProcRoot) -> (HostSample, Vec<CoreSample>) {
    let read = |name: &str| std::fs::read(root.path().join(name)).unwrap_or_default();
    let stat = read("stat");
    let awake = clock_gettime(ClockId::Monotonic);
    let awake_ns = (awake.tv_sec as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(awake.tv_nsec as u64);
    let meminfo = read("meminfo");
    let memory_bytes = |wanted: &[u8]| {
        let (_, kib) = named_values(&meminfo).find(|(name, _)| *name == wanted)?;
        kib.checked_mul(1024)
    };
    let host = HostSample {
        cpu: CpuTimes::parse(&stat).map(|times| HostCpu {
            cpus: times.cpus,
            awake_ns,
            idle_ns: root.ticks_to_ns(times.idle_ticks),
            steal_ns: root.ticks_to_ns(times.steal_ticks),
        }),
        memory_total_bytes: memory_bytes(b"MemTotal"),
        memory_available_bytes: memory_bytes(b"MemAvailable"),
        swap_total_bytes: memory_bytes(b"SwapTotal"),
        swap_free_bytes: memory_bytes(b"SwapFree"),
        load: load(&read("loadavg")),
        pressure: Pressure {
            cpu_pct: some_of_ten_seconds(&read("pressure/cpu")),
            memory_pct: some_of_ten_seconds(&read("pressure/memory")),
            io_pct: some_of_ten_seconds(&read("pressure/io")),
        },
    };
    (host, cores(&stat, root))
}

/// The lines `cpuN`.
fn cores(stat: &[u8], root: &ProcRoot) -> Vec<CoreSample> {
    stat.split(|byte| *byte == b'\n')
        .skip(1)
        .map_while(|line| line.strip_prefix(b"cpu"))
        .filter_map(|line| {
            let mut words = line.split(|byte| *byte == b' ').map(decimal);
            let number = u32::try_from(words.next()??).ok()?;
            let mut next_ns = || Some(root.ticks_to_ns(words.next()??));
            let (user, nice, system) = (next_ns()?, next_ns()?, next_ns()?);
            let (idle, iowait) = (next_ns()?, next_ns()?);
            let (irq, softirq, steal) = (next_ns()?, next_ns()?, next_ns()?);
            let sum = |parts: &[u64]| {
                parts
                    .iter()
                    .fold(0, |sum: u64, part| sum.saturating_add(*part))
            };
            Some(CoreSample {
                number,
                user_ns: sum(&[user, nice]),
                system_ns: sum(&[system, irq, softirq]),
                idle_ns: sum(&[idle, iowait]),
                steal_ns: steal,
            })
        })
        .collect()
}

fn load(loadavg: &[u8]) -> Option<[f32; 3]> {
    let text = std::str::from_utf8(loadavg).ok()?;
    let mut words = text.split(' ').map(|word| word.parse().ok());
    Some([words.next()??, words.next()??, words.next()??])
}

/// `some avg10=0.12 …`, the first line.
fn some_of_ten_seconds(pressure: &[u8]) -> Option<f32> {
    let text = std::str::from_utf8(pressure).ok()?;
    let figures = text.lines().next()?.strip_prefix("some ")?;
    let average = figures
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    average.parse().ok()
}

impl ProcRoot {
    /// When this boot began, in whole seconds since the epoch, by the time of day as it is now: setting
    /// that moves this. `None` when /proc/stat does not tell.
    pub fn boot_time_s(&self) -> Option<u64> {
        boot_time_s(&std::fs::read(self.path().join("stat")).ok()?)
    }
}

/// From /proc/stat.
pub fn boot_time_s(text: &[u8]) -> Option<u64> {
    let mut lines = text.split(|byte| *byte == b'\n');
    decimal(lines.find_map(|line| line.strip_prefix(b"btime "))?)
}

/// From /proc/stat: since boot, summed over CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTimes {
    /// Online now.
    pub cpus: u32,
    /// With the part of it that a task was waiting for a disk in.
    pub idle_ticks: u64,
    pub steal_ticks: u64,
}

impl CpuTimes {
    /// The first lines alone are read: what follows them, a number for each interrupt, can be long.
    /// `None` when they are not in the form of proc(5).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = text.split(|byte| *byte == b'\n');
        let sum = lines.next()?.strip_prefix(b"cpu ")?;
        let mut times = sum
            .split(|byte| *byte == b' ')
            .filter(|time| !time.is_empty());
        // user nice system idle iowait irq softirq steal
        let idle = decimal(times.nth(3)?)?;
        let iowait = decimal(times.next()?)?;
        let steal_ticks = decimal(times.nth(2)?)?;
        let cpus = lines.take_while(|line| line.starts_with(b"cpu")).count();
        Some(Self {
            cpus: u32::try_from(cpus).ok()?,
            idle_ticks: idle.saturating_add(iowait),
            steal_ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn idle_and_stolen_time_are_summed_over_cpus() {
        let text = b"cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 1 1\ncpu1 1 1\nintr 5 5\n";
        let expected = CpuTimes {
            cpus: 2,
            idle_ticks: 450,
            steal_ticks: 8,
        };
        assert_eq!(CpuTimes::parse(text), Some(expected));
    }

    #[test]
    fn something_else_is_refused() {
        for text in [
            "",
            "cpu 1 2",
            "cpu 1 2 3 4 5 6 7 x",
            "intr 1 2 3 4 5 6 7 8 9",
        ] {
            assert_eq!(CpuTimes::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn cores_load_and_pressure_are_read_off_their_files() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        std::fs::create_dir(directory.path().join("pressure")).unwrap();
        write(
            "stat",
            "cpu  9 9\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu3 x\nintr 1\n",
        );
        write("loadavg", "0.50 1.25 2.00 1/234 999\n");
        write(
            "pressure/io",
            "some avg10=1.50 avg60=0.10 total=9\nfull avg10=0.00\n",
        );
        write("pressure/cpu", "");
        let root = ProcRoot::new(directory.path()).unwrap();
        let (host, cores) = host_sample(&root);
        let ticks = |count| root.ticks_to_ns(count);
        let expected = CoreSample {
            number: 0,
            user_ns: ticks(3),
            system_ns: ticks(16),
            idle_ns: ticks(9),
            steal_ns: ticks(8),
        };
        assert_eq!(cores, [expected]);
        assert_eq!(host.load, Some([0.5, 1.25, 2.0]));
        assert_eq!(host.pressure.io_pct, Some(1.5));
        assert_eq!(
            (host.pressure.cpu_pct, host.pressure.memory_pct),
            (None, None)
        );
    }

    #[test]
    fn memory_that_is_not_told_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let root = ProcRoot::new(directory.path()).unwrap();
        assert_eq!(host_sample(&root), (HostSample::default(), Vec::new()));
        let stat = "cpu  1 1 1 1 1 1 1 1\ncpu0 1\nbtime 1795404009\n";
        std::fs::write(directory.path().join("stat"), stat).unwrap();
        let memory = |meminfo: &str| {
            std::fs::write(directory.path().join("meminfo"), meminfo).unwrap();
            let (host, _) = host_sample(&root);
            (host.memory_total_bytes, host.memory_available_bytes)
        };
        assert_eq!(
            memory("MemTotal: 8 kB\nMemAvailable: 4 kB\n"),
            (Some(8192), Some(4096))
        );
        assert_eq!(
            memory("MemTotal: 8 kB\nMemFree: 4 kB\n"),
            (Some(8192), None)
        );
        assert_eq!(
            memory("MemTotal: 18446744073709551615 kB\nMemAv"),
            (None, None)
        );
        assert_eq!(root.boot_time_s(), Some(1_795_404_009));
    }

    #[test]
    fn this_host_has_cpus_and_memory() {
        let root = ProcRoot::new("/proc").unwrap();
        let (host, cores) = host_sample(&root);
        assert_eq!(Some(cores.len()), host.cpu.map(|cpu| cpu.cpus as usize));
        assert!(cores.iter().all(|core| core.idle_ns + core.user_ns > 0));
        assert!(host.load.is_some());
        // SAFETY: takes a number and returns one.
        let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        assert_eq!(host.cpu.map(|cpu| i64::from(cpu.cpus)), Some(online));
        assert!(host.memory_total_bytes > host.memory_available_bytes);
        assert!(host.memory_available_bytes > Some(0) && root.boot_time_s() > Some(0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_times_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CpuTimes::parse(&[b"cpu ", bytes.as_slice()].concat());
        }
    }
}
