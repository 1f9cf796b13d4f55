//! CSV: a header of field names, and a line per process. RFC 4180, unknown is empty.

use std::io::{self, Write};

use crate::model::{
    escape::csv_field,
    field::{Field, Value},
    snapshot::ProcessView,
};

/// Writes these processes with every field.
///
/// # Errors
/// When the output takes no more.
pub fn write(out: &mut impl Write, processes: &[ProcessView<'_>]) -> io::Result<()> {
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
                Value::Text(text) => out.write_all(csv_field(&text).as_bytes())?,
            }
        }
        out.write_all(b"\r\n")?;
    }
    Ok(())
}
