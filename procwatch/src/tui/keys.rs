//! Every key and what it does: what input is looked up in, and what the help page is made of.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What the user wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Quit,
    Help,
    Back,
    ShowProcesses,
    ShowGroups,
    ShowConnections,
    ShowDevices,
    ShowEvents,
    ShowDetail,
    NextTab,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Tree,
    Sort,
    SortLeft,
    SortRight,
    Reverse,
    Columns,
    Search,
    SearchNext,
    SearchPrevious,
    Filter,
    Follow,
    Pause,
    Earlier,
    Later,
    FarEarlier,
    FarLater,
    Live,
    Jump,
    Faster,
    Slower,
    Environment,
    Signal,
    NicenessUp,
    NicenessDown,
    Theme,
    Save,
}

/// A heading of the help page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Views,
    Moving,
    Choosing,
    Time,
    Acting,
    Screen,
}

impl Topic {
    pub const ALL: [Self; 6] = [
        Self::Views,
        Self::Moving,
        Self::Choosing,
        Self::Time,
        Self::Acting,
        Self::Screen,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Views => "Views",
            Self::Moving => "Moving",
            Self::Choosing => "Choosing what to see",
            Self::Time => "Time",
            Self::Acting => "Acting on the process under the cursor",
            Self::Screen => "The screen itself",
        }
    }
}

pub struct Binding {
    pub action: Action,
    /// The first is the one that the foot of the screen names.
    pub keys: &'static [KeyCode],
    pub topic: Topic,
    /// One or two words for the foot of the screen; empty for none.
    pub short: &'static str,
    pub help: &'static str,
}

const fn binding(
    action: Action,
    keys: &'static [KeyCode],
    topic: Topic,
    short: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        action,
        keys,
        topic,
        short,
        help,
    }
}

use KeyCode::{Char, F};

