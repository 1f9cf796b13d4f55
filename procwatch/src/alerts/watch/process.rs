//! What is watched of single processes: leaks, waiting, and the unburied dead.

use hashbrown::HashMap;

use super::{
    super::OpenFiles,
    Around, Found, Match, Sight,
    growth::{Growth, Least},
};
use crate::{
    detect::{
        leak::TimeUntil,
        sustained::{Sustained, wait_share},
    },
    model::{
        alert::{Figure, Subject},
        identity::ProcessId,
        rule::Detector,
        sample::State,
        snapshot::ProcessView,
        totals::Counter,
        units::{format_bytes, format_nanoseconds},
    },
};

const MEMORY: Least = Least {
    absolute: 4.0 * 1_048_576.0,
    share: 0.02,
};
const COUNT: Least = Least {
    absolute: 20.0,
    share: 0.2,
};
/// Open files are counted of so many processes a snapshot.
const COUNTED_A_SNAPSHOT: usize = 64;
/// Who waits for less of the time than this does not starve, whatever part of its wish that is.
const WAIT_LEAST: f64 = 0.2;

/// Every process, by identity.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// In the order of snapshots.
    states: Vec<(ProcessId, Process)>,
    /// By the parent who takes no note.
    zombies: HashMap<ProcessId, Sustained>,
    /// Whose open files are counted next.
    next_counted: usize,
}

#[derive(Debug, Default)]
struct Process {
    memory: Growth,
    threads: Growth,
    files: Growth,
    /// As they were counted last.
    counted: Option<OpenFiles>,
    starvation: Option<Box<Sustained>>,
    blocked: Option<Box<Sustained>>,
}

impl Processes {
    pub(super) fn observe(
        &mut self,
        wanted: &[Detector],
        sight: Sight<'_>,
        around: &mut dyn Around,
        found: &mut Found,
    ) {
        let before = std::mem::take(&mut self.states);
        let mut before = before.into_iter().peekable();
        self.states.reserve(sight.snapshot.sample.processes.len());
        for view in sight.snapshot.processes() {
            let id = view.process.id;
            while before.next_if(|(known, _)| *known < id).is_some() {}
            let known = before.next_if(|(known, _)| *known == id);
            let is_alive = view.process.state.ending().is_none();
            if !is_alive || view.process.facts.is_kernel_thread {
                continue;
            }
            let mut process = known.map(|(_, process)| process).unwrap_or_default();
            process.observe(&view, sight, around, found);
            self.states.push((id, process));
        }
        if wanted.contains(&Detector::DescriptorLeak) {
            self.count_files(sight, around);
        }
        for (id, process) in &self.states {
            if let (Some(leak), Some(files)) = (process.files.suspect(), process.counted) {
                let limit = files.limit.map(|limit| limit as f64);
                if let Some((per_second, until)) = Growth::leaks(leak, limit) {
                    let figure = figure("open_files", files.open as f64, limit, until);
                    let words = words("open files", &count(per_second), limit.map(&count), until);
                    found.add(Detector::DescriptorLeak, of_process(*id, figure, words));
                }
            }
        }
        self.zombies(sight, found);
    }

    /// Some of them: it takes a look at each one.
    fn count_files(&mut self, sight: Sight<'_>, around: &mut dyn Around) {
        let all = self.states.len();
        for _ in 0..COUNTED_A_SNAPSHOT.min(all) {
            self.next_counted = (self.next_counted + 1) % all;
            let (id, process) = &mut self.states[self.next_counted];
            if let Some(files) = around.open_files(*id) {
                process
                    .files
                    .observe(sight.boot_ns, Some(files.open as f64), COUNT);
                process.counted = Some(files);
            }
        }
    }

    fn zombies(&mut self, sight: Sight<'_>, found: &mut Found) {
        let mut counts: HashMap<ProcessId, u32> = HashMap::new();
        for process in &sight.snapshot.sample.processes {
            if let (State::Zombie(_), Some(parent)) = (process.state, process.parent) {
                *counts.entry(parent).or_default() += 1;
            }
        }
        self.zombies.retain(|parent, _| counts.contains_key(parent));
        for (parent, count) in counts {
            let detector = self
                .zombies
                .entry(parent)
                .or_insert_with(Sustained::zombies);
            let verdict = detector.observe(sight.boot_ns, Some(f64::from(count)));
            if verdict.anomaly.is_some() {
                let figure = figure("zombies", f64::from(count), None, None);
                let words = format!("does not take note that {count} of its children have ended");
                found.add(Detector::Zombies, of_process(parent, figure, words));
            }
        }
    }
}

impl Process {
    fn observe(
        &mut self,
        view: &ProcessView<'_>,
        sight: Sight<'_>,
        around: &mut dyn Around,
        found: &mut Found,
    ) {
        let process = view.process;
        let now_ns = sight.boot_ns;
        // Pages of files and what others share come and go by themselves.
        let anonymous = process.memory.map(|memory| memory.anon_bytes);
        let own = anonymous.or(process.rss_bytes);
        self.memory
            .observe(now_ns, own.map(|bytes| bytes as f64), MEMORY);
        if let (Some(leak), Some(own)) = (self.memory.suspect(), own) {
            let host = &sight.snapshot.sample.host;
            // All that is left of the host's can still become its own.
            let room = host
                .memory_available_bytes
                .map(|left| own.saturating_add(left));
            let of_cgroup = around.memory_limit_bytes(process.id);
            let limit = room
                .into_iter()
                .chain(of_cgroup)
                .min()
                .map(|limit| limit as f64);
            if let Some((per_second, until)) = Growth::leaks(leak, limit) {
                let figure = figure("rss_anon_bytes", own as f64, limit, until);
                let words = words("memory", &bytes(per_second), limit.map(&bytes), until);
                found.add(Detector::MemoryLeak, of_process(process.id, figure, words));
            }
        }
        self.threads
            .observe(now_ns, process.threads.map(f64::from), COUNT);
        if let (Some(leak), Some(threads)) = (self.threads.suspect(), process.threads)
            && let Some((per_second, until)) = Growth::leaks(leak, None)
        {
            let figure = figure("threads", f64::from(threads), None, until);
            let words = words("threads", &count(per_second), None, until);
            found.add(Detector::ThreadLeak, of_process(process.id, figure, words));
        }
        self.waits(view, sight, found);
    }

