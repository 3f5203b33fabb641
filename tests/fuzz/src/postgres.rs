//! PostgreSQL's messages: scripts of them, and those of a stream.

use sluice_protocols::postgres::codec::{Frame, Header, whole};

/// What the gate sends the server in place of a refused statement.
pub const REFUSED_STATEMENT: &[u8] = b"sluice refused this statement";
/// Ends a message of a script (the record separator of ASCII).
pub const END: u8 = 0x1e;
/// The longest frame that an input can hold.
const FRAME_BYTES: usize = 1 << 20;

/// A message.
#[must_use]
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

/// The startup packet of every session that is not an input's own.
#[must_use]
pub fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0ann\0database\0shop\0\0";
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), body].concat()
}

/// What a server says at the start.
#[must_use]
pub fn greeting() -> Vec<u8> {
    [
        message(b'R', &[0; 4]),
        message(b'S', b"client_encoding\0UTF8\0"),
        message(b'S', b"standard_conforming_strings\0on\0"),
        message(b'K', &[0, 0, 0, 7, 1, 2, 3, 4]),
        message(b'Z', b"I"),
    ]
    .concat()
}

/// The messages of a script: each is a type byte and a body up to [`END`], so that lengths are
/// right and what an input changes is what the messages say.
#[must_use]
pub fn script(lines: &[u8]) -> Vec<Vec<u8>> {
    lines
        .split(|byte| *byte == END)
        .filter_map(|line| line.split_first())
        .map(|(kind, body)| message(*kind, body))
        .collect()
}

/// The whole messages at the front of a stream, and what is left.
#[must_use]
pub fn frames(mut stream: &[u8]) -> (Vec<(Header, &[u8], &[u8])>, &[u8]) {
    let mut frames = Vec::new();
    while let Ok(Frame::Whole(header, body)) = whole(stream, FRAME_BYTES) {
        let (frame, behind) = stream.split_at(header.frame());
        frames.push((header, body, frame));
        stream = behind;
    }
    (frames, stream)
}
