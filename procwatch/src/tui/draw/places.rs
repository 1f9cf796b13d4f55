//! What stands where, for the mouse.

use ratatui::layout::Rect;

use super::{Parts, foot, head, processes};
use crate::{
    model::field::Field,
    tui::{
        columns::heading,
        data::Data,
        keys::Action,
        scene::Scene,
        state::{State, View},
    },
};

/// What is under the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Heading(Field),
    /// A line of the list that is shown.
    Line(usize),
    /// A key in the foot.
    Key(Action),
    Nothing,
}

pub fn place(state: &State, data: &Data, column: u16, row: u16) -> Place {
    let Some(scene) = Scene::of(state, data) else {
        return Place::Nothing;
    };
    let (width, height) = state.size;
    let area = Rect::new(0, 0, width, height);
    let parts = Parts::of(area, head::lines(&scene, width));
    let column = usize::from(column);
    if row == parts.foot.y {
        let (_, keys) = foot::keys(state, width.into());
        let key = keys
            .into_iter()
            .find(|(start, end, _)| (*start..*end).contains(&column));
        return key.map_or(Place::Nothing, |(.., action)| Place::Key(action));
    }
    if row < parts.body.y || matches!(state.view, View::Detail(..) | View::Devices) {
        return Place::Nothing;
    }
    if row == parts.body.y {
        if state.view != View::Processes {
            return Place::Nothing;
        }
        let mut start = 0;
        for field in processes::columns(state, width) {
            let end = start + heading(field).1 + 1;
            if (start..end).contains(&column) {
                return Place::Heading(field);
            }
            start = end;
        }
        return Place::Nothing;
    }
    Place::Line(state.cursor.offset + usize::from(row - parts.body.y - 1))
}
