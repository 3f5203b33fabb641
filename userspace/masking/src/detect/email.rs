//! E-mail addresses, anchored at their `@`.

use super::{Probe, View};

/// Local part (RFC 5321 section 4.5.3.1.1).
pub(crate) const MAX_LOCAL: usize = 64;
/// Domain (RFC 5321 section 4.5.3.1.2).
pub(crate) const MAX_DOMAIN: usize = 255;
/// An even number of backslashes before an address escape one another.
const MAX_BACKSLASHES: usize = 16;

/// Looks at the `@` that stands at `at`.
pub(crate) fn probe(view: &View<'_>, at: usize) -> Probe {
    let start = local_start(view, at);
    if start == at {
        return Probe::No;
    }
    let Some(length) = view.run(at + 1, MAX_DOMAIN, is_domain) else {
        return Probe::More;
    };
    let domain = view.window(at + 1, length);
    let trimmed = domain.iter().rposition(|byte| !matches!(byte, b'.' | b'-'));
    let domain = domain
        .get(..trimmed.map_or(0, |last| last + 1))
        .unwrap_or_default();
    if is_name(domain) {
        Probe::hit(start, at + 1 + domain.len())
    } else {
        Probe::No
    }
}

fn local_start(view: &View<'_>, at: usize) -> usize {
    let earliest = at.saturating_sub(MAX_LOCAL);
    let window = view.bytes.get(earliest..at).unwrap_or_default();
    let length = window
        .iter()
        .rev()
        .take_while(|byte| is_local(**byte))
        .count();
    let mut start = at - length;
    start += escaped(view, start, at);
    // Never begin within a character, and a dot is no first character.
    let skipped = view.bytes.get(start..at).unwrap_or_default();
    start
        + skipped
            .iter()
            .take_while(|byte| **byte & 0xC0 == 0x80 || **byte == b'.')
            .count()
}

/// How many bytes from `start` on belong to an escape that begins before it: `\n`, `\u003c`.
fn escaped(view: &View<'_>, start: usize, at: usize) -> usize {
    let earliest = start.saturating_sub(MAX_BACKSLASHES);
    let before = view.bytes.get(earliest..start).unwrap_or_default();
    let backslashes = before
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    if backslashes % 2 == 0 {
        return 0;
    }
    match view.bytes.get(start..at).unwrap_or_default() {
        [b'n' | b'r' | b't' | b'b' | b'f', ..] => 1,
        [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => 5,
        _ => 0,
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._%+~-".contains(&byte) || byte >= 0x80
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' || byte >= 0x80
}

/// At least two labels, none empty, and a top-level label of letters (or `xn--`): this is what
/// tells `lodash@4.17.21` from an address.
fn is_name(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    let top = labels.next().unwrap_or_default();
    let letters = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80;
    let top_is_name = top.len() >= 2 && (top.iter().all(letters) || top.starts_with(b"xn--"));
    let mut others = 0;
    let none_empty = labels.all(|label| {
        others += 1;
        !label.is_empty()
    });
    top_is_name && others > 0 && none_empty
}
