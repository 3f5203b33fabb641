use super::*;

/// BTF with structs; a member is (name, type id, bit offset), an empty name is anonymous.
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    fn new() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn of_kind(mut self, kind: u32, name: &str, members: &[(&str, u32, u32)]) -> Self {
        let name = self.text(name);
        self.words(&[name, (kind << 24) | members.len() as u32, 64]);
        for (name, id, bits) in members {
            let name = self.text(name);
            self.words(&[name, *id, *bits]);
        }
        self
    }

    fn qualifier(mut self, kind: u32, of: u32) -> Self {
        self.words(&[0, kind << 24, of]);
        self
    }

    fn blob(self) -> Vec<u8> {
        let mut blob = vec![0x9f, 0xeb, 1, 0];
        let lengths = [
            24,
            0,
            self.types.len(),
            self.types.len(),
            self.strings.len(),
        ];
        for word in lengths {
            blob.extend_from_slice(&(word as u32).to_le_bytes());
        }
        blob.extend(self.types);
        blob.extend(self.strings);
        blob
    }
}

/// BTF of one struct with one member at byte 4.
pub(crate) fn one_struct(of: &str, member: &str) -> Vec<u8> {
    Builder::new()
        .of_kind(KIND_STRUCT, of, &[(member, 0, 32)])
        .blob()
}

fn nested() -> Vec<u8> {
    Builder::new()
        .of_kind(KIND_UNION, "", &[("first", 0, 0), ("second", 0, 64)]) // id 1
        .qualifier(10, 1) // id 2: const of id 1
        .of_kind(
            KIND_STRUCT,
            "outer",
            &[("head", 0, 0), ("", 2, 128), ("named", 1, 256)],
        )
        .blob()
}

#[test]
fn finds_members_also_in_anonymous_unions_behind_qualifiers() {
    let blob = nested();
    let btf = Btf::parse(&blob).unwrap();
    for (member, offset) in [
        ("head", Some(0)),
        ("first", Some(16)),
        ("second", Some(24)),
        ("named", Some(32)),
        ("named.second", Some(40)),
        ("named.third", None),
        ("name.second", None),
        ("head.second", None),
        ("head.", None),
    ] {
        assert_eq!(btf.offset("outer", member), offset, "{member}");
    }
    assert_eq!(btf.offset("outer", "third"), None);
    assert_eq!(btf.offset("other", "head"), None);
}

#[test]
fn cut_anywhere_it_says_no_or_finds_nothing() {
    let blob = nested();
    for end in 0..blob.len() {
        if let Some(btf) = Btf::parse(&blob[..end]) {
            assert_eq!(btf.offset("outer", "absent"), None, "cut at {end}");
        }
    }
}

#[test]
fn every_byte_changed_it_does_not_panic() {
    let blob = nested();
    for at in 0..blob.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut hostile = blob.clone();
            hostile[at] = value;
            if let Some(btf) = Btf::parse(&hostile) {
                let _ = btf.offset("outer", "second");
            }
        }
    }
}

#[test]
fn a_type_that_contains_itself_ends() {
    let blob = Builder::new()
        .of_kind(KIND_STRUCT, "loop", &[("", 1, 0), ("", 1, 0)])
        .blob();
    assert_eq!(Btf::parse(&blob).unwrap().offset("loop", "member"), None);
}

#[test]
fn an_unknown_kind_and_a_wrong_magic_are_refused() {
    assert!(Btf::parse(&Builder::new().of_kind(31, "x", &[]).blob()).is_none());
    let mut blob = nested();
    blob[0] = 0;
    assert!(Btf::parse(&blob).is_none());
    assert!(Btf::parse(&[]).is_none());
}

#[test]
fn bitfield_structs_hold_their_offset_in_the_low_bits() {
    let mut blob = one_struct("flags", "bit");
    let info = 24 + 4;
    blob[info + 3] |= 0x80;
    let size_in_high_byte = 24 + TYPE_BYTES + 8 + 3;
    blob[size_in_high_byte] = 3;
    assert_eq!(Btf::parse(&blob).unwrap().offset("flags", "bit"), Some(4));
}
