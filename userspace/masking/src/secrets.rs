//! The forms in which a known secret can appear on the wire.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The secret itself, in base64 at each of the three alignments and both alphabets, as
/// percent-encoded by strict and by lenient encoders, and as escaped in a JSON string.
pub(crate) fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::from([secret.as_bytes().to_vec()]);
    for alignment in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.extend(inner_base64(secret.as_bytes(), alignment, engine));
        }
    }
    forms.extend([
        percent(secret, b"-_.~", false),
        percent(secret, b"-_.~", true),
    ]);
    forms.extend([percent(secret, b"-_.!~*'()", false), form(secret)]);
    forms.extend(json(secret));
    forms
}

/// What base64 makes of the secret when `alignment` bytes stand before it, without the digits
/// at both ends that depend on the bytes around it.
fn inner_base64(
    secret: &[u8],
    alignment: usize,
    engine: &base64::engine::GeneralPurpose,
) -> Option<Vec<u8>> {
    let mut padded = vec![0; alignment];
    padded.extend_from_slice(secret);
    let encoded = engine.encode(&padded).into_bytes();
    let first = (alignment * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    encoded.get(first..last).map(<[u8]>::to_vec)
}

/// RFC 3986 section 2.1, with the hex digits' case as asked.
fn percent(secret: &str, unreserved: &[u8], lower: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in secret.bytes() {
        // Writing to a String cannot fail.
        let _ = match byte {
            byte if byte.is_ascii_alphanumeric() || unreserved.contains(&byte) => {
                write!(text, "{}", char::from(byte))
            }
            byte if lower => write!(text, "%{byte:02x}"),
            byte => write!(text, "%{byte:02X}"),
        };
    }
    text.into_bytes()
}

/// `application/x-www-form-urlencoded`: a blank is a plus.
fn form(secret: &str) -> Vec<u8> {
    let encoded = percent(secret, b"-_.* ", false);
    encoded
        .into_iter()
        .map(|byte| if byte == b' ' { b'+' } else { byte })
        .collect()
}

/// RFC 8259 section 7, as most encoders write it, with `\/`, and with the characters that
/// encoders for the web escape too.
fn json(secret: &str) -> Vec<Vec<u8>> {
    let Ok(quoted) = serde_json::to_string(secret) else {
        return Vec::new();
    };
    let plain = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let plain = plain.unwrap_or_default();
    let web = plain
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    [plain.to_owned(), plain.replace('/', "\\/"), web]
        .map(String::into_bytes)
        .to_vec()
}

#[cfg(test)]
mod tests;
