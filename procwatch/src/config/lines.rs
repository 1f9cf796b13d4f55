//! Which line of a text a byte is in.

/// The starts of the lines of a text.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    /// From 1.
    pub(super) fn at(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).max(1)
    }

    /// The line of a part of the text. That of the text's first byte for what is no part of it.
    pub(super) fn of_part(&self, part: &str) -> usize {
        let distance = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        self.at(if distance <= self.text.len() {
            distance
        } else {
            0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_from_one() {
        let text = "a\nbc\n\nd";
        let lines = Lines::of(text);
        let told: Vec<_> = (0..=text.len()).map(|at| lines.at(at)).collect();
        assert_eq!(told, [1, 1, 2, 2, 2, 3, 4, 4]);
        assert_eq!(lines.of_part(&text[5..6]), 3);
        assert_eq!(lines.of_part("elsewhere"), 1);
    }
}
