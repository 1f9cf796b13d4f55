//! What is watched of a program, across restarts: what it usually costs, that it is there, and what it does.

use serde::{Deserialize, Serialize};

use super::{
    super::describe::{STORAGE_RATE, storage_rate},
    Found, Match, Sight,
};
use crate::{
    detect::{
        Why,
        absence::Absence,
        baseline::Baseline,
        changepoint::ChangePoint,
        forecast::{Ahead, Forecast},
        novelty::Novelty,
        storm::RestartLoop,
    },
    model::{
        alert::{Figure, Subject},
        connection::Connection,
        field::Field,
        identity::ProcessId,
        rule::Detector,
        sample::ProcessSample,
        shown::how_it_ended,
        sums::Sum,
        units::{format_bytes, format_nanoseconds},
    },
};

/// Percent of one core that is never a spike, nor another level.
const CPU_LEAST: f64 = 25.0;
const CPU_LEVEL_LEAST: f64 = 15.0;
/// Bytes a second, as above.
const IO_LEAST: f64 = 32.0 * 1_048_576.0;
/// Who fails sooner was asked something, and said no: it takes longer to start anything that serves.
const FAILURE_LEAST_NS: u64 = 5_000_000;
/// Command lines of one program whose ends are counted.
const TRIED_MAX: usize = 8;
/// The quantile of a normal that leaves a tenth on each side.
const FOUR_OF_FIVE: f64 = 1.2816;
/// Of one point of a level.
const LEVEL_WIDTH_NS: u64 = 10_000_000_000;

/// One program. About 2 KB, and twice that once it is known for a day.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    cpu: Baseline,
    io: Baseline,
    level: ChangePoint,
    /// Where its CPU, in percent of one core, and its memory are going.
    cpu_ahead: Forecast,
    memory_ahead: Forecast,
    presence: Absence,
    /// By command line and parent, the latest last.
    restarts: Vec<(u64, RestartLoop)>,
    deeds: Novelty,
    /// When it was there last, nanoseconds since the epoch.
    pub(super) seen_ns: u64,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            cpu: Baseline::new(CPU_LEAST),
            io: Baseline::new(IO_LEAST),
            level: ChangePoint::new(CPU_LEVEL_LEAST, LEVEL_WIDTH_NS),
            cpu_ahead: Forecast::default(),
            memory_ahead: Forecast::default(),
            presence: Absence::default(),
            restarts: Vec::new(),
            deeds: Novelty::default(),
            seen_ns: 0,
        }
    }
}

impl Program {
    pub(super) fn observe(&mut self, name: &str, sum: &Sum, sight: Sight<'_>, found: &mut Found) {
        let view = sum.view();
        let (wall_ns, busiest) = (sight.wall_ns, sum.busiest);
        self.seen_ns = wall_ns;
        self.presence.observe(wall_ns, sum.processes > 0);
        let of = |field: Field, why: Why, words: String| {
            of_program(name, Some(busiest), figure(field.name(), why), words)
        };
        let cpu_pct = view.cpu_pct();
        let usual = self.cpu.usual(wall_ns);
        let verdict = self.cpu.observe(wall_ns, cpu_pct);
        if verdict.anomaly.is_some() {
            let words = format!(
                "takes {:.0} % of a core, where {usual:.0} % is usual",
                cpu_pct.unwrap_or(0.0)
            );
            let mut found_here = of(Field::CpuPct, verdict.why, words);
            set_usual(&mut found_here, usual);
            found.add(Detector::CpuSpike, found_here);
        }
        self.cpu_ahead.observe(wall_ns, cpu_pct);
        let memory = view.process.rss_bytes.map(|bytes| bytes as f64);
        self.memory_ahead.observe(wall_ns, memory);
        // Storage and nothing else: what the network moves goes up and down with its users.
        let moved = storage_rate(&view);
        let usual = self.io.usual(wall_ns);
        let verdict = self.io.observe(wall_ns, moved);
        if verdict.anomaly.is_some() {
            let words = format!(
                "reads and writes {} a second, where {} is usual",
                format_bytes(moved.unwrap_or(0.0) as u64),
                format_bytes(usual as u64)
            );
            let figure = figure(STORAGE_RATE, verdict.why);
            let mut found_here = of_program(name, Some(busiest), figure, words);
            set_usual(&mut found_here, usual);
            found.add(Detector::IoSpike, found_here);
        }
        let verdict = self.level.observe(sight.boot_ns, cpu_pct);
        if let (Some(_), Some(change)) = (verdict.anomaly, self.level.change()) {
            let ago_ns = sight.boot_ns.saturating_sub(change.time_ns);
            let words = format!(
                "has gone from {:.0} % to {:.0} % of a core, {} ago",
                change.before,
                change.after,
                format_nanoseconds(ago_ns)
            );
            let mut found_here = of(Field::CpuPct, verdict.why, words);
            set_usual(&mut found_here, change.before);
            found.add(Detector::LevelShift, found_here);
        }
    }

