//! Modules that a guest needs, with those that they depend on, in the order to load them.
//!
//! Each module names in its own `.modinfo` what it depends on, so neither depmod nor its tables are
//! needed. What is built into a kernel has no file, and is skipped.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::child;

/// The disk, loop devices, a disk in memory, and pairs of network interfaces.
const WANTED: &[&str] = &["virtio_pci", "virtio_blk", "loop", "brd", "veth"];

/// Uncompressed modules below `directory` of a kernel's.
pub fn copy(modules: &Path, directory: &Path) -> Result<Vec<String>> {
    let mut files = HashMap::new();
    index(&modules.join("kernel"), &mut files)?;
    let mut order = Vec::new();
    for name in WANTED {
        add(name, &files, directory, &mut order)?;
    }
    Ok(order)
}

/// Files by the name of their module.
fn index(directory: &Path, files: &mut HashMap<String, PathBuf>) -> Result<()> {
    let listing = || format!("listing {}", directory.display());
    for entry in fs::read_dir(directory).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        let path = entry.path();
        if entry.file_type().with_context(listing)?.is_dir() {
            index(&path, files)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

/// A module behind those that it depends on, each once.
fn add(
    name: &str,
    files: &HashMap<String, PathBuf>,
    directory: &Path,
    order: &mut Vec<String>,
) -> Result<()> {
    let file = format!("{name}.ko");
    let Some(source) = files.get(name) else {
        return Ok(());
    };
    if order.contains(&file) {
        return Ok(());
    }
    let module = read(source)?;
    for dependency in dependencies(&module) {
        add(&dependency, files, directory, order)?;
    }
    let target = directory.join(&file);
    fs::write(&target, module).with_context(|| format!("writing {}", target.display()))?;
    order.push(file);
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let reading = || format!("reading {}", path.display());
    match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("xz") => {
            let mut xz = child::command("xz");
            let output = xz.arg("-dc").arg(path).output().with_context(reading)?;
            if !output.status.success() {
                bail!("{}: xz ended with {}", reading(), output.status);
            }
            Ok(output.stdout)
        }
        _ => fs::read(path).with_context(reading),
    }
}

/// `depends=` of the module's `.modinfo`, whose texts a NUL ends.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = module[at + KEY.len()..].split(|byte| *byte == 0).next();
    String::from_utf8_lossy(value.unwrap_or_default())
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let module = b"\x7fELF\0license=GPL\0depends=virtio_ring,virtio\0retpoline=Y\0";
        assert_eq!(dependencies(module), ["virtio_ring", "virtio"]);
        assert!(dependencies(b"\0license=GPL\0depends=\0name=virtio\0").is_empty());
    }
}
