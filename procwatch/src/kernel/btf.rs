//! Member offsets from the kernel's own type information (BTF).
//!
//! Reads as much of the format as is needed to find a member by its path and to count a function's
//! parameters. The format is documented in the kernel tree, `Documentation/bpf/btf.rst`; it has not
//! changed incompatibly since 4.18. The bytes may be anything: nothing here panics, and every walk
//! is bounded.

use std::collections::HashMap;

use thiserror::Error;

const MAGIC: u16 = 0xeb9f;
/// Structs nest, and qualifiers chain; hostile type information must not send us round in circles.
const DEPTH_MAX: usize = 32;
/// Members that one lookup looks at: a hundred times as many as `task_struct` has. Anonymous structs that
/// hold each other more than once would take as good as for ever.
const MEMBERS_MAX: usize = 1 << 16;

const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;
/// The highest kind that this reader knows the length of.
const KIND_MAX: u32 = KIND_ENUM64;

/// Why type information could not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    #[error("not BTF: the header is missing or has another byte order")]
    NotBtf,
    #[error("cut off: {0} reaches past the end")]
    CutOff(&'static str),
    #[error("type {id} is of kind {kind}, which this version does not know")]
    UnknownKind { id: u32, kind: u32 },
}

/// The kernel's types, kept as the bytes that the kernel gave.
pub struct Btf {
    data: Vec<u8>,
    strings: std::ops::Range<usize>,
    /// Where each type starts, by id. Id 0 is `void` and has no bytes.
    types: Vec<u32>,
    /// Structs, unions, enums, typedefs and functions by name; several may share one.
    by_name: HashMap<(u32, Box<[u8]>), Vec<u32>>,
}

/// A member found by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Bytes from the start of the outermost struct.
    pub offset: u32,
    type_id: u32,
}

/// Where a member is, before anybody asks for bytes.
#[derive(Clone, Copy)]
struct Place {
    bits: u32,
    type_id: u32,
    is_bit_field: bool,
}

#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    /// Whether member offsets carry a bit-field size.
    kind_flag: bool,
    vlen: u32,
    size_or_type: u32,
    /// Where what follows the 12 common bytes starts.
    rest: usize,
}

impl Btf {
    /// Indexes type information; `names` are the structs, unions, enums, typedefs and functions that will be asked for.
    ///
    /// # Errors
    /// When the bytes are not BTF of this byte order, or are cut off.
    pub fn parse(data: Vec<u8>, names: &[&str]) -> Result<Self, BtfError> {
        let word = |at: usize| read_u32(&data, at).ok_or(BtfError::NotBtf);
        if data
            .get(..2)
            .map(|magic| u16::from_ne_bytes([magic[0], magic[1]]))
            != Some(MAGIC)
        {
            return Err(BtfError::NotBtf);
        }
        let header_len = word(4)? as usize;
        let section = |offset: u32, len: u32, what| {
            let start = header_len.checked_add(offset as usize);
            let end = start.and_then(|start| start.checked_add(len as usize));
            match (start, end) {
                (Some(start), Some(end)) if end <= data.len() => Ok(start..end),
                _ => Err(BtfError::CutOff(what)),
            }
        };
        let types_at = section(word(8)?, word(12)?, "the type section")?;
        let strings = section(word(16)?, word(20)?, "the string section")?;
        let mut btf = Self {
            data,
            strings,
            types: vec![0],
            by_name: HashMap::with_capacity(names.len()),
        };
        let mut at = types_at.start;
        while at < types_at.end {
            let id = btf.types.len() as u32;
            let kind = btf.read(at).ok_or(BtfError::CutOff("a type"))?;
            let len = length(kind.kind, kind.vlen).ok_or(BtfError::UnknownKind {
                id,
                kind: kind.kind,
            })?;
            let next = kind
                .rest
                .checked_add(len)
                .filter(|next| *next <= types_at.end);
            btf.types.push(at as u32);
            btf.index(id, kind, names);
            at = next.ok_or(BtfError::CutOff("a type's members"))?;
        }
        Ok(btf)
    }

