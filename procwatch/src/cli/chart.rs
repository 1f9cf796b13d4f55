//! A curve as text: filled columns of braille dots, two values a character, and an axis.

use unicode_width::UnicodeWidthStr as _;

/// Dots that a character is wide and high.
const DOTS_WIDE: usize = 2;
const DOTS_HIGH: usize = 4;

/// What a character's dots are, from the bottom: left column, right column (U+2800 and these).
const DOTS: [[u32; DOTS_HIGH]; DOTS_WIDE] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];

/// How many values a chart of so many columns shows, when the labels are so wide.
pub const fn values_of(width: usize, label: usize) -> usize {
    let room = width.saturating_sub(label + 2);
    if room < 10 { 20 } else { room * DOTS_WIDE }
}

/// Draws values, `None` where there is nothing to draw, in `height` lines, each with its end. `label` writes a
/// value; `from` and `to` stand below the ends.
pub fn draw(
    values: &[Option<f64>],
    height: usize,
    label_width: usize,
    label: impl Fn(f64) -> String,
    (from, to): (&str, &str),
) -> String {
    let highest = values.iter().flatten().copied().fold(0.0, f64::max);
    let columns = values.len().div_ceil(DOTS_WIDE);
    let all_dots = height * DOTS_HIGH;
    let dots = |value: Option<f64>| -> usize {
        match value {
            Some(value) if highest > 0.0 && value > 0.0 => {
                // What is there at all shows.
                ((value / highest * all_dots as f64).round() as usize).clamp(1, all_dots)
            }
            _ => 0,
        }
    };
    let mut out = String::new();
    for line in 0..height {
        let below = (height - 1 - line) * DOTS_HIGH;
        let text = match line {
            0 => label(highest),
            _ if line + 1 == height => label(0.0),
            _ if height >= 5 && line == height / 2 => {
                label(highest * (height - line) as f64 / height as f64)
            }
            _ => String::new(),
        };
        let padding = label_width.saturating_sub(text.width());
        out.push_str(&" ".repeat(padding));
        out.push_str(&text);
        out.push_str(" \u{2502}");
        for column in 0..columns {
            let mut character = 0x2800;
            for (side, dots_of) in DOTS.iter().enumerate() {
                let value = values.get(column * DOTS_WIDE + side).copied().flatten();
                for dot in &dots_of[..dots(value).saturating_sub(below).min(DOTS_HIGH)] {
                    character |= dot;
                }
            }
            out.push(char::from_u32(character).unwrap_or(' '));
        }
        out.push('\n');
    }
    out.push_str(&" ".repeat(label_width + 1));
    out.push('\u{2514}');
    out.push_str(&"\u{2500}".repeat(columns));
    out.push('\n');
    out.push_str(&" ".repeat(label_width + 2));
    out.push_str(from);
    let between = columns.saturating_sub(from.width() + to.width()).max(1);
    out.push_str(&" ".repeat(between));
    out.push_str(to);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[Option<f64>], expected: &str) {
        let drawn = draw(values, 2, 3, |value| format!("{value:.0}"), ("a", "b"));
        assert_eq!(drawn, expected);
    }

    #[test]
    fn values_are_columns_of_dots() {
        let values = [0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 0.01].map(Some);
        check(&values, "  8 │⠀⠀⣿⠀\n  0 │⢀⣼⣿⡀\n    └────\n     a  b\n");
    }

    #[test]
    fn nothing_is_drawn_as_nothing() {
        check(&[None, Some(0.0)], "  0 │⠀\n  0 │⠀\n    └─\n     a b\n");
        check(&[], "  0 │\n  0 │\n    └\n     a b\n");
    }
}
