//! What keys and the mouse change: the state, and sometimes the outside.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::{
    columns,
    cursor::Cursor,
    data::Data,
    keys::{self, Action},
    menu::{Asks, Deed, Menu, Overlay, Prompt, Question, SIGNALS, Target},
    state::{Effect, Seek, State, Tab, Travel, View},
};
use crate::{
    collector::Request,
    model::{
        field::Field,
        filter::Filter,
        groups::GroupOrder,
        moment::parse_moment,
        selection::{Arrangement, Direction},
    },
};

/// Lines that a turn of the wheel moves.
const WHEEL: usize = 3;
/// Samples of a large step through time.
const FAR: i64 = 60;

impl State {
    /// Takes an event of the terminal, and says what the outside is to do.
    pub fn input(&mut self, event: &Event, data: &Data) -> Vec<Effect> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key, data),
            Event::Mouse(mouse) => self.mouse(*mouse, data),
            _ => Vec::new(),
        }
    }

    fn key(&mut self, key: KeyEvent, data: &Data) -> Vec<Effect> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return vec![Effect::Quit];
        }
        match self.overlay.take() {
            Some(overlay) => self.key_of_overlay(overlay, key, data),
            None => match keys::action(key) {
                Some(action) => self.act(action, data),
                None => Vec::new(),
            },
        }
    }

    /// What a key does in a recording, where time does not pass by itself.
    fn travel(action: Action) -> Option<Travel> {
        Some(match action {
            Action::Pause => Travel::PlayOrHold,
            Action::Earlier => Travel::Step(-1),
            Action::Later => Travel::Step(1),
            Action::FarEarlier => Travel::Step(-FAR),
            Action::FarLater => Travel::Step(FAR),
            Action::Live => Travel::End,
            Action::Faster => Travel::Faster,
            Action::Slower => Travel::Slower,
            _ => return None,
        })
    }

    fn act(&mut self, action: Action, data: &Data) -> Vec<Effect> {
        if data.recording.is_some()
            && let Some(travel) = Self::travel(action)
        {
            return vec![Effect::Travel(travel)];
        }
        match action {
            Action::Quit => return vec![Effect::Quit],
            Action::Help => self.overlay = Some(Overlay::Help(Cursor::default())),
            Action::Back => self.back(),
            Action::ShowProcesses => return self.show(View::Processes),
            Action::ShowGroups => return self.show(View::Groups),
            Action::ShowConnections => return self.show(View::Connections),
            Action::ShowDevices => return self.show(View::Devices),
            Action::ShowEvents => return self.show(View::Events),
            Action::ShowDetail => return self.show_detail(),
            Action::NextTab => {
                if let View::Detail(id, tab) = self.view {
                    return self.show(View::Detail(id, tab.next()));
                }
            }
            Action::Environment => {
                if let View::Detail(id, _) = self.view {
                    return self.show(View::Detail(id, Tab::Environment));
                }
            }
            Action::Up => self.move_by(|cursor, _| cursor.up(1)),
            Action::Down => self.move_by(|cursor, _| cursor.down(1)),
            Action::PageUp => self.move_by(Cursor::up),
            Action::PageDown => self.move_by(Cursor::down),
            Action::First => self.move_by(|cursor, _| cursor.up(usize::MAX)),
            Action::Last => self.move_by(|cursor, _| cursor.down(usize::MAX)),
            Action::Tree => {
                self.layout.arrangement = match self.layout.arrangement {
                    Arrangement::Flat => Arrangement::Tree,
                    Arrangement::Tree => Arrangement::Flat,
                };
                return self.show(View::Processes);
            }
            Action::Sort => self.overlay = Some(Overlay::Sort(Menu::default())),
            Action::Columns => self.overlay = Some(Overlay::Columns(Menu::default())),
            Action::SortLeft => self.sort_beside(-1),
            Action::SortRight => self.sort_beside(1),
            Action::Reverse => {
                self.layout.direction = match self.layout.direction {
                    Direction::Usual => Direction::Reversed,
                    Direction::Reversed => Direction::Usual,
                };
            }
            Action::Search => self.prompt(Asks::Search, String::new()),
            Action::SearchNext => self.seek = Some(Seek::Next),
            Action::SearchPrevious => self.seek = Some(Seek::Previous),
            Action::Filter => self.prompt(Asks::Filter, self.filter_text.clone()),
            Action::Follow => {
                self.followed = match self.followed {
                    Some(_) => None,
                    None => self.under_cursor.as_ref().map(|(id, _)| *id),
                };
            }
            Action::Pause => {
                self.held = match self.held {
                    Some(_) => None,
                    None => data.timeline.newest(),
                };
            }
            Action::Live => self.held = None,
            Action::Earlier => self.step(data, |at| at.saturating_sub(1)),
            Action::Later => self.step(data, |at| at + 1),
            Action::FarEarlier => self.step(data, |at| at.saturating_sub(FAR as u64)),
            Action::FarLater => self.step(data, |at| at + FAR as u64),
            Action::Jump => self.prompt(Asks::Moment, String::new()),
            // What happens now goes at its own pace.
            Action::Faster | Action::Slower => {}
            Action::Signal => {
                if let Some(target) = self.target() {
                    self.overlay = Some(Overlay::Signals(Menu::default(), target));
                }
            }
            Action::NicenessUp => self.ask_niceness(data, 1),
            Action::NicenessDown => self.ask_niceness(data, -1),
            Action::Theme => {
                self.theme.palette = self.theme.palette.next();
                self.layout.palette = self.theme.palette;
            }
            Action::Save => return vec![Effect::Save(self.layout.clone())],
        }
        Vec::new()
    }

    fn show(&mut self, view: View) -> Vec<Effect> {
        let had_events = self.view == View::Events;
        if self.view != view {
            let is_detail = |view| matches!(view, View::Detail(..));
            match (is_detail(self.view), is_detail(view)) {
                (false, true) => {
                    self.cursor_behind = self.cursor;
                    self.cursor = Cursor::default();
                }
                (true, false) if view == View::Processes => self.cursor = self.cursor_behind,
                _ => self.cursor = Cursor::default(),
            }
            self.followed = None;
            self.view = view;
        }
        if view == View::Events {
            // The newest are at the end.
            self.cursor.down(usize::MAX);
        }
        let mut effects: Vec<_> = self.wants().into_iter().map(Effect::Ask).collect();
        let has_events = view == View::Events;
        if had_events != has_events {
            effects.push(Effect::Ask(Request::ConnectionEvents(has_events)));
        }
        effects
    }

    fn show_detail(&mut self) -> Vec<Effect> {
        match (self.view, &self.under_cursor) {
            (View::Detail(..), _) => self.show(View::Processes),
            (_, Some((id, _))) => self.show(View::Detail(*id, Tab::Threads)),
            (View::Groups, None) => Vec::new(),
            _ => Vec::new(),
        }
    }

    /// Out of what was entered last.
    fn back(&mut self) {
        if matches!(self.view, View::Detail(..)) {
            self.show(View::Processes);
        } else if self.followed.take().is_some() {
        } else if self.filter.take().is_some() {
            self.filter_text.clear();
        } else {
            self.held = None;
        }
    }

    fn move_by(&mut self, way: fn(&mut Cursor, usize)) {
        self.followed = None;
        way(&mut self.cursor, self.page);
    }

    fn step(&mut self, data: &Data, step: fn(u64) -> u64) {
        let Some(newest) = data.timeline.newest() else {
            return;
        };
        let at = step(self.held.unwrap_or(newest));
        self.held = Some(at.clamp(data.timeline.oldest(), newest));
    }

    fn sort_beside(&mut self, step: isize) {
        if self.view == View::Groups {
            self.group_order = match self.group_order {
                GroupOrder::Cpu => GroupOrder::Memory,
                GroupOrder::Memory => GroupOrder::Name,
                GroupOrder::Name => GroupOrder::Cpu,
            };
            return;
        }
        let columns = &self.layout.columns;
        let at = columns.iter().position(|field| *field == self.layout.sort);
        let next = at.unwrap_or(0).saturating_add_signed(step);
        if let Some(field) = columns.get(next.min(columns.len().saturating_sub(1))) {
            self.layout.sort = *field;
        }
    }

    fn prompt(&mut self, asks: Asks, text: String) {
        self.overlay = Some(Overlay::Prompt(Prompt {
            asks,
            text,
            error: None,
        }));
    }

    fn target(&self) -> Option<Target> {
        let (id, name) = self.under_cursor.clone()?;
        Some(Target { id, name })
    }

    fn ask_niceness(&mut self, data: &Data, step: i32) {
        let Some(target) = self.target() else {
            return;
        };
        let looked_at = Some(&data.inspection).filter(|seen| seen.id == Some(target.id));
        let now = looked_at.and_then(|seen| seen.nice).unwrap_or(0);
        let niceness = i32::try_from(now).unwrap_or(0).saturating_add(5 * step);
        self.overlay = Some(Overlay::Question(Question {
            target,
            deed: Deed::Niceness(niceness.clamp(-20, 19)),
        }));
    }

    fn key_of_overlay(&mut self, overlay: Overlay, key: KeyEvent, data: &Data) -> Vec<Effect> {
        match overlay {
            Overlay::Help(cursor) => self.key_of_help(cursor, key),
            Overlay::Prompt(prompt) => return self.key_of_prompt(prompt, key, data),
            Overlay::Sort(menu) => self.key_of_sort(menu, key),
            Overlay::Columns(menu) => self.key_of_columns(menu, key),
            Overlay::Signals(menu, target) => self.key_of_signals(menu, target, key),
            Overlay::Question(question) => return answered(&question, key),
        }
        Vec::new()
    }

    fn key_of_help(&mut self, mut cursor: Cursor, key: KeyEvent) {
        match keys::action(key) {
            Some(Action::Up) => cursor.up(1),
            Some(Action::Down) => cursor.down(1),
            Some(Action::PageUp) => cursor.up(self.page),
            Some(Action::PageDown) => cursor.down(self.page),
            _ => return,
        }
        self.overlay = Some(Overlay::Help(cursor));
    }

    fn key_of_prompt(&mut self, mut prompt: Prompt, key: KeyEvent, data: &Data) -> Vec<Effect> {
        match key.code {
            KeyCode::Esc => {
                if prompt.asks == Asks::Search {
                    self.search.clear();
                }
                return Vec::new();
            }
            KeyCode::Enter => match prompt.asks {
                Asks::Search => return Vec::new(),
                Asks::Filter => match self.set_filter(&prompt.text) {
                    Ok(()) => return Vec::new(),
                    Err(error) => prompt.error = Some(error),
                },
                Asks::Moment => match parse_moment(&prompt.text, data.now.wall_ns, &data.zone) {
                    Ok(time_ns) if data.recording.is_some() => {
                        return vec![Effect::Travel(Travel::To(time_ns))];
                    }
                    Ok(time_ns) => match data.timeline.position_at(time_ns) {
                        Some(position) => {
                            self.held = Some(position);
                            return Vec::new();
                        }
                        None => prompt.error = Some("nothing of that time is in memory".to_owned()),
                    },
                    Err(error) => prompt.error = Some(error.to_string()),
                },
            },
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                prompt.text.clear();
            }
            KeyCode::Char(letter) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                prompt.text.push(letter);
            }
            KeyCode::Backspace => {
                prompt.text.pop();
            }
            _ => {}
        }
        if key.code != KeyCode::Enter {
            prompt.error = None;
        }
        if prompt.asks == Asks::Search {
            self.search.clone_from(&prompt.text);
            self.seek = Some(Seek::Here);
        }
        self.overlay = Some(Overlay::Prompt(prompt));
        Vec::new()
    }

    fn set_filter(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim();
        self.filter = match text {
            "" => None,
            text => Some(Filter::parse(text).map_err(|error| error.to_string())?),
        };
        text.clone_into(&mut self.filter_text);
        Ok(())
    }

    fn key_of_sort(&mut self, mut menu: Menu, key: KeyEvent) {
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter => {
                if let Some(field) = menu.field(&self.layout.columns) {
                    self.layout.sort = field;
                    return;
                }
            }
            _ => type_into(&mut menu, key, self.page),
        }
        self.overlay = Some(Overlay::Sort(menu));
    }

    fn key_of_columns(&mut self, mut menu: Menu, key: KeyEvent) {
        let chosen = &mut self.layout.columns;
        let field = menu.field(chosen);
        let at = field.and_then(|field| chosen.iter().position(|one| *one == field));
        match (key.code, field, at) {
            (KeyCode::Esc | KeyCode::Enter, ..) => return,
            // One must be left.
            (KeyCode::Char(' '), _, Some(at)) if chosen.len() > 1 => {
                chosen.remove(at);
            }
            (KeyCode::Char(' '), Some(field), None) => chosen.push(field),
            (KeyCode::Left, _, Some(at @ 1..)) if menu.typed.is_empty() => {
                chosen.swap(at, at - 1);
                menu.cursor.up(1);
            }
            (KeyCode::Right, _, Some(at)) if menu.typed.is_empty() && at + 1 < chosen.len() => {
                chosen.swap(at, at + 1);
                menu.cursor.down(1);
            }
            (KeyCode::Delete, ..) => *chosen = columns::DEFAULT.to_vec(),
            _ => type_into(&mut menu, key, self.page),
        }
        self.overlay = Some(Overlay::Columns(menu));
    }

    fn key_of_signals(&mut self, mut menu: Menu, target: Target, key: KeyEvent) {
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter => {
                let at = menu.cursor.line.min(SIGNALS.len() - 1);
                self.overlay = Some(Overlay::Question(Question {
                    target,
                    deed: Deed::Signal(at),
                }));
                return;
            }
            _ => type_into(&mut menu, key, self.page),
        }
        self.overlay = Some(Overlay::Signals(menu, target));
    }

    fn mouse(&mut self, mouse: MouseEvent, data: &Data) -> Vec<Effect> {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.move_by(|cursor, _| cursor.up(WHEEL)),
            MouseEventKind::ScrollDown => self.move_by(|cursor, _| cursor.down(WHEEL)),
            MouseEventKind::Down(MouseButton::Left) if self.overlay.is_none() => {
                return self.click(mouse.column, mouse.row, data);
            }
            _ => {}
        }
        Vec::new()
    }

    /// On a heading: sort by it; on a line: to there, and on the line of the cursor into it; on a view's name
    /// in the foot: that view.
    fn click(&mut self, column: u16, row: u16, data: &Data) -> Vec<Effect> {
        use super::draw::places::{Place, place};
        match place(self, data, column, row) {
            Place::Heading(field) => self.sort_by_click(field),
            Place::Line(line) if line == self.cursor.line => return self.show_detail(),
            Place::Line(line) => {
                self.followed = None;
                self.cursor.line = line;
            }
            Place::Key(action) => return self.act(action, data),
            Place::Nothing => {}
        }
        Vec::new()
    }

    fn sort_by_click(&mut self, field: Field) {
        if self.layout.sort == field {
            self.layout.direction = match self.layout.direction {
                Direction::Usual => Direction::Reversed,
                Direction::Reversed => Direction::Usual,
            };
        } else {
            self.layout.sort = field;
            self.layout.direction = Direction::Usual;
        }
    }
}

fn type_into(menu: &mut Menu, key: KeyEvent, page: usize) {
    match key.code {
        KeyCode::Up => menu.cursor.up(1),
        KeyCode::Down => menu.cursor.down(1),
        KeyCode::PageUp => menu.cursor.up(page),
        KeyCode::PageDown => menu.cursor.down(page),
        KeyCode::Char(letter) if !letter.is_whitespace() => {
            menu.typed.push(letter);
            menu.cursor = Cursor::default();
        }
        KeyCode::Backspace => {
            menu.typed.pop();
            menu.cursor = Cursor::default();
        }
        _ => {}
    }
}

/// Only a clear yes is one.
fn answered(question: &Question, key: KeyEvent) -> Vec<Effect> {
    if !matches!(key.code, KeyCode::Char('y' | 'Y')) {
        return Vec::new();
    }
    let id = question.target.id;
    let request = match question.deed {
        Deed::Signal(at) => Request::Signal(id, SIGNALS[at].1),
        Deed::Niceness(niceness) => Request::Renice(id, niceness),
    };
    vec![Effect::Ask(request)]
}
