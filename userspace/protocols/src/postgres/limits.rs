//! How large what a peer sends may be. At a limit: refuse, record, end the flow.

use std::time::Duration;

/// How long a client that is told off may take to read it.
pub const LINGER: Duration = Duration::from_secs(2);

/// Bytes of such a client that are read and dropped.
pub const LINGER_BYTES: u64 = 1 << 20;

/// Longest startup packet, as the server has it (MAX_STARTUP_PACKET_LENGTH).
pub const STARTUP_BYTES: usize = 10_000;

/// Longest password or SASL message of a client, as the server has it (PG_MAX_AUTH_TOKEN_LENGTH).
pub const AUTH_BYTES: usize = 65_535;

/// Longest statement: Query or Parse.
pub const STATEMENT_BYTES: usize = 16 << 20;

/// Longest message of a client that has no data in it, as the server has it
/// (PQ_SMALL_MESSAGE_LIMIT).
pub const SMALL_BYTES: usize = 10_000;

/// Longest message with data in it, as the server has it (PQ_LARGE_MESSAGE_LIMIT).
pub const DATA_BYTES: usize = 0x3fff_fffe;

/// How far into a Bind message its two names may reach.
pub const BIND_NAMES_BYTES: usize = 8192;

/// Longest reply that is read whole: errors, notices, descriptions of rows.
pub const REPLY_BYTES: usize = 1 << 20;

/// Longest row, or line of COPY, that is masked.
pub const MASKED_ROW_BYTES: usize = 64 << 20;

/// Replies that are waited for; no more of the client is read beyond.
pub const PENDING_REPLIES: usize = 16_384;

/// Bytes of the client that wait behind a held operation.
pub const HELD_BYTES: usize = 1 << 20;

/// Bytes that are read ahead of what can be passed on, each way.
pub const READ_AHEAD: usize = 256 << 10;

/// Prepared statements of a session, and cursors: each.
pub const MAX_NAMES: usize = 4096;

/// Bytes of text of the prepared statements of a session.
pub const NAMED_BYTES: usize = 32 << 20;

/// Keys of running sessions that can be cancelled.
pub const MAX_CANCEL_KEYS: usize = 65_536;

/// Longest key of a session that can be cancelled (protocol 3.2).
pub const CANCEL_KEY_BYTES: usize = 256;

/// Tags of commands that one record keeps.
pub const MAX_TAGS: usize = 16;
