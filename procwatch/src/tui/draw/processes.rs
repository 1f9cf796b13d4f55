//! The table of processes, flat or as a tree.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::text::{Words, paint_line, put_line};
use crate::{
    model::{
        escape::{fit, fit_before, terminal},
        field::Field,
        selection::{Arrangement, Direction},
        shown::{how_it_ended, percent, shown},
        snapshot::ProcessView,
        totals::Counter,
        units::format_bytes,
    },
    tui::{
        columns::{fitting, heading, is_left_aligned},
        scene::{Scene, has_word, is_sorted_by},
        state::State,
        theme::Meaning,
    },
};

/// Sums over all below a process stand before its command line in a tree.
pub const SUMS_WIDTH: usize = 14;

/// The columns that are drawn.
pub fn columns(state: &State, width: u16) -> Vec<Field> {
    let sums = match state.layout.arrangement {
        Arrangement::Tree => SUMS_WIDTH,
        Arrangement::Flat => 0,
    };
    let room = usize::from(width).saturating_sub(sums);
    fitting(&state.layout.columns, state.layout.sort, room)
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, scene: &Scene<'_>) {
    let columns = columns(state, area.width);
    put_line(buffer, area, 0, &headings(state, &columns));
    if scene.rows.is_empty() {
        let none = match &state.filter {
            Some(_) => format!(
                "no process matches {}; Esc shows all",
                terminal(&state.filter_text)
            ),
            None => "no processes".to_owned(),
        };
        put_line(
            buffer,
            area,
            1,
            &Words::new(state.theme).add(Meaning::Faint, none).line(),
        );
        return;
    }
    let lines = usize::from(area.height.saturating_sub(1));
    let shown = scene
        .rows
        .iter()
        .enumerate()
        .skip(state.cursor.offset)
        .take(lines);
    for (at, (number, (depth, view))) in shown.enumerate() {
        let line = at as u16 + 1;
        put_line(
            buffer,
            area,
            line,
            &row(state, scene, &columns, *depth, view, area.width.into()),
        );
        if number == state.cursor.line {
            paint_line(buffer, area, line, state.theme.style(Meaning::Cursor));
        }
    }
}

fn headings(state: &State, columns: &[Field]) -> Line<'static> {
    let mut words = Words::new(state.theme);
    for field in columns {
        let (text, width) = heading(*field);
        let meaning = if is_sorted_by(state, *field) {
            Meaning::Chosen
        } else {
            Meaning::Heading
        };
        let text = if is_left_aligned(*field) {
            format!("{text:<width$}")
        } else {
            format!("{text:>width$}")
        };
        words.push(meaning, text);
        let mark = match state.layout.direction {
            Direction::Reversed if is_sorted_by(state, *field) => "↑",
            _ => " ",
        };
        words.push(Meaning::Heading, mark);
    }
    if state.layout.arrangement == Arrangement::Tree {
        words.push(Meaning::Heading, "ΣCPU%   ΣRSS  ");
    }
    words.push(Meaning::Heading, "COMMAND");
    if state.followed.is_some() {
        words.push(Meaning::Warning, "  following");
    }
    words.line()
}

fn row(
    state: &State,
    scene: &Scene<'_>,
    columns: &[Field],
    depth: usize,
    view: &ProcessView<'_>,
    width: usize,
) -> Line<'static> {
    let is_dead = view.process.state.has_gone();
    let mut words = Words::new(state.theme);
    for field in columns {
        let (_, wide) = heading(*field);
        let text = fit(&shown(*field, view), wide);
        let meaning = if is_dead {
            Meaning::Faint
        } else {
            meaning(*field, view)
        };
        let text = if is_left_aligned(*field) {
            format!("{text:<wide$} ")
        } else {
            format!("{text:>wide$} ")
        };
        words.push(meaning, text);
    }
    if state.layout.arrangement == Arrangement::Tree {
        let sum = scene
            .sums
            .get(&view.process.id)
            .copied()
            .unwrap_or_default();
        let (cpu, rss) = if sum.processes > 1 {
            (percent(sum.cpu_pct), format_bytes(sum.rss_bytes))
        } else {
            (String::new(), String::new())
        };
        words.push(Meaning::Faint, format!("{cpu:>5} {rss:>6}  "));
        words.push(Meaning::Faint, "  ".repeat(depth.min(40)));
    }
    let room = width.saturating_sub(words.width());
    let ending = view.process.state.ending().map_or(String::new(), |ending| {
        let zombie = if is_dead { "" } else { "zombie, " };
        format!(" ({zombie}{})", how_it_ended(ending))
    });
    let command = view.process.facts.command_line();
    let command = fit_before(&terminal(&command), &ending, room);
    let matches = !state.search.is_empty() && has_word(view, &state.search.to_lowercase());
    let meaning = match (is_dead, matches) {
        (true, _) => Meaning::Faint,
        (false, true) => Meaning::Match,
        (false, false) if view.process.facts.is_kernel_thread => Meaning::Faint,
        (false, false) => Meaning::Text,
    };
    words.push(meaning, command);
    words.line()
}

/// What stands out: what is busy, what waits, what cannot go on.
fn meaning(field: Field, view: &ProcessView<'_>) -> Meaning {
    use crate::model::sample::State as ProcessState;
    let rate = |counter| view.rate(counter).unwrap_or(0.0);
    match field {
        Field::CpuPct => match view.cpu_pct().unwrap_or(0.0) {
            50.0.. => Meaning::Warning,
            1.0.. => Meaning::Calm,
            _ => Meaning::Faint,
        },
        Field::Rate(Counter::RunQueueWait) => match rate(Counter::RunQueueWait) / 1e7 {
            20.0.. => Meaning::Alarm,
            2.0.. => Meaning::Warning,
            _ => Meaning::Faint,
        },
        Field::Rate(counter) if rate(counter) == 0.0 => Meaning::Faint,
        Field::State => match view.process.state {
            ProcessState::Running => Meaning::Calm,
            ProcessState::Uninterruptible => Meaning::Warning,
            ProcessState::Zombie(_) | ProcessState::Stopped => Meaning::Alarm,
            _ => Meaning::Faint,
        },
        Field::User => Meaning::Faint,
        _ => Meaning::Text,
    }
}