    fn index(&mut self, id: u32, kind: Type, names: &[&str]) {
        let class = match kind.kind {
            KIND_STRUCT | KIND_UNION => KIND_STRUCT,
            KIND_TYPEDEF => KIND_TYPEDEF,
            KIND_ENUM => KIND_ENUM,
            KIND_FUNC => KIND_FUNC,
            _ => return,
        };
        let mut names = names.iter().map(|name| name.as_bytes());
        if let Some(name) = names.find(|name| self.is_string(kind.name, name)) {
            self.by_name
                .entry((class, name.into()))
                .or_default()
                .push(id);
        }
    }

    /// Whether this is the string that begins there and ends at a NUL. Reads no further than that takes:
    /// what has no NUL for megabytes would be read for each member.
    fn is_string(&self, offset: u32, wanted: &[u8]) -> bool {
        let bytes = self
            .data
            .get(self.strings.clone())
            .and_then(|all| all.get(offset as usize..));
        let after = bytes.unwrap_or_default().strip_prefix(wanted);
        after.is_some_and(|after| after.first().is_none_or(|byte| *byte == 0))
    }

    fn read(&self, at: usize) -> Option<Type> {
        let name = read_u32(&self.data, at)?;
        let info = read_u32(&self.data, at + 4)?;
        let size_or_type = read_u32(&self.data, at + 8)?;
        Some(Type {
            name,
            kind: info >> 24 & 0x1f,
            kind_flag: info >> 31 == 1,
            vlen: info & 0xffff,
            size_or_type,
            rest: at + 12,
        })
    }

    fn by_id(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.read(*self.types.get(id as usize)? as usize)
    }

