//! A reader of BTF (kernel documentation `bpf/btf.rst`) that knows one thing: at which byte of a
//! struct a member is. Every read is bounded; broken input gives `None`.

use std::collections::HashMap;

/// `btf_header.magic`.
const MAGIC: u16 = 0xeb9f;
/// Bytes of the fixed part of a type.
const TYPE_BYTES: usize = 12;
/// Bytes of a struct member.
const MEMBER_BYTES: usize = 12;
/// How deep anonymous structs and unions are followed.
const ANONYMOUS_DEPTH: usize = 8;

const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
/// typedef, volatile, const, restrict, type tag.
const KINDS_THAT_QUALIFY: [u32; 5] = [8, 9, 10, 11, 18];

/// Parsed BTF: where types are, and which structs have which name.
pub(crate) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Offset of each type, by id; id 0 is void.
    places: Vec<usize>,
    /// Structs and unions by name.
    named: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> Btf<'a> {
    /// Parses little-endian BTF.
    pub(crate) fn parse(blob: &'a [u8]) -> Option<Self> {
        if u16::from_le_bytes(blob.get(..2)?.try_into().ok()?) != MAGIC {
            return None;
        }
        let body = blob.get(size(blob, 4)?..)?;
        let types = part(body, size(blob, 8)?, size(blob, 12)?)?;
        let strings = part(body, size(blob, 16)?, size(blob, 20)?)?;
        let mut btf = Self {
            types,
            strings,
            places: vec![usize::MAX],
            named: HashMap::new(),
        };
        let mut at = 0;
        while at < types.len() {
            at = btf.index(at)?;
        }
        Some(btf)
    }

    /// Byte offset of a member of a struct; members of anonymous structs and unions count.
    /// `outer.inner` is a member of a member.
    pub(crate) fn offset(&self, of: &str, member: &str) -> Option<u32> {
        self.named
            .get(of.as_bytes())?
            .iter()
            .find_map(|place| self.member(*place, member.as_bytes(), ANONYMOUS_DEPTH))
    }

    /// Takes the type at `at` in, and gives where the next one is.
    fn index(&mut self, at: usize) -> Option<usize> {
        let (kind, count) = kind_and_count(self.types, at)?;
        self.places.push(at);
        if kind == KIND_STRUCT || kind == KIND_UNION {
            let name = self.name(size(self.types, at)?)?;
            if !name.is_empty() {
                self.named.entry(name).or_default().push(at);
            }
        }
        at.checked_add(TYPE_BYTES)?
            .checked_add(trailing_bytes(kind, count)?)
    }

    fn member(&self, place: usize, wanted: &[u8], depth: usize) -> Option<u32> {
        let (kind, count) = kind_and_count(self.types, place)?;
        if KINDS_THAT_QUALIFY.contains(&kind) {
            let inner = self.place(size(self.types, place.checked_add(8)?)?)?;
            return self.member(inner, wanted, depth.checked_sub(1)?);
        }
        if kind != KIND_STRUCT && kind != KIND_UNION {
            return None;
        }
        let has_bitfields = word(self.types, place.checked_add(4)?)? >> 31 == 1;
        (0..count).find_map(|index| {
            let at = place + TYPE_BYTES + MEMBER_BYTES * index;
            let bits = word(self.types, at + 8)?;
            let bytes = if has_bitfields {
                bits & 0x00ff_ffff
            } else {
                bits
            } / 8;
            let name = self.name(size(self.types, at)?)?;
            let within = match wanted.strip_prefix(name)? {
                [] => return Some(bytes),
                [b'.', within @ ..] if !name.is_empty() => within,
                _ if name.is_empty() => wanted,
                _ => return None,
            };
            let inner = self.place(size(self.types, at + 4)?)?;
            self.member(inner, within, depth.checked_sub(1)?)?
                .checked_add(bytes)
        })
    }

    fn place(&self, id: usize) -> Option<usize> {
        self.places
            .get(id)
            .copied()
            .filter(|place| *place != usize::MAX)
    }

    fn name(&self, at: usize) -> Option<&'a [u8]> {
        let rest = self.strings.get(at..)?;
        rest.split(|byte| *byte == 0).next()
    }
}

/// Bytes that follow the fixed part of a type of this kind; `None` for kinds that do not exist.
fn trailing_bytes(kind: u32, count: usize) -> Option<usize> {
    match kind {
        2 | 7..=12 | 16 | 18 => Some(0), // pointer, forward, typedef, qualifiers, function, float, tag
        1 | 14 | 17 => Some(4),          // int, variable, declaration tag
        3 => Some(12),                   // array
        6 | 13 => count.checked_mul(8),  // enum, function prototype
        4 | 5 | 15 | 19 => count.checked_mul(12), // struct, union, data section, 64-bit enum
        _ => None,
    }
}

fn kind_and_count(types: &[u8], at: usize) -> Option<(u32, usize)> {
    let info = word(types, at.checked_add(4)?)?;
    Some(((info >> 24) & 0x1f, usize::try_from(info & 0xffff).ok()?))
}

fn part(body: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    body.get(offset..offset.checked_add(length)?)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

#[cfg(test)]
#[path = "btf_tests.rs"]
pub(crate) mod tests;
