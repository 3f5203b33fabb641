//! The table of the language: every block, its keys and their shapes. What is read, what is
//! suggested for a misspelt key and the JSON Schema all come from it.

/// What a key holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Text.
    Text,
    /// A name: letters, digits, `.`, `_`, `-`.
    Name,
    /// One glob or a list of alternatives.
    Globs,
    /// A list of globs that must appear in this order.
    Sequence,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words or a list of them.
    Words(&'static [&'static str]),
    /// Text or a list of texts.
    Texts,
    /// A port, a range `8000-8999`, or a list of them.
    Ports,
    /// A uid, a user's name, or a list of them.
    Users,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A number with its unit: `30s`, `10m`, `2h`, `90d`.
    Duration,
    /// The number 1.
    Version,
    /// Header names with their globs.
    Headers,
    /// A mapping.
    Block(&'static Block),
    /// A mapping or a list of alternatives.
    BlockOrBlocks(&'static Block),
    /// A list of mappings.
    Blocks(&'static Block),
    /// Either of several.
    OneOf(&'static [Shape]),
    /// Detectors of the masking crate.
    Detectors,
    /// A strategy of the masking crate.
    Strategy,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key],
    /// Keys that the language has and this version does not.
    pub(crate) later: &'static [&'static str],
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, required: false, about }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, required: true, about }
}

const MODES: &[&str] = &["enforce", "shadow"];
const PAYLOADS: &[&str] = &["none", "statements", "masked"];
pub(crate) const EFFECTS: &[&str] = &["read", "write", "ddl", "admin", "unknown"];
pub(crate) const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// What `protocol` may name: the protocols that are judged by operation, `opaque` for
/// everything else, and what an opaque stream looks like.
pub(crate) const PROTOCOLS: &[&str] = &[
    "http", "postgres", "dns", "opaque", "tls", "ssh", "websocket", "http2", "mysql", "redis",
    "smtp", "unknown",
];

/// The protocols among [`PROTOCOLS`] that are judged by operation.
pub(crate) const DECODED: &[&str] = &["http", "postgres", "dns"];

const EXE: Key = key("exe", Shape::Globs, "Absolute path of the program as it was executed.");
const EXE_SHA256: Key =
    key("exe_sha256", Shape::Texts, "SHA-256 of the program's file, 64 hex digits.");
const ARGV: Key = key("argv", Shape::Sequence, "Globs that arguments match in this order.");
const USER: Key = key("user", Shape::Users, "Effective user: uid or name.");
const CWD: Key = key("cwd", Shape::Globs, "Working directory when the program started.");

pub(crate) static IMAGE: Block =
    Block { name: "a process", keys: &[EXE, EXE_SHA256, ARGV, USER, CWD], later: &[] };

pub(crate) static CONTAINER: Block = Block {
    name: "container",
    keys: &[required("image", Shape::Globs, "Image of the container.")],
    later: &[],
};

pub(crate) static WHO: Block = Block {
    name: "who",
    keys: &[
        EXE,
        EXE_SHA256,
        ARGV,
        USER,
        CWD,
        key(
            "step",
            Shape::OneOf(&[Shape::Globs, Shape::Block(&IMAGE)]),
            "The step: the direct child of the job's root that leads to the process.",
        ),
        key("container", Shape::Block(&CONTAINER), "The container of the process."),
        key("parent", Shape::Block(&IMAGE), "The program that started this one."),
        key("ancestor", Shape::Block(&IMAGE), "Any program above this one."),
        key("via", Shape::Sequence, "Programs above this one, in this order, from the root."),
        key(
            "lineage",
            Shape::Word(&["complete", "any"]),
            "Whether the chain of processes must be complete (the default).",
        ),
    ],
    later: &[],
};

pub(crate) static HTTP: Block = Block {
    name: "http",
    keys: &[
        key("method", Shape::Texts, "Methods, in upper case."),
        key("path", Shape::Globs, "The normalised path, without the query."),
        key("header", Shape::Headers, "Header fields and globs of their values."),
    ],
    later: &["status"],
};

pub(crate) static POSTGRES: Block = Block {
    name: "postgres",
    keys: &[
        key("effect", Shape::Words(EFFECTS), "What a statement does, by the strongest in it."),
        key("statement", Shape::Globs, "The kind of statement: `select`, `create table`."),
        key("table", Shape::Globs, "Tables that it touches: `schema.table`."),
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
        key("host", Shape::Globs, "The proved name of the destination, in lower case."),
        key("cidr", Shape::Texts, "Networks or addresses of the destination."),
        key("port", Shape::Ports, "Ports of the destination."),
        key("protocol", Shape::Words(PROTOCOLS), "The protocol on the flow."),
        key("http", Shape::Block(&HTTP), "An HTTP request."),
        key("postgres", Shape::Block(&POSTGRES), "A statement to PostgreSQL."),
        key("dns", Shape::Block(&DNS), "A DNS question."),
    ],
    later: &["tls", "mysql", "redis", "ssh", "kubernetes", "mcp"],
};

