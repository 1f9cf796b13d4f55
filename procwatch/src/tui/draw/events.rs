//! What happened, the newest at the end.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::{
    head::clock,
    text::{Words, paint_line, put, put_line},
};
use crate::{
    cli::event_line::what,
    model::{
        escape::{fit, terminal},
        event::EventKind,
        identity::ProcessId,
    },
    tui::{
        data::{Data, Told},
        scene::Scene,
        state::State,
        theme::Meaning,
    },
};

/// Those that had happened by the time that is shown.
fn until<'a>(data: &'a Data, scene: &Scene<'_>) -> impl DoubleEndedIterator<Item = &'a Told> {
    let end_ns = scene.snapshot.sample.boot_time_ns;
    let is_now = data.timeline.newest() == Some(scene.position);
    data.events
        .iter()
        .filter(move |told| is_now || told.event.time_ns.is_none_or(|time| time <= end_ns))
}

pub fn count(data: &Data, scene: &Scene<'_>) -> usize {
    until(data, scene).count()
}

/// Whose the event in a line is.
pub fn whose(data: &Data, scene: &Scene<'_>, line: usize) -> Option<(ProcessId, String)> {
    let event = &until(data, scene).nth(line)?.event;
    let is_known = event.id.pid != 0;
    is_known.then(|| (event.id, terminal(&event.facts.comm).into_owned()))
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, data: &Data, scene: &Scene<'_>) {
    let heading = "TIME         WHAT        PID NAME";
    put(
        buffer,
        area,
        0,
        heading,
        state.theme.style(Meaning::Heading),
    );
    let lines = usize::from(area.height.saturating_sub(1));
    let shown = until(data, scene)
        .enumerate()
        .skip(state.cursor.offset)
        .take(lines);
    let mut is_any = false;
    for (at, (number, told)) in shown.enumerate() {
        is_any = true;
        let line = at as u16 + 1;
        put_line(
            buffer,
            area,
            line,
            &row(state, data, told, area.width.into()),
        );
        if number == state.cursor.line {
            paint_line(buffer, area, line, state.theme.style(Meaning::Cursor));
        }
    }
    if !is_any {
        put(
            buffer,
            area,
            1,
            "nothing yet",
            state.theme.style(Meaning::Faint),
        );
    }
}

/// One event in one line.
pub fn row(state: &State, data: &Data, told: &Told, width: usize) -> Line<'static> {
    let event = &told.event;
    let time = told.wall_ns.map_or_else(
        || "        -   ".to_owned(),
        |ns| format!("{}.{:03}", clock(data, ns), ns / 1_000_000 % 1000),
    );
    let meaning = match &event.kind {
        EventKind::Oom(_) => Meaning::Alarm,
        EventKind::Signal(_) => Meaning::Warning,
        EventKind::Exit(account) => match account.state.ending().and_then(|ending| ending.status) {
            Some(status) if status.exit_code() != Some(0) => Meaning::Warning,
            _ => Meaning::Faint,
        },
        EventKind::Exec => Meaning::Calm,
        _ => Meaning::Text,
    };
    let pid = match event.id.pid {
        0 => "-".to_owned(),
        pid => pid.to_string(),
    };
    let mut words = Words::new(state.theme)
        .add(Meaning::Faint, format!("{time} "))
        .add(meaning, format!("{:<7} ", event.kind.name()))
        .add(Meaning::Text, format!("{pid:>7} "))
        .add(
            Meaning::Name,
            format!("{:<15} ", terminal(&event.facts.comm)),
        );
    let room = width.saturating_sub(words.width());
    words.push(Meaning::Text, fit(&what(event), room));
    words.line()
}
