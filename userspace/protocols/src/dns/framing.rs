//! DNS over TCP: two bytes of length before each message (RFC 1035 section 4.2.2, RFC 7766).

/// The largest message.
pub const MESSAGE_BYTES: usize = u16::MAX as usize;

/// What the bytes of a TCP stream hold.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed<'a> {
    /// The next message is not complete.
    NeedMore,
    /// A message, and how many bytes of the stream it took with its length.
    Message {
        /// The message, without its length.
        message: &'a [u8],
        /// Bytes to forget.
        consumed: usize,
    },
}

/// The first message of what was read.
pub fn next_message(stream: &[u8]) -> Framed<'_> {
    let message = stream
        .split_first_chunk::<2>()
        .and_then(|(length, rest)| rest.get(..usize::from(u16::from_be_bytes(*length))));
    match message {
        Some(message) => Framed::Message {
            message,
            consumed: 2 + message.len(),
        },
        None => Framed::NeedMore,
    }
}

/// A message with its length before it; `None` over [`MESSAGE_BYTES`].
#[must_use]
pub fn frame(message: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok()?;
    Some([&length.to_be_bytes(), message].concat())
}
