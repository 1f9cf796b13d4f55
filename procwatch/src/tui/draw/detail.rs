//! Everything about one process: who it is, what it cost over time, and what it has open.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::{
    connections, events,
    text::{Words, curve, put_line},
};
use crate::{
    model::{
        escape::{fit, terminal},
        identity::ProcessId,
        shown::{how_it_ended, percent},
        snapshot::ProcessView,
        totals::Counter,
        units::{format_bytes, format_cpu_time, format_nanoseconds},
    },
    tui::{
        data::{Data, Told},
        scene::Scene,
        state::{State, Tab},
        theme::Meaning,
    },
};

/// Of the body: identity, curves, and the names of the tabs.
pub const LINES_ABOVE: usize = 14;
/// Ancestors that are named.
const ANCESTORS_MAX: usize = 6;

struct Figure {
    label: &'static str,
    now: fn(&ProcessView<'_>) -> Option<f64>,
    text: fn(f64) -> String,
    /// The curve reaches its top at no less than this.
    least: f64,
    total: fn(&ProcessView<'_>) -> Option<String>,
}

fn bytes_per_second(rate: f64) -> String {
    format!("{}/s", format_bytes(rate.round() as u64))
}

fn total(view: &ProcessView<'_>, counter: Counter) -> Option<String> {
    view.process.totals.get(counter).map(format_bytes)
}

const FIGURES: &[Figure] = &[
    Figure {
        label: "CPU",
        now: |view| view.cpu_pct(),
        text: |pct| format!("{}%", percent(pct)),
        least: 100.0,
        total: |view| {
            view.process
                .totals
                .get(Counter::CpuTime)
                .map(format_cpu_time)
        },
    },
    Figure {
        label: "waiting",
        now: |view| Some(view.rate(Counter::RunQueueWait)? / 1e7),
        text: |pct| format!("{}%", percent(pct)),
        least: 100.0,
        total: |view| {
            view.process
                .totals
                .get(Counter::RunQueueWait)
                .map(format_nanoseconds)
        },
    },
    Figure {
        label: "RSS",
        now: |view| view.process.rss_bytes.map(|bytes| bytes as f64),
        text: |bytes| format_bytes(bytes as u64),
        least: 1.0,
        total: |view| {
            let peak = view.process.peak_rss_bytes.map(format_bytes)?;
            Some(format!("peak {peak}"))
        },
    },
    Figure {
        label: "read",
        now: |view| view.rate(Counter::Read),
        text: bytes_per_second,
        least: 4096.0,
        total: |view| total(view, Counter::Read),
    },
    Figure {
        label: "written",
        now: |view| view.rate(Counter::Write),
        text: bytes_per_second,
        least: 4096.0,
        total: |view| total(view, Counter::Write),
    },
    Figure {
        label: "sent",
        now: |view| view.rate(Counter::NetSent),
        text: bytes_per_second,
        least: 4096.0,
        total: |view| total(view, Counter::NetSent),
    },
    Figure {
        label: "received",
        now: |view| view.rate(Counter::NetReceived),
        text: bytes_per_second,
        least: 4096.0,
        total: |view| total(view, Counter::NetReceived),
    },
];

pub fn count(data: &Data, scene: &Scene<'_>, id: ProcessId, tab: Tab) -> usize {
    let seen = &data.inspection;
    match tab {
        Tab::Threads => seen.threads.len(),
        Tab::Files => seen.files.len(),
        Tab::Limits => seen.limits.len(),
        Tab::Environment => seen.environment.as_ref().map_or(1, Vec::len),
        Tab::Connections => own_connections(data, id).len(),
        Tab::Events => own_events(data, id, scene).count(),
    }
}

fn own_connections(data: &Data, id: ProcessId) -> Vec<&crate::model::connection::Connection> {
    let mut listed = connections::listed(data);
    listed.retain(|one| one.owner == Some(id));
    listed
}

fn own_events<'a>(
    data: &'a Data,
    id: ProcessId,
    scene: &Scene<'_>,
) -> impl Iterator<Item = &'a Told> {
    let end_ns = scene.snapshot.sample.boot_time_ns;
    data.events.iter().filter(move |told| {
        let is_its = told.event.id == id || told.event.parent == Some(id);
        is_its && told.event.time_ns.is_none_or(|time| time <= end_ns)
    })
}

