//! What descriptors stand for, as far as somebody has said so.

use std::fmt::Write as _;

use hashbrown::HashMap;

use super::{
    calls,
    record::{Call, Ends, FileId, FileKind},
};

/// Files that have names; past this many the others go by their numbers.
const NAMES_MAX: usize = 65_536;

/// Whoever can look at a process while it lives.
pub trait Lookup {
    /// What one of its descriptors is, as `/proc/PID/fd/N` says. `None` when it is gone.
    fn descriptor(&mut self, pid: u32, descriptor: i32) -> Option<String>;
}

/// Nobody can.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Lookup for Nobody {
    fn descriptor(&mut self, _pid: u32, _descriptor: i32) -> Option<String> {
        None
    }
}

/// The names of files by what the kernel knows them by.
#[derive(Debug, Default)]
pub struct Names {
    files: HashMap<FileId, Box<str>>,
}

impl Names {
    /// Learns from a call that has returned, and asks for what it does not know.
    pub fn learn(&mut self, pid: u32, call: &Call, lookup: &mut dyn Lookup) {
        let Some(shape) = calls::shape(call.number) else {
            return;
        };
        let descriptor = |wanted| {
            let place = shape.arguments.iter().position(|kind| *kind == wanted)?;
            Some(call.arguments[place] as i32)
        };
        if let Some(file) = call.file {
            let number = if shape.returns_descriptor && call.result >= 0 {
                Some(call.result as i32)
            } else {
                descriptor(calls::Argument::Descriptor)
            };
            let given = call.texts[0]
                .as_deref()
                .filter(|_| shape.returns_descriptor);
            self.name(pid, file, number, given, lookup);
        }
        if let Some(file) = call.second_file {
            let number = descriptor(calls::Argument::SecondDescriptor);
            self.name(pid, file, number, None, lookup);
        }
    }

    fn name(
        &mut self,
        pid: u32,
        file: FileId,
        descriptor: Option<i32>,
        given: Option<&str>,
        lookup: &mut dyn Lookup,
    ) {
        let has_name = !matches!(
            file.kind,
            FileKind::Pipe | FileKind::Socket | FileKind::Anonymous
        );
        if !has_name || self.files.len() >= NAMES_MAX {
            return;
        }
        // An inode's number comes back for another file, which an open tells.
        if given.is_none() && self.files.contains_key(&file) {
            return;
        }
        let whole = given.filter(|path| path.starts_with('/'));
        let mut looked_up = || lookup.descriptor(pid, descriptor?);
        let name = match whole {
            Some(path) => Some(path.to_owned()),
            None => looked_up().or_else(|| given.map(str::to_owned)),
        };
        if let Some(name) = name {
            self.files.insert(file, name.into());
        }
    }

    /// `None` when nobody has said.
    pub fn of(&self, file: FileId) -> Option<&str> {
        self.files.get(&file).map(AsRef::as_ref)
    }

    /// For a reader, who may look at a terminal: what can act on one is still in it.
    pub fn write(&self, out: &mut String, file: FileId, ends: Option<Ends>) {
        match (ends, self.of(file)) {
            (Some(ends), _) => {
                let _ = write!(out, "{}", Shown(ends));
            }
            (None, Some(name)) => out.push_str(name),
            (None, None) => {
                let kind = match file.kind {
                    FileKind::Pipe => "pipe",
                    FileKind::Socket => "socket",
                    FileKind::Anonymous => return out.push_str("anon_inode"),
                    FileKind::Regular => "file",
                    FileKind::Directory => "directory",
                    FileKind::Symlink => "link",
                    FileKind::Block | FileKind::Character => "device",
                };
                let _ = write!(out, "{kind}:[{}]", file.inode);
            }
        }
    }
}

/// Both ends, as they are shown.
struct Shown(Ends);

impl std::fmt::Display for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ends {
            protocol,
            local,
            remote,
        } = self.0;
        let name = protocol.name();
        match remote {
            Some(remote) => write!(formatter, "{name} {local} -> {remote}"),
            None => write!(formatter, "{name} {local}"),
        }
    }
}
