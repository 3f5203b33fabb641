//! The tables of the language: every block, its keys and their shapes. What is read, what is
//! suggested for a misspelt key and the JSON Schema all come from them.

mod table;
mod what;

pub(crate) use table::{
    APPLIES_TO, APPROVE, CONTAINER, ESCALATE, IMAGE, MASK, PARTIAL, POLICY, RECORD, RULE,
    RULE_RECORD, STRATEGY, THEN, UNLESS, WHO,
};
pub(crate) use what::{DECODED, DNS, EFFECTS, HTTP, POSTGRES, PROTOCOLS, WHAT};

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
    /// A status of HTTP, a class of them `5xx`, or a list of them.
    Statuses,
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

pub(crate) const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key {
        name,
        shape,
        required: false,
        about,
    }
}

pub(crate) const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key {
        name,
        shape,
        required: true,
        about,
    }
}
