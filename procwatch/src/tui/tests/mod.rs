//! Frames as golden text, and walks through them by keys.

mod frames;
mod host;
mod keys;

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
};

use super::{Data, Depth, Effect, Layout, Palette, Recording, State, Theme, draw};

/// A person at a terminal of a size.
struct Person {
    state: State,
    data: Data,
    size: (u16, u16),
    effects: Vec<Effect>,
}

impl Person {
    fn at(width: u16, height: u16) -> Self {
        let theme = Theme {
            palette: Palette::Dark,
            depth: Depth::Sixteen,
        };
        let mut person = Self {
            state: State::new(Layout::default(), theme, None),
            data: host::data(),
            size: (width, height),
            effects: Vec::new(),
        };
        person.frame();
        person
    }

    /// Before a recording of five minutes, of which the samples at hand are the last.
    fn at_replay(width: u16, height: u16) -> Self {
        let mut person = Self::at(width, height);
        let last = person.data.timeline.newest().unwrap();
        let to_ns = person.data.timeline.at(last).unwrap().sample.time_ns;
        person.data.recording = Some(Recording {
            from_ns: to_ns - 300_000_000_000,
            to_ns,
            is_playing: true,
            speed: 4,
            lineage: crate::model::lineage::Lineage::default(),
        });
        person.state.held = Some(last - 1);
        person.frame();
        person
    }

    fn press(&mut self, code: KeyCode) -> &mut Self {
        let event = Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        self.effects.extend(self.state.input(&event, &self.data));
        self.frame();
        self
    }

    fn types(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter));
        }
        self
    }

    /// What is on the screen, without the blanks at the ends of lines.
    fn frame(&mut self) -> String {
        let backend = TestBackend::new(self.size.0, self.size.1);
        let mut terminal = Terminal::new(backend).unwrap();
        let (state, data) = (&mut self.state, &self.data);
        terminal.draw(|frame| draw(frame, state, data)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines: Vec<String> = (0..self.size.1)
            .map(|y| {
                let cells = (0..self.size.0).map(|x| buffer[(x, y)].symbol());
                cells.collect::<String>().trim_end().to_owned()
            })
            .collect();
        lines.join("\n")
    }

    /// The pid in the line of the cursor.
    fn pid(&self) -> Option<u32> {
        self.state.under_cursor.as_ref().map(|(id, _)| id.pid)
    }
}