    /// Follows typedefs and qualifiers to the type itself.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..DEPTH_MAX {
            let kind = self.by_id(id)?;
            match kind.kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    id = kind.size_or_type;
                }
                _ => return Some(kind),
            }
        }
        None
    }

    /// Finds a member by a path such as `se.sum_exec_runtime`, through anonymous structs and unions.
    /// `None` when this kernel has no such struct or member, or when it is a bit field.
    pub fn member(&self, structure: &str, path: &str) -> Option<Member> {
        let place = self.place(structure, path)?;
        (!place.is_bit_field).then_some(Member {
            offset: place.bits / 8,
            type_id: place.type_id,
        })
    }

    /// The same of a bit field of one bit: which bit it is, counted from the start of the outermost struct.
    pub fn bit(&self, structure: &str, path: &str) -> Option<u32> {
        let place = self.place(structure, path)?;
        place.is_bit_field.then_some(place.bits)
    }

    fn place(&self, structure: &str, path: &str) -> Option<Place> {
        let key = (KIND_STRUCT, structure.as_bytes().into());
        let mut members_left = MEMBERS_MAX;
        self.by_name.get(&key)?.iter().find_map(|id| {
            let mut found = Place {
                bits: 0,
                type_id: *id,
                is_bit_field: false,
            };
            for name in path.split('.') {
                let within = self.resolve(found.type_id)?;
                let next = self.member_of(within, name.as_bytes(), 0, &mut members_left)?;
                found = Place {
                    bits: found.bits.checked_add(next.bits)?,
                    ..next
                };
            }
            Some(found)
        })
    }

    fn member_of(
        &self,
        within: Type,
        name: &[u8],
        depth: usize,
        members_left: &mut usize,
    ) -> Option<Place> {
        if depth > DEPTH_MAX || !matches!(within.kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        for index in 0..within.vlen as usize {
            *members_left = members_left.checked_sub(1)?;
            let at = within.rest + index * 12;
            let member_name = read_u32(&self.data, at)?;
            let type_id = read_u32(&self.data, at + 4)?;
            let mut bits = read_u32(&self.data, at + 8)?;
            let bit_field_size = if within.kind_flag { bits >> 24 } else { 0 };
            if within.kind_flag {
                bits &= 0x00ff_ffff;
            }
            if self.is_string(member_name, name) {
                return Some(Place {
                    bits,
                    type_id,
                    is_bit_field: bit_field_size != 0 || bits % 8 != 0,
                });
            }
            if self.is_string(member_name, b"")
                && let Some(inner) = self.resolve(type_id)
                && let Some(found) = self.member_of(inner, name, depth + 1, members_left)
            {
                return Some(Place {
                    bits: found.bits.checked_add(bits)?,
                    ..found
                });
            }
        }
        None
    }

    /// The size of one element of an array member, in bytes, and whether it is a struct.
    pub fn array_element(&self, member: Member) -> Option<(u32, bool)> {
        let array = self.resolve(member.type_id)?;
        if array.kind != KIND_ARRAY {
            return None;
        }
        let element = self.resolve(read_u32(&self.data, array.rest)?)?;
        match element.kind {
            KIND_STRUCT => Some((element.size_or_type, true)),
            KIND_PTR => None,
            _ => Some((element.size_or_type, false)),
        }
    }

    /// Where the lengths of those array types stand, in the bytes, that have this length.
    pub fn array_lengths_at(&self, length: u32) -> Vec<usize> {
        let arrays = self.types.iter().skip(1).filter_map(|at| {
            let array = self.read(*at as usize)?;
            // What is in it and what it is indexed by come first.
            let length_at = array.rest + 8;
            let is_one = array.kind == KIND_ARRAY && read_u32(&self.data, length_at)? == length;
            is_one.then_some(length_at)
        });
        arrays.collect()
    }

    /// Whether this kernel has a function of that name.
    pub fn has_function(&self, name: &str) -> bool {
        self.by_name
            .contains_key(&(KIND_FUNC, name.as_bytes().into()))
    }

    /// The value of an enumerator. `None` when this kernel has no such enum, or it has no such member.
    pub fn enumerator(&self, name: &str, member: &str) -> Option<u32> {
        let key = (KIND_ENUM, name.as_bytes().into());
        self.by_name.get(&key)?.iter().find_map(|id| {
            let enumeration = self.by_id(*id)?;
            (0..enumeration.vlen as usize).find_map(|index| {
                let at = enumeration.rest + index * 8;
                let is_wanted = self.is_string(read_u32(&self.data, at)?, member.as_bytes());
                is_wanted.then(|| read_u32(&self.data, at + 4)).flatten()
            })
        })
    }

    /// How many arguments a tracepoint passes, by its `btf_trace_NAME` typedef; the first one that
    /// the kernel passes to itself is not counted. `None` when this kernel has no such tracepoint.
    pub fn tracepoint_arguments(&self, tracepoint: &str) -> Option<u32> {
        let key = (
            KIND_TYPEDEF,
            format!("btf_trace_{tracepoint}").into_bytes().into(),
        );
        let pointer = self.resolve(*self.by_name.get(&key)?.first()?)?;
        if pointer.kind != KIND_PTR {
            return None;
        }
        let prototype = self.resolve(pointer.size_or_type)?;
        (prototype.kind == KIND_FUNC_PROTO).then(|| prototype.vlen.saturating_sub(1))
    }
}

/// Bytes that follow the common 12 of a type.
fn length(kind: u32, vlen: u32) -> Option<usize> {
    let vlen = vlen as usize;
    Some(match kind {
        0 => return None,
        1 | KIND_VAR | KIND_DECL_TAG => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => vlen * 12,
        KIND_ENUM | KIND_FUNC_PROTO => vlen * 8,
        kind if kind <= KIND_MAX => 0,
        _ => return None,
    })
}

