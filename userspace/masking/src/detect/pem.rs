//! PEM private keys (RFC 7468, and the older forms of OpenSSL, OpenSSH and OpenPGP).

use super::{Probe, Range, Tail, View};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How every block begins.
pub(crate) const BEGIN: &[u8] = b"-----BEGIN";
/// How a block begins when all of it is in base64, as in a Kubernetes secret.
pub(crate) const ENCODED_BEGIN: &[u8] = b"LS0tLS1CRUdJTi";
/// The longest label with its dashes.
const MAX_LABEL: usize = 100;
/// Encoded bytes that hold the first line.
const ENCODED_WINDOW: usize = 64;

/// Looks at the `-----BEGIN` that stands at `at`. The hit is the first line; its tail goes on
/// through the body to the end of the footer.
pub(crate) fn probe(view: &View<'_>, at: usize) -> Probe {
    let label = at + BEGIN.len();
    let Some(length) = view.run(label, MAX_LABEL, |byte| byte != b'\n' && byte != b'"') else {
        return Probe::More;
    };
    let line = view.window(label, length);
    let Some(end) = find(line, b"PRIVATE KEY") else {
        return Probe::No;
    };
    let rest = line.get(end..).unwrap_or_default();
    let block: &[u8] = b" BLOCK";
    let end = end
        + if rest.starts_with(block) {
            block.len()
        } else {
            0
        };
    if !line.get(end..).unwrap_or_default().starts_with(b"-----") {
        return Probe::No;
    }
    Probe::Hit(Range {
        start: at,
        end: label + end + 5,
        tail: Tail::PemBody(0),
    })
}

/// Looks at the encoded `-----BEGIN` that stands at `at`.
pub(crate) fn probe_encoded(view: &View<'_>, at: usize) -> Probe {
    if view.lacks(at, ENCODED_WINDOW) {
        return Probe::More;
    }
    let window = view.window(at, ENCODED_WINDOW);
    let whole = window
        .get(..window.len() - window.len() % 4)
        .unwrap_or_default();
    let line = STANDARD_NO_PAD.decode(whole).unwrap_or_default();
    if find(&line, b"PRIVATE KEY").is_none() {
        return Probe::No;
    }
    Probe::Hit(Range {
        start: at,
        end: at + whole.len(),
        tail: Tail::Token,
    })
}

/// The end of the first `needle`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle).map(|at| at + needle.len())
}
