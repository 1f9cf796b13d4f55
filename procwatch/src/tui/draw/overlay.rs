//! Boxes over a view: help, lists to choose from, questions.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Block, Clear, Widget as _},
};

use super::text::{Words, paint_line, put_line};
use crate::tui::{
    cursor::Cursor,
    keys::{BINDINGS, Topic, name},
    menu::{Menu, Overlay, Question, SIGNALS, Target},
    state::State,
    theme::Meaning,
};

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, overlay: &Overlay) {
    match overlay {
        // In the foot.
        Overlay::Prompt(_) => {}
        Overlay::Help(cursor) => help(buffer, area, state, *cursor),
        Overlay::Sort(menu) => {
            let lines = fields(state, menu, |_| String::new());
            list(
                buffer,
                area,
                state,
                "sort by",
                "type to narrow, Enter to choose",
                menu,
                &lines,
            );
        }
        Overlay::Columns(menu) => {
            let chosen = &state.layout.columns;
            let lines = fields(state, menu, |field| {
                let mark = if chosen.contains(&field) {
                    "[x] "
                } else {
                    "[ ] "
                };
                mark.to_owned()
            });
            let hint = "Space: on or off, ← →: move, Del: as at first";
            list(buffer, area, state, "columns", hint, menu, &lines);
        }
        Overlay::Signals(menu, target) => signals(buffer, area, state, menu, target),
        Overlay::Question(question) => ask(buffer, area, state, question),
    }
}

/// An empty box in the middle, and the space in it.
fn frame(buffer: &mut Buffer, area: Rect, state: &State, title: &str, size: (u16, u16)) -> Rect {
    let width = size.0.min(area.width);
    let height = size.1.min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(place, buffer);
    let block = Block::bordered()
        .title(format!(" {title} "))
        .border_style(state.theme.style(Meaning::Heading));
    let inside = block.inner(place);
    block.render(place, buffer);
    inside
}

fn help(buffer: &mut Buffer, area: Rect, state: &State, mut cursor: Cursor) {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for topic in Topic::ALL {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(
            Words::new(state.theme)
                .add(Meaning::Heading, topic.title())
                .line(),
        );
        for binding in BINDINGS.iter().filter(|binding| binding.topic == topic) {
            let keys: Vec<_> = binding.keys.iter().map(|key| name(*key)).collect();
            lines.push(
                Words::new(state.theme)
                    .add(Meaning::Key, format!("  {:<14}", keys.join(" ")))
                    .add(Meaning::Text, binding.help)
                    .line(),
            );
        }
    }
    lines.push(Line::default());
    let notes = [
        "X and dimmed: ended in the last ten seconds. WAIT%: runnable, without a CPU.",
        "The mouse: a heading sorts, a line is gone to, the line of the cursor is opened.",
    ];
    lines.extend(notes.map(|note| Words::new(state.theme).add(Meaning::Faint, note).line()));
    let title = "help; any other key closes it";
    let inside = frame(buffer, area, state, title, (88, lines.len() as u16 + 2));
    // There is no line to be on, only a page to turn.
    let height = usize::from(inside.height);
    let offset = cursor.line.min(lines.len().saturating_sub(height));
    cursor.offset = offset;
    for (at, line) in lines.iter().skip(cursor.offset).take(height).enumerate() {
        put_line(buffer, inside, at as u16, line);
    }
}

fn fields(
    state: &State,
    menu: &Menu,
    mark: impl Fn(crate::model::field::Field) -> String,
) -> Vec<String> {
    let fields = menu.fields(&state.layout.columns);
    fields
        .into_iter()
        .map(|field| format!("{}{}", mark(field), field.name()))
        .collect()
}

fn list(
    buffer: &mut Buffer,
    area: Rect,
    state: &State,
    title: &str,
    hint: &str,
    menu: &Menu,
    lines: &[String],
) {
    let height = (lines.len() as u16 + 4).min(area.height).max(5);
    let inside = frame(buffer, area, state, title, (52, height));
    let typed = Words::new(state.theme)
        .add(Meaning::Key, format!("{}▏", menu.typed))
        .add(Meaning::Faint, format!("  {hint}"));
    put_line(buffer, inside, 0, &typed.line());
    let space = Rect {
        y: inside.y + 1,
        height: inside.height.saturating_sub(1),
        ..inside
    };
    let mut cursor = menu.cursor;
    cursor.settle(lines.len(), space.height.into());
    let shown = lines
        .iter()
        .enumerate()
        .skip(cursor.offset)
        .take(space.height.into());
    for (at, (number, text)) in shown.enumerate() {
        let line = Words::new(state.theme)
            .add(Meaning::Text, format!(" {text}"))
            .line();
        put_line(buffer, space, at as u16, &line);
        if number == cursor.line {
            paint_line(buffer, space, at as u16, state.theme.style(Meaning::Cursor));
        }
    }
}

fn signals(buffer: &mut Buffer, area: Rect, state: &State, menu: &Menu, target: &Target) {
    let lines: Vec<_> = SIGNALS
        .iter()
        .map(|(name, number, what)| format!("{number:>2} {name:<5} {what}"))
        .collect();
    let title = format!("signal to {} {}", target.id.pid, target.name);
    list(buffer, area, state, &title, "Enter to choose", menu, &lines);
}

fn ask(buffer: &mut Buffer, area: Rect, state: &State, question: &Question) {
    let text = question.text();
    let width = text.chars().count() as u16 + 4;
    let inside = frame(buffer, area, state, "sure?", (width.max(30), 4));
    put_line(
        buffer,
        inside,
        0,
        &Words::new(state.theme).add(Meaning::Text, text).line(),
    );
    let keys = Words::new(state.theme)
        .add(Meaning::Key, "y")
        .add(Meaning::Faint, " yes   any other key: no");
    put_line(buffer, inside, 1, &keys.line());
}
