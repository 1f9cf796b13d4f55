//! The layout of the live view, kept in the user's own configuration.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use serde_json::{Value, json};

use crate::{
    model::{
        field::Field,
        selection::{Arrangement, Direction},
    },
    tui::{Layout, Palette},
};

/// Below the user's configuration directory.
const NAME: &str = "procwatch/view.json";

fn path() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(directory.join(NAME))
}

/// Where it is kept: the nearest directory on the way there that exists.
pub(super) fn place() -> PathBuf {
    let path = path().unwrap_or_else(|| PathBuf::from("/"));
    let place = path.ancestors().skip(1).find(|place| place.is_dir());
    place.map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// What was kept last; what cannot be read is as at first.
pub(super) fn load() -> Layout {
    let text = path().and_then(|path| fs::read_to_string(path).ok());
    let kept = text.and_then(|text| serde_json::from_str(&text).ok());
    kept.map_or_else(Layout::default, |kept: Value| from_json(&kept))
}

fn from_json(kept: &Value) -> Layout {
    let field = |value: &Value| Field::from_name(value.as_str()?);
    let usual = Layout::default();
    let columns: Vec<_> = kept["columns"]
        .as_array()
        .map(|names| names.iter().filter_map(field).collect())
        .unwrap_or_default();
    Layout {
        columns: if columns.is_empty() {
            usual.columns
        } else {
            columns
        },
        sort: field(&kept["sort"]).unwrap_or(usual.sort),
        direction: match kept["reversed"].as_bool() {
            Some(true) => Direction::Reversed,
            _ => Direction::Usual,
        },
        arrangement: match kept["tree"].as_bool() {
            Some(true) => Arrangement::Tree,
            _ => Arrangement::Flat,
        },
        palette: kept["theme"]
            .as_str()
            .and_then(Palette::from_name)
            .unwrap_or(usual.palette),
    }
}

fn to_json(layout: &Layout) -> Value {
    let columns: Vec<_> = layout.columns.iter().map(|field| field.name()).collect();
    json!({
        "columns": columns,
        "sort": layout.sort.name(),
        "reversed": layout.direction == Direction::Reversed,
        "tree": layout.arrangement == Arrangement::Tree,
        "theme": layout.palette.name(),
    })
}

/// Keeps a layout, and says where, or why not.
pub(super) fn save(layout: &Layout) -> Result<String, String> {
    let path = path().ok_or("nowhere to keep it: HOME is not set")?;
    let write = || {
        let directory = path.parent().unwrap_or(&path);
        fs::create_dir_all(directory)?;
        // Written beside and renamed: half a file is never read, and no link is followed.
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        let written = serde_json::to_writer_pretty(&mut file, &to_json(layout))
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| fs::rename(&beside, &path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    };
    match write() {
        Ok(()) => Ok(format!("kept in {}", path.display())),
        Err(error) => Err(format!("{} cannot be written: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_reads_back_and_nonsense_is_as_at_first() {
        let layout = Layout {
            columns: vec![Field::Pid, Field::Swap],
            sort: Field::Swap,
            direction: Direction::Reversed,
            arrangement: Arrangement::Tree,
            palette: Palette::ColourBlind,
        };
        assert_eq!(from_json(&to_json(&layout)), layout);
        for nonsense in [
            json!(null),
            json!({"columns": ["x", 3], "sort": 1, "theme": "y"}),
        ] {
            assert_eq!(from_json(&nonsense), Layout::default());
        }
    }
}
