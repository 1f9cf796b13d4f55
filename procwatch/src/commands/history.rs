//! `procwatch history`: the usual questions about a recording.

mod forecast;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use hashbrown::HashMap;

use self::forecast::forecast;
use super::{query, window};
use crate::{
    cli::{
        answer::{Side, Writer},
        args::{
            AnswerFormat, AroundArgs, CompareArgs, CurveArgs, HistoryArgs, HistoryTopArgs,
            Question, WindowArgs,
        },
        chart,
        json::rfc3339,
        notice::notice,
        terminal::Terminal,
    },
    config::Config,
    confine::Confinement,
    history::{
        History, Life,
        sql::{Answer, Control, Here, Listener as _},
    },
    model::{
        escape::terminal,
        facts::Facts,
        field::Field,
        series::{Added, levels, rates},
        shown::{how_it_ended, measured, percent},
        totals::Counter,
        units::Unit,
    },
};

/// Births and deaths around a time that are listed.
const LIVES_MAX: usize = 2_000;
const CHART_HEIGHT: usize = 12;
/// Of the figures at a chart's side.
const LABEL_WIDTH: usize = 9;
/// Without a terminal's width to go by.
const VALUES: usize = 120;

type Out = Writer<io::BufWriter<io::Stdout>>;

pub(super) fn run(args: &HistoryArgs, config: &Config, confinement: Confinement) -> super::Result {
    let (history, bounds) = query::open(&query::path(&args.db, config))?;
    let _confined = confinement.collecting().showing();
    let mut asked = Asked {
        history,
        bounds,
        here: query::here(),
        terminal: Terminal::of_stdout(),
    };
    let question = args.question.clone();
    query::interruptible(&Control::default(), move || {
        match &question {
            Question::Top(args) => asked.top(args),
            Question::Curve(args) => asked.curve(args),
            Question::Around(args) => asked.around(args),
            Question::Compare(args) => asked.compare(args),
            Question::Forecast(args) => forecast(&asked.history, args, asked.terminal),
        }?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A recording, and who asks when.
struct Asked {
    history: History,
    bounds: (u64, u64),
    here: Here,
    terminal: Terminal,
}

impl Asked {
    fn moment(&self, flag: &str, text: &str) -> super::Result<u64> {
        window::moment(flag, text, &self.here)
    }

    fn window(&self, args: &WindowArgs) -> super::Result<(u64, u64)> {
        window::window(args, self.bounds, &self.here)
    }

    fn writer(&self, format: AnswerFormat) -> Out {
        let out = io::BufWriter::with_capacity(64 * 1024, io::stdout());
        Writer::new(out, format, self.terminal)
    }

    fn top(&mut self, args: &HistoryTopArgs) -> super::Result<()> {
        let (from_ns, to_ns) = self.window(&args.window)?;
        let (name, unit, ranked) = match counter_of(args.by) {
            Some(counter) => (
                counter.name(),
                Field::Total(counter).unit(),
                self.history.top(from_ns, to_ns, counter, args.limit)?,
            ),
            None => (
                args.by.name(),
                args.by.unit(),
                self.history
                    .highest(from_ns, to_ns, args.by, args.limit)?
                    .with_context(|| no_figure(args.by))?,
            ),
        };
        let mut out = self.writer(args.format);
        let names = ["process", "pid", "user", name, "command"];
        let mut rows = Rows::begin(&mut out, args.format, &names)?;
        for one in &ranked {
            rows.row(&[
                Cell::Number(one.key),
                Cell::Number(one.id.pid.into()),
                Cell::optional(one.facts.user.as_deref()),
                Cell::Figure(unit, one.value),
                Cell::Text(command_line(&one.facts)),
            ])?;
        }
        Ok(out.finish()?)
    }

    fn curve(&mut self, args: &CurveArgs) -> super::Result<()> {
        let (from_ns, to_ns) = self.window(&args.window)?;
        let life = match args.pid {
            None => None,
            Some(pid) => Some(self.history.holder(pid, from_ns, to_ns)?.with_context(|| {
                format!("no process had pid {pid} then; `procwatch history top` names some")
            })?),
        };
        let is_chart = args.format == AnswerFormat::Table;
        let steps = if is_chart {
            chart::values_of(self.terminal.width, LABEL_WIDTH)
        } else {
            VALUES
        };
        let mut values: Vec<Option<f64>> = match (counter_of(args.by), &life) {
            (Some(counter), life) => {
                let key = life.as_ref().map(|life| life.key);
                let curve = self
                    .history
                    .curve(key, counter, from_ns, to_ns, steps as u64)?;
                let points: Vec<_> = curve.iter().map(Added::from).collect();
                let rates = rates(&points, from_ns, to_ns, steps);
                let scale = if args.by == Field::CpuPct { 1e-7 } else { 1.0 };
                rates.into_iter().map(|rate| Some(rate * scale)).collect()
            }
            (None, Some(life)) => {
                let told = self.history.course(life.key, from_ns, to_ns, args.by)?;
                levels(
                    &told.with_context(|| no_figure(args.by))?,
                    from_ns,
                    to_ns,
                    steps,
                )
            }
            (None, None) => bail!(
                "{} of all processes together is no figure; name one with --pid",
                args.by.name()
            ),
        };
        // Before and after the recording, and before and after a life, there is nothing.
        let begin_ns = life.as_ref().map_or(0, |life| life.started_ns);
        let end_ns = life.as_ref().and_then(|life| life.ended_ns);
        let begin_ns = begin_ns.max(self.bounds.0);
        let end_ns = end_ns.unwrap_or(u64::MAX).min(self.bounds.1);
        let times = Steps {
            from_ns,
            to_ns,
            steps,
        };
        for (step, value) in values.iter_mut().enumerate() {
            if times.end(step) < begin_ns || times.begin(step) > end_ns {
                *value = None;
            }
        }
        if values.iter().all(Option::is_none) {
            bail!("{} is not known of it then", args.by.name());
        }
        if !is_chart {
            let mut out = self.writer(args.format);
            let mut rows = Rows::begin(&mut out, args.format, &["time", per_second(args.by)])?;
            for (step, value) in values.iter().enumerate() {
                rows.row(&[
                    Cell::Text(rfc3339(times.end(step))),
                    value.map_or(Cell::Unknown, Cell::Real),
                ])?;
            }
            return Ok(out.finish()?);
        }
        let of = life.as_ref().map_or_else(
            || "all processes".to_owned(),
            |life| {
                let command = command_line(&life.process.facts);
                format!("{} {}", life.process.id.pid, terminal(&command))
            },
        );
        let unit = args.by.unit();
        let label = |value: f64| match unit {
            Unit::Percent => format!("{}%", percent(value)),
            _ => measured(unit, value.round() as u64),
        };
        let drawn = chart::draw(
            &values,
            CHART_HEIGHT,
            LABEL_WIDTH,
            label,
            (&seconds(from_ns), &seconds(to_ns)),
        );
        let text = format!("{} of {of}\n{drawn}", per_second(args.by));
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    }

    fn around(&mut self, args: &AroundArgs) -> super::Result<()> {
        let at_ns = self.moment("--at", &args.at)?;
        let span_ns = u64::try_from(args.span.as_nanos()).unwrap_or(u64::MAX);
        let (from_ns, to_ns) = (at_ns.saturating_sub(span_ns), at_ns.saturating_add(span_ns));
        let window = WindowArgs {
            from: None,
            to: None,
        };
        let recorded = self.window(&window)?;
        if to_ns < recorded.0 || from_ns > recorded.1 {
            bail!(
                "nothing was recorded around {}; the recording goes from {} to {}",
                rfc3339(at_ns),
                rfc3339(recorded.0),
                rfc3339(recorded.1)
            );
        }
        let lives = self.history.births_and_deaths(from_ns, to_ns, LIVES_MAX)?;
        let is_full = lives.len() == LIVES_MAX;
        let mut happened: Vec<(u64, bool, &Life)> = Vec::new();
        for life in &lives {
            if (from_ns..=to_ns).contains(&life.started_ns) {
                happened.push((life.started_ns, false, life));
            }
            if let Some(ended_ns) = life.ended_ns.filter(|end| (from_ns..=to_ns).contains(end)) {
                happened.push((ended_ns, true, life));
            }
        }
        happened.sort_by_key(|(time_ns, is_end, life)| (*time_ns, *is_end, life.key));
        let mut out = self.writer(args.format);
        let names = [
            "time",
            "what",
            "process",
            "pid",
            "ppid",
            "user",
            "how",
            "lifetime_ns",
            "cpu_time_ns",
            "command",
        ];
        let mut rows = Rows::begin(&mut out, args.format, &names)?;
        for (time_ns, is_end, life) in happened {
            let process = &life.process;
            let ending = process.state.ending().filter(|_| is_end);
            let cpu = process.totals.get(Counter::CpuTime).filter(|_| is_end);
            let lifetime_ns = time_ns.saturating_sub(life.started_ns);
            let figure = |value| Cell::Figure(Unit::Nanoseconds, value);
            rows.row(&[
                Cell::Text(rfc3339(time_ns)),
                Cell::Text(if is_end { "ended" } else { "started" }.to_owned()),
                Cell::Number(life.key),
                Cell::Number(process.id.pid.into()),
                process
                    .parent
                    .map_or(Cell::Unknown, |parent| Cell::Number(parent.pid.into())),
                Cell::optional(process.facts.user.as_deref()),
                ending.map_or(Cell::Unknown, |ending| Cell::Text(how_it_ended(ending))),
                ending.map_or(Cell::Unknown, |_| figure(lifetime_ns)),
                cpu.map_or(Cell::Unknown, figure),
                Cell::Text(command_line(&process.facts)),
            ])?;
        }
        out.finish()?;
        if is_full {
            notice(format_args!(
                "only the first {LIVES_MAX} processes are listed; ask for less with a shorter --span"
            ));
        }
        Ok(())
    }

    fn compare(&mut self, args: &CompareArgs) -> super::Result<()> {
        let (from_ns, to_ns) = self.window(&args.window)?;
        let length_ns = to_ns - from_ns;
        let other_from_ns = match &args.with {
            Some(text) => self.moment("--with", text)?,
            None => from_ns.saturating_sub(length_ns),
        };
        let other_to_ns = other_from_ns.saturating_add(length_ns);
        if other_to_ns <= self.bounds.0 || other_from_ns >= self.bounds.1 {
            bail!(
                "nothing was recorded from {} to {}, which is what to compare with; name another time by --with, \
                 or a window by --from and --to: the recording goes from {} to {}",
                rfc3339(other_from_ns),
                rfc3339(other_to_ns),
                rfc3339(self.bounds.0),
                rfc3339(self.bounds.1)
            );
        }
        let counter = counter_of(args.by).with_context(|| {
            format!(
                "{} is no total; compare one, such as cpu_time_ns or read_bytes",
                args.by.name()
            )
        })?;
        let now = self.history.sums_by_comm(from_ns, to_ns, counter)?;
        let before = self
            .history
            .sums_by_comm(other_from_ns, other_to_ns, counter)?;
        let mut sums: HashMap<&str, (u64, u64)> = HashMap::new();
        for (comm, sum) in &before {
            sums.entry(comm).or_default().0 = *sum;
        }
        for (comm, sum) in &now {
            sums.entry(comm).or_default().1 = *sum;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(comm, (before, now))| (std::cmp::Reverse(before.abs_diff(*now)), *comm));
        sums.truncate(args.limit);
        let mut out = self.writer(args.format);
        let total = counter.name();
        let (before_name, change_name) = (format!("{total}_before"), format!("{total}_change"));
        let names = ["comm", before_name.as_str(), total, &change_name];
        let mut rows = Rows::begin(&mut out, args.format, &names)?;
        let unit = Field::Total(counter).unit();
        for (comm, (before, now)) in sums {
            rows.row(&[
                Cell::Text(comm.to_owned()),
                Cell::Figure(unit, before),
                Cell::Figure(unit, now),
                Cell::Change(unit, before, now),
            ])?;
        }
        Ok(out.finish()?)
    }
}

/// The total that a field is of. `None` of what is no total, and no rate of one.
fn counter_of(field: Field) -> Option<Counter> {
    match field {
        Field::Total(counter) | Field::Rate(counter) => Some(counter),
        Field::CpuPct => Some(Counter::CpuTime),
        _ => None,
    }
}

fn no_figure(field: Field) -> String {
    format!(
        "{} is no figure; ask for one, such as cpu_time_ns, rss_bytes or read_bytes",
        field.name()
    )
}

/// What a curve of a field is called: of a total it is the rate.
fn per_second(field: Field) -> &'static str {
    match field {
        Field::Total(counter) | Field::Rate(counter) => counter.rate_name(),
        other => other.name(),
    }
}

fn command_line(facts: &Facts) -> String {
    facts.command_line()
}

/// A moment without its fraction.
fn seconds(time_ns: u64) -> String {
    rfc3339(time_ns - time_ns % 1_000_000_000).replace(".000000000", "")
}

/// The equal parts of a window.
struct Steps {
    from_ns: u64,
    to_ns: u64,
    steps: usize,
}

impl Steps {
    fn begin(&self, step: usize) -> u64 {
        let span_ns = u128::from(self.to_ns - self.from_ns);
        let passed_ns = span_ns * step as u128 / self.steps.max(1) as u128;
        self.from_ns + u64::try_from(passed_ns).unwrap_or(0)
    }

    fn end(&self, step: usize) -> u64 {
        self.begin(step + 1)
    }
}

/// What stands in a row: unrounded for programs, short for people.
enum Cell {
    Unknown,
    Number(u64),
    Real(f64),
    Figure(Unit, u64),
    /// From what to what.
    Change(Unit, u64, u64),
    Text(String),
}

impl Cell {
    fn optional(text: Option<&str>) -> Self {
        text.map_or(Self::Unknown, |text| Self::Text(text.to_owned()))
    }

    fn shown(&self) -> (String, Side) {
        let text = match self {
            Self::Text(text) => return (terminal(text).into_owned(), Side::Left),
            Self::Unknown => "-".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Real(number) => format!("{number:.3}"),
            Self::Figure(unit, number) => measured(*unit, *number),
            Self::Change(unit, before, now) => {
                let sign = if now < before { "-" } else { "+" };
                format!("{sign}{}", measured(*unit, now.abs_diff(*before)))
            }
        };
        (text, Side::Right)
    }

    fn answer(&self) -> Answer<'_> {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match self {
            Self::Unknown => Answer::Null,
            Self::Number(number) | Self::Figure(_, number) => Answer::Integer(signed(*number)),
            Self::Real(number) => Answer::Real(*number),
            Self::Change(_, before, now) => Answer::Integer(signed(*now) - signed(*before)),
            Self::Text(text) => Answer::Text(text),
        }
    }
}

struct Rows<'a> {
    out: &'a mut Out,
    format: AnswerFormat,
}

impl<'a> Rows<'a> {
    fn begin(out: &'a mut Out, format: AnswerFormat, names: &[&str]) -> io::Result<Self> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        out.columns(&names)?;
        Ok(Self { out, format })
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        if self.format == AnswerFormat::Table {
            return self.out.line(cells.iter().map(Cell::shown).collect());
        }
        let answers: Vec<_> = cells.iter().map(Cell::answer).collect();
        self.out.row(&answers)
    }
}
