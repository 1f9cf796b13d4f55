//! Colours by what they mean.
//!
//! A theme gives each meaning a colour; what the terminal can show decides how exactly. Without colours the same
//! meanings are told apart by bold, dim and reversed text.

use ratatui::style::{Color, Modifier, Style};

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    None,
    Sixteen,
    Indexed,
    True,
}

impl Depth {
    /// By the environment: `NO_COLOR`, `COLORTERM` and `TERM`.
    pub fn of(no_color: bool, colorterm: &str, term: &str) -> Self {
        if no_color || term == "dumb" {
            Self::None
        } else if matches!(colorterm, "truecolor" | "24bit") {
            Self::True
        } else if term.contains("256color") {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    Dark,
    Light,
    /// Told apart by those who see no red or no green (Okabe and Ito's colours).
    ColourBlind,
}

impl Palette {
    pub const ALL: [Self; 3] = [Self::Dark, Self::Light, Self::ColourBlind];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::ColourBlind => "colour-blind",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|palette| palette.name() == name)
    }

    pub fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::ColourBlind,
            Self::ColourBlind => Self::Dark,
        }
    }
}

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Text,
    /// Beside the point: units, ancestors, the dead.
    Faint,
    /// The heading of a table.
    Heading,
    /// The column that is sorted by, the view that is shown.
    Chosen,
    /// The row that keys act on.
    Cursor,
    /// A key that can be pressed.
    Key,
    /// Programs' own CPU time; anything that is much and harmless.
    Calm,
    /// CPU time in the kernel.
    Kernel,
    /// Waiting, taken away, nearly full.
    Warning,
    /// Lost, failed, full.
    Alarm,
    /// Names of programs.
    Name,
    /// What matches a search.
    Match,
}

/// The eight basic colours, or their bright forms, and the exact one.
type Shade = (Color, (u8, u8, u8));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    pub palette: Palette,
    pub depth: Depth,
}

impl Theme {
    pub fn style(self, meaning: Meaning) -> Style {
        let plain = Style::new();
        if self.depth == Depth::None {
            return match meaning {
                Meaning::Text | Meaning::Calm | Meaning::Kernel | Meaning::Name => plain,
                Meaning::Faint => plain.add_modifier(Modifier::DIM),
                Meaning::Heading | Meaning::Key | Meaning::Warning => {
                    plain.add_modifier(Modifier::BOLD)
                }
                Meaning::Chosen => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
                Meaning::Cursor => Style::reset().add_modifier(Modifier::REVERSED),
                Meaning::Alarm | Meaning::Match => {
                    plain.add_modifier(Modifier::BOLD | Modifier::REVERSED)
                }
            };
        }
        let coloured = |shade| plain.fg(self.colour(shade));
        match meaning {
            // The terminal's own colour.
            Meaning::Text => plain,
            // Over whatever colours the line has: its words must be read.
            Meaning::Cursor => Style::reset().add_modifier(Modifier::REVERSED),
            Meaning::Heading => coloured(self.shade(meaning)).add_modifier(Modifier::BOLD),
            Meaning::Chosen | Meaning::Alarm | Meaning::Match => {
                coloured(self.shade(meaning)).add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
            }
            _ => coloured(self.shade(meaning)),
        }
    }

