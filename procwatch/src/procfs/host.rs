//! The host's own figures.

use std::{io::Cursor, path::PathBuf};

use procfs::{FromRead as _, Meminfo};

use super::{ProcError, root::ProcRoot};
use crate::model::sample::HostSample;

/// Reads the host's figures from /proc/stat and /proc/meminfo.
///
/// # Errors
/// When /proc/stat is not there or not in its form. Memory that cannot be read is unknown.
pub fn host_sample(root: &ProcRoot) -> Result<HostSample, ProcError> {
    let path = root.path().join("stat");
    let text = std::fs::read(&path).map_err(|source| ProcError::Read {
        path: path.clone(),
        source,
    })?;
    let memory = std::fs::read(root.path().join("meminfo"))
        .ok()
        .and_then(|bytes| Meminfo::from_read(Cursor::new(bytes)).ok());
    Ok(HostSample {
        memory_total_bytes: memory.as_ref().map(|memory| memory.mem_total),
        memory_available_bytes: memory.and_then(|memory| memory.mem_available),
        ..cpu_times(&String::from_utf8_lossy(&text), root.tick_ns(), path)?
    })
}

/// The first lines alone are read: what follows them, a number for each interrupt, can be long.
fn cpu_times(text: &str, tick_ns: u64, path: PathBuf) -> Result<HostSample, ProcError> {
    let mut lines = text.lines();
    let sum: Option<Vec<u64>> =
        lines
            .next()
            .and_then(|line| line.strip_prefix("cpu "))
            .map(|times| {
                times
                    .split_ascii_whitespace()
                    .map_while(|time| time.parse().ok())
                    .collect()
            });
    // user nice system idle iowait irq softirq steal
    let Some([_, _, _, idle, iowait, _, _, steal, ..]) = sum.as_deref() else {
        return Err(ProcError::Format { path });
    };
    let cpus = lines.take_while(|line| line.starts_with("cpu")).count();
    Ok(HostSample {
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        cpu_idle_ns: idle.saturating_add(*iowait).saturating_mul(tick_ns),
        cpu_steal_ns: steal.saturating_mul(tick_ns),
        memory_total_bytes: None,
        memory_available_bytes: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_stolen_time_are_summed_over_cpus() {
        let text = "cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 1 1\ncpu1 1 1\nintr 5 5\n";
        let host = cpu_times(text, 10, PathBuf::new()).unwrap();
        assert_eq!(
            (host.cpus, host.cpu_idle_ns, host.cpu_steal_ns),
            (2, 4500, 80)
        );
    }

    #[test]
    fn something_else_is_refused() {
        for text in ["", "cpu 1 2", "intr 1 2 3 4 5 6 7 8 9"] {
            assert!(cpu_times(text, 10, PathBuf::new()).is_err(), "{text}");
        }
    }

    #[test]
    fn this_host_has_cpus_and_memory() {
        let host = host_sample(&ProcRoot::new("/proc").unwrap()).unwrap();
        assert!(host.cpus > 0 && host.memory_total_bytes > host.memory_available_bytes);
    }
}
