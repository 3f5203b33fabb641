//! The keys of a case file.

use crate::keys::{Block, EFFECTS, Key, Shape, key, required};

const VERDICTS: &[&str] = &["allow", "approve", "deny"];

pub(super) static FILE: Block = Block {
    name: "a case file",
    keys: &[required(
        "cases",
        Shape::Blocks(&CASE),
        "Cases, each by itself.",
    )],
    later: &[],
};

const NAME: Key = required("name", Shape::Text, "What is shown of it.");

pub(super) static CASE: Block = Block {
    name: "a case",
    keys: &[
        NAME,
        key("job", Shape::Headers, "Labels of the job."),
        key("pipeline", Shape::Text, "The job's name."),
        key(
            "lineage",
            Shape::Blocks(&EXEC),
            "From the root to the process: paths or mappings.",
        ),
        key("lineage_complete", Shape::Boolean, "true unless said."),
        key(
            "host",
            Shape::Texts,
            "The name, or names, that the address was resolved from.",
        ),
        key(
            "claims",
            Shape::Text,
            "The name that the operation itself claims.",
        ),
        key("ip", Shape::Text, "192.0.2.1 unless said."),
        key(
            "port",
            Shape::Number,
            "443 unless said; 5432 for postgres, 53 for dns.",
        ),
        key("http", Shape::Block(&HTTP), "An HTTP request."),
        key(
            "postgres",
            Shape::Block(&POSTGRES),
            "A message to PostgreSQL.",
        ),
        key("dns", Shape::Block(&DNS), "A DNS question."),
        key("opaque", Shape::Text, "A stream, by what it looks like."),
        required("expect", Shape::Block(&EXPECT), "A verdict, or a mapping."),
    ],
    later: &[],
};

pub(super) static EXEC: Block = Block {
    name: "a process",
    keys: &[
        required("exe", Shape::Text, "Absolute path."),
        key(
            "argv",
            Shape::Texts,
            "Arguments, argv[0] first; the path alone unless said.",
        ),
        key(
            "exe_sha256",
            Shape::Text,
            "SHA-256 of the program's file, 64 hex digits; unknown unless said.",
        ),
        key("uid", Shape::Number, "1000 unless said."),
        key("cwd", Shape::Text, "/ unless said."),
    ],
    later: &[],
};

pub(super) static HTTP: Block = Block {
    name: "http",
    keys: &[
        key("method", Shape::Text, "GET unless said."),
        key("path", Shape::Text, "/ unless said; normalised."),
        key("header", Shape::Headers, "Header fields."),
        key(
            "status",
            Shape::Number,
            "The status of its answer, which is judged then.",
        ),
    ],
    later: &[],
};

pub(super) static POSTGRES: Block = Block {
    name: "postgres",
    keys: &[
        key("sql", Shape::Text, "Parsed as the gate does."),
        key(
            "effect",
            Shape::Word(EFFECTS),
            "Instead of sql; unknown unless said.",
        ),
        key(
            "kind",
            Shape::Text,
            "The kind of statement; unknown unless said.",
        ),
        key("reads", Shape::Texts, "Tables."),
        key("writes", Shape::Texts, "Tables."),
        key("columns", Shape::Texts, "Columns of the result."),
        key("tables_known", Shape::Boolean, "true unless said."),
        key("database", Shape::Text, "`app` unless said."),
        key("user", Shape::Text, "`app` unless said."),
    ],
    later: &[],
};

pub(super) static DNS: Block = Block {
    name: "dns",
    keys: &[
        required("name", Shape::Text, "The name that is asked for."),
        key("type", Shape::Text, "A unless said."),
    ],
    later: &[],
};

pub(super) static EXPECT: Block = Block {
    name: "expect",
    keys: &[
        required("verdict", Shape::Word(VERDICTS), "The verdict."),
        key(
            "rule",
            Shape::Text,
            "A rule that caused it: `rule` or `policy/rule`.",
        ),
        key(
            "would_be",
            Shape::Word(VERDICTS),
            "What would happen if shadow were enforced.",
        ),
        key(
            "masks",
            Shape::Texts,
            "The masks for the answer, in their order; [] for none.",
        ),
        key(
            "expected",
            Shape::Boolean,
            "Whether the refusal is expected.",
        ),
    ],
    later: &[],
};
