//! IBANs (ISO 13616), anchored at a run of digits within them.

use super::{Probe, View};

/// The longest: 34 characters, in groups of four with a blank between.
const MAX_WRITTEN: usize = 34 + 8;
/// How far before a run of digits an IBAN can begin.
pub(crate) const REACH: usize = MAX_WRITTEN;

/// Country and length, from the SWIFT IBAN registry.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Looks for an IBAN that covers the run of digits that begins at `at`.
pub(crate) fn probe(view: &View<'_>, at: usize) -> Probe {
    let earliest = at.saturating_sub(REACH);
    let before = view.bytes.get(earliest..at).unwrap_or_default();
    let reach = before
        .iter()
        .rev()
        .take_while(|byte| is_part(**byte))
        .count();
    let mut more = false;
    for start in at - reach..=at {
        match from(view, start) {
            Probe::No => {}
            Probe::More => more = true,
            // An earlier beginning that is not decided yet comes first.
            Probe::Hit(range) if range.end > at && !more => return Probe::Hit(range),
            Probe::Hit(_) => {}
        }
    }
    if more { Probe::More } else { Probe::No }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
}

fn from(view: &View<'_>, start: usize) -> Probe {
    let Some(head) = view
        .bytes
        .get(start..)
        .and_then(|rest| rest.first_chunk::<4>())
    else {
        return if view.complete {
            Probe::No
        } else {
            Probe::More
        };
    };
    let [a, b, c, d] = *head;
    let shaped = [a, b].iter().all(u8::is_ascii_uppercase) && [c, d].iter().all(u8::is_ascii_digit);
    if !shaped {
        return Probe::No;
    }
    let length = LENGTHS
        .iter()
        .find(|(country, _)| **country == [a, b])
        .map(|(_, length)| *length);
    let Some(length) = length else {
        return Probe::No;
    };
    if !view.word_starts(start) {
        return Probe::No;
    }
    if view.lacks(start, MAX_WRITTEN + 1) && view.run(start, MAX_WRITTEN, is_part).is_none() {
        return Probe::More;
    }
    written(view, start, length).map_or(Probe::No, |end| Probe::hit(start, end))
}

/// The end of the `length` characters from `start`, when they are an IBAN and stand alone.
fn written(view: &View<'_>, start: usize, length: usize) -> Option<usize> {
    let mut characters = Vec::with_capacity(length);
    let mut end = start;
    for (place, byte) in view.window(start, MAX_WRITTEN).iter().enumerate() {
        match byte {
            // Groups of four only, so that words and columns are not joined to a number.
            b' ' if characters.len() % 4 == 0 && !characters.is_empty() => {}
            byte if byte.is_ascii_uppercase() || byte.is_ascii_digit() => characters.push(*byte),
            _ => return None,
        }
        if characters.len() == length {
            end = start + place + 1;
            break;
        }
    }
    let alone = view
        .byte(end)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (characters.len() == length && alone && mod97(&characters)).then_some(end)
}

/// ISO/IEC 7064 MOD 97-10 over the number with its first four characters moved to the end.
fn mod97(characters: &[u8]) -> bool {
    let Some((head, rest)) = characters.split_at_checked(4) else {
        return false;
    };
    let remainder = rest
        .iter()
        .chain(head)
        .fold(0_u32, |remainder, byte| match byte {
            b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
            _ => (remainder * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
        });
    remainder == 1
}