fn read_u32(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let type_len = types.len() as u32 * 4;
        let mut data = MAGIC.to_ne_bytes().to_vec();
        data.extend([1, 0]);
        for word in [24, 0, type_len, type_len, strings.len() as u32] {
            data.extend(u32::to_ne_bytes(word));
        }
        data.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
        data.extend(strings);
        data
    }

    /// `struct outer { int a; struct { long b; }; struct inner { int c; } in[4]; };`, by hand.
    fn small() -> Vec<u8> {
        let strings = b"\0int\0long\0outer\0a\0b\0inner\0c\0in\0";
        let at = |name: &str| {
            let mut needle = vec![0];
            needle.extend(name.as_bytes());
            needle.push(0);
            strings
                .windows(needle.len())
                .position(|w| w == needle)
                .unwrap() as u32
                + 1
        };
        let mut types: Vec<u32> = Vec::new();
        let info = |kind: u32, vlen: u32| kind << 24 | vlen;
        types.extend([at("int"), info(1, 0), 4, 32]); // 1
        types.extend([at("long"), info(1, 0), 8, 64]); // 2
        types.extend([0, info(KIND_STRUCT, 1), 8, at("b"), 2, 0]); // 3
        types.extend([at("inner"), info(KIND_STRUCT, 1), 4, at("c"), 1, 0]); // 4
        types.extend([0, info(KIND_ARRAY, 0), 0, 4, 1, 4]); // 5
        types.extend([at("outer"), info(KIND_STRUCT, 3), 32]); // 6
        types.extend([at("a"), 1, 0, 0, 3, 64, at("in"), 5, 128]);
        bytes(&types, strings)
    }

    #[test]
    fn members_are_found_through_anonymous_structs() {
        let btf = Btf::parse(small(), &["outer", "inner"]).unwrap();
        let offset = |path| btf.member("outer", path).map(|member| member.offset);
        assert_eq!(offset("a"), Some(0));
        assert_eq!(offset("b"), Some(8));
        assert_eq!(offset("in"), Some(16));
        assert_eq!(offset("nothing"), None);
        let array = btf.member("outer", "in").unwrap();
        assert_eq!(btf.array_element(array), Some((4, true)));
    }

    #[test]
    fn structs_that_hold_themselves_twice_are_given_up() {
        let outer = [1, KIND_STRUCT << 24 | 3, 8];
        let types: Vec<u32> = outer.into_iter().chain([0, 1, 0].repeat(3)).collect();
        let btf = Btf::parse(bytes(&types, b"\0outer\0"), &["outer"]).unwrap();
        assert_eq!(btf.member("outer", "a"), None);
    }

    #[test]
    fn a_name_ends_at_its_nul_or_with_the_strings() {
        let types = [1, KIND_STRUCT << 24 | 2, 8, 7, 2, 0, 10, 2, 64];
        let int = [3, 1 << 24, 4, 32];
        let btf = Btf::parse(
            bytes(&[&types[..], &int].concat(), b"\0outer\0ab\0b"),
            &["outer"],
        )
        .unwrap();
        let offset = |name| btf.member("outer", name).map(|member| member.offset);
        assert_eq!((offset("ab"), offset("b")), (Some(0), Some(8)));
        assert_eq!((offset("a"), offset("abb")), (None, None));
    }

    #[test]
    fn this_kernel_has_the_members_that_every_kernel_has() {
        let Ok(data) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            eprintln!("skipped: this kernel has no BTF");
            return;
        };
        let btf = Btf::parse(data, &["task_struct", "btf_trace_sched_process_fork"]).unwrap();
        assert!(btf.member("task_struct", "se.sum_exec_runtime").is_some());
        assert_eq!(btf.tracepoint_arguments("sched_process_fork"), Some(2));
    }

    proptest! {
        #[test]
        fn damaged_type_information_never_panics(
            cuts in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..12),
            len in any::<usize>(),
        ) {
            let mut data = small();
            for (at, byte) in cuts {
                let at = at % data.len();
                data[at] = byte;
            }
            data.truncate(len % (data.len() * 2));
            if let Ok(btf) = Btf::parse(data, &["outer", "inner"]) {
                let _ = btf.member("outer", "in.c");
                let _ = btf.member("outer", "in").and_then(|member| btf.array_element(member));
                let _ = btf.tracepoint_arguments("in");
            }
        }
    }
}