    /// Its CPU and its memory a time ahead, with the interval that holds four of five.
    pub(super) fn ahead(&self, span_ns: u64) -> (Option<Ahead>, Option<Ahead>) {
        let ahead = |forecast: &Forecast| forecast.ahead(span_ns, FOUR_OF_FIVE);
        (ahead(&self.cpu_ahead), ahead(&self.memory_ahead))
    }

    /// It is not among the programs of the snapshot.
    pub(super) fn is_gone(&mut self, name: &str, sight: Sight<'_>, found: &mut Found) {
        let verdict = self.presence.observe(sight.wall_ns, false);
        if verdict.anomaly.is_some()
            && let Why::Limit { value, .. } = verdict.why
        {
            let gone = format_nanoseconds((value * 1e9) as u64);
            let words = format!("is always there, and has been gone for {gone}");
            found.add(Detector::Absence, of_program(name, None, None, words));
        }
    }

    pub(super) fn ended(
        &mut self,
        name: &str,
        process: &ProcessSample,
        sight: Sight<'_>,
        found: &mut Found,
    ) {
        let Some(ending) = process.state.ending() else {
            return;
        };
        let (Some(end_ns), Some(status)) = (ending.time_ns, ending.status) else {
            return;
        };
        let is_failure = status.exit_code().is_none_or(|code| code != 0);
        let lifetime_ns = end_ns.saturating_sub(process.id.start_time_ns);
        if lifetime_ns < FAILURE_LEAST_NS || process.facts.argv.is_none() {
            return;
        }
        // A script's helpers say no all the time; a loop is the same thing, tried by the same one.
        let parent = process.parent.map_or(0, |parent| parent.pid);
        let tried = hash(
            &parent.to_string(),
            process.facts.argv.as_deref().unwrap_or(""),
        );
        let known = self.restarts.iter().position(|(known, _)| *known == tried);
        let mut restarts = match known {
            Some(at) => self.restarts.remove(at).1,
            None => RestartLoop::default(),
        };
        let verdict = restarts.ended(sight.wall_ns, lifetime_ns, is_failure);
        if self.restarts.len() == TRIED_MAX {
            self.restarts.remove(0);
        }
        self.restarts.push((tried, restarts));
        if verdict.anomaly.is_some() {
            let words = format!(
                "fails and is started again and again; it lived {} the last time, and ended with {}",
                format_nanoseconds(lifetime_ns),
                how_it_ended(ending)
            );
            let figure = figure("restarts", verdict.why);
            let found_here = of_program(name, Some(process.id), figure, words);
            found.add(Detector::RestartLoop, found_here);
        }
    }

    pub(super) fn starts(
        &mut self,
        name: &str,
        id: ProcessId,
        child: &str,
        sight: Sight<'_>,
        found: &mut Found,
    ) {
        let words = format!("started {child}, which it has never done before");
        self.does(name, id, ("start", child), words, sight, found);
    }

    pub(super) fn connects(
        &mut self,
        name: &str,
        id: ProcessId,
        connection: &Connection,
        sight: Sight<'_>,
        found: &mut Found,
    ) {
        let Some(remote) = connection.remote else {
            return;
        };
        let words = format!("connected to {remote}, where it has never been");
        self.does(
            name,
            id,
            ("connect", &remote.to_string()),
            words,
            sight,
            found,
        );
    }

    fn does(
        &mut self,
        name: &str,
        id: ProcessId,
        (kind, what): (&str, &str),
        words: String,
        sight: Sight<'_>,
        found: &mut Found,
    ) {
        let verdict = self.deeds.observe(sight.wall_ns, hash(kind, what));
        if verdict.anomaly.is_some() {
            found.add(Detector::Novelty, of_program(name, Some(id), None, words));
        }
    }
}

/// FNV-1a: the same in every run of the agent, which the standard library's hash is not.
fn hash(kind: &str, what: &str) -> u64 {
    let bytes = kind.bytes().chain([0]).chain(what.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn figure(name: &str, why: Why) -> Option<Figure> {
    let (value, limit) = match why {
        Why::Limit { value, limit } => (value, Some(limit)),
        Why::Expected { value, .. } => (value, None),
        _ => return None,
    };
    Some(Figure {
        name: name.to_owned(),
        value,
        baseline: None,
        limit,
        time_until_ns: None,
    })
}

fn set_usual(found: &mut Match, usual: f64) {
    if let Some(figure) = &mut found.figure {
        figure.baseline = Some(usual);
    }
}

fn of_program(
    name: &str,
    culprit: Option<ProcessId>,
    figure: Option<Figure>,
    words: String,
) -> Match {
    Match {
        subject: Subject::Program(name.to_owned()),
        culprit,
        figure,
        words: Some(words),
    }
}
