//! The host's own figures.

use std::path::Path;

use super::{
    ProcError,
    figures::{decimal, named_values},
    root::ProcRoot,
};
use crate::model::sample::HostSample;

/// Reads the host's figures from /proc/stat and /proc/meminfo.
///
/// # Errors
/// When /proc/stat is not there or not in its form. Memory that cannot be read is unknown.
pub fn host_sample(root: &ProcRoot) -> Result<HostSample, ProcError> {
    let path = root.path().join("stat");
    let stat = match std::fs::read(&path) {
        Ok(stat) => stat,
        Err(source) => return Err(ProcError::Read { path, source }),
    };
    let Some(times) = CpuTimes::parse(&stat) else {
        return Err(ProcError::Format { path });
    };
    let meminfo = std::fs::read(root.path().join("meminfo")).unwrap_or_default();
    let memory_bytes = |wanted: &[u8]| {
        let (_, kib) = named_values(&meminfo).find(|(name, _)| *name == wanted)?;
        kib.checked_mul(1024)
    };
    Ok(HostSample {
        cpus: times.cpus,
        cpu_idle_ns: root.ticks_to_ns(times.idle_ticks),
        cpu_steal_ns: root.ticks_to_ns(times.steal_ticks),
        memory_total_bytes: memory_bytes(b"MemTotal"),
        memory_available_bytes: memory_bytes(b"MemAvailable"),
    })
}

impl ProcRoot {
    /// When this boot began, in whole seconds since the epoch, by the time of day as it is now: setting
    /// that moves this. `None` when /proc/stat does not tell.
    pub fn boot_time_s(&self) -> Option<u64> {
        boot_time_s(&self.path().join("stat"))
    }
}

fn boot_time_s(stat: &Path) -> Option<u64> {
    let text = std::fs::read(stat).ok()?;
    let mut lines = text.split(|byte| *byte == b'\n');
    decimal(lines.find_map(|line| line.strip_prefix(b"btime "))?)
}

/// From /proc/stat: since boot, summed over CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTimes {
    /// Online now.
    cpus: u32,
    /// With the part of it that a task was waiting for a disk in.
    idle_ticks: u64,
    steal_ticks: u64,
}

impl CpuTimes {
    /// The first lines alone are read: what follows them, a number for each interrupt, can be long.
    fn parse(text: &[u8]) -> Option<Self> {
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
    fn memory_that_is_not_told_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let root = ProcRoot::new(directory.path()).unwrap();
        assert!(host_sample(&root).unwrap_err().to_string().contains("stat"));
        let stat = "cpu  1 1 1 1 1 1 1 1\ncpu0 1\nbtime 1795404009\n";
        std::fs::write(directory.path().join("stat"), stat).unwrap();
        let memory = |meminfo: &str| {
            std::fs::write(directory.path().join("meminfo"), meminfo).unwrap();
            let host = host_sample(&root).unwrap();
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
        let host = host_sample(&root).unwrap();
        // SAFETY: takes a number and returns one.
        let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        assert_eq!(i64::from(host.cpus), online);
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
