//! CSV: a header of field names, and a line per process. RFC 4180, unknown is empty.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::terminal::Terminal;
use crate::model::{
    escape::{self, csv_field},
    field::{Field, Value},
    snapshot::ProcessView,
};

/// Writes these processes with every field.
///
/// # Errors
/// When the output takes no more.
pub fn write(
    out: &mut impl Write,
    processes: &[ProcessView<'_>],
    terminal: Terminal,
) -> io::Result<()> {
    let names: Vec<_> = Field::all().iter().map(|field| field.name()).collect();
    write!(out, "{}\r\n", names.join(","))?;
    for view in processes {
        for (column, field) in Field::all().iter().enumerate() {
            if column > 0 {
                out.write_all(b",")?;
            }
            match field.value(view) {
                Value::Unknown => {}
                Value::Integer(number) => write!(out, "{number}")?,
                Value::Real(number) => write!(out, "{number}")?,
                Value::Flag(flag) => write!(out, "{flag}")?,
                Value::Text(text) => out.write_all(cell(&text, terminal).as_bytes())?,
            }
        }
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

/// A text as a cell: as it is, but for what a spreadsheet would run; on a terminal also without what that
/// would act on.
pub fn cell(text: &str, terminal: Terminal) -> Cow<'_, str> {
    if terminal.is_interactive {
        Cow::Owned(csv_field(&escape::terminal(text)).into_owned())
    } else {
        csv_field(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_acts_on_no_terminal() {
        let on = |is_interactive| Terminal {
            width: 80,
            height: 24,
            is_interactive,
            is_coloured: false,
        };
        assert_eq!(cell("\x1b[2J,a\n", on(true)), "\"\\x1b[2J,a\\n\"");
        assert_eq!(cell("\x1b[2J,a\n", on(false)), "\"\x1b[2J,a\n\"");
    }
}
