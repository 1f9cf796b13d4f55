//! The last line: what is being typed, what became of a deed, or which keys there are.

use ratatui::{buffer::Buffer, layout::Rect};

use super::text::{Words, put_line};
use crate::{
    model::escape::terminal,
    tui::{
        data::Data,
        keys::{Action, BINDINGS, Binding, name},
        menu::{Asks, Overlay},
        state::{State, View},
        theme::Meaning,
    },
};

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, data: &Data) {
    let words = match (&state.overlay, &data.done) {
        (Some(Overlay::Prompt(prompt)), _) => {
            let label = match prompt.asks {
                Asks::Search => "search: ",
                Asks::Filter => "filter: ",
                Asks::Moment => "go to: ",
            };
            let mut words = Words::new(state.theme)
                .add(Meaning::Key, label)
                .add(Meaning::Text, terminal(&prompt.text).into_owned())
                .add(Meaning::Chosen, "▏");
            if let Some(error) = &prompt.error {
                words.push(Meaning::Alarm, format!(" {error}"));
            }
            words
        }
        (None, Some(done)) => {
            let (meaning, text) = match done {
                Ok(text) => (Meaning::Calm, text),
                Err(text) => (Meaning::Alarm, text),
            };
            Words::new(state.theme).add(meaning, terminal(text).into_owned())
        }
        _ => keys(state, area.width.into()).0,
    };
    put_line(buffer, area, 0, &words.line());
}

/// The keys that fit, each with the place where it stands.
pub fn keys(state: &State, width: usize) -> (Words, Vec<(usize, usize, Action)>) {
    let mut words = Words::new(state.theme);
    let mut places = Vec::new();
    if !state.filter_text.is_empty() {
        words.push(
            Meaning::Warning,
            format!("filter: {}  ", terminal(&state.filter_text)),
        );
    }
    // Whoever knows these two finds the rest.
    let is_first = |binding: &&Binding| matches!(binding.action, Action::Help | Action::Quit);
    let first = BINDINGS.iter().filter(is_first);
    let others = BINDINGS.iter().filter(|binding| !is_first(binding));
    for binding in first
        .chain(others)
        .filter(|binding| !binding.short.is_empty())
    {
        let key = name(binding.keys[0]);
        let start = words.width();
        if start + key.len() + binding.short.len() + 2 > width {
            continue;
        }
        let meaning = if is_on(state, binding.action) {
            Meaning::Chosen
        } else {
            Meaning::Faint
        };
        words.push(Meaning::Key, format!("{key} "));
        words.push(meaning, binding.short);
        places.push((start, words.width(), binding.action));
        words.push(Meaning::Text, "  ");
    }
    (words, places)
}

/// Whether what a key switches to is on.
fn is_on(state: &State, action: Action) -> bool {
    use crate::model::selection::Arrangement;
    match action {
        Action::ShowProcesses => state.view == View::Processes,
        Action::ShowGroups => state.view == View::Groups,
        Action::ShowConnections => state.view == View::Connections,
        Action::ShowDevices => state.view == View::Devices,
        Action::ShowEvents => state.view == View::Events,
        Action::ShowDetail => matches!(state.view, View::Detail(..)),
        Action::Tree => {
            state.view == View::Processes && state.layout.arrangement == Arrangement::Tree
        }
        Action::Follow => state.followed.is_some(),
        Action::Pause => state.held.is_some(),
        _ => false,
    }
}
