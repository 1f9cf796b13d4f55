//! `procwatch report`: what happened in a window, on one page.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use hashbrown::HashMap;

use super::{output_file, query, window::window};
use crate::{
    cli::{
        args::{ReportArgs, ReportFormat},
        json::write_json,
        notice::notice,
        page,
        progress::Progress,
        terminal::Terminal,
    },
    config::Config,
    confine::Confinement,
    history::{History, HistoryError, HostPoint, Life, sql::Control},
    model::{
        escape::terminal,
        field::Field,
        sample::Losses,
        series::{Added, rates},
        totals::Counter,
        units::Unit,
    },
    report::{
        Change, Changes, Curve, Gap, Host, Lived, Ranking, Report, User, alarms, changed, ends,
        storms, trees,
    },
};

/// Parts that curves of the host have, and those of a process.
const STEPS: usize = 240;
const STEPS_OF_USER: usize = 60;
const USERS: usize = 10;
const CHANGES: usize = 5;
const TREES: usize = 8;
const STORMS: usize = 12;
const ENDS: usize = 20;
const ALERTS: usize = 50;
/// What is ranked, and by what name.
const RANKED: [(Counter, &str); 8] = [
    (Counter::CpuTime, "CPU time"),
    (Counter::RunQueueWait, "Waiting for a CPU"),
    (Counter::Read, "Read from storage"),
    (Counter::Write, "Written to storage"),
    (Counter::BlockRead, "Read from block devices"),
    (Counter::BlockWrite, "Written to block devices"),
    (Counter::NetSent, "Sent over the network"),
    (Counter::NetReceived, "Received over the network"),
];
/// What is compared with an earlier window.
const COMPARED: [(Counter, &str); 5] = [RANKED[0], RANKED[2], RANKED[3], RANKED[6], RANKED[7]];

