//! Files of this machine that a guest has at the same paths: programs, the libraries that they load, and
//! every directory and symbolic link on the way to them.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::child;

/// path_resolution(7).
const LINKS_MAX: u32 = 40;

#[derive(Default)]
pub struct Closure {
    /// In the order in which they can be made: a directory is before what is in it.
    paths: BTreeSet<PathBuf>,
}

impl Closure {
    pub fn add_program(&mut self, program: &Path) -> Result<()> {
        self.add(program)?;
        // Fails on what is linked statically, or is a script.
        if let Some(loaded) = child::answer(child::command("ldd").arg(program)) {
            for library in libraries(&loaded) {
                self.add(library)?;
            }
        }
        Ok(())
    }

    /// A file, by an absolute path.
    pub fn add(&mut self, path: &Path) -> Result<()> {
        let resolving = || format!("resolving {}", path.display());
        let mut links = 0;
        let mut here = PathBuf::from("/");
        let mut ahead = reversed(path);
        while let Some(name) = ahead.pop() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let kind = fs::symlink_metadata(&next).with_context(resolving)?;
            if kind.is_symlink() {
                let target = fs::read_link(&next).with_context(resolving)?;
                links += 1;
                if links > LINKS_MAX {
                    bail!("{}: a loop of links", resolving());
                }
                if target.is_absolute() {
                    here = "/".into();
                }
                ahead.extend(reversed(&target));
            } else {
                here.clone_from(&next);
            }
            self.paths.insert(next);
        }
        Ok(())
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }
}

/// Names and `..` of a path, the last first.
fn reversed(path: &Path) -> Vec<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// The files in what ldd(1) prints.
fn libraries(loaded: &str) -> impl Iterator<Item = &Path> {
    loaded
        .lines()
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with('/'))
        .map(Path::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_the_paths_that_ldd_prints() {
        let loaded = "\tlinux-vdso.so.1 (0x00007fa81d54e000)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fa81d01e000)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007fa81d550000)\n";
        let found: Vec<_> = libraries(loaded).collect();
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(found, expected.map(Path::new));
    }

    #[test]
    fn links_on_the_way_are_added_with_what_they_lead_to() {
        let directory = std::env::temp_dir().join(format!("xtask-closure-{}", std::process::id()));
        let directory_real = || directory.canonicalize().expect("our directory");
        fs::create_dir_all(directory.join("real")).expect("a directory");
        fs::write(directory.join("real/file"), "").expect("a file");
        std::os::unix::fs::symlink("real", directory.join("link")).expect("a link");
        let mut closure = Closure::default();
        closure
            .add(&directory_real().join("link/file"))
            .expect("it is there");
        let real = directory_real();
        let found: Vec<_> = closure
            .paths()
            .filter_map(|path| path.strip_prefix(&real).ok())
            .collect();
        fs::remove_dir_all(&directory).expect("removing our directory");
        assert_eq!(found, ["", "link", "real", "real/file"].map(Path::new));
    }
}