    fn waits(&mut self, view: &ProcessView<'_>, sight: Sight<'_>, found: &mut Found) {
        let process = view.process;
        let waited_ns = view.delta.get(Counter::RunQueueWait);
        let ran_ns = view.delta.get(Counter::CpuTime);
        let is_much = waited_ns.is_some_and(|ns| ns as f64 >= WAIT_LEAST * view.interval_ns as f64);
        let share = wait_share(waited_ns, ran_ns)
            .filter(|_| is_much)
            .unwrap_or(0.0);
        if sustained(
            &mut self.starvation,
            Sustained::starvation,
            sight.boot_ns,
            share,
        ) {
            let wait_pct = view.rate(Counter::RunQueueWait).unwrap_or(0.0) / 1e7;
            let others = hogs(process.id, sight);
            let figure = Figure {
                name: Counter::RunQueueWait.rate_name().to_owned(),
                value: wait_pct * 1e7,
                baseline: None,
                limit: None,
                time_until_ns: None,
            };
            let words = format!(
                "is ready to run and waits for a CPU {wait_pct:.0} % of the time, {:.0} % of what it wants{others}",
                share * 100.0
            );
            found.add(
                Detector::Starvation,
                of_process(process.id, Some(figure), words),
            );
        }
        let is_blocked = process.state == State::Uninterruptible;
        let share = f64::from(u8::from(is_blocked));
        if sustained(&mut self.blocked, Sustained::blocked, sight.boot_ns, share) {
            let words = "waits for storage, and cannot be interrupted in that".to_owned();
            let figure = view.rate(Counter::BlockLatency).map(|rate| Figure {
                name: Counter::BlockLatency.rate_name().to_owned(),
                value: rate,
                baseline: None,
                limit: None,
                time_until_ns: None,
            });
            found.add(Detector::Blocked, of_process(process.id, figure, words));
        }
    }
}

/// Whether a share has been high for long. Nothing is kept of who has none.
fn sustained(
    state: &mut Option<Box<Sustained>>,
    new: fn() -> Sustained,
    boot_ns: u64,
    share: f64,
) -> bool {
    if state.is_none() && share < 0.5 {
        return false;
    }
    let detector = state.get_or_insert_with(|| Box::new(new()));
    let is_raised = detector.observe(boot_ns, Some(share)).anomaly.is_some();
    if !is_raised && share < 0.1 {
        *state = None;
    }
    is_raised
}

/// Who takes the CPUs that somebody waits for.
fn hogs(waiting: ProcessId, sight: Sight<'_>) -> String {
    let mut others: Vec<_> = sight
        .snapshot
        .processes()
        .filter(|view| view.process.id != waiting)
        .filter_map(|view| Some((view.cpu_pct()?, view)))
        .filter(|(pct, _)| *pct >= 5.0)
        .collect();
    others.sort_by(|one, other| other.0.total_cmp(&one.0));
    let names: Vec<_> = others
        .iter()
        .take(3)
        .map(|(pct, view)| {
            let (comm, pid) = (&view.process.facts.comm, view.process.id.pid);
            format!("{comm} ({pid}) with {pct:.0} %")
        })
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; most CPU is taken by {}", names.join(", "))
    }
}

fn of_process(id: ProcessId, figure: impl Into<Option<Figure>>, words: String) -> Match {
    Match {
        subject: Subject::Process(id),
        culprit: Some(id),
        figure: figure.into(),
        words: Some(words),
    }
}

fn figure(name: &str, value: f64, limit: Option<f64>, until: Option<TimeUntil>) -> Figure {
    Figure {
        name: name.to_owned(),
        value,
        baseline: None,
        limit,
        time_until_ns: until.map(|until| nanoseconds(until.seconds)),
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    // Saturates: longer than any host runs.
    (seconds * 1e9) as u64
}

fn bytes(value: f64) -> String {
    format_bytes(value.round() as u64)
}

fn count(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// That something grows, and when there is no more of it.
fn words(what: &str, per_second: &str, limit: Option<String>, until: Option<TimeUntil>) -> String {
    let mut text = format!("grows by {per_second} a second of {what} and gives nothing back");
    if let (Some(limit), Some(until)) = (limit, until) {
        let soonest = format_nanoseconds(nanoseconds(until.soonest_seconds));
        let latest = until.latest_seconds.map_or_else(
            || "never".to_owned(),
            |seconds| format_nanoseconds(nanoseconds(seconds)),
        );
        let expected = format_nanoseconds(nanoseconds(until.seconds));
        text += &format!(
            "; its limit of {limit} is reached in {expected} (from {soonest} to {latest})"
        );
    }
    text
}
