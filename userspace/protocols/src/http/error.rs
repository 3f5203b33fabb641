//! What can be wrong with HTTP bytes.

use super::limits;

/// What is wrong with the bytes of a peer. Who is to blame is known by whoever read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// RFC 9112 section 2.2 lets a recipient take a bare LF; peers that do and that do not see
    /// two different messages.
    #[error("a line ends with LF alone: end every line of the head with CRLF")]
    BareLf,
    /// CR that is not part of CRLF.
    #[error("a CR stands alone in the head: remove it")]
    BareCr,
    /// More than one empty line before a request.
    #[error("empty lines stand before the request: send the request line first")]
    EmptyLines,
    /// httparse refuses it.
    #[error("the head is malformed ({0}): see RFC 9112 section 3 to 5")]
    Malformed(&'static str),
    /// Not HTTP/1.0 or HTTP/1.1.
    #[error("the version is not HTTP/1.0 or HTTP/1.1: use HTTP/1.1")]
    Version,
    /// A head over [`limits::HEAD_BYTES`].
    #[error(
        "the head is over {} bytes: send fewer or shorter fields",
        limits::HEAD_BYTES
    )]
    HeadTooLong,
    /// More fields than [`limits::HEAD_FIELDS`].
    #[error("the head has over {} fields: send fewer", limits::HEAD_FIELDS)]
    TooManyFields,
    /// A target over [`limits::TARGET_BYTES`].
    #[error(
        "the target is over {} bytes: send the rest in a body",
        limits::TARGET_BYTES
    )]
    TargetTooLong,
    /// A target that two servers would route differently.
    #[error("the target is ambiguous ({0}): send the path that is meant")]
    Target(&'static str),
    /// CONNECT would make the stream opaque.
    #[error("CONNECT would hide what follows: connect to the destination itself")]
    Connect,
    /// RFC 9112 section 3.2.
    #[error("the Host field is {0}: send it once, as name or name:port")]
    Host(&'static str),
    /// RFC 9112 section 6.1: request smuggling.
    #[error("Content-Length and Transfer-Encoding stand in one head: send one of them")]
    LengthAndCoding,
    /// Twice, even with one value.
    #[error("Content-Length stands in the head more than once: send it once")]
    SeveralLengths,
    /// Not digits only, or over 64 bits.
    #[error("Content-Length is not a decimal number: send digits only")]
    Length,
    /// Not exactly `chunked`, or in HTTP/1.0.
    #[error("Transfer-Encoding is not exactly `chunked` in HTTP/1.1: send no other")]
    Coding,
    /// A name that some servers read as one of the fields that frame a message.
    #[error("a field's name differs from a framing field's by an underscore: remove it")]
    Lookalike,
    /// Fields that must reach the server, named as hop-by-hop.
    #[error("Connection names a field that must not be dropped on the way: remove it there")]
    Connection,
    /// Anything but `100-continue`.
    #[error("Expect is not exactly `100-continue`: send no other")]
    Expect,
    /// More than one protocol, or a body with it.
    #[error("Upgrade must name one protocol, and come without a body")]
    Upgrade,
    /// RFC 9112 section 7.1.
    #[error("a chunk is malformed ({0}): see RFC 9112 section 7.1")]
    Chunk(&'static str),
    /// A chunk line over [`limits::CHUNK_LINE_BYTES`].
    #[error("a chunk's size line is over {} bytes", limits::CHUNK_LINE_BYTES)]
    ChunkLineTooLong,
    /// A trailer section over [`limits::TRAILER_BYTES`].
    #[error("the trailer section is over {} bytes", limits::TRAILER_BYTES)]
    TrailersTooLong,
    /// A trailer that must be a header field (RFC 9110 section 6.5.1).
    #[error("a trailer field frames or routes the message: send it in the head")]
    Trailer,
    /// The peer stopped before the end of a message.
    #[error("the message ends before its length says so")]
    CutShort,
    /// A head was not complete in time.
    #[error("the head took over {} s", limits::HEAD_TIME.as_secs())]
    TooSlow,
    /// A body that people are asked about was not complete in time.
    #[error(
        "the body took over {} s, and people are asked about all of the request",
        limits::HELD_BODY_TIME.as_secs()
    )]
    BodyTooSlow,
    /// A response to something that was not asked.
    #[error("the server changes to a protocol that the request did not ask for")]
    UnaskedUpgrade,
    /// More interim responses than [`limits::INTERIM_RESPONSES`].
    #[error(
        "over {} interim responses came before the final one",
        limits::INTERIM_RESPONSES
    )]
    TooManyInterim,
    /// Bytes after the end of a response.
    #[error("bytes follow the end of the response that nobody asked for")]
    UnaskedBytes,
}

impl Fault {
    /// Whether it is a matter of size.
    #[must_use]
    pub fn over_limit(self) -> bool {
        matches!(
            self,
            Self::HeadTooLong
                | Self::TooManyFields
                | Self::TargetTooLong
                | Self::ChunkLineTooLong
                | Self::TrailersTooLong
                | Self::TooManyInterim
        )
    }

    /// The status for a client that sent it (RFC 9110 section 15.5, RFC 6585 section 5).
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::HeadTooLong | Self::TooManyFields => 431,
            Self::TargetTooLong => 414,
            Self::ChunkLineTooLong | Self::TrailersTooLong => 413,
            Self::Version => 505,
            Self::Connect => 403,
            Self::Expect => 417,
            Self::TooSlow | Self::BodyTooSlow => 408,
            Self::BareLf
            | Self::BareCr
            | Self::EmptyLines
            | Self::Malformed(_)
            | Self::Target(_)
            | Self::Host(_)
            | Self::LengthAndCoding
            | Self::SeveralLengths
            | Self::Length
            | Self::Coding
            | Self::Lookalike
            | Self::Connection
            | Self::Upgrade
            | Self::Chunk(_)
            | Self::Trailer
            | Self::CutShort
            | Self::UnaskedUpgrade
            | Self::TooManyInterim
            | Self::UnaskedBytes => 400,
        }
    }
}
