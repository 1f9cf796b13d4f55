//! What standard output is: how wide, and whether a person looks at it.

use std::io::IsTerminal as _;

/// How wide lines are when nobody says.
const DEFAULT_WIDTH: usize = 120;

/// Where text goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    pub width: usize,
    pub height: usize,
    /// Output is a terminal, and not a file or a pipe.
    pub is_interactive: bool,
    /// Colours and dimming are welcome: a terminal, and no NO_COLOR.
    pub is_coloured: bool,
}

impl Terminal {
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        let is_interactive = stdout.is_terminal();
        let size = rustix::termios::tcgetwinsize(&stdout)
            .ok()
            .filter(|size| size.ws_col > 0);
        let (width, height) = size.map_or((DEFAULT_WIDTH, 40), |size| {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        });
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width,
            height,
            is_interactive,
            is_coloured: is_interactive && !no_color,
        }
    }
}