pub(crate) static UNLESS: Block = Block {
    name: "unless",
    keys: &[
        key("who", Shape::Block(&WHO), "Who is taken out of the rule."),
        key("what", Shape::Block(&WHAT), "What is taken out of the rule."),
    ],
    later: &[],
};

pub(crate) static APPROVE: Block = Block {
    name: "approve",
    keys: &[
        key("from", Shape::Texts, "Groups of which an approver must be a member of one."),
        key("count", Shape::Number, "How many distinct people, 1 unless said."),
        key("timeout", Shape::Duration, "How long the operation is held, 10m unless said."),
        key("on_timeout", Shape::Word(&["deny"]), "What then."),
        key(
            "remember",
            Shape::Word(&["operation", "flow", "job"]),
            "Whether the same operation is asked about again.",
        ),
        key("reason_required", Shape::Boolean, "Whether an answer needs a reason."),
        key("message", Shape::Text, "For the person at the build log."),
    ],
    later: &["escalate"],
};

pub(crate) static THEN: Block = Block {
    name: "then",
    keys: &[required("approve", Shape::Block(&APPROVE), "Held until people answer.")],
    later: &[],
};

pub(crate) static RULE_RECORD: Block = Block {
    name: "record",
    keys: &[
        key("payload", Shape::Word(PAYLOADS), "How much is recorded."),
        key("sync", Shape::Boolean, "On disk before the operation goes on."),
    ],
    later: &[],
};

pub(crate) static RULE: Block = Block {
    name: "a rule",
    keys: &[
        required("name", Shape::Name, "Its name, for records and refusals."),
        key("who", Shape::Block(&WHO), "Which processes."),
        key("what", Shape::Block(&WHAT), "Which operations."),
        key("unless", Shape::BlockOrBlocks(&UNLESS), "Cases taken out of the rule."),
        required(
            "then",
            Shape::OneOf(&[Shape::Word(&["allow", "deny"]), Shape::Block(&THEN)]),
            "What happens.",
        ),
        key("mode", Shape::Word(MODES), "Overrides the policy's mode."),
        key("expected", Shape::Boolean, "A refusal by it does not count against the job."),
        key("message", Shape::Text, "For the person at the build log."),
        key(
            "record",
            Shape::OneOf(&[
                Shape::Word(&["sync", "none", "statements", "masked"]),
                Shape::Block(&RULE_RECORD),
            ]),
            "How an operation that it matches is recorded.",
        ),
    ],
    later: &[],
};

pub(crate) static MASK: Block = Block {
    name: "a mask",
    keys: &[
        required("name", Shape::Name, "Its name, for records."),
        key("who", Shape::Block(&WHO), "Which processes."),
        key("what", Shape::Block(&WHAT), "Which operations."),
        key("detect", Shape::Detectors, "What is looked for."),
        key("column", Shape::Globs, "Columns that are masked whole."),
        key("json_key", Shape::Globs, "Keys of JSON objects whose values are masked whole."),
        key("with", Shape::Strategy, "What is put in place, redact unless said."),
    ],
    later: &[],
};

pub(crate) static APPLIES_TO: Block = Block {
    name: "applies_to",
    keys: &[
        key("repository", Shape::Globs, "The label `repository` of the job."),
        key("ref", Shape::Globs, "The label `ref` of the job."),
        key("job", Shape::Globs, "The label `job` of the job."),
        key("pipeline", Shape::Globs, "The job's name."),
        key("labels", Shape::Headers, "Any other label of the job."),
    ],
    later: &[],
};

pub(crate) static RECORD: Block = Block {
    name: "record",
    keys: &[
        key("payload", Shape::Word(PAYLOADS), "How much is recorded."),
        key("keep", Shape::Duration, "How long records are kept."),
    ],
    later: &[],
};

pub(crate) static POLICY: Block = Block {
    name: "a policy",
    keys: &[
        required("version", Shape::Version, "Version of the language."),
        required("name", Shape::Name, "Its name, for records and refusals."),
        key("applies_to", Shape::Block(&APPLIES_TO), "Which jobs; all unless said."),
        key("mode", Shape::Word(MODES), "Whether it decides or only tells, enforce unless said."),
        key("default", Shape::Word(&["deny", "allow"]), "What no rule matches, deny unless said."),
        key("rules", Shape::Blocks(&RULE), "In any order."),
        key("mask", Shape::Blocks(&MASK), "What is hidden in answers and in the record."),
        key("record", Shape::Block(&RECORD), "What is recorded."),
    ],
    later: &[],
};

pub(crate) static STRATEGY: Block = Block {
    name: "with",
    keys: &[required("partial", Shape::Block(&PARTIAL), "The last characters stay.")],
    later: &[],
};

pub(crate) static PARTIAL: Block = Block {
    name: "partial",
    keys: &[required("keep_last", Shape::Number, "How many characters stay.")],
    later: &[],
};
