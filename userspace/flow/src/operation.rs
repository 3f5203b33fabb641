//! What a flow asks for: the thing that a policy judges.

use serde::{Deserialize, Serialize};

/// One thing that a flow asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Operation {
    /// A connection whose protocol is not inspected: bytes both ways, counted.
    Opaque(OpaqueStream),
    /// One HTTP request, judged by its head.
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
