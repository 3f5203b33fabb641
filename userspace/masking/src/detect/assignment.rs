//! Values with a telling name, and passwords in URLs.

use super::{Probe, Range, Tail, View, entropy, is_word};

/// Between keyword and separator: the rest of a name (`_token`, ` for staging`).
const MAX_NAME_TAIL: usize = 20;
/// Quotes and blanks around the separator, each side.
const MAX_QUOTES: usize = 6;
const MAX_SEPARATOR: usize = 4;
/// A value's window; a longer one is masked to its end.
const MAX_VALUE: usize = 512;
const MIN_VALUE: usize = 8;
const MIN_PASSWORD: usize = 6;
const MAX_USER: usize = 64;
const MAX_URL_PASSWORD: usize = 256;

/// Names that mean a credential: any random-looking value counts.
pub(crate) const NAMES: &[&str] = &[
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "access-key",
    "auth_key",
    "authkey",
    "private_key",
    "privatekey",
    "encryption_key",
    "signing_key",
    "credential",
    "_key",
    "auth=",
];
/// Names that mean a password: people choose them, so less randomness is asked for.
pub(crate) const PASSWORD_NAMES: &[&str] = &["password", "passwd", "passphrase", "pwd", "secret"];
/// What the rest of a name says about a value that is no secret.
const HARMLESS: &[&[u8]] = &[
    b"url",
    b"uri",
    b"endpoint",
    b"type",
    b"name",
    b"count",
    b"expir",
    b"ttl",
    b"path",
    b"file",
    b"length",
    b"version",
    b"limit",
    b"policy",
    b"hint",
];

/// Looks at the value of the name whose keyword ends at `end`.
pub(crate) fn probe(view: &View<'_>, end: usize, password: bool) -> Probe {
    let (start, name_tail) = match value_start(view, end) {
        Ok(found) => found,
        Err(probe) => return probe,
    };
    if HARMLESS.iter().any(|word| holds(name_tail, word)) {
        return Probe::No;
    }
    let Some(length) = view.run(start, MAX_VALUE, is_value) else {
        return Probe::More;
    };
    if !looks_secret(view.window(start, length), password) {
        return Probe::No;
    }
    let tail = if length == MAX_VALUE {
        Tail::Token
    } else {
        Tail::None
    };
    Probe::Hit(Range {
        start,
        end: start + length,
        tail,
    })
}

/// Where the value begins that is assigned to the name that goes on at `at`, and the rest of
/// that name. What gitleaks writes as one expression in every rule: up to 20 characters of name,
/// quotes, a separator, quotes.
pub(crate) fn value_start<'a>(view: &View<'a>, at: usize) -> Result<(usize, &'a [u8]), Probe> {
    let skip = |from: usize, most: usize, is: fn(u8) -> bool| {
        view.run(from, most, is)
            .map(|length| from + length)
            .ok_or(Probe::More)
    };
    let name_end = skip(at, MAX_NAME_TAIL, |byte| {
        is_word(byte) || b" \t.-".contains(&byte)
    })?;
    let quote_end = skip(name_end, MAX_QUOTES, is_quote)?;
    let separator_end = skip(quote_end, MAX_SEPARATOR, |byte| b"=:>|?,".contains(&byte))?;
    // `auth=` and `sig=` bring their separator along.
    let own_separator = view.before(at) == Some(b'=');
    if separator_end == quote_end && !own_separator {
        return Err(Probe::No);
    }
    let start = skip(separator_end, MAX_QUOTES, |byte| {
        is_quote(byte) || byte == b'='
    })?;
    let start = if own_separator { at } else { start };
    Ok((start, view.bytes.get(at..name_end).unwrap_or_default()))
}

fn is_quote(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"'\"`\\".contains(&byte)
}

fn is_value(byte: u8) -> bool {
    !byte.is_ascii_whitespace()
        && !byte.is_ascii_control()
        && !b"'\"`,;&<>(){}[]|\\".contains(&byte)
}

fn holds(name: &[u8], word: &[u8]) -> bool {
    name.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word))
}

fn looks_secret(value: &[u8], password: bool) -> bool {
    let placeholder = value.first().is_none_or(|byte| b"$%*@/".contains(byte));
    if placeholder || value.starts_with(b"http") {
        return false;
    }
    let digit = value.iter().any(u8::is_ascii_digit);
    if password {
        let upper = value.iter().any(u8::is_ascii_uppercase);
        let lower = value.iter().any(u8::is_ascii_lowercase);
        let symbol = value.iter().any(|byte| !is_word(*byte));
        let mixed = digit || symbol || (upper && lower);
        return value.len() >= MIN_PASSWORD && mixed && entropy(value) >= 2.3;
    }
    value.len() >= MIN_VALUE && digit && entropy(value) >= 3.3
}

/// Looks at the authority behind the `://` that ends at `end`: `user:password@host`
/// (RFC 3986 section 3.2.1). Only the password is masked.
pub(crate) fn probe_url(view: &View<'_>, end: usize) -> Probe {
    let is_part = |byte: u8| !byte.is_ascii_whitespace() && !b"/?#@:\"'<>\\".contains(&byte);
    let Some(user) = view.run(end, MAX_USER, is_part) else {
        return Probe::More;
    };
    match view.byte(end + user) {
        Some(b':') => {}
        None if !view.complete => return Probe::More,
        _ => return Probe::No,
    }
    let start = end + user + 1;
    let in_password = |byte: u8| is_part(byte) || byte == b':';
    let Some(length) = view.run(start, MAX_URL_PASSWORD, in_password) else {
        return Probe::More;
    };
    match view.byte(start + length) {
        Some(b'@') if length > 0 => Probe::hit(start, start + length),
        None if !view.complete => Probe::More,
        _ => Probe::No,
    }
}
