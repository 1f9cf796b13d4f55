//! Pieces of a frame: lines of styled words, bars, and little curves.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::escape::fit,
    tui::theme::{Meaning, Theme},
};

/// Eight heights of a block.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes a text into a line of an area, cut to its width.
pub fn put(buffer: &mut Buffer, area: Rect, line: u16, text: &str, style: Style) {
    if line < area.height {
        let text = fit(text, area.width.into());
        buffer.set_string(area.x, area.y + line, text, style);
    }
}

/// Writes styled words into a line of an area, cut to its width.
pub fn put_line(buffer: &mut Buffer, area: Rect, line: u16, words: &Line<'_>) {
    if line < area.height {
        buffer.set_line(area.x, area.y + line, words, area.width);
    }
}

/// Makes a whole line look so.
pub fn paint_line(buffer: &mut Buffer, area: Rect, line: u16, style: Style) {
    if line < area.height {
        let row = Rect {
            y: area.y + line,
            height: 1,
            ..area
        };
        buffer.set_style(row, style);
    }
}

/// Words that are put together one by one.
pub struct Words {
    theme: Theme,
    spans: Vec<Span<'static>>,
}

impl Words {
    pub fn new(theme: Theme) -> Self {
        Self {
            theme,
            spans: Vec::new(),
        }
    }

    #[must_use]
    pub fn add(mut self, meaning: Meaning, text: impl Into<String>) -> Self {
        self.push(meaning, text);
        self
    }

    pub fn push(&mut self, meaning: Meaning, text: impl Into<String>) {
        let style = self.theme.style(meaning);
        self.spans.push(Span::styled(text.into(), style));
    }

    pub fn width(&self) -> usize {
        self.spans.iter().map(Span::width).sum()
    }

    pub fn line(self) -> Line<'static> {
        Line::from(self.spans)
    }
}

/// A bar of parts in brackets, with a text at its right end inside: `[||||||   12.3%]`.
pub fn bar(theme: Theme, width: usize, parts: &[(Meaning, f64)], text: &str) -> Vec<Span<'static>> {
    let inside = width.saturating_sub(2);
    let text = fit(text, inside);
    let text_width = text.chars().count();
    let mut cells: Vec<(char, Meaning)> = vec![(' ', Meaning::Faint); inside];
    let mut sum = 0.0;
    let mut from = 0;
    for (meaning, part) in parts {
        sum += part.clamp(0.0, 1.0);
        let to = ((sum * inside as f64).round() as usize).min(inside);
        for cell in &mut cells[from.min(to)..to] {
            *cell = ('|', *meaning);
        }
        from = from.max(to);
    }
    for (cell, letter) in cells[inside - text_width..].iter_mut().zip(text.chars()) {
        *cell = (letter, Meaning::Faint);
    }
    let mut spans = vec![Span::styled("[", theme.style(Meaning::Faint))];
    for (letter, meaning) in cells {
        let style = theme.style(meaning);
        match spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push(letter),
            _ => spans.push(Span::styled(letter.to_string(), style)),
        }
    }
    spans.push(Span::styled("]", theme.style(Meaning::Faint)));
    spans
}

/// A curve of one character a value, the last at the right; a blank where a value is not known.
pub fn curve(values: &[Option<f64>], highest: f64, width: usize) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let mut text = " ".repeat(width - shown.len());
    text.extend(shown.iter().map(|value| match value {
        None => ' ',
        Some(value) => block(value / highest),
    }));
    text
}

/// A block as high as a part of one is; the lowest for nothing.
pub fn block(part: f64) -> char {
    if !part.is_finite() || part <= 0.0 {
        return HEIGHTS[0];
    }
    let height = (part * HEIGHTS.len() as f64).ceil() as usize;
    HEIGHTS[height.clamp(1, HEIGHTS.len()) - 1]
}

/// How worrying a share of something is.
pub fn of_share(part: f64) -> Meaning {
    match part {
        0.95.. => Meaning::Alarm,
        0.8.. => Meaning::Warning,
        _ => Meaning::Calm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Depth, Palette};

    #[test]
    fn a_bar_has_its_width_whatever_is_in_it() {
        let theme = Theme {
            palette: Palette::Dark,
            depth: Depth::Sixteen,
        };
        let drawn = |width, parts: &[(Meaning, f64)], text: &str| -> String {
            let spans = bar(theme, width, parts, text);
            spans.iter().map(|span| span.content.as_ref()).collect()
        };
        let half = [(Meaning::Calm, 0.25), (Meaning::Kernel, 0.25)];
        assert_eq!(drawn(12, &half, "50%"), "[|||||  50%]");
        assert_eq!(drawn(12, &[(Meaning::Calm, 9.0)], "x"), "[|||||||||x]");
        assert_eq!(drawn(4, &half, "too long"), "[t…]");
        assert_eq!(drawn(2, &half, "x"), "[]");
        assert_eq!(drawn(0, &half, "x"), "[]");
    }

    #[test]
    fn a_curve_ends_at_the_right() {
        let values = [Some(0.0), None, Some(4.0), Some(8.0), Some(99.0)];
        assert_eq!(curve(&values, 8.0, 6), " ▁ ▄██");
        assert_eq!(curve(&values, 8.0, 2), "██");
        assert_eq!(curve(&[Some(1.0)], 0.0, 1), "▁");
    }
}
