//! JSON Web Tokens, anchored at `eyJ`: base64url of `{"`.

use super::{Probe, Range, Tail, View, is_base64url};
use crate::limits::MAX_JWT_HEADER;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Looks at the header that may begin at `at`.
pub(crate) fn probe(view: &View<'_>, at: usize) -> Probe {
    // Within a longer run only its beginning counts, which also keeps `eyJeyJ...` linear.
    let joined = view.before(at).is_some_and(is_base64url) && !view.word_starts(at);
    if joined {
        return Probe::No;
    }
    let Some(length) = view.run(at, MAX_JWT_HEADER, is_base64url) else {
        return Probe::More;
    };
    let dot = at + length;
    match view.byte(dot) {
        Some(b'.') => {}
        Some(_) => return Probe::No,
        None => {
            return if view.complete {
                Probe::No
            } else {
                Probe::More
            };
        }
    }
    if !is_header(view.window(at, length)) {
        return Probe::No;
    }
    match view.byte(dot + 1) {
        Some(byte) if is_base64url(byte) || byte == b'.' => Probe::Hit(Range {
            start: at,
            end: dot + 1,
            tail: Tail::Jwt(1),
        }),
        None if !view.complete => Probe::More,
        _ => Probe::No,
    }
}

fn is_header(encoded: &[u8]) -> bool {
    let decoded = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
    serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(&decoded)
        .is_ok_and(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
}