pub fn draw(
    buffer: &mut Buffer,
    area: Rect,
    state: &State,
    data: &Data,
    scene: &Scene<'_>,
    (id, tab): (ProcessId, Tab),
) {
    let Some(view) = data.timeline.last_of(id, scene.position) else {
        let gone = format!("{} is not in this sample, nor in those before it", id.pid);
        put_line(
            buffer,
            area,
            0,
            &Words::new(state.theme).add(Meaning::Warning, gone).line(),
        );
        return;
    };
    let width = usize::from(area.width);
    let mut lines = identity(state, data, scene, &view, width);
    lines.extend(curves(state, data, scene, id, &view, width));
    lines.truncate(LINES_ABOVE - 1);
    lines.resize_with(LINES_ABOVE - 1, Line::default);
    lines.push(tabs(state, data, tab));
    for (at, line) in lines.iter().enumerate() {
        put_line(buffer, area, at as u16, line);
    }
    let above = (LINES_ABOVE as u16).min(area.height);
    let below = Rect {
        y: area.y + above,
        height: area.height - above,
        ..area
    };
    if tab == Tab::Connections {
        let own = own_connections(data, id);
        connections::rows(buffer, below, state, data, scene, &own);
        return;
    }
    let listed = listed(state, data, scene, (id, tab), width);
    let shown = listed
        .iter()
        .skip(state.cursor.offset)
        .take(below.height.into());
    for (at, line) in shown.enumerate() {
        put_line(buffer, below, at as u16, line);
    }
}

fn identity(
    state: &State,
    data: &Data,
    scene: &Scene<'_>,
    view: &ProcessView<'_>,
    width: usize,
) -> Vec<Line<'static>> {
    let process = view.process;
    let facts = &process.facts;
    let words = || Words::new(state.theme);
    let fact = |words: Words, label: &str, value: &str| {
        words
            .add(Meaning::Faint, format!("{label} "))
            .add(Meaning::Text, format!("{}  ", terminal(value)))
    };
    let mut first = words()
        .add(
            Meaning::Heading,
            format!("{} {}  ", process.id.pid, terminal(&facts.comm)),
        )
        .add(Meaning::Text, process.state.name().to_owned());
    if let Some(ending) = process.state.ending() {
        first.push(Meaning::Warning, format!(" ({})", how_it_ended(ending)));
    }
    let age_ns = scene
        .snapshot
        .sample
        .boot_time_ns
        .saturating_sub(process.id.start_time_ns);
    first.push(
        Meaning::Faint,
        format!("  for {}", format_nanoseconds(age_ns)),
    );
    first.push(
        Meaning::Faint,
        format!(
            "  threads {}",
            process
                .threads
                .map_or_else(|| "-".to_owned(), |count| count.to_string())
        ),
    );
    let seen = Some(&data.inspection).filter(|seen| seen.id == Some(process.id));
    if let Some(nice) = seen.and_then(|seen| seen.nice) {
        first.push(Meaning::Faint, format!("  nice {nice}"));
    }
    if let Some(score) = seen
        .and_then(|seen| seen.oom_score_adj)
        .filter(|score| *score != 0)
    {
        first.push(Meaning::Faint, format!("  oom_score_adj {score}"));
    }
    let command = terminal(&facts.command_line()).into_owned();
    let uid = facts.uid.map(|uid| uid.to_string());
    let user = facts
        .user
        .as_deref()
        .map(str::to_owned)
        .or(uid)
        .unwrap_or_default();
    let mut who = fact(words(), "user", &user);
    who = fact(who, "exe", facts.exe.as_deref().unwrap_or("-"));
    if let Some(directory) = seen.and_then(|seen| seen.working_directory.as_deref()) {
        who = fact(who, "in", directory);
    }
    let mut group = fact(words(), "cgroup", facts.cgroup.as_deref().unwrap_or("-"));
    if let Some(container) = &facts.container {
        group = fact(group, "container", container);
    }
    vec![
        first.line(),
        words().add(Meaning::Text, fit(&command, width)).line(),
        who.line(),
        group.line(),
        ancestry(state, scene, view),
    ]
}

