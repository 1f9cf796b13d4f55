//! README's table of kernels and capabilities: made by a run, and compared by every later one.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{
    capabilities::CAPABILITIES,
    hooks::{Hooks, State},
};
use crate::child;

const BEGIN: &str = "<!-- kernels:begin -->";
const END: &str = "<!-- kernels:end -->";
const REMEDY: &str = "try: cargo xtask kernels --update-readme";
/// Of notes that a table of this size can have.
const NOTE_SIGNS: [&str; 9] = ["¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"];

/// What is to be done with the table that is there.
#[derive(Clone, Copy)]
pub enum Table {
    Compare,
    Update,
}

/// Of all kernels.
pub fn settle(table: Table, kernels: &[(&str, &Hooks)]) -> Result<()> {
    let path = path()?;
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let new = replaced(&text, &markdown(kernels)?)?;
    match table {
        Table::Compare if new == text => Ok(()),
        Table::Compare => bail!("README's table of kernels is not what was seen\n{REMEDY}"),
        Table::Update => {
            fs::write(&path, new).with_context(|| format!("writing {}", path.display()))?;
            println!("README's table of kernels is what was seen");
            Ok(())
        }
    }
}

fn path() -> Result<PathBuf> {
    let mut cargo = child::workspace_cargo();
    cargo.args(["locate-project", "--workspace", "--message-format=plain"]);
    let manifest = PathBuf::from(child::output(&mut cargo)?.trim_end());
    Ok(manifest.with_file_name("README.md"))
}

/// The text with another table between its marks.
fn replaced(text: &str, table: &str) -> Result<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, behind) = rest.split_once(END)?;
        Some((before, behind))
    });
    let (before, behind) = parts.with_context(|| {
        format!("README has no place for the table of kernels\ntry: lines {BEGIN} and {END} in it")
    })?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{behind}"))
}

fn markdown(kernels: &[(&str, &Hooks)]) -> Result<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut out = String::from("|");
    for (kernel, _) in kernels {
        let _ = write!(out, " | {kernel}");
    }
    let _ = writeln!(out, " |\n|---{}|", "|---".repeat(kernels.len()));
    for capability in CAPABILITIES {
        let _ = write!(out, "| {}", capability.name);
        for (kernel, hooks) in kernels {
            let lacks = capability.lacks(kernel, hooks);
            let word = match hooks.state(capability.group) {
                None | Some(State::Unsupported | State::Failed) => "no",
                Some(State::Active | State::Fallback) if lacks.is_empty() => "yes",
                Some(State::Active | State::Fallback) => "partly",
            };
            let mut sign = "";
            if !lacks.is_empty() {
                let lacks = lacks.join("; ");
                let note = match word {
                    "partly" => format!("Not told: {lacks}"),
                    _ => format!("Not at all: {lacks}"),
                };
                let place = notes.iter().position(|one| *one == note);
                let place = place.unwrap_or_else(|| {
                    notes.push(note);
                    notes.len() - 1
                });
                sign = NOTE_SIGNS.get(place).context("more notes than signs")?;
            }
            let _ = write!(out, " | {word}{sign}");
        }
        out.push_str(" |\n");
    }
    for (sign, note) in NOTE_SIGNS.iter().zip(&notes) {
        let _ = write!(out, "\n{sign} {note}.\n");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::hooks::tests::old;

    #[test]
    fn what_is_partly_told_or_not_at_all_has_a_note() {
        let hooks = old();
        let table = markdown(&[("one", &hooks), ("two", &hooks)]).expect("a table");
        assert!(table.starts_with("| | one | two |\n|---|---|---|\n| births"));
        assert!(table.contains("| totals of the living | yes | yes |\n"));
        assert!(table.contains("| bytes through sockets | partly¹ | partly¹ |\n"));
        assert!(table.contains("| connections | no² | no² |\n"));
        assert!(table.contains("\n¹ Not told: what is odd.\n"));
        assert!(table.contains("\n² Not at all: this kernel cannot.\n"));
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&text, "new\n").expect("a place");
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replaced(&new, "new\n").expect("a place"), new);
        assert!(replaced("a\n", "new\n").is_err());
    }
}
