//! The request target (RFC 9112 section 3.2) and the path that a policy is asked about.
//!
//! The target is forwarded as it came, so what is judged must be what any server would route.
//! Where two spellings surely mean the same resource, one is chosen: a percent-encoded character
//! that may stand in a path by itself (RFC 3986 section 3.3 `pchar`, without `;`) is decoded, any
//! other is `%XX` in upper case. Where servers differ, the target is refused:
//!
//! - a dot segment in any spelling (`..`, `%2e%2e`, `..;x`, between `/` or `%2F`),
//! - an empty segment (`//`), which some servers merge and some do not,
//! - `\` and `%5C`, which some servers take for `/`,
//! - `%00` to `%1F` and `%7F`, broken percent-encoding, `#`, bytes over 0x7E.
//!
//! `%2F` stays `%2F`: it is not the `/` of a rule. `;` stays too, and so does letter case.

use super::error::Fault;

/// A target, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The path, in the one spelling that rules are written in; `*` for the asterisk form.
    pub path: String,
    /// The query as sent, without the question mark.
    pub query: Option<String>,
    /// The authority of an absolute-form target, in lower case.
    pub authority: Option<String>,
}

/// Takes the target of a request apart.
///
/// # Errors
/// CONNECT, and every target whose meaning is ambiguous.
pub fn parse(method: &str, target: &str) -> Result<Target, Fault> {
    if method == "CONNECT" {
        return Err(Fault::Connect);
    }
    if target == "*" {
        return match method {
            "OPTIONS" => Ok(Target {
                path: "*".to_owned(),
                query: None,
                authority: None,
            }),
            _ => Err(Fault::Target("`*` is for OPTIONS")),
        };
    }
    if target.bytes().any(|b| !(0x21..=0x7e).contains(&b)) {
        return Err(Fault::Target("a byte that is no visible ASCII"));
    }
    if target.contains('#') {
        return Err(Fault::Target("a fragment"));
    }
    let (authority, origin) = split_authority(target)?;
    let (path, query) = match origin.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (origin, None),
    };
    Ok(Target {
        path: normal_path(path)?,
        query,
        authority,
    })
}

fn split_authority(target: &str) -> Result<(Option<String>, &str), Fault> {
    if target.starts_with('/') {
        return Ok((None, target));
    }
    let is_http = target
        .split_at_checked(7)
        .filter(|(s, _)| s.eq_ignore_ascii_case("http://"));
    let Some((_, rest)) = is_http else {
        return Err(Fault::Target("neither a path nor an http:// address"));
    };
    let (authority, origin) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let origin = if origin.starts_with('/') {
        origin
    } else {
        return Err(Fault::Target("an address without a path"));
    };
    Ok((Some(authority.to_ascii_lowercase()), origin))
}

/// The one spelling of a path.
fn normal_path(path: &str) -> Result<String, Fault> {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            push_encoded(&mut normal, encoded(&mut rest)?)?;
        } else {
            push_raw(&mut normal, byte)?;
        }
    }
    refuse_ambiguous_segments(&normal)?;
    Ok(normal)
}

fn encoded(rest: &mut std::str::Bytes<'_>) -> Result<u8, Fault> {
    let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
    let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
    value
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(Fault::Target("broken percent-encoding"))
}

fn push_encoded(normal: &mut String, byte: u8) -> Result<(), Fault> {
    match byte {
        0..=0x1f | 0x7f => return Err(Fault::Target("an encoded control character")),
        b'\\' => return Err(Fault::Target("a backslash")),
        b'/' => normal.push_str("%2F"),
        b';' => normal.push_str("%3B"),
        byte if is_path_byte(byte) => normal.push(char::from(byte)),
        byte => push_percent(normal, byte),
    }
    Ok(())
}

fn push_raw(normal: &mut String, byte: u8) -> Result<(), Fault> {
    match byte {
        b'\\' => return Err(Fault::Target("a backslash")),
        byte if is_path_byte(byte) => normal.push(char::from(byte)),
        byte => push_percent(normal, byte),
    }
    Ok(())
}

fn push_percent(normal: &mut String, byte: u8) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    normal.push('%');
    for nibble in [byte >> 4, byte & 0x0f] {
        normal.extend(HEX.get(usize::from(nibble)));
    }
}

/// `pchar` and `/` of RFC 3986 section 3.3.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

fn refuse_ambiguous_segments(path: &str) -> Result<(), Fault> {
    if path.contains("//") {
        return Err(Fault::Target("an empty segment"));
    }
    let dots = |segment: &str| {
        let name = segment.split([';']).next().unwrap_or_default();
        let name = name.split("%3B").next().unwrap_or_default();
        matches!(name, "." | "..")
    };
    if path.split('/').flat_map(|part| part.split("%2F")).any(dots) {
        return Err(Fault::Target("a dot segment"));
    }
    Ok(())
}
