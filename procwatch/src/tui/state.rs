//! What the user has chosen to see.

use super::{
    columns,
    cursor::Cursor,
    menu::Overlay,
    theme::{Palette, Theme},
};
use crate::{
    collector::Request,
    model::{
        field::Field,
        filter::Filter,
        groups::GroupOrder,
        identity::ProcessId,
        selection::{Arrangement, Direction, Selection},
    },
};

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Processes,
    Groups,
    Connections,
    Devices,
    Events,
    /// Everything about one process.
    Detail(ProcessId, Tab),
}

/// A part of the detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Threads,
    Files,
    Connections,
    Limits,
    Environment,
    Events,
}

impl Tab {
    pub const ALL: [Self; 6] = [
        Self::Threads,
        Self::Files,
        Self::Connections,
        Self::Limits,
        Self::Environment,
        Self::Events,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Files => "open files",
            Self::Connections => "connections",
            Self::Limits => "limits",
            Self::Environment => "environment",
            Self::Events => "events",
        }
    }

    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// What the outside is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Quit,
    Ask(Request),
    /// Keep the layout for next time.
    Save(Layout),
    /// Through a recording.
    Travel(Travel),
}

/// A way through the time of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// So many samples on, or back.
    Step(i64),
    /// To a time, nanoseconds since the epoch.
    To(u64),
    End,
    PlayOrHold,
    Faster,
    Slower,
}

/// What is kept from one run to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub columns: Vec<Field>,
    pub sort: Field,
    pub direction: Direction,
    pub arrangement: Arrangement,
    pub palette: Palette,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            columns: columns::DEFAULT.to_vec(),
            sort: Field::CpuPct,
            direction: Direction::Usual,
            arrangement: Arrangement::Flat,
            palette: Palette::Dark,
        }
    }
}

/// Which way a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// From the cursor on, the line under it included.
    Here,
    Next,
    Previous,
}

#[derive(Clone, Debug)]
pub struct State {
    pub view: View,
    pub layout: Layout,
    pub theme: Theme,
    pub filter: Option<Filter>,
    /// As it was typed.
    pub filter_text: String,
    /// At most so many processes.
    pub limit: Option<usize>,
    pub search: String,
    /// A search to be done when the lines are known.
    pub seek: Option<Seek>,
    pub overlay: Option<Overlay>,
    /// Of the view that is shown.
    pub cursor: Cursor,
    /// Of the processes, while the detail of one is shown.
    pub cursor_behind: Cursor,
    /// The process that the cursor stays on.
    pub followed: Option<ProcessId>,
    /// The process under the cursor, and its name, when the screen was last drawn.
    pub under_cursor: Option<(ProcessId, String)>,
    /// The position in time that is held. `None` for now.
    pub held: Option<u64>,
    pub group_order: GroupOrder,
    /// Lines that a page has, as of the last frame.
    pub page: usize,
    /// Columns and lines of the screen, as of the last frame.
    pub size: (u16, u16),
}

impl State {
    pub fn new(layout: Layout, theme: Theme, filter: Option<(Filter, String)>) -> Self {
        let theme = Theme {
            palette: layout.palette,
            ..theme
        };
        let (filter, filter_text) = filter.unzip();
        Self {
            view: View::Processes,
            layout,
            theme,
            filter,
            filter_text: filter_text.unwrap_or_default(),
            limit: None,
            search: String::new(),
            seek: None,
            overlay: None,
            cursor: Cursor::default(),
            cursor_behind: Cursor::default(),
            followed: None,
            under_cursor: None,
            held: None,
            group_order: GroupOrder::Cpu,
            page: 1,
            size: (0, 0),
        }
    }

    pub fn selection(&self) -> Selection {
        Selection {
            filter: self.filter.clone(),
            sort: self.layout.sort,
            direction: self.layout.direction,
            limit: self.limit,
            arrangement: self.layout.arrangement,
        }
    }

    /// What the view that is shown needs from the outside with each sample.
    pub fn wants(&self) -> Vec<Request> {
        use crate::procfs::Environment;
        match self.view {
            View::Connections => vec![Request::Connections],
            View::Detail(id, tab) => {
                let environment = match tab {
                    Tab::Environment => Environment::Wanted,
                    _ => Environment::LeftOut,
                };
                let mut wants = vec![Request::Inspect(id, environment)];
                if tab == Tab::Connections {
                    wants.push(Request::Connections);
                }
                wants
            }
            View::Processes | View::Groups | View::Devices | View::Events => Vec::new(),
        }
    }
}