pub(super) fn run(args: &ReportArgs, config: &Config, confinement: Confinement) -> super::Result {
    let path = query::path(&args.db, config);
    let format = format(args)?;
    let (history, bounds) = query::open(&path)?;
    let here = query::here();
    let window = window(&args.window, bounds, &here)?;
    // Before rights are given up.
    let file = args
        .output
        .as_deref()
        .map(|path| output_file::open(path, "a report"))
        .transpose()?;
    let _confined = confinement.collecting().showing();
    let output = args.output.clone();
    query::interruptible(&Control::default(), move || {
        let mut gatherer = Gatherer {
            history,
            bounds,
            window,
            progress: Progress::new("reading the recording"),
            done: 0,
        };
        let report = gatherer.report(&path, here.zone.iana_name().unwrap_or("local time"))?;
        drop(gatherer);
        let mut face = Terminal::of_stdout();
        let out: Box<dyn io::Write> = match file {
            Some(file) => {
                // A pipe has nothing to empty.
                if file.metadata().is_ok_and(|file| file.is_file()) {
                    file.set_len(0).context("emptying the file")?;
                }
                face.is_interactive = false;
                Box::new(file)
            }
            None => Box::new(io::stdout()),
        };
        let mut out = io::BufWriter::new(out);
        match format {
            ReportFormat::Html => out.write_all(page::render(&report, &here.zone).as_bytes()),
            ReportFormat::Json => write_json(&mut out, &report).and_then(|()| out.write_all(b"\n")),
            ReportFormat::Csv => page::csv(&mut out, &report, face),
        }
        .and_then(|()| out.flush())
        .context("writing the report")?;
        if let Some(output) = output {
            let shown = output.display().to_string();
            notice(format_args!("the report is in {}", terminal(&shown)));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// As it was asked for, else by the file's ending.
fn format(args: &ReportArgs) -> super::Result<ReportFormat> {
    let ending = args.output.as_deref().and_then(Path::extension);
    let by_ending = match ending.and_then(|ending| ending.to_str()) {
        Some("json") => Some(ReportFormat::Json),
        Some("csv") => Some(ReportFormat::Csv),
        _ => None,
    };
    let format = args.format.or(by_ending).unwrap_or(ReportFormat::Html);
    if format == ReportFormat::Html && args.output.is_none() && io::stdout().is_terminal() {
        bail!("a page is nothing for a terminal; try -o report.html, or --format json");
    }
    Ok(format)
}

/// Looks everything up, part by part.
struct Gatherer {
    history: History,
    bounds: (u64, u64),
    window: (u64, u64),
    progress: Progress,
    done: u64,
}

/// Of the parts below, one a ranking and one each for the others.
const PARTS: u64 = RANKED.len() as u64 + 6;

impl Gatherer {
    fn report(&mut self, path: &Path, zone: &str) -> super::Result<Report> {
        let (from_ns, to_ns) = self.window;
        let mut lives = Vec::new();
        self.history
            .lives_within(from_ns, to_ns, &mut |life| lives.push(lived(&life)))?;
        self.step();
        let points = self.history.hosts(from_ns, to_ns, STEPS as u64)?;
        self.step();
        let mut host = self.host(&points)?;
        let within = |time_ns: u64| time_ns > from_ns && time_ns <= to_ns;
        host.started = lives.iter().filter(|life| within(life.started_ns)).count() as u64;
        let ended = lives
            .iter()
            .filter(|life| life.ended_ns.is_some_and(within));
        host.ended = ended.count() as u64;
        let mut top = Vec::new();
        for (counter, title) in RANKED {
            top.push(self.ranking(counter, title)?);
        }
        top.extend(self.memory()?);
        top.retain(|ranking| !ranking.users.is_empty());
        let changes = self.changes()?;
        let cpu = self.history.sums(from_ns, to_ns, &[Counter::CpuTime])?;
        let cpu: HashMap<u64, u64> = cpu.into_iter().map(|(key, sum)| (key, sum[0])).collect();
        self.step();
        let (loss, sources) = self.trust(&points)?;
        Ok(Report {
            recording: path.display().to_string(),
            from_ns,
            to_ns,
            zone: zone.to_owned(),
            host,
            changes,
            alerts: alarms(self.history.alerts(self.window.0, self.window.1)?, ALERTS),
            top,
            trees: trees(&lives, &cpu, TREES),
            storms: storms(&lives, from_ns, to_ns, STORMS),
            ends: ends(&lives, from_ns, to_ns, ENDS),
            gaps: self.gaps()?,
            loss,
            sources,
        })
    }

    fn step(&mut self) {
        self.done += 1;
        self.progress.tell(self.done, PARTS);
    }

    fn ranking(&mut self, counter: Counter, title: &'static str) -> Result<Ranking, HistoryError> {
        let (from_ns, to_ns) = self.window;
        let sums = self.history.sums(from_ns, to_ns, &[counter])?;
        let total = sums
            .values()
            .fold(0_u64, |all, sum| all.saturating_add(sum[0]));
        let ranked = self.history.top(from_ns, to_ns, counter, USERS)?;
        let keys: Vec<u64> = ranked.iter().map(|one| one.key).collect();
        let points = STEPS_OF_USER as u64;
        let curves = self
            .history
            .curves(&keys, counter, from_ns, to_ns, points)?;
        let users = ranked
            .iter()
            .map(|one| User {
                curve: curves.get(&one.key).map_or_else(Vec::new, |curve| {
                    rates(&added(curve), from_ns, to_ns, STEPS_OF_USER)
                }),
                ..user(&one.facts, one.id, one.value)
            })
            .collect();
        self.step();
        let field = Field::Total(counter);
        Ok(Ranking {
            field: field.name(),
            title,
            unit: field.unit(),
            total: Some(total),
            users,
        })
    }

    fn memory(&mut self) -> Result<Option<Ranking>, HistoryError> {
        let (from_ns, to_ns) = self.window;
        let highest = self.history.highest(from_ns, to_ns, Field::Rss, USERS)?;
        self.step();
        Ok(highest.map(|highest| Ranking {
            field: Field::Rss.name(),
            title: "Resident memory, at its highest",
            unit: Field::Rss.unit(),
            total: None,
            users: highest
                .iter()
                .map(|one| user(&one.facts, one.id, one.value))
                .collect(),
        }))
    }

    /// With the window before this one, as long; where there is none, of this one's first half with its second.
    fn changes(&mut self) -> Result<Option<Changes>, HistoryError> {
        let (from_ns, to_ns) = self.window;
        let length_ns = to_ns - from_ns;
        let has_before = from_ns.saturating_sub(length_ns) >= self.bounds.0;
        let middle_ns = from_ns + length_ns / 2;
        let (before, after) = if has_before {
            ((from_ns - length_ns, from_ns), (from_ns, to_ns))
        } else {
            ((from_ns, middle_ns), (middle_ns, to_ns))
        };
        let mut rows = Vec::new();
        for (counter, title) in COMPARED {
            let earlier = self.history.sums_by_comm(before.0, before.1, counter)?;
            let later = self.history.sums_by_comm(after.0, after.1, counter)?;
            let of =
                |sums: &HashMap<Box<str>, u64>, comm: &str| sums.get(comm).copied().unwrap_or(0);
            let mut names: Vec<&str> = earlier
                .keys()
                .chain(later.keys())
                .map(|comm| &**comm)
                .collect();
            names.sort_unstable();
            names.dedup();
            let sums = names
                .into_iter()
                .map(|comm| (comm, of(&earlier, comm), of(&later, comm)));
            let field = Field::Total(counter);
            rows.extend(
                changed(sums, CHANGES)
                    .into_iter()
                    .map(|(comm, before, after)| Change {
                        field: field.name(),
                        title,
                        unit: field.unit(),
                        comm: comm.to_owned(),
                        before,
                        after,
                    }),
            );
        }
        self.step();
        Ok((!rows.is_empty()).then_some(Changes {
            from_ns: before.0,
            to_ns: before.1,
            is_halves: !has_before,
            rows,
        }))
    }

    fn host(&mut self, points: &[HostPoint]) -> Result<Host, HistoryError> {
        let (from_ns, to_ns) = self.window;
        let last = points.last().map(|point| &point.after.host);
        let cpus = last.and_then(|host| host.cpu).map(|cpu| cpu.cpus);
        let memory_total_bytes = last.and_then(|host| host.memory_total_bytes);
        let busy: Vec<Added> = points
            .iter()
            .filter_map(|point| part(point, busy_ns))
            .collect();
        let recorded: Vec<Added> = points
            .iter()
            .filter_map(|point| part(point, |_| Some(0)))
            .collect();
        let mut curves = vec![
            Curve {
                name: "cpu_busy_pct",
                title: "CPU",
                unit: Unit::Percent,
                most: cpus.map(|cpus| f64::from(cpus) * 100.0),
                values: self.over_window(&busy, &busy, 1e-7),
            },
            Curve {
                name: "memory_used_bytes",
                title: "Memory in use",
                unit: Unit::Bytes,
                most: memory_total_bytes.map(|bytes| bytes as f64),
                values: self.used(points),
            },
        ];
        for (name, title, counter) in [
            (
                "read_bytes_per_sec",
                "Read from storage, per second",
                Counter::Read,
            ),
            (
                "write_bytes_per_sec",
                "Written to storage, per second",
                Counter::Write,
            ),
        ] {
            let curve = self
                .history
                .curve(None, counter, from_ns, to_ns, STEPS as u64)?;
            curves.push(Curve {
                name,
                title,
                unit: Unit::Bytes,
                most: None,
                values: self.over_window(&recorded, &added(&curve), 1.0),
            });
        }
        let ways: [(&str, &str, Moved); 2] = [
            (
                "net_sent_bytes_per_sec",
                "Sent by interfaces, per second",
                |point| interfaces(point, |one| one.sent_bytes),
            ),
            (
                "net_received_bytes_per_sec",
                "Received by interfaces, per second",
                |point| interfaces(point, |one| one.received_bytes),
            ),
        ];
        for (name, title, of) in ways {
            let moved: Vec<Added> = points.iter().filter_map(|point| part(point, of)).collect();
            curves.push(Curve {
                name,
                title,
                unit: Unit::Bytes,
                most: None,
                values: self.over_window(&moved, &moved, 1.0),
            });
        }
        Ok(Host {
            cpus,
            memory_total_bytes,
            cpu_busy_ns: busy.iter().map(|part| part.amount).sum(),
            recorded_ns: points
                .iter()
                .map(|point| point.time_ns - point.since_ns)
                .sum(),
            started: 0,
            ended: 0,
            curves,
        })
    }

    /// Per second, and `None` where there is no figure: `told` says what times there are some of.
    fn over_window(&self, told: &[Added], parts: &[Added], scale: f64) -> Vec<Option<f64>> {
        let (from_ns, to_ns) = self.window;
        let spans: Vec<Added> = told
            .iter()
            .map(|part| Added {
                amount: part.time_ns - part.since_ns,
                ..*part
            })
            .collect();
        // How much of each part is told of, from 0 to 1.
        let known = rates(&spans, from_ns, to_ns, STEPS);
        let values = rates(parts, from_ns, to_ns, STEPS);
        values
            .into_iter()
            .zip(known)
            .map(|(value, known_ns)| {
                let share = known_ns / 1e9;
                (share > 0.05).then(|| value * scale / share)
            })
            .collect()
    }

    fn used(&self, points: &[HostPoint]) -> Vec<Option<f64>> {
        let (from_ns, to_ns) = self.window;
        let step_ns = (to_ns - from_ns).div_ceil(STEPS as u64).max(1);
        let mut values = vec![None; STEPS];
        for point in points {
            let host = &point.after.host;
            let used = host
                .memory_total_bytes
                .zip(host.memory_available_bytes)
                .map(|(total, available)| total.saturating_sub(available) as f64);
            let first = (point.since_ns.saturating_sub(from_ns) / step_ns) as usize;
            let last = (point.time_ns.saturating_sub(from_ns + 1) / step_ns) as usize;
            for value in &mut values[first.min(STEPS - 1)..=last.min(STEPS - 1)] {
                *value = used;
            }
        }
        values
    }

    fn gaps(&self) -> Result<Vec<Gap>, HistoryError> {
        let (from_ns, to_ns) = self.window;
        let gaps = self.history.gaps()?.into_iter();
        Ok(gaps
            .filter(|gap| gap.to_ns > from_ns && gap.from_ns < to_ns)
            .map(|gap| Gap {
                from_ns: gap.from_ns,
                to_ns: gap.to_ns,
                why: gap.why,
            })
            .collect())
    }

    /// What was lost, and where figures came from.
    #[allow(
        clippy::type_complexity,
        reason = "two lists, each named where it is used"
    )]
    fn trust(
        &mut self,
        points: &[HostPoint],
    ) -> Result<(Vec<(&'static str, u64)>, Vec<(&'static str, String)>), HistoryError> {
        let (_, to_ns) = self.window;
        let Some(last) = self.history.snapshot_at(to_ns)? else {
            return Ok((Vec::new(), Vec::new()));
        };
        // From moment to moment, for every recorder counts from nothing.
        let mut loss = Losses::default().entries();
        for point in points {
            let lost = point.after.loss.since(&point.before.loss).entries();
            for ((_, sum), (_, count)) in loss.iter_mut().zip(lost) {
                *sum = sum.saturating_add(count);
            }
        }
        let loss = loss.into_iter().filter(|(_, count)| *count > 0);
        let sources = last
            .sample
            .sources
            .entries()
            .map(|(group, state)| (group, state.to_string()));
        self.step();
        Ok((loss.collect(), sources.to_vec()))
    }
}

/// What the host has moved from one moment to the other.
type Moved = fn(&HostPoint) -> Option<u64>;

fn lived(life: &Life) -> Lived {
    let process = &life.process;
    Lived {
        key: life.key,
        parent: life.parent,
        id: process.id,
        comm: process.facts.comm.clone(),
        started_ns: life.started_ns,
        ended_ns: life.ended_ns,
        cpu_time_ns: process.totals.get(Counter::CpuTime),
        status: process.state.ending().and_then(|ending| ending.status),
    }
}

fn user(
    facts: &crate::model::facts::Facts,
    id: crate::model::identity::ProcessId,
    value: u64,
) -> User {
    User {
        pid: id.pid,
        start_time_ns: id.start_time_ns,
        comm: facts.comm.to_string(),
        command: facts.command_line(),
        user: facts.user.as_deref().map(ToOwned::to_owned),
        container: facts.container.as_deref().map(ToOwned::to_owned),
        value,
        curve: Vec::new(),
    }
}

fn added(curve: &[crate::history::Point]) -> Vec<Added> {
    curve.iter().map(Added::from).collect()
}

fn part(point: &HostPoint, of: Moved) -> Option<Added> {
    Some(Added {
        since_ns: point.since_ns,
        time_ns: point.time_ns,
        amount: of(point)?,
    })
}

/// What the CPUs did from one moment to the other: all the time there was, but for what they were idle or the
/// hypervisor had.
fn busy_ns(point: &HostPoint) -> Option<u64> {
    let (before, after) = (point.before.host.cpu?, point.after.host.cpu?);
    let awake_ns = after.awake_ns.checked_sub(before.awake_ns)?;
    let idle_ns = after.idle_ns.checked_sub(before.idle_ns)?;
    let steal_ns = after.steal_ns.saturating_sub(before.steal_ns);
    let all_ns = awake_ns.saturating_mul(after.cpus.into());
    Some(all_ns.saturating_sub(idle_ns).saturating_sub(steal_ns))
}

fn interfaces(
    point: &HostPoint,
    of: fn(&crate::model::sample::InterfaceSample) -> u64,
) -> Option<u64> {
    // Where none was read, nobody looked.
    if point.before.interfaces.is_empty() || point.after.interfaces.is_empty() {
        return None;
    }
    let sum = |part: &crate::history::frame::HostPart| -> u64 {
        // What goes out on the loopback comes in on it.
        part.interfaces
            .iter()
            .filter(|one| &*one.name != "lo")
            .map(of)
            .sum()
    };
    sum(&point.after).checked_sub(sum(&point.before))
}
