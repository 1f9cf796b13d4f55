//! A screen as an SVG: a line of text elements for each line, one element for each run of cells that look alike.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

const CELL_WIDTH: f64 = 8.4;
const CELL_HEIGHT: f64 = 18.0;
const MARGIN: f64 = 10.0;
const INK: &str = "#cdd0d6";
const PAPER: &str = "#16181d";

pub fn drawing(screen: &Screen) -> String {
    let (lines, columns) = screen.size();
    let (lines, columns) = (lines.get(), columns.get());
    let width = f64::from(columns) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f64::from(lines) * CELL_HEIGHT + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{PAPER}\"/>\n"
    );
    for line in 0..lines {
        let mut column = 0;
        while column < columns {
            let run = run(screen, line, column, columns);
            run.draw(&mut svg, line, column);
            column += run.cells;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Cells beside each other that look alike.
struct Run {
    text: String,
    cells: u16,
    look: Look,
}

#[derive(Clone, Copy, PartialEq)]
struct Look {
    ink: Color,
    is_bold: bool,
    is_underlined: bool,
    is_reversed: bool,
}

impl Look {
    fn of(cell: &Cell) -> Self {
        Self {
            ink: cell.fgcolor(),
            is_bold: cell.bold(),
            is_underlined: cell.underline(),
            is_reversed: cell.inverse(),
        }
    }
}

fn run(screen: &Screen, line: u16, from: u16, columns: u16) -> Run {
    let cell = |column| screen.cell(line, column).expect("within the screen");
    let look = Look::of(cell(from));
    let alike = (from..columns).take_while(|column| Look::of(cell(*column)) == look);
    let mut run = Run {
        text: String::new(),
        cells: 0,
        look,
    };
    for column in alike {
        run.cells += 1;
        match cell(column).contents() {
            "" => run.text.push(' '),
            text => run.text.push_str(text),
        }
    }
    run
}

impl Run {
    fn draw(&self, svg: &mut String, line: u16, column: u16) {
        let x = f64::from(column) * CELL_WIDTH + MARGIN;
        let y = f64::from(line) * CELL_HEIGHT + MARGIN;
        let width = f64::from(self.cells) * CELL_WIDTH;
        let ink = hex(self.look.ink);
        let (ink, paper) = if self.look.is_reversed {
            (PAPER.to_owned(), Some(ink))
        } else {
            (ink, None)
        };
        if let Some(paper) = paper {
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{paper}\"/>"
            );
        }
        if self.text.trim().is_empty() {
            return;
        }
        let bold = if self.look.is_bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let line = if self.look.is_underlined {
            " text-decoration=\"underline\""
        } else {
            ""
        };
        let baseline = y + CELL_HEIGHT * 0.75;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" textLength=\"{width:.1}\" fill=\"{ink}\"{bold}{line} \
             xml:space=\"preserve\">{}</text>",
            escape(&self.text)
        );
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn hex(colour: Color) -> String {
    match colour {
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        // Frames are taken in true colours: all else is the terminal's own.
        _ => INK.to_owned(),
    }
}
