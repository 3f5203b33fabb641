//! Everything that a peer can make large, and how large it may be.

use std::time::Duration;

/// Bytes of one head, request or response, with its empty line (431).
pub const HEAD_BYTES: usize = 64 * 1024;

/// Fields of one head (431).
pub const HEAD_FIELDS: usize = 128;

/// Bytes of a request target (414).
pub const TARGET_BYTES: usize = 16 * 1024;

/// Bytes of one chunk-size line with its extensions, without CRLF (RFC 9112 section 7.1.1).
pub const CHUNK_LINE_BYTES: usize = 4 * 1024;

/// Bytes of a trailer section with its empty line (RFC 9112 section 7.1.2).
pub const TRAILER_BYTES: usize = 16 * 1024;

/// Interim (1xx) responses before the final one of a request.
pub const INTERIM_RESPONSES: usize = 32;

/// Bytes of a client that wait in the daemon behind its request while that is held or answered;
/// more waits in the kernel.
pub const HELD_BYTES: usize = 64 * 1024;

/// Bytes of a body, with its framing, that wait in the daemon while people are asked about the
/// request; a request with a longer one is refused.
pub const HELD_BODY: usize = 1024 * 1024;

/// How long such a body may take to come (408).
pub const HELD_BODY_TIME: Duration = Duration::from_secs(60);

/// A refused request's body up to this size is skipped and the connection goes on.
pub const SKIPPED_BODY: u64 = 64 * 1024;

/// What is read at a time where nothing is known of the size.
pub const READ_BYTES: usize = 16 * 1024;

/// What is read at a time inside of a body.
pub const BULK_BYTES: usize = 256 * 1024;

/// Encoded bytes that are decoded at a time on a masked route.
pub const DECODE_PIECE: usize = 1024;

/// Decoded bytes that one [`DECODE_PIECE`] may become: 256 for 1, and what a decoder may hold
/// back from earlier pieces. Text compresses 10 to 60 times; 256 times is a bomb.
pub const DECODED_PIECE: usize = 256 * DECODE_PIECE + 256 * 1024;

/// Decoded bytes of one body on a masked route.
pub const DECODED_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Base-2 logarithm of the largest zstd window (RFC 9659 section 3: 8 MiB).
pub const ZSTD_WINDOW_LOG: u32 = 23;

/// Bytes of an `Upgrade` value.
pub const UPGRADE_BYTES: usize = 64;

/// How long a client may be silent between two requests.
pub const IDLE: Duration = Duration::from_secs(15 * 60);

/// How long a head may take from its first byte to its last (408).
pub const HEAD_TIME: Duration = Duration::from_secs(60);

/// How long a server may be silent for a client that has ended its side of the connection. It
/// may only have said that it sends no more; most of them are gone.
pub const HALF_CLOSED: Duration = Duration::from_secs(60);

/// How long, and for how many bytes, a refused client is listened to after the answer, so that
/// a reset for bytes that nobody read does not overtake it (RFC 9112 section 9.6).
pub const LINGER: Duration = Duration::from_secs(2);

/// See [`LINGER`].
pub const LINGER_BYTES: usize = 1024 * 1024;
