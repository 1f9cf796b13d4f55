//! What is told beside the output.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Writes a line to standard error. Where that takes nothing there is nobody to tell, which is no reason to
/// end: `eprintln!` would panic.
pub fn notice(line: fmt::Arguments<'_>) {
    // In one piece, so that nothing that others write comes between.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
