//! What a flow asks for: the thing that a policy judges.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::session::hex;

/// One thing that a flow asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Operation {
    /// A connection whose protocol is not inspected: bytes both ways, counted.
    Opaque(OpaqueStream),
    /// One HTTP request, judged by its head; people who are asked answer for its body too.
    Http(HttpRequest),
    /// One message to a PostgreSQL server; several statements in it get one verdict.
    Postgres(SqlMessage),
    /// One DNS question.
    Dns(DnsQuestion),
}

impl Operation {
    /// The protocol's name as policies and records spell it.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Opaque(_) => "opaque",
            Self::Http(_) => "http",
            Self::Postgres(_) => "postgres",
            Self::Dns(_) => "dns",
        }
    }
}

/// A stream whose content is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpaqueStream {
    /// What it looks like (`tls`, `ssh`, `websocket`, `unknown`): a hint for the person who
    /// reads the refusal, and what `protocol:` of a rule names.
    pub looks_like: String,
}

/// The head of an HTTP/1.1 request (RFC 9112 section 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Method, as sent.
    pub method: String,
    /// Path of the target with dot segments and percent-encoded unreserved characters
    /// resolved (RFC 3986 section 6.2.2); what policies are compared with.
    pub path: String,
    /// Query, without the question mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The Host header or the authority of an absolute target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Header fields in their order, names as sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The protocol that the request wants to change to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<String>,
    /// Its body, as far as it is known.
    #[serde(default, skip_serializing_if = "HttpBody::is_none")]
    pub body: HttpBody,
}

/// The body of a request. Policies judge the head; people who are asked about a request are
/// asked about all of it, so then it is read before they are ([`crate::Judgement::ReadBody`]).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    /// There is none.
    #[default]
    None,
    /// There is one, and it was not read.
    Unread,
    /// It waits in the gate.
    Held {
        /// Its bytes as they were sent, chunk framing included.
        bytes: u64,
        /// SHA-256 (hex) of them.
        sha256: String,
    },
    /// It is larger than what can wait in the gate.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

impl HttpBody {
    /// A body that was read.
    #[must_use]
    pub fn held(body: &[u8]) -> Self {
        Self::Held {
            bytes: body.len() as u64,
            sha256: hex(&Sha256::digest(body)),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// What a statement does, by the strongest thing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks.
    Read,
    /// Changes rows.
    Write,
    /// Changes the schema.
    Ddl,
    /// Changes the server, roles, or what later statements mean.
    Admin,
    /// Could not be told; never opens anything.
    Unknown,
}

/// A table, by the name that the statement used: `schema.table`, lower-cased unless quoted.
pub type TableName = String;

/// One SQL statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its text.
    pub text: String,
    /// What it does.
    pub effect: Effect,
    /// Its kind in lower case: `select`, `insert`, `create table`, ...; `unknown`.
    pub kind: String,
    /// Tables that it reads.
    #[serde(default)]
    pub reads: Vec<TableName>,
    /// Tables that it writes, creates, alters or drops.
    #[serde(default)]
    pub writes: Vec<TableName>,
    /// Columns that its result names, where the text tells (`table.column` or `column`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Whether `reads` and `writes` are all tables that it touches.
    pub tables_known: bool,
}

/// What one message to a database asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlMessage {
    /// How it was sent: `query`, `execute`, `copy`, `function call`.
    pub via: String,
    /// The statements in it, in order. Empty means that nothing could be told.
    pub statements: Vec<Statement>,
    /// The database of the session.
    pub database: String,
    /// The user of the session.
    pub user: String,
}

impl SqlMessage {
    /// The strongest effect among the statements; unknown where there is none.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.statements
            .iter()
            .map(|s| s.effect)
            .max()
            .unwrap_or(Effect::Unknown)
    }

    /// All text of it, statements separated by `; `.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.statements.iter().map(|s| s.text.trim()).collect();
        texts.join("; ")
    }
}

/// One DNS question (RFC 1035 section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsQuestion {
    /// Lower-case name without the trailing dot.
    pub name: String,
    /// `A`, `AAAA`, `TXT`, ...
    pub r#type: String,
}
