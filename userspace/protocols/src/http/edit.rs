//! Heads that do not pass as they came: fields taken off, values masked.

use std::borrow::Cow;

use super::fields::Fields;

/// The request's head without fields that must not reach the server on this route.
///
/// `clear_http2` takes the wish for HTTP/2 off; `ranges` takes Range off, because a part of a
/// body cannot be masked: a server may ignore Range (RFC 9110 section 14.2).
pub(super) fn request(head: &[u8], clear_http2: bool, ranges: bool) -> Vec<u8> {
    let mut edited = Vec::with_capacity(head.len());
    for (index, line) in lines(head).enumerate() {
        let name = if index == 0 { "" } else { name(line) };
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if ranges && (is("range") || is("if-range")) {
            continue;
        }
        if clear_http2 && (is("upgrade") || is("http2-settings")) {
            continue;
        }
        if clear_http2 && is("connection") {
            edited.extend(connection_without_upgrade(line));
            continue;
        }
        edited.extend_from_slice(line);
        edited.extend_from_slice(b"\r\n");
    }
    edited
}

fn connection_without_upgrade(line: &[u8]) -> Vec<u8> {
    let value = line.splitn(2, |b| *b == b':').nth(1).unwrap_or_default();
    let field = [httparse::Header {
        name: "connection",
        value,
    }];
    let stays = |token: &String| !matches!(token.as_str(), "upgrade" | "http2-settings");
    let tokens: Vec<String> = Fields(&field).list("connection").filter(stays).collect();
    if tokens.is_empty() {
        return Vec::new();
    }
    format!("Connection: {}\r\n", tokens.join(", ")).into_bytes()
}

/// How a masked body ends for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskedEnd {
    /// There is no body.
    NoBody,
    /// Chunks.
    Chunked,
    /// With the connection: HTTP/1.0 on either side.
    Close,
}

/// The response's head for a masked body: no length, coding, digest or entity tag of what the
/// server sent, and every line through `mask` (`None`: unchanged). A field whose name would be
/// masked is left out.
pub(super) fn masked_response(
    head: &[u8],
    end: MaskedEnd,
    mut mask: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Vec<u8> {
    const OF_THE_BYTES: [&str; 12] = [
        "accept-ranges",
        "content-digest",
        "content-encoding",
        "content-length",
        "content-md5",
        "content-range",
        "digest",
        "etag",
        "repr-digest",
        "signature",
        "trailer",
        "transfer-encoding",
    ];
    let mut masked = Vec::with_capacity(head.len());
    for (index, line) in lines(head).enumerate().filter(|(_, line)| !line.is_empty()) {
        let name = if index == 0 { "" } else { name(line) };
        let is = |wanted: &&str| name.eq_ignore_ascii_case(wanted);
        let closes = end == MaskedEnd::Close && (is(&"connection") || is(&"keep-alive"));
        if closes || OF_THE_BYTES.iter().any(is) {
            continue;
        }
        let line = mask(line).map_or(Cow::Borrowed(line), Cow::Owned);
        if !line.starts_with(name.as_bytes()) {
            continue;
        }
        masked.extend(line.iter().filter(|b| !matches!(b, b'\r' | b'\n')));
        masked.extend_from_slice(b"\r\n");
    }
    masked.extend_from_slice(match end {
        MaskedEnd::NoBody => b"\r\n",
        MaskedEnd::Chunked => b"Transfer-Encoding: chunked\r\n\r\n",
        MaskedEnd::Close => b"Connection: close\r\n\r\n",
    });
    masked
}

/// Lines of a head without their CRLF; the empty line is the last one.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.strip_suffix(b"\r\n")
        .unwrap_or(head)
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn name(line: &[u8]) -> &str {
    let name = line.split(|b| *b == b':').next().unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}
