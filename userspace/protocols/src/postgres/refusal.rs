//! Refusals and notices in PostgreSQL's own words (chapters 55.7 and 55.8).

use sluice_flow::{Cause, Refusal};

use super::codec::frame;

const HINT: &str = "The gate of this build host decided; `sluice policy explain` there tells why.";

/// SQLSTATE of a notice without a code of its own.
const SUCCESSFUL: &str = "00000";

/// Text that no PostgreSQL parses, sent in place of a refused statement, so that the server's
/// transaction fails as if the statement itself had.
pub(crate) const REFUSED_STATEMENT: &[u8] = b"sluice refused this statement";

/// The answer before any server was reached: a FATAL error; the connection ends with it.
#[must_use]
pub fn refuse(refusal: &Refusal) -> Vec<u8> {
    let mut out = Vec::new();
    error(&mut out, "FATAL", refusal);
    out
}

/// The answer to one operation: an ERROR; the session goes on.
#[must_use]
pub fn refused(refusal: &Refusal) -> Vec<u8> {
    let mut out = Vec::new();
    error(&mut out, "ERROR", refusal);
    out
}

fn error(out: &mut Vec<u8>, severity: &str, refusal: &Refusal) {
    let sqlstate = refusal.cause.response().sqlstate;
    let hint = (refusal.cause == Cause::Policy).then_some(HINT);
    message(out, b'E', severity, sqlstate, &refusal.text(), hint);
}

/// A notice to the person at the build log.
pub(crate) fn notice(out: &mut Vec<u8>, text: &str) {
    message(out, b'N', "NOTICE", SUCCESSFUL, text, None);
}

/// ReadyForQuery with the given transaction status.
pub(crate) fn ready(out: &mut Vec<u8>, status: u8) {
    out.extend_from_slice(&[b'Z', 0, 0, 0, 5, status]);
}

fn message(
    out: &mut Vec<u8>,
    kind: u8,
    severity: &str,
    sqlstate: &str,
    text: &str,
    hint: Option<&str>,
) {
    let fields = [
        (b'S', Some(severity)),
        (b'V', Some(severity)),
        (b'C', Some(sqlstate)),
        (b'M', Some(text)),
        (b'H', hint),
    ];
    // A text that is too long for a frame is left out whole; none of ours is.
    let _ = frame(out, kind, |body| {
        for (field, text) in fields {
            if let Some(text) = text {
                body.push(field);
                body.extend(text.bytes().filter(|byte| *byte != 0));
                body.push(0);
            }
        }
        body.push(0);
    });
}
