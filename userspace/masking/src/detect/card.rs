//! Payment card numbers, anchored at their first digit.

use super::{Probe, View};
use smallvec::SmallVec;

/// ISO/IEC 7812-1: the longest account number.
const MAX_DIGITS: usize = 19;
const MIN_DIGITS: usize = 13;
/// Digits with a separator between each two, and the two bytes that decide about the end.
const WINDOW: usize = MAX_DIGITS * 2 + 2;

/// Looks at the run of digits that begins at `at`.
pub(crate) fn probe(view: &View<'_>, at: usize) -> Probe {
    if !begins(view, at) {
        return Probe::No;
    }
    match view.run(at, WINDOW, is_part) {
        Some(length) if !view.lacks(at, length + 2) => {}
        _ => return Probe::More,
    }
    longest(view, at).map_or(Probe::No, |end| Probe::hit(at, end))
}

/// A number stands by itself: not in a word, a hash, or behind a decimal point.
fn begins(view: &View<'_>, at: usize) -> bool {
    let two_before = at.checked_sub(2).and_then(|place| view.byte(place));
    match view.before(at) {
        Some(b'.') => !two_before.is_some_and(|byte| byte.is_ascii_digit()),
        Some(b'_') => true,
        _ => view.word_starts(at),
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_digit() || is_separator(byte)
}

fn is_separator(byte: u8) -> bool {
    byte == b' ' || byte == b'-'
}

/// The end of the longest card number that begins at `at`.
fn longest(view: &View<'_>, at: usize) -> Option<usize> {
    let mut digits: SmallVec<[u8; MAX_DIGITS]> = SmallVec::new();
    let mut found = None;
    let mut separated = true;
    for (place, byte) in view.window(at, WINDOW).iter().enumerate() {
        if byte.is_ascii_digit() {
            if digits.len() == MAX_DIGITS {
                break;
            }
            digits.push(byte - b'0');
            separated = false;
            if ends(view, at + place + 1) && is_card(&digits) {
                found = Some(at + place + 1);
            }
        } else if is_separator(*byte) && !separated {
            separated = true;
        } else {
            break;
        }
    }
    found
}

fn ends(view: &View<'_>, at: usize) -> bool {
    let decimal =
        view.byte(at) == Some(b'.') && view.byte(at + 1).is_some_and(|b| b.is_ascii_digit());
    !decimal
        && view
            .byte(at)
            .is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

fn is_card(digits: &[u8]) -> bool {
    digits.len() >= MIN_DIGITS && issuer(digits) && luhn(digits)
}

/// ISO/IEC 7812-1 annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The issuers' published prefixes with the lengths that they use.
fn issuer(digits: &[u8]) -> bool {
    let first = digits
        .iter()
        .take(4)
        .fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    match (first, digits.len()) {
        (4000..=4999, 13 | 16 | 19) => true,     // Visa
        (5100..=5599 | 2221..=2720, 16) => true, // Mastercard
        (3400..=3499 | 3700..=3799, 15) => true, // American Express
        (3000..=3059 | 3095 | 3600..=3699 | 3800..=3999, 14..=19) => true, // Diners Club
        (3528..=3589, 16..=19) => true,          // JCB
        (6011 | 6440..=6599 | 6200..=6299 | 8100..=8199, 16..=19) => true, // Discover, UnionPay
        (5018 | 5020 | 5038 | 5600..=5899 | 6304 | 6759 | 6761..=6763, 13..=19) => true, // Maestro
        (2200..=2204, 16..=19) => true,          // Mir
        _ => false,
    }
}
