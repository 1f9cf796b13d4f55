//! Our own process and others of this host, against what the kernel tells elsewhere.

use std::fs;

use super::*;

/// CPU time, minor faults and major faults of this process, all threads.
fn own_usage() -> [u64; 3] {
    // SAFETY: all zeros are a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it points to one, and the kernel fills it in.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(result, 0);
    let time_ns =
        |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
    let cpu_time_ns = time_ns(usage.ru_utime) + time_ns(usage.ru_stime);
    [cpu_time_ns, usage.ru_minflt as u64, usage.ru_majflt as u64]
}

#[test]
fn our_own_figures_are_those_of_getrusage() {
    let mut root = ProcRoot::new("/proc").unwrap();
    let before = own_usage();
    let sample = root
        .sample(std::process::id(), &mut OneUser, |_| None)
        .unwrap();
    let after = own_usage();
    let counters = [Counter::CpuTime, Counter::MinorFaults, Counter::MajorFaults];
    // Ticks are cut off twice, for user and for system time.
    let steps = [2 * root.tick_ns(), 0, 0];
    for (index, counter) in counters.into_iter().enumerate() {
        let value = sample.totals.get(counter).unwrap();
        let range = before[index].saturating_sub(steps[index])..=after[index];
        assert!(
            range.contains(&value),
            "{}: {value} is not in {range:?}",
            counter.name()
        );
    }
    assert_eq!(sample.facts.uid, Some(rustix::process::getuid().as_raw()));
    assert_eq!(
        sample.parent.map(|parent| parent.pid),
        Some(std::os::unix::process::parent_id())
    );
    assert_eq!(
        sample.facts.exe.as_deref(),
        std::env::current_exe().unwrap().to_str()
    );
    assert_eq!(
        sample.facts.arguments().collect::<Vec<_>>(),
        std::env::args().collect::<Vec<_>>()
    );
    assert!(sample.peak_rss_bytes >= sample.rss_bytes && sample.rss_bytes > Some(100_000));
    assert!(
        sample
            .facts
            .cgroup
            .as_deref()
            .is_some_and(|path| path.starts_with('/'))
    );
}

#[test]
fn our_own_writes_are_counted() {
    let written = |root: &mut ProcRoot| {
        let sample = root
            .sample(std::process::id(), &mut OneUser, |_| None)
            .unwrap();
        sample.totals.get(Counter::LogicalWrite)
    };
    let mut root = ProcRoot::new("/proc").unwrap();
    let Some(before) = written(&mut root) else {
        return; // A kernel without CONFIG_TASK_IO_ACCOUNTING.
    };
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), vec![0; 1_234_567]).unwrap();
    assert!(written(&mut root).unwrap() >= before + 1_234_567);
}

#[test]
fn no_process_of_this_host_is_older_than_its_parent() {
    let mut root = ProcRoot::new("/proc").unwrap();
    let pids = root.pids().unwrap();
    let samples: Vec<_> = pids
        .iter()
        .filter_map(|pid| root.sample(*pid, &mut OneUser, |_| None))
        .collect();
    assert!(
        samples
            .iter()
            .any(|sample| sample.id.pid == std::process::id())
    );
    for sample in samples {
        assert!(
            sample
                .parent
                .is_none_or(|parent| parent.start_time_ns <= sample.id.start_time_ns)
        );
    }
}

#[test]
fn a_child_that_sleeps_shows_when_it_started_and_how_it_ended() {
    use rustix::time::{ClockId, clock_gettime};
    let now_ns = || {
        let now = clock_gettime(ClockId::Boottime);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    };
    let mut root = ProcRoot::new("/proc").unwrap();
    let before_ns = now_ns();
    let mut child = std::process::Command::new("sleep")
        .arg("100")
        .spawn()
        .unwrap();
    let sample = root.sample(child.id(), &mut OneUser, |_| None).unwrap();
    let range = before_ns - root.tick_ns()..=now_ns();
    assert!(
        range.contains(&sample.id.start_time_ns),
        "{sample:?} not in {range:?}"
    );
    assert_eq!(
        sample.parent.map(|parent| parent.pid),
        Some(std::process::id())
    );
    child.kill().unwrap();
    let ending = loop {
        let sample = root.sample(child.id(), &mut OneUser, |_| None).unwrap();
        if let Some(ending) = sample.state.ending() {
            break ending;
        }
        std::thread::yield_now();
    };
    assert_eq!(ending.status.and_then(WaitStatus::signal), Some(9));
    child.wait().unwrap();
    assert!(root.sample(child.id(), &mut OneUser, |_| None).is_none());
}
