//! A place in a list, and the part of the list that is on the screen.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The line that keys act on.
    pub line: usize,
    /// The first line on the screen.
    pub offset: usize,
}

impl Cursor {
    pub fn up(&mut self, lines: usize) {
        self.line = self.line.saturating_sub(lines);
    }

    /// Past the end until [`Self::settle`] says where that is.
    pub fn down(&mut self, lines: usize) {
        self.line = self.line.saturating_add(lines);
    }

    /// Keeps the cursor in a list of so many lines, and on a screen of so many.
    pub fn settle(&mut self, lines: usize, height: usize) {
        self.line = self.line.min(lines.saturating_sub(1));
        let height = height.max(1);
        if self.line < self.offset {
            self.offset = self.line;
        } else if self.line >= self.offset + height {
            self.offset = self.line + 1 - height;
        }
        self.offset = self.offset.min(lines.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_in_the_list_and_on_the_screen() {
        let mut cursor = Cursor::default();
        cursor.down(usize::MAX);
        cursor.settle(100, 10);
        assert_eq!(
            cursor,
            Cursor {
                line: 99,
                offset: 90
            }
        );
        cursor.up(9);
        cursor.settle(100, 10);
        assert_eq!(cursor.offset, 90, "still on the screen");
        cursor.up(1);
        cursor.settle(100, 10);
        assert_eq!(cursor.offset, 89);
        cursor.settle(5, 10);
        assert_eq!(cursor, Cursor { line: 4, offset: 0 });
        cursor.settle(0, 0);
        assert_eq!(cursor, Cursor::default());
    }
}
