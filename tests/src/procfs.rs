//! What /proc says, read here and not by procwatch.

use std::collections::BTreeMap;

/// One process as /proc has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub start_ticks: u64,
    pub ppid: u64,
    pub comm: Vec<u8>,
    pub threads: u64,
    pub uid: u64,
    pub is_zombie: bool,
}

/// Every process, by pid.
///
/// # Panics
/// When /proc cannot be listed.
pub fn processes() -> BTreeMap<u64, Listed> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("listing /proc") {
        let name = entry.expect("an entry of /proc").file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            && let Some(process) = process(pid)
        {
            found.insert(pid, process);
        }
    }
    found
}

/// One process. `None` when it is gone.
pub fn process(pid: u64) -> Option<Listed> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[close + 1..]).ok()?;
    // From field 3, the state, on: see proc_pid_stat(5).
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let status = std::fs::read(format!("/proc/{pid}/status")).ok()?;
    let uid = String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(Listed {
        start_ticks: fields.get(19)?.parse().ok()?,
        ppid: fields.get(1)?.parse().ok()?,
        comm: stat[open + 1..close].to_vec(),
        threads: fields.get(17)?.parse().ok()?,
        uid,
        is_zombie: *fields.first()? == "Z",
    })
}

/// Time of all CPUs since boot, nanoseconds in steps of 10 ms.
#[derive(Clone, Copy, Debug)]
pub struct CpuTimes {
    /// user, nice, system, irq and softirq. Guests are in user already.
    pub busy_ns: u64,
    /// idle, iowait and steal.
    pub other_ns: u64,
}

impl CpuTimes {
    /// # Panics
    /// When /proc/stat cannot be read.
    pub fn read() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").expect("reading /proc/stat");
        let line = stat.lines().next().expect("a first line");
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .skip(1)
            .map(|tick| tick.parse().expect("a tick"))
            .collect();
        // user nice system idle iowait irq softirq steal guest guest_nice
        let sum = |columns: &[usize]| columns.iter().map(|column| ticks[*column]).sum::<u64>();
        Self {
            busy_ns: sum(&[0, 1, 2, 5, 6]) * TICK_NS,
            other_ns: sum(&[3, 4, 7]) * TICK_NS,
        }
    }
}

/// `USER_HZ` is 100 on every architecture that Linux runs on today.
pub const TICK_NS: u64 = 10_000_000;

/// `CLOCK_BOOTTIME`, nanoseconds.
pub fn boot_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// What the kernel counts of a process's I/O, in the names of procwatch: proc_pid_io(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    pub logical_read_bytes: u64,
    pub logical_write_bytes: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub cancelled_write_bytes: u64,
}

impl Io {
    /// Of a process and the children that it has reaped; also when it is a zombie. `None` when it is gone.
    pub fn of_process(pid: u64) -> Option<Self> {
        Self::read(&format!("/proc/{pid}/io"))
    }

    /// Of a process's main thread alone. `None` when it is gone.
    pub fn of_main_thread(pid: u64) -> Option<Self> {
        Self::read(&format!("/proc/{pid}/task/{pid}/io"))
    }

    fn read(path: &str) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let number = |name| colon_number(&text, name);
        Some(Self {
            logical_read_bytes: number("rchar")?,
            logical_write_bytes: number("wchar")?,
            read_bytes: number("read_bytes")?,
            write_bytes: number("write_bytes")?,
            cancelled_write_bytes: number("cancelled_write_bytes")?,
        })
    }

    /// With the names of procwatch.
    pub fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("logical_read_bytes", self.logical_read_bytes),
            ("logical_write_bytes", self.logical_write_bytes),
            ("read_bytes", self.read_bytes),
            ("write_bytes", self.write_bytes),
            ("cancelled_write_bytes", self.cancelled_write_bytes),
        ]
    }
}

/// The number behind `name:` of a file such as `status`.
pub fn colon_number(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}
