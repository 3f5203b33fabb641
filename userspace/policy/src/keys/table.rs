//! The blocks of the language, but for what is inside of operations.

use super::what::WHAT;
use super::{Block, Key, Shape, key, required};

const MODES: &[&str] = &["enforce", "shadow"];
const PAYLOADS: &[&str] = &["none", "statements", "masked"];

const EXE: Key = key(
    "exe",
    Shape::Globs,
    "Absolute path of the program as it was executed; unknown where it goes up (`..`) or was executed in a user namespace.",
);
const EXE_SHA256: Key = key(
    "exe_sha256",
    Shape::Texts,
    "SHA-256 of the program's file, 64 hex digits: for a script of its interpreter's. Unknown where it cannot be told for certain that this file ran.",
);
const ARGV: Key = key(
    "argv",
    Shape::Sequence,
    "Globs that arguments match in this order.",
);
const USER: Key = key("user", Shape::Users, "Effective user: uid or name.");
const CWD: Key = key(
    "cwd",
    Shape::Globs,
    "Working directory when the program started.",
);

pub(crate) static IMAGE: Block = Block {
    name: "a process",
    keys: &[EXE, EXE_SHA256, ARGV, USER, CWD],
    later: &[],
};

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
        key(
            "container",
            Shape::Block(&CONTAINER),
            "The container of the process.",
        ),
        key(
            "parent",
            Shape::Block(&IMAGE),
            "The program that started this one.",
        ),
        key(
            "ancestor",
            Shape::Block(&IMAGE),
            "Any program above this one.",
        ),
        key(
            "via",
            Shape::Sequence,
            "Programs above this one, in this order, from the root.",
        ),
        key(
            "lineage",
            Shape::Word(&["complete", "any"]),
            "Whether the chain of processes must be complete (the default).",
        ),
    ],
    later: &[],
};

pub(crate) static UNLESS: Block = Block {
    name: "unless",
    keys: &[
        key("who", Shape::Block(&WHO), "Who is taken out of the rule."),
        key(
            "what",
            Shape::Block(&WHAT),
            "What is taken out of the rule.",
        ),
    ],
    later: &[],
};

pub(crate) static APPROVE: Block = Block {
    name: "approve",
    keys: &[
        key(
            "from",
            Shape::Texts,
            "Groups of which an approver must be a member of one.",
        ),
        key(
            "count",
            Shape::Number,
            "How many distinct people, 1 unless said.",
        ),
        key(
            "timeout",
            Shape::Duration,
            "How long the operation is held, 10m unless said.",
        ),
        key("on_timeout", Shape::Word(&["deny"]), "What then."),
        key(
            "remember",
            Shape::Word(&["operation", "flow", "job"]),
            "Whether the same operation is asked about again.",
        ),
        key(
            "reason_required",
            Shape::Boolean,
            "Whether an answer needs a reason.",
        ),
        key("message", Shape::Text, "For the person at the build log."),
        key(
            "escalate",
            Shape::Block(&ESCALATE),
            "Who may answer as well when it waited for some time.",
        ),
    ],
    later: &[],
};

pub(crate) static ESCALATE: Block = Block {
    name: "escalate",
    keys: &[
        required("after", Shape::Duration, "How long it waited then."),
        required("to", Shape::Texts, "Groups, beside those of `from`."),
    ],
    later: &[],
};

pub(crate) static THEN: Block = Block {
    name: "then",
    keys: &[required(
        "approve",
        Shape::Block(&APPROVE),
        "Held until people answer.",
    )],
    later: &[],
};

pub(crate) static RULE_RECORD: Block = Block {
    name: "record",
    keys: &[
        key("payload", Shape::Word(PAYLOADS), "How much is recorded."),
        key(
            "sync",
            Shape::Boolean,
            "On disk before the operation goes on.",
        ),
    ],
    later: &[],
};

pub(crate) static RULE: Block = Block {
    name: "a rule",
    keys: &[
        required("name", Shape::Name, "Its name, for records and refusals."),
        key("who", Shape::Block(&WHO), "Which processes."),
        key("what", Shape::Block(&WHAT), "Which operations."),
        key(
            "unless",
            Shape::BlockOrBlocks(&UNLESS),
            "Cases taken out of the rule.",
        ),
        required(
            "then",
            Shape::OneOf(&[Shape::Word(&["allow", "deny"]), Shape::Block(&THEN)]),
            "What happens.",
        ),
        key("mode", Shape::Word(MODES), "Overrides the policy's mode."),
        key(
            "expected",
            Shape::Boolean,
            "A refusal by it does not count against the job.",
        ),
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
        key(
            "json_key",
            Shape::Globs,
            "Keys of JSON objects whose values are masked whole.",
        ),
        key(
            "with",
            Shape::Strategy,
            "What is put in place, redact unless said.",
        ),
    ],
    later: &[],
};

pub(crate) static APPLIES_TO: Block = Block {
    name: "applies_to",
    keys: &[
        key(
            "repository",
            Shape::Globs,
            "The label `repository` of the job.",
        ),
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
        key(
            "applies_to",
            Shape::Block(&APPLIES_TO),
            "Which jobs; all unless said.",
        ),
        key(
            "mode",
            Shape::Word(MODES),
            "Whether it decides or only tells, enforce unless said.",
        ),
        key(
            "default",
            Shape::Word(&["deny", "allow"]),
            "What no rule matches, deny unless said.",
        ),
        key("rules", Shape::Blocks(&RULE), "In any order."),
        key(
            "mask",
            Shape::Blocks(&MASK),
            "What is hidden in answers and in the record.",
        ),
        key("record", Shape::Block(&RECORD), "What is recorded."),
    ],
    later: &[],
};

pub(crate) static STRATEGY: Block = Block {
    name: "with",
    keys: &[required(
        "partial",
        Shape::Block(&PARTIAL),
        "The last characters stay.",
    )],
    later: &[],
};

pub(crate) static PARTIAL: Block = Block {
    name: "partial",
    keys: &[required(
        "keep_last",
        Shape::Number,
        "How many characters stay.",
    )],
    later: &[],
};
