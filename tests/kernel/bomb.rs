//! A fork bomb: processes that live for a fraction of a millisecond, and what they cost by getrusage.

use procwatch_tests::{
    record::{Record, array, number},
    short,
    workload::{argument, start, told},
};
use serde_json::Value;

use crate::WORKLOAD;

pub const SPAWNERS: u64 = 4;
pub const EACH: u64 = 1_250;
pub const PROCESSES: u64 = SPAWNERS * EACH;

/// One that has gone off.
#[derive(Debug)]
pub struct Bomb {
    /// The name of its processes, which nobody else's have.
    name: String,
    /// Those who threw it.
    spawners: Vec<u64>,
    /// CPU time of all its processes by getrusage: those that it consists of and those that threw it.
    pub cpu_time_ns: u64,
    /// What a hypervisor had taken of this machine's CPUs before.
    stolen_before_ns: u64,
}

impl Bomb {
    /// Starts a bomb, and waits for its end.
    pub fn explode() -> Self {
        let directory = short::directory();
        let name = format!("pwbomb{}", std::process::id());
        let program = short::program(directory.path(), &name);
        let program = argument(&program);
        let (before, stolen_before_ns) = (children_cpu_ns(), stolen_ns());
        let spawners: Vec<_> = (0..SPAWNERS)
            .map(|spawner| {
                let first = (spawner * EACH).to_string();
                start(
                    WORKLOAD,
                    &["spawn", program, "bomb", &first, &EACH.to_string()],
                )
            })
            .collect();
        let told: Vec<_> = spawners.into_iter().map(told).collect();
        assert!(told.iter().all(|spawner| number(spawner, "wrong") == 0));
        Self {
            name,
            spawners: told.iter().map(|spawner| number(spawner, "pid")).collect(),
            cpu_time_ns: children_cpu_ns() - before,
            stolen_before_ns,
        }
    }

    /// Of the bomb, or of those who threw it.
    fn is_ours(&self, row: &Value) -> bool {
        let is_spawner = |pid: &Value| pid.as_u64().is_some_and(|pid| self.spawners.contains(&pid));
        row["comm"] == self.name.as_str() || is_spawner(&row["pid"]) || is_spawner(&row["ppid"])
    }

    /// Whether any account of the bomb is still open.
    pub fn is_any_open(&self, line: &Value) -> bool {
        let mut rows = array(line, "processes").iter();
        rows.any(|row| self.is_ours(row) && row["state"] != "exited")
    }

    /// What others, but for these pids, cost that ended while the witness recorded.
    pub fn of_others_ns(&self, witness: &Record, but: &[u64]) -> u64 {
        let of_others = |exit: &&Value| !self.is_ours(exit) && !but.contains(&number(exit, "pid"));
        let exits = witness.of_kind("exit").filter(of_others);
        exits.map(|exit| number(exit, "cpu_time_ns")).sum()
    }

    /// What `top` has told of the bomb.
    pub fn told(&self, lines: &[Value]) -> Told {
        let cpu = |row: &Value| number(row, "cpu_time_ns");
        let last = lines.last().expect("a snapshot");
        let is_exited = |row: &Value| row["state"] == "exited";
        let rows = lines.iter().flat_map(|line| array(line, "processes"));
        Told {
            ended_ns: rows
                .filter(|row| self.is_ours(row) && is_exited(row))
                .map(cpu)
                .sum(),
            open_ns: array(last, "processes")
                .iter()
                .filter(|row| self.is_ours(row) && !is_exited(row))
                .map(cpu)
                .sum(),
            nameless_ns: number(&last["nameless"], "cpu_time_ns"),
            lost: number(&last["loss"], "fork") + number(&last["loss"], "exit"),
            busy_ns: lines
                .iter()
                .map(|line| number(&line["host"], "cpu_busy_ns"))
                .sum(),
            unattributed_ns: lines
                .iter()
                .map(|line| &line["host"]["unattributed_cpu_ns"])
                .map(|value| value.as_i64().expect("a number"))
                .sum(),
            stolen_ns: stolen_ns() - self.stolen_before_ns,
        }
    }
}

/// What a hypervisor has taken of this machine's CPUs since boot. Whoever ran at that moment is charged with it;
/// if he was on his way out, by the kernel's last account and not by getrusage, which came earlier. The host
/// was not busy then.
fn stolen_ns() -> u64 {
    /// Nanoseconds of one tick of `USER_HZ`.
    const TICK_NS: u64 = 10_000_000;
    let stat = std::fs::read_to_string("/proc/stat").expect("/proc/stat");
    let ticks = stat.split_ascii_whitespace().nth(8).expect("steal");
    ticks.parse::<u64>().expect("ticks") * TICK_NS
}

/// CPU time of all children that we have reaped, and of those that they have.
fn children_cpu_ns() -> u64 {
    // SAFETY: rusage is plain data, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to an rusage of ours.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let nanoseconds = |time: libc::timeval| {
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1000
    };
    nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
}

/// CPU time that `top` has told of the bomb, by where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub ended_ns: u64,
    pub open_ns: u64,
    pub nameless_ns: u64,
    /// Births and ends that were lost.
    pub lost: u64,
    pub busy_ns: u64,
    pub unattributed_ns: i64,
    pub stolen_ns: u64,
}

impl Told {
    /// Named and nameless CPU time together are what the bomb cost, and the host's books balance; but for what a
    /// hypervisor took.
    pub fn check(&self, truth: u64, others_ns: u64, when: &str) -> String {
        let sum = self.ended_ns + self.open_ns + self.nameless_ns;
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        let figure = format!(
            "bomb, {when}: {:.1} ms by getrusage; ended {:.1} + open {:.1} + nameless {:.1} = {:.1} ms ({:+.2} %), {} \
             births and ends lost; of {:.0} ms busy {:+.1} ms unattributed, {:.0} ms stolen",
            milliseconds(truth),
            milliseconds(self.ended_ns),
            milliseconds(self.open_ns),
            milliseconds(self.nameless_ns),
            milliseconds(sum),
            (sum as f64 / truth as f64 - 1.0) * 100.0,
            self.lost,
            milliseconds(self.busy_ns),
            self.unattributed_ns as f64 / 1e6,
            milliseconds(self.stolen_ns),
        );
        assert!(
            sum as f64 >= truth as f64 * 0.99,
            "{when}: {sum} ns are less than the {truth} ns of the bomb: {figure}"
        );
        assert!(
            sum as f64 <= truth as f64 * 1.01 + (others_ns + self.stolen_ns) as f64,
            "{when}: {sum} ns are more than the {truth} ns of the bomb and {others_ns} of others: {figure}"
        );
        // Interrupts in the idle loop belong to nobody; a process counted twice makes this negative.
        let imbalance = self.unattributed_ns.unsigned_abs();
        assert!(
            imbalance as f64 <= self.busy_ns as f64 * 0.05 + self.stolen_ns as f64,
            "{when}: {} of {} ns belong to nobody",
            self.unattributed_ns,
            self.busy_ns
        );
        figure
    }
}