pub const BINDINGS: &[Binding] = &[
    binding(
        Action::ShowProcesses,
        &[Char('1')],
        Topic::Views,
        "processes",
        "processes, one a line",
    ),
    binding(
        Action::ShowGroups,
        &[Char('2')],
        Topic::Views,
        "groups",
        "containers and cgroups, their processes added up",
    ),
    binding(
        Action::ShowConnections,
        &[Char('3')],
        Topic::Views,
        "connections",
        "connections, with the process at each end",
    ),
    binding(
        Action::ShowDevices,
        &[Char('4')],
        Topic::Views,
        "devices",
        "disks and network interfaces",
    ),
    binding(
        Action::ShowEvents,
        &[Char('5')],
        Topic::Views,
        "events",
        "what happens: births, ends, connections, kills",
    ),
    binding(
        Action::ShowDetail,
        &[KeyCode::Enter],
        Topic::Views,
        "detail",
        "everything about the process under the cursor",
    ),
    binding(
        Action::NextTab,
        &[KeyCode::Tab],
        Topic::Views,
        "",
        "in the detail: threads, files, connections, limits, events",
    ),
    binding(
        Action::Tree,
        &[Char('t')],
        Topic::Views,
        "tree",
        "children below their parents, with sums of all below",
    ),
    binding(
        Action::Back,
        &[KeyCode::Esc, KeyCode::Backspace],
        Topic::Views,
        "",
        "leave what is open; then the filter; then the past",
    ),
    binding(
        Action::Help,
        &[Char('?'), F(1), Char('h')],
        Topic::Views,
        "help",
        "this page",
    ),
    binding(
        Action::Quit,
        &[Char('q'), F(10)],
        Topic::Views,
        "quit",
        "end (Ctrl-C too)",
    ),
    binding(
        Action::Up,
        &[KeyCode::Up, Char('k')],
        Topic::Moving,
        "",
        "up a line",
    ),
    binding(
        Action::Down,
        &[KeyCode::Down, Char('j')],
        Topic::Moving,
        "",
        "down a line",
    ),
    binding(
        Action::PageUp,
        &[KeyCode::PageUp],
        Topic::Moving,
        "",
        "up a page",
    ),
    binding(
        Action::PageDown,
        &[KeyCode::PageDown],
        Topic::Moving,
        "",
        "down a page",
    ),
    binding(
        Action::First,
        &[KeyCode::Home, Char('g')],
        Topic::Moving,
        "",
        "to the first line",
    ),
    binding(
        Action::Last,
        &[KeyCode::End, Char('G')],
        Topic::Moving,
        "",
        "to the last line",
    ),
    binding(
        Action::Follow,
        &[Char('F')],
        Topic::Moving,
        "follow",
        "keep the cursor on this process, wherever it goes",
    ),
    binding(
        Action::Search,
        &[Char('/')],
        Topic::Choosing,
        "search",
        "go to the next process that has a word in it, as you type",
    ),
    binding(
        Action::SearchNext,
        &[Char('n')],
        Topic::Choosing,
        "",
        "the next match",
    ),
    binding(
        Action::SearchPrevious,
        &[Char('N')],
        Topic::Choosing,
        "",
        "the match before",
    ),
    binding(
        Action::Filter,
        &[Char('f'), F(4)],
        Topic::Choosing,
        "filter",
        "only what matches: a word, or cpu_pct > 5 and user == \"www-data\"",
    ),
    binding(
        Action::Sort,
        &[Char('s'), F(6)],
        Topic::Choosing,
        "sort",
        "choose the field to sort by",
    ),
    binding(
        Action::SortLeft,
        &[Char('<'), Char(',')],
        Topic::Choosing,
        "",
        "sort by the column to the left",
    ),
    binding(
        Action::SortRight,
        &[Char('>'), Char('.')],
        Topic::Choosing,
        "",
        "sort by the column to the right",
    ),
    binding(
        Action::Reverse,
        &[Char('r')],
        Topic::Choosing,
        "",
        "turn the order round",
    ),
    binding(
        Action::Columns,
        &[Char('c'), F(2)],
        Topic::Choosing,
        "columns",
        "choose the columns and their order",
    ),
    binding(
        Action::Pause,
        &[Char(' ')],
        Topic::Time,
        "pause",
        "hold the picture, collection goes on; play or hold a recording",
    ),
    binding(
        Action::Earlier,
        &[KeyCode::Left],
        Topic::Time,
        "",
        "a sample back in time",
    ),
    binding(
        Action::Later,
        &[KeyCode::Right],
        Topic::Time,
        "",
        "a sample forward",
    ),
    binding(
        Action::FarEarlier,
        &[Char('(')],
        Topic::Time,
        "",
        "sixty samples back",
    ),
    binding(
        Action::FarLater,
        &[Char(')')],
        Topic::Time,
        "",
        "sixty samples forward",
    ),
    binding(
        Action::Live,
        &[Char('l')],
        Topic::Time,
        "",
        "back to now, or to the end of a recording",
    ),
    binding(
        Action::Jump,
        &[Char('J')],
        Topic::Time,
        "",
        "go to a time, such as 03:17 or 10m ago",
    ),
    binding(
        Action::Faster,
        &[Char(']')],
        Topic::Time,
        "",
        "play a recording faster",
    ),
    binding(
        Action::Slower,
        &[Char('[')],
        Topic::Time,
        "",
        "play a recording slower",
    ),
    binding(
        Action::Signal,
        &[Char('K'), F(9)],
        Topic::Acting,
        "signal",
        "send a signal; asks first",
    ),
    binding(
        Action::NicenessUp,
        &[Char('+'), F(8)],
        Topic::Acting,
        "",
        "raise its niceness, for less CPU; asks first",
    ),
    binding(
        Action::NicenessDown,
        &[Char('-'), F(7)],
        Topic::Acting,
        "",
        "lower its niceness, for more CPU; asks first",
    ),
    binding(
        Action::Environment,
        &[Char('e')],
        Topic::Acting,
        "",
        "in the detail: show its environment",
    ),
    binding(
        Action::Theme,
        &[Char('T')],
        Topic::Screen,
        "",
        "the next colours: dark, light, colour-blind",
    ),
    binding(
        Action::Save,
        &[Char('W')],
        Topic::Screen,
        "",
        "keep columns, order and colours for next time",
    ),
];

/// What a key does where no text is being typed.
pub fn action(event: KeyEvent) -> Option<Action> {
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return match event.code {
            Char('c') => Some(Action::Quit),
            _ => None,
        };
    }
    let bound = BINDINGS
        .iter()
        .find(|binding| binding.keys.contains(&event.code));
    bound.map(|binding| binding.action)
}

/// A key as it is written on keyboards.
pub fn name(key: KeyCode) -> String {
    match key {
        Char(' ') => "Space".to_owned(),
        Char(letter) => letter.to_string(),
        F(number) => format!("F{number}"),
        KeyCode::PageUp => "PgUp".to_owned(),
        KeyCode::PageDown => "PgDn".to_owned(),
        KeyCode::Up => "↑".to_owned(),
        KeyCode::Down => "↓".to_owned(),
        KeyCode::Left => "←".to_owned(),
        KeyCode::Right => "→".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things() {
        let mut seen = Vec::new();
        for binding in BINDINGS {
            assert!(!binding.keys.is_empty() && !binding.help.is_empty());
            for key in binding.keys {
                assert!(!seen.contains(key), "{key:?}");
                seen.push(*key);
            }
        }
    }

    #[test]
    fn keys_are_looked_up_in_the_table() {
        let plain = |code| action(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(plain(Char('q')), Some(Action::Quit));
        assert_eq!(plain(Char('z')), None);
        let control = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(control), Some(Action::Quit));
        let shifted = KeyEvent::new(Char('G'), KeyModifiers::SHIFT);
        assert_eq!(action(shifted), Some(Action::Last));
    }
}
