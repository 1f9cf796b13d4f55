//! Stacks that programs took, function by function.
//!
//! The kernel's functions have their names from /proc/kallsyms; a program's are told by file and offset, as `addr2line`
//! takes them.

use std::{collections::BTreeMap, fs};

use aya::{
    maps::{MapData, StackTraceMap},
    util::kernel_symbols,
};
use hashbrown::HashMap;

/// Processes whose mappings are kept.
const PROCESSES_MAX: usize = 1024;

/// The map of stacks, and what is needed to read it.
pub(super) struct Stacks {
    map: StackTraceMap<MapData>,
    kernel: BTreeMap<u64, String>,
    mappings: HashMap<u32, Vec<Mapping>>,
}

/// A part of an address space that is a file's.
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    name: Box<str>,
}

impl Stacks {
    pub(super) fn new(map: StackTraceMap<MapData>) -> Self {
        Self {
            map,
            // Hidden where kernel.kptr_restrict says so: addresses are shown then.
            kernel: kernel_symbols().unwrap_or_default(),
            mappings: HashMap::new(),
        }
    }

    /// From the innermost, the kernel's functions first; empty when no stack was taken.
    pub(super) fn resolve(&mut self, pid: u32, user: i32, kernel: i32) -> Vec<Box<str>> {
        let mut functions = Vec::new();
        for address in self.addresses(kernel) {
            let function = self.kernel.range(..=address).next_back();
            functions.push(match function {
                Some((_, name)) => format!("{name} [kernel]").into(),
                None => format!("{address:#x} [kernel]").into(),
            });
        }
        for address in self.addresses(user) {
            functions.push(self.of_program(pid, address).into());
        }
        functions
    }

    fn addresses(&self, id: i32) -> Vec<u64> {
        let Ok(id) = u32::try_from(id) else {
            return Vec::new();
        };
        let stack = self.map.get(&id, 0);
        stack.map_or_else(
            |_| Vec::new(),
            |stack| stack.frames().iter().map(|frame| frame.ip).collect(),
        )
    }

    fn of_program(&mut self, pid: u32, address: u64) -> String {
        let holds = |mapping: &&Mapping| (mapping.start..mapping.end).contains(&address);
        let known = self.mappings.get(&pid);
        if known.is_none_or(|mappings| !mappings.iter().any(|mapping| holds(&mapping))) {
            if self.mappings.len() >= PROCESSES_MAX {
                self.mappings.clear();
            }
            // It may have mapped more since, or be gone.
            if let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) {
                self.mappings
                    .insert(pid, maps.lines().filter_map(mapping).collect());
            }
        }
        let mapping = self
            .mappings
            .get(&pid)
            .and_then(|mappings| mappings.iter().find(holds));
        match mapping {
            Some(mapping) => {
                let offset = address - mapping.start + mapping.offset;
                format!("{}+{offset:#x}", mapping.name)
            }
            None => format!("{address:#x}"),
        }
    }
}

/// A line of /proc/PID/maps. `None` for what is no file's.
fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let offset = words.nth(1)?;
    let name = words.nth(2)?;
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        name: name.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read() {
        let line = "7f12-7f34 r-xp 00001000 fe:00 1234    /usr/lib/libc.so.6";
        let mapping = mapping(line).unwrap();
        assert_eq!(
            (mapping.start, mapping.end, mapping.offset),
            (0x7f12, 0x7f34, 0x1000)
        );
        assert_eq!(&*mapping.name, "/usr/lib/libc.so.6");
        assert!(super::mapping("7f12-7f34 rw-p 00000000 00:00 0").is_none());
        assert!(super::mapping("").is_none());
    }
}
