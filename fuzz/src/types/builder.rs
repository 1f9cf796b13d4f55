//! Type information that is known to be right.

const KIND_INT: u32 = 1;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_TYPEDEF: u32 = 8;
const KIND_CONST: u32 = 10;

/// Members of one structure, and structures within each other, at most.
const MEMBERS_MAX: usize = 12;
const DEPTH_MAX: usize = 6;

/// A structure called `outer`, in the bytes that a kernel would show, and where its members are.
pub(super) struct Built {
    pub(super) bytes: Vec<u8>,
    /// By path; a bit field has no offset.
    pub(super) members: Vec<(String, Option<u32>)>,
}

/// Writes types one after the other, those that others are made of first.
pub(super) struct Builder<'plan> {
    plan: std::slice::Iter<'plan, u8>,
    types: Vec<u32>,
    count: u32,
    strings: Vec<u8>,
    /// Members that have got a name.
    names: u32,
}

/// One member of a structure that is being put together.
struct Member {
    name: String,
    type_id: u32,
    /// From the start of the structure.
    bits: u32,
    bit_field_size: u32,
}

impl<'plan> Builder<'plan> {
    /// Each byte of the plan is a decision; where it ends, so does the structure.
    pub(super) fn from_plan(plan: &'plan [u8]) -> Built {
        let mut builder = Self {
            plan: plan.iter(),
            types: Vec::new(),
            count: 0,
            strings: vec![0],
            names: 0,
        };
        let int = builder.named("int", KIND_INT << 24, 4);
        builder.types.push(32);
        let mut members = Vec::new();
        builder.structure("outer", int, 0, &mut members);
        Built {
            bytes: builder.bytes(),
            members,
        }
    }

    fn decide(&mut self) -> u32 {
        self.plan.next().copied().map_or(0, u32::from)
    }

    fn named(&mut self, name: &str, info: u32, size_or_type: u32) -> u32 {
        let name = self.string(name);
        self.types.extend([name, info, size_or_type]);
        self.count += 1;
        self.count
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Writes a structure or union, and puts into `told` what can be asked of it.
    fn structure(
        &mut self,
        name: &str,
        int: u32,
        depth: usize,
        told: &mut Vec<(String, Option<u32>)>,
    ) -> u32 {
        let has_bit_fields = self.decide() % 2 == 1;
        let kind = if self.decide() % 4 == 3 {
            KIND_UNION
        } else {
            KIND_STRUCT
        };
        let wanted = (self.decide() as usize % MEMBERS_MAX).min(self.plan.len());
        let mut members = Vec::new();
        for _ in 0..wanted {
            let bytes = self.decide() * 64 + self.decide();
            let mut bit_field_size = 0;
            self.names += 1;
            let mut name = format!("m{}", self.names);
            let mut type_id = int;
            let choice = self.decide() % 8;
            if choice < 3 && depth < DEPTH_MAX {
                let mut inner = Vec::new();
                let inner_name = if choice == 0 { "inner" } else { "" };
                type_id = self.structure(inner_name, int, depth + 1, &mut inner);
                if choice == 2 {
                    type_id = self.named("", KIND_CONST << 24, type_id);
                    type_id = self.named("an_inner", KIND_TYPEDEF << 24, type_id);
                }
                let prefix = if choice == 0 {
                    format!("{name}.")
                } else {
                    name.clear();
                    String::new()
                };
                if !name.is_empty() {
                    told.push((name.clone(), Some(bytes)));
                }
                for (path, offset) in inner {
                    told.push((
                        format!("{prefix}{path}"),
                        offset.map(|offset| offset + bytes),
                    ));
                }
            } else {
                if has_bit_fields && choice == 7 {
                    bit_field_size = 3;
                }
                told.push((name.clone(), (bit_field_size == 0).then_some(bytes)));
            }
            members.push(Member {
                name,
                type_id,
                bits: bytes * 8,
                bit_field_size,
            });
        }
        let flag = if has_bit_fields { 1 << 31 } else { 0 };
        let id = self.named(name, flag | kind << 24 | members.len() as u32, 1 << 20);
        for member in members {
            let name = self.string(&member.name);
            self.types.extend([
                name,
                member.type_id,
                member.bit_field_size << 24 | member.bits,
            ]);
        }
        id
    }

    fn bytes(self) -> Vec<u8> {
        let types_len = self.types.len() as u32 * 4;
        let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, types_len, types_len, self.strings.len() as u32] {
            bytes.extend(u32::to_ne_bytes(word));
        }
        bytes.extend(self.types.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(self.strings);
        bytes
    }
}