    fn shade(self, meaning: Meaning) -> Shade {
        match self.palette {
            Palette::Dark => match meaning {
                Meaning::Faint => (Color::DarkGray, (118, 124, 135)),
                Meaning::Heading => (Color::Cyan, (116, 199, 217)),
                Meaning::Chosen => (Color::LightYellow, (245, 208, 110)),
                Meaning::Key => (Color::LightCyan, (140, 220, 235)),
                Meaning::Calm => (Color::Green, (126, 200, 120)),
                Meaning::Kernel => (Color::LightMagenta, (203, 140, 225)),
                Meaning::Warning => (Color::Yellow, (235, 180, 90)),
                Meaning::Alarm => (Color::LightRed, (240, 105, 105)),
                Meaning::Name => (Color::LightGreen, (170, 215, 165)),
                Meaning::Match => (Color::LightYellow, (255, 225, 130)),
                Meaning::Text | Meaning::Cursor => (Color::Gray, (205, 208, 214)),
            },
            Palette::Light => match meaning {
                Meaning::Faint => (Color::DarkGray, (110, 112, 118)),
                Meaning::Heading => (Color::Blue, (20, 82, 150)),
                Meaning::Chosen => (Color::Magenta, (140, 40, 130)),
                Meaning::Key => (Color::Blue, (10, 90, 160)),
                Meaning::Calm => (Color::Green, (25, 115, 45)),
                Meaning::Kernel => (Color::Magenta, (125, 55, 160)),
                Meaning::Warning => (Color::Yellow, (150, 95, 0)),
                Meaning::Alarm => (Color::Red, (185, 20, 30)),
                Meaning::Name => (Color::Green, (15, 95, 60)),
                Meaning::Match => (Color::Red, (170, 60, 0)),
                Meaning::Text | Meaning::Cursor => (Color::Black, (30, 30, 34)),
            },
            Palette::ColourBlind => match meaning {
                Meaning::Faint => (Color::DarkGray, (128, 128, 128)),
                Meaning::Heading => (Color::LightCyan, (86, 180, 233)),
                Meaning::Chosen => (Color::LightYellow, (240, 228, 66)),
                Meaning::Key => (Color::LightCyan, (86, 180, 233)),
                Meaning::Calm => (Color::LightBlue, (30, 144, 210)),
                Meaning::Kernel => (Color::White, (220, 220, 220)),
                Meaning::Warning => (Color::LightYellow, (230, 159, 0)),
                Meaning::Alarm => (Color::LightRed, (235, 120, 40)),
                Meaning::Name => (Color::LightCyan, (140, 205, 240)),
                Meaning::Match => (Color::LightYellow, (240, 228, 66)),
                Meaning::Text | Meaning::Cursor => (Color::Gray, (205, 205, 205)),
            },
        }
    }

    fn colour(self, (basic, (red, green, blue)): Shade) -> Color {
        match self.depth {
            Depth::None | Depth::Sixteen => basic,
            Depth::Indexed => Color::Indexed(nearest_of_cube(red, green, blue)),
            Depth::True => Color::Rgb(red, green, blue),
        }
    }
}

/// Of the 216 colours from 16 on, six levels each way: 0, 95, 135, 175, 215 and 255.
fn nearest_of_cube(red: u8, green: u8, blue: u8) -> u8 {
    let level = |part: u8| match part {
        0..48 => 0,
        48..115 => 1,
        _ => (part - 35) / 40,
    };
    16 + 36 * level(red) + 6 * level(green) + level(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_how_many_colours_there_are() {
        let check = |no_color, colorterm, term, expected| {
            assert_eq!(Depth::of(no_color, colorterm, term), expected);
        };
        check(true, "truecolor", "xterm-256color", Depth::None);
        check(false, "", "dumb", Depth::None);
        check(false, "truecolor", "xterm", Depth::True);
        check(false, "", "screen-256color", Depth::Indexed);
        check(false, "", "linux", Depth::Sixteen);
    }

    #[test]
    fn exact_colours_have_a_near_one_in_the_cube() {
        assert_eq!(nearest_of_cube(0, 0, 0), 16);
        assert_eq!(nearest_of_cube(255, 255, 255), 231);
        assert_eq!(nearest_of_cube(95, 135, 175), 16 + 36 + 12 + 3);
    }

    #[test]
    fn every_meaning_differs_from_text_where_it_must() {
        let apart = [
            Meaning::Faint,
            Meaning::Heading,
            Meaning::Chosen,
            Meaning::Cursor,
            Meaning::Key,
            Meaning::Warning,
            Meaning::Alarm,
            Meaning::Match,
        ];
        for palette in Palette::ALL {
            for depth in [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True] {
                let theme = Theme { palette, depth };
                for meaning in apart {
                    let text = theme.style(Meaning::Text);
                    assert_ne!(theme.style(meaning), text, "{theme:?} {meaning:?}");
                }
            }
            assert_eq!(Palette::from_name(palette.name()), Some(palette));
        }
    }
}
