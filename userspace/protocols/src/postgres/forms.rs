//! How PostgreSQL writes the values of its types (documentation chapter 8, `pg_type.dat`), as
//! far as masking depends on it.

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Characters, in which a mask can stand.
    Text,
    /// JSON: a mask must be JSON too.
    Json,
    /// JSON behind a version byte (binary jsonb).
    BinaryJson,
    /// `\x` and hexadecimal digits (text bytea).
    Hex,
    /// Any bytes, in which a mask can stand (binary bytea).
    Bytes,
    /// Eight bytes, a number: looked at as its digits.
    Number,
    /// A number of any length in binary: looked at as its digits.
    Numeric,
    /// A type of a user in binary: characters (citext, an enumeration) or anything.
    Users,
    /// A type of PostgreSQL's own without text in it, in binary, with at most so many bytes.
    /// What is longer is not of that type, whatever the server says.
    Plain(usize),
    /// Anything else: what would have to be masked becomes NULL.
    Other,
}

/// First object id that is not PostgreSQL's own (FirstNormalObjectId).
const FIRST_OF_USERS: u32 = 16_384;

/// The form of values of a type.
pub(super) fn form(oid: u32, binary: bool) -> Form {
    match (oid, binary) {
        // "char", name, text, xml, unknown, bpchar, varchar, refcursor
        (18 | 19 | 25 | 142 | 705 | 1042 | 1043 | 1790, _) => Form::Text,
        (114, _) | (3802, false) => Form::Json,
        (3802, true) => Form::BinaryJson,
        (17, false) => Form::Hex,
        (17, true) => Form::Bytes,
        (20, true) => Form::Number,
        (1700, true) => Form::Numeric,
        // Arrays of text types; citext, hstore, enumerations, composites.
        (199 | 1003 | 1009 | 1014 | 1015 | 2201 | 3807, false) => Form::Text,
        (oid, false) if oid >= FIRST_OF_USERS => Form::Text,
        (oid, true) if oid >= FIRST_OF_USERS => Form::Users,
        (oid, true) => plain(oid).map_or(Form::Other, Form::Plain),
        (_, false) => Form::Other,
    }
}

/// Types without text in them that have a length, and that length in bytes.
const PLAIN: &[(u32, usize)] = &[
    (16, 1),    // bool
    (21, 2),    // int2
    (23, 4),    // int4
    (26, 4),    // oid
    (27, 6),    // tid
    (28, 4),    // xid
    (29, 4),    // cid
    (600, 16),  // point
    (601, 32),  // lseg
    (603, 32),  // box
    (628, 24),  // line
    (650, 20),  // cidr
    (700, 4),   // float4
    (701, 8),   // float8
    (718, 24),  // circle
    (774, 8),   // macaddr8
    (790, 8),   // money
    (829, 6),   // macaddr
    (869, 20),  // inet
    (1082, 4),  // date
    (1083, 8),  // time
    (1114, 8),  // timestamp
    (1184, 8),  // timestamptz
    (1186, 16), // interval
    (1266, 12), // timetz
    (2278, 0),  // void
    (2950, 16), // uuid
    (3220, 8),  // pg_lsn
];

fn plain(oid: u32) -> Option<usize> {
    let found = PLAIN.iter().find(|(known, _)| *known == oid);
    found.map(|(_, most)| *most)
}

/// Groups of four zeros that are written out where a number has more of them than digits.
const ZEROS: usize = 8;

/// The digits of a binary numeric (`numeric_send`): groups of four, most significant first.
/// `None` when it is none.
pub(super) fn numeric_text(value: &[u8]) -> Option<String> {
    const SIGNS: [u16; 5] = [0, 0x4000, 0xc000, 0xd000, 0xf000];
    let (words, rest) = value.as_chunks::<2>();
    let mut words = words.iter().map(|word| u16::from_be_bytes(*word));
    let count = usize::from(words.next()?);
    let weight = words.next()?.cast_signed();
    let sign = words.next()?;
    let _scale = words.next()?;
    if !rest.is_empty() || !SIGNS.contains(&sign) || words.len() != count {
        return None;
    }
    let whole = usize::try_from(i32::from(weight) + 1).unwrap_or(0);
    let mut text = String::with_capacity(count * 4 + 2);
    for (at, group) in words.enumerate() {
        if group > 9999 {
            return None;
        }
        match at {
            0 if whole > 0 => text = group.to_string(),
            _ if at == whole => text.push_str(&format!(".{group:04}")),
            _ => text.push_str(&format!("{group:04}")),
        }
    }
    for _ in count..whole.min(count + ZEROS) {
        text.push_str("0000");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, groups: &[u16]) -> Vec<u8> {
        let head = [u16::try_from(groups.len()).unwrap(), weight.cast_unsigned()];
        let words = head.iter().chain(&[0, 0]).chain(groups);
        words.flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn a_numeric_is_read_as_its_digits() {
        for (value, want) in [
            (numeric(0, &[]), "0000"),
            (numeric(0, &[7]), "7"),
            (numeric(3, &[4111, 1111, 1111, 1111]), "4111111111111111"),
            (numeric(1, &[12, 34, 5000]), "120034.5000"),
            (numeric(-1, &[1234]), ".1234"),
            (numeric(2, &[5]), "500000000"),
        ] {
            assert_eq!(numeric_text(&value).as_deref(), Some(want));
        }
        // A weight is no reason to write zeros without end.
        let long = numeric_text(&numeric(i16::MAX, &[1])).unwrap();
        assert_eq!(long.len(), 1 + ZEROS * 4);
    }

    #[test]
    fn what_is_no_numeric_is_none() {
        let mut sign = numeric(0, &[7]);
        sign[4] = 1;
        let mut odd = numeric(0, &[7]);
        odd.push(0);
        let mut short = numeric(0, &[7, 8]);
        short.truncate(10);
        for value in [
            b"ann@example.com".to_vec(),
            numeric(0, &[10_000]),
            sign,
            odd,
            short,
            Vec::new(),
        ] {
            assert_eq!(numeric_text(&value), None, "{value:?}");
        }
    }

    #[test]
    fn a_plain_type_has_a_length() {
        assert_eq!(form(23, true), Form::Plain(4));
        assert_eq!(form(23, false), Form::Other);
        // Arrays and the like are as long as the server likes.
        assert_eq!(form(1007, true), Form::Other);
    }
}
