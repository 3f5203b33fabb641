//! What can be wrong with what a masker is compiled from. Nothing fails later.

use crate::limits;

/// Why a masker could not be compiled. The blame is the policy's author's, or, for the
/// `Secret...` cases, the one's who gave the job its secrets. No error carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// More rules than [`limits::MAX_RULES`].
    #[error(
        "{count} mask rules: at most {} are allowed; join rules that share a strategy",
        limits::MAX_RULES
    )]
    TooManyRules {
        /// Rules given.
        count: usize,
    },
    /// A rule's name is empty or longer than [`limits::MAX_RULE_NAME`].
    #[error(
        "mask rule {index}: a name of 1 to {} bytes is needed",
        limits::MAX_RULE_NAME
    )]
    RuleName {
        /// Place of the rule, from 0.
        index: usize,
    },
    /// A rule that could never mask anything.
    #[error("mask rule {rule:?} names nothing to mask: give it detect, column or json_key")]
    EmptyRule {
        /// The rule.
        rule: String,
    },
    /// A list of a rule is longer than [`limits::MAX_ENTRIES_A_RULE`].
    #[error(
        "mask rule {rule:?}: {count} entries in {list}, at most {} are allowed; split the rule",
        limits::MAX_ENTRIES_A_RULE
    )]
    TooManyEntries {
        /// The rule.
        rule: String,
        /// `detect`, `column` or `json_key`.
        list: &'static str,
        /// Entries given.
        count: usize,
    },
    /// `keep_last` is 0 or above [`limits::MAX_KEEP_LAST`].
    #[error(
        "mask rule {rule:?}: keep_last must be 1 to {}, it is {keep_last}; use redact to keep nothing",
        limits::MAX_KEEP_LAST
    )]
    KeepLast {
        /// The rule.
        rule: String,
        /// What it says.
        keep_last: u8,
    },
    /// A custom expression does not compile, or is too large when compiled.
    #[error("mask rule {rule:?}: the expression {pattern:?} is refused: {reason}")]
    BadRegex {
        /// The rule.
        rule: String,
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A custom expression is empty or longer than [`limits::MAX_CUSTOM_REGEX`].
    #[error(
        "mask rule {rule:?}: an expression of {length} bytes; 1 to {} are allowed",
        limits::MAX_CUSTOM_REGEX
    )]
    RegexLength {
        /// The rule.
        rule: String,
        /// Length of the expression.
        length: usize,
    },
    /// More custom expressions than [`limits::MAX_CUSTOM_REGEXES`] over all rules.
    #[error(
        "{count} custom expressions: at most {} are allowed, since each costs a pass; join some with |",
        limits::MAX_CUSTOM_REGEXES
    )]
    TooManyRegexes {
        /// Expressions given.
        count: usize,
    },
    /// A column or JSON key pattern is no glob, empty, or longer than [`limits::MAX_GLOB`].
    #[error("mask rule {rule:?}: the pattern {pattern:?} is refused: {reason}")]
    BadGlob {
        /// The rule.
        rule: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A known secret is shorter than [`limits::MIN_SECRET`].
    #[error(
        "secret {index} has {length} bytes: under {} it would also mask harmless text everywhere; lengthen it or do not declare it as a secret",
        limits::MIN_SECRET
    )]
    SecretTooShort {
        /// Place of the secret, from 0.
        index: usize,
        /// Its length.
        length: usize,
    },
    /// A known secret is longer than [`limits::MAX_SECRET`].
    #[error(
        "secret {index} has {length} bytes: at most {} can be looked for; declare its sensitive parts instead",
        limits::MAX_SECRET
    )]
    SecretTooLong {
        /// Place of the secret, from 0.
        index: usize,
        /// Its length.
        length: usize,
    },
    /// More known secrets than [`limits::MAX_SECRETS`].
    #[error(
        "{count} known secrets: at most {} can be looked for",
        limits::MAX_SECRETS
    )]
    TooManySecrets {
        /// Secrets given.
        count: usize,
    },
}
