//! The block `what`, and a block for each protocol.

use super::{Block, Shape, key};

pub(crate) const EFFECTS: &[&str] = &["read", "write", "ddl", "admin", "unknown"];
/// What `protocol` may name: the protocols that are judged by operation, `opaque` for
/// everything else, and what an opaque stream looks like.
pub(crate) const PROTOCOLS: &[&str] = &[
    "http",
    "postgres",
    "dns",
    "opaque",
    "tls",
    "ssh",
    "websocket",
    "http2",
    "mysql",
    "redis",
    "smtp",
    "unknown",
];

/// The protocols among [`PROTOCOLS`] that are judged by operation.
pub(crate) const DECODED: &[&str] = &["http", "postgres", "dns"];

pub(crate) static HTTP: Block = Block {
    name: "http",
    keys: &[
        key("method", Shape::Texts, "Methods, in upper case."),
        key(
            "path",
            Shape::Globs,
            "The normalised path, without the query.",
        ),
        key(
            "header",
            Shape::Headers,
            "Header fields and globs of their values.",
        ),
        key(
            "status",
            Shape::Statuses,
            "The status of the answer: numbers, or classes as `5xx`.",
        ),
    ],
    later: &[],
};

pub(crate) static POSTGRES: Block = Block {
    name: "postgres",
    keys: &[
        key(
            "effect",
            Shape::Words(EFFECTS),
            "What a statement does, by the strongest in it.",
        ),
        key(
            "statement",
            Shape::Globs,
            "The kind of statement: `select`, `create table`.",
        ),
        key(
            "table",
            Shape::Globs,
            "Tables that it touches: `schema.table`.",
        ),
        key("column", Shape::Globs, "Columns that its result names."),
        key("database", Shape::Globs, "The database of the session."),
        key("user", Shape::Globs, "The database user of the session."),
    ],
    later: &[],
};

pub(crate) static DNS: Block = Block {
    name: "dns",
    keys: &[
        key("name", Shape::Globs, "The name that is asked for."),
        key("type", Shape::Texts, "Record types: `A`, `AAAA`, `TXT`."),
    ],
    later: &[],
};

pub(crate) static WHAT: Block = Block {
    name: "what",
    keys: &[
        key(
            "host",
            Shape::Globs,
            "The proved name of the destination, in lower case.",
        ),
        key(
            "cidr",
            Shape::Texts,
            "Networks or addresses of the destination.",
        ),
        key("port", Shape::Ports, "Ports of the destination."),
        key(
            "protocol",
            Shape::Words(PROTOCOLS),
            "The protocol on the flow.",
        ),
        key("http", Shape::Block(&HTTP), "An HTTP request."),
        key(
            "postgres",
            Shape::Block(&POSTGRES),
            "A statement to PostgreSQL.",
        ),
        key("dns", Shape::Block(&DNS), "A DNS question."),
    ],
    later: &["tls", "mysql", "redis", "ssh", "kubernetes", "mcp"],
};
