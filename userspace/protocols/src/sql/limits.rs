//! How large SQL may be before it is no longer understood.

/// Longest text that is parsed, in bytes. What is longer has effect `unknown`.
pub const ANALYSED_BYTES: usize = 1 << 20;

/// Most tokens of a text that is parsed.
pub const MAX_TOKENS: usize = 400_000;

/// Most statements of one message that are told apart.
pub const MAX_STATEMENTS: usize = 4096;

/// Deepest nesting of parentheses, subqueries and the like.
pub const MAX_NESTING: usize = 64;

/// Most operators of one statement: a chain of them is a tree as deep as it is long.
pub const MAX_OPERATORS: usize = 4000;

/// Bytes of a name that count: NAMEDATALEN - 1.
pub const IDENTIFIER_BYTES: usize = 63;

/// Most origins that are kept of one output column; more mean any.
pub const MAX_ORIGINS: usize = 256;

/// Bytes that analyses are kept in, as they are estimated.
pub const CACHE_BYTES: usize = 8 << 20;

/// Longest statement whose analysis is kept, in bytes.
pub const CACHED_STATEMENT_BYTES: usize = 64 << 10;

/// Most tables that are named of one statement; with more, not all are known.
pub const MAX_TABLES: usize = 512;

/// Most common table expressions, and most sources of one FROM.
pub const MAX_SOURCES: usize = 256;

/// Most columns of a result: the server's own limit (MaxTupleAttributeNumber).
pub const MAX_COLUMNS: usize = 1664;
