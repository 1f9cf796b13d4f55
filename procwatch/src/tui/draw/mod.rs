//! The frame: a pure function of state and data.

mod connections;
mod detail;
mod devices;
mod events;
mod foot;
mod groups;
mod head;
mod overlay;
pub(super) mod places;
mod processes;
mod text;

use ratatui::{Frame, buffer::Buffer, layout::Rect};

use super::{
    data::Data,
    scene::Scene,
    state::{State, View},
    theme::Meaning,
};

/// Brings cursors and searches in line with what there is to show, and draws it.
pub fn draw(frame: &mut Frame<'_>, state: &mut State, data: &Data) {
    let area = frame.area();
    state.size = (area.width, area.height);
    let scene = Scene::of(state, data);
    if let Some(scene) = &scene {
        settle(state, data, scene, area);
    }
    paint(frame.buffer_mut(), area, state, data, scene.as_ref());
}

/// The screen from top to bottom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub head: Rect,
    /// The heading of the table is its first line.
    pub body: Rect,
    pub foot: Rect,
}

impl Parts {
    pub(super) fn of(area: Rect, head_lines: u16) -> Self {
        let head_height = head_lines.min(area.height.saturating_sub(3));
        let foot_height = u16::from(area.height > 2);
        let body_height = area.height - head_height - foot_height;
        let part = |y, height| Rect {
            y: area.y + y,
            height,
            ..area
        };
        Self {
            head: part(0, head_height),
            body: part(head_height, body_height),
            foot: part(head_height + body_height, foot_height),
        }
    }

    /// Lines below the heading of the table.
    pub(super) fn lines(&self) -> usize {
        usize::from(self.body.height.saturating_sub(1))
    }
}

fn settle(state: &mut State, data: &Data, scene: &Scene<'_>, area: Rect) {
    let parts = Parts::of(area, head::lines(scene, area.width));
    let lines = parts.lines();
    state.page = lines.max(1);
    let count = match state.view {
        View::Processes => {
            if let Some(line) = state.followed.and_then(|id| scene.line_of(id)) {
                state.cursor.line = line;
            }
            if let Some(seek) = state.seek.take()
                && let Some(line) = scene.found(&state.search, state.cursor.line, seek)
            {
                state.cursor.line = line;
                state.followed = None;
            }
            scene.rows.len()
        }
        View::Groups => groups::count(state, scene),
        View::Connections => connections::count(data),
        View::Devices => devices::count(scene),
        View::Events => events::count(data, scene),
        View::Detail(id, tab) => detail::count(data, scene, id, tab),
    };
    let visible = match state.view {
        View::Detail(..) => lines.saturating_sub(detail::LINES_ABOVE),
        _ => lines,
    };
    state.cursor.settle(count, visible);
    state.under_cursor = match state.view {
        View::Processes => scene.rows.get(state.cursor.line).map(|(_, view)| {
            let comm = crate::model::escape::terminal(&view.process.facts.comm);
            (view.process.id, comm.into_owned())
        }),
        View::Connections => connections::owner(data, state.cursor.line),
        View::Events => events::whose(data, scene, state.cursor.line),
        View::Detail(..) => state.under_cursor.take(),
        View::Groups | View::Devices => None,
    };
}

fn paint(buffer: &mut Buffer, area: Rect, state: &State, data: &Data, scene: Option<&Scene<'_>>) {
    buffer.set_style(area, state.theme.style(Meaning::Text));
    let Some(scene) = scene else {
        let waiting = "Looking at every process for the first time…";
        text::put(buffer, area, 0, waiting, state.theme.style(Meaning::Faint));
        return;
    };
    let parts = Parts::of(area, head::lines(scene, area.width));
    head::draw(buffer, parts.head, state, data, scene);
    match state.view {
        View::Processes => processes::draw(buffer, parts.body, state, scene),
        View::Groups => groups::draw(buffer, parts.body, state, scene),
        View::Connections => connections::draw(buffer, parts.body, state, data, scene),
        View::Devices => devices::draw(buffer, parts.body, state, scene),
        View::Events => events::draw(buffer, parts.body, state, data, scene),
        View::Detail(id, tab) => detail::draw(buffer, parts.body, state, data, scene, (id, tab)),
    }
    foot::draw(buffer, parts.foot, state, data);
    if let Some(overlay) = &state.overlay {
        overlay::draw(buffer, area, state, overlay);
    }
}
