//! What a policy's `mask:` block says: what to look for, where, and what to put in its place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to look for in a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// An e-mail address (RFC 5321 section 4.1.2, unquoted local parts, UTF-8 allowed).
    Email,
    /// A payment card number: 13 to 19 digits, an issuer's prefix, Luhn (ISO/IEC 7812-1).
    CreditCard,
    /// An IBAN: a country's length, mod 97 (ISO 13616).
    Iban,
    /// A JSON Web Token (RFC 7519) whose header is a JSON object with `alg`.
    Jwt,
    /// A PEM private key (RFC 7468), of any length.
    PrivateKey,
    /// A token of a cloud, forge or service, by its issuer's format.
    Token,
    /// A value of high entropy that is assigned to a name such as `password` or `api_key`,
    /// or the password of a URL.
    Assignment,
    /// All that is a credential: known secrets, `token`, `private_key`, `jwt`, `assignment`.
    Secret,
    /// A regular expression in the syntax of the `regex` crate; its first group is what is
    /// masked, or all of the match when it has none.
    #[serde(rename = "regex")]
    Custom(String),
}

/// What to put in place of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Strategy {
    /// `[redacted:email]`: nothing of the value.
    #[default]
    Redact,
    /// `****1111`: the last characters, never more than half of the value.
    Partial {
        /// How many characters stay, at most [`crate::limits::MAX_KEEP_LAST`].
        keep_last: u8,
    },
    /// `sha256:` and 32 hex digits of HMAC-SHA256 (RFC 2104) with the host's key.
    Hash,
    /// `tok_email_` and 16 hex digits: a stable pseudonym that keeps the class.
    #[serde(alias = "tokenize")]
    Tokenise,
}

impl Strategy {
    /// How little it shows; where two rules cover the same bytes the stricter one is used.
    #[must_use]
    pub fn strictness(self) -> u8 {
        match self {
            Self::Redact => 3,
            Self::Hash => 2,
            Self::Tokenise => 1,
            Self::Partial { .. } => 0,
        }
    }
}

/// One rule of a `mask:` block, without its `what`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskRule {
    /// The name that records and counts carry.
    pub name: String,
    /// What to look for in every text.
    #[serde(default)]
    pub detect: Vec<Detector>,
    /// Columns that are masked whole: globs over dotted names, compared from the right and
    /// without case, so that `*.ssn` is every table's `ssn`, and a name that comes without its
    /// table is masked rather than missed.
    #[serde(default, rename = "column", alias = "columns")]
    pub columns: Vec<String>,
    /// Keys of JSON objects whose values are masked whole: globs, compared without case.
    #[serde(default, rename = "json_key", alias = "json_keys")]
    pub json_keys: Vec<String>,
    /// What is put in place.
    #[serde(default, rename = "with", alias = "strategy")]
    pub strategy: Strategy,
}