/// From the process upwards.
fn ancestry(state: &State, scene: &Scene<'_>, view: &ProcessView<'_>) -> Line<'static> {
    let mut words = Words::new(state.theme).add(Meaning::Faint, "child of ");
    let mut next = view.process.parent;
    for step in 0..ANCESTORS_MAX {
        let Some(id) = next else {
            if step == 0 {
                words.push(Meaning::Faint, "nobody");
            }
            break;
        };
        if step > 0 {
            words.push(Meaning::Faint, " < ");
        }
        words.push(Meaning::Text, id.pid.to_string());
        next = None;
        if let Some(parent) = scene.snapshot.process(id) {
            let comm = terminal(&parent.process.facts.comm).into_owned();
            words.push(Meaning::Name, format!(" {comm}"));
            next = parent.process.parent;
        }
    }
    words.line()
}

fn curves(
    state: &State,
    data: &Data,
    scene: &Scene<'_>,
    id: ProcessId,
    view: &ProcessView<'_>,
    width: usize,
) -> Vec<Line<'static>> {
    /// Label, figure and total.
    const BESIDE: usize = 44;
    let room = width.saturating_sub(BESIDE).clamp(8, 120);
    FIGURES
        .iter()
        .map(|figure| {
            let line = data.timeline.line_of(id, scene.position, room, figure.now);
            let highest = line.iter().flatten().copied().fold(figure.least, f64::max);
            let is_here = scene.snapshot.process(id).is_some();
            let now = (figure.now)(view).filter(|_| is_here);
            let now = now.map_or_else(|| "-".to_owned(), figure.text);
            let total = (figure.total)(view).unwrap_or_else(|| "-".to_owned());
            Words::new(state.theme)
                .add(Meaning::Faint, format!("{:<9}", figure.label))
                .add(Meaning::Text, format!("{now:>10} "))
                .add(Meaning::Calm, curve(&line, highest, room))
                .add(Meaning::Faint, format!("  {total}"))
                .line()
        })
        .collect()
}

fn tabs(state: &State, data: &Data, shown: Tab) -> Line<'static> {
    let mut words = Words::new(state.theme).add(Meaning::Key, "Tab ");
    for tab in Tab::ALL {
        let meaning = if tab == shown {
            Meaning::Chosen
        } else {
            Meaning::Faint
        };
        words.push(meaning, tab.title());
        words.push(Meaning::Text, "  ");
    }
    if let Some(missing) = &data.inspection.missing {
        words.push(Meaning::Warning, terminal(missing).into_owned());
    }
    words.line()
}

fn listed(
    state: &State,
    data: &Data,
    scene: &Scene<'_>,
    (id, tab): (ProcessId, Tab),
    width: usize,
) -> Vec<Line<'static>> {
    let seen = &data.inspection;
    let plain = |text: String| Words::new(state.theme).add(Meaning::Text, text).line();
    let faint = |text: &str| vec![Words::new(state.theme).add(Meaning::Faint, text).line()];
    if seen.id != Some(id) && tab != Tab::Events {
        return faint("looking…");
    }
    match tab {
        Tab::Threads => seen
            .threads
            .iter()
            .map(|thread| {
                let name = terminal(&thread.comm);
                let cpu = format_cpu_time(thread.cpu_time_ns);
                plain(format!(
                    "{:>8} {} {cpu:>10} {name}",
                    thread.tid, thread.state
                ))
            })
            .collect(),
        Tab::Files => {
            let mut lines: Vec<_> = seen
                .files
                .iter()
                .map(|file| plain(format!("{:>6} {}", file.descriptor, terminal(&file.target))))
                .collect();
            if seen.files_open > seen.files.len() {
                let more = seen.files_open - seen.files.len();
                lines.extend(faint(&format!("and {more} more")));
            }
            lines
        }
        Tab::Limits => seen
            .limits
            .iter()
            .map(|(name, soft, hard)| plain(format!("{name:<20} {soft:>22} {hard:>22}")))
            .collect(),
        Tab::Environment => match &seen.environment {
            Some(variables) => variables
                .iter()
                .map(|variable| plain(fit(&terminal(variable), width)))
                .collect(),
            None if data.recorder.is_some() => faint("a recorder tells it to root alone"),
            None => faint("looking…"),
        },
        Tab::Events => own_events(data, id, scene)
            .map(|told| events::row(state, data, told, width))
            .collect(),
        Tab::Connections => Vec::new(),
    }
}
