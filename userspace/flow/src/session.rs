//! What the recorder keeps of a flow: ordered events, one closing record.

use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::destination::Destination;
use crate::gate::Direction;
use crate::job::Job;
use crate::kernel::KernelRefusal;
use crate::lineage::Lineage;
use crate::operation::{Effect, Operation, Statement};
use crate::verdict::{Refusal, Verdict};

/// Names a session for good (UUID version 7, so that sessions sort by their start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// A new one, of now.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for SessionId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The first event of a session: who, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// The job; `None` for a connection that no job made.
    pub job: Option<Job>,
    /// Where the flow was headed; `None` where the kernel has no entry for it.
    pub destination: Option<Destination>,
    /// The address that the flow came from.
    pub peer: SocketAddr,
    /// The chain behind it; secrets in argv are masked.
    pub lineage: Lineage,
    /// For how many seconds after its end the session is kept, as the job's policies said when
    /// it was opened; `None`: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u64>,
}

/// An operation as it is recorded: masked, and with a digest of what it really was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationRecord {
    /// `http`, `postgres`, `dns`, `opaque`.
    pub protocol: String,
    /// SHA-256 (hex) of the exact operation: what an approval is bound to.
    pub digest: String,
    /// SQL: the text, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// SQL: the strongest effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// SQL: the tables that are touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<Vec<String>>,
    /// SQL: the statements without their text, for explaining and replaying.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Statement>,
    /// SQL: how it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// SQL: the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// SQL: the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// HTTP: the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// HTTP: the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// HTTP: the query, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// HTTP: the host asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The name that this operation proved for the destination, where the address alone did not:
    /// it has several, and the Host header says which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proved_host: Option<String>,
    /// HTTP: the protocol that it wants to change to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<String>,
    /// HTTP: bytes of a body that people were asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// HTTP: SHA-256 (hex) of that body as it was sent, chunk framing included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
    /// DNS: the name asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// DNS: the type asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// Opaque: what it looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
    /// HTTP: status of the answer. DNS: response code. Put in when the session is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// SQL: command tag or SQLSTATE of the answer. Put in when the session is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// SQL: rows of the answer. Put in when the session is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// SHA-256 (hex) of an operation's canonical JSON.
#[must_use]
pub fn operation_digest(operation: &Operation) -> String {
    let bytes = serde_json::to_vec(operation).unwrap_or_default();
    hex(&Sha256::digest(&bytes))
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(digits.map(digit));
    text
}

/// What became of a held operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// People are asked.
    Requested,
    /// One of several agreed.
    Agreed,
    /// Enough agreed.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody answered in time.
    TimedOut,
    /// The client went away, or the daemon.
    Withdrawn,
}

/// Names a request for approval for good.
pub type ApprovalId = Uuid;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As protocols end.
    #[default]
    Closed,
    /// The gate ended it.
    Refused,
    /// A peer broke it off or could not be reached.
    Failed,
    /// The daemon went away in the middle.
    Aborted,
}

/// What happened in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// The first event.
    Opened(Box<SessionOpened>),
    /// Something was asked for.
    Operation(Box<OperationRecord>),
    /// What the policy said to it, or to its answer.
    Verdict {
        /// Sequence number of the operation.
        operation: u64,
        /// HTTP: status of the answer that it is about; `None`: it is about what was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// `allow`, `approve`, `deny`; repeated from the verdict.
        verdict: String,
        /// The verdict with its reasons.
        because: Box<Verdict>,
    },
    /// A held operation and what became of it.
    Approval {
        /// Sequence number of the operation.
        operation: u64,
        /// The request.
        approval: ApprovalId,
        /// What became of it.
        state: ApprovalState,
        /// Who answered: user name, or uid where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What came back.
    Answered {
        /// Sequence number of the operation.
        operation: u64,
        /// HTTP status, DNS response code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// PostgreSQL command tag or SQLSTATE.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
        /// Rows sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<u64>,
    },
    /// What was masked in an answer: rule and detector, and how often.
    Masked {
        /// Sequence number of the operation.
        operation: u64,
        /// Rule of the policy and detector, and how often.
        hits: Vec<MaskHit>,
    },
    /// Masked bytes of an operation or its answer.
    Payload {
        /// Sequence number of the operation.
        operation: u64,
        /// Which way they went.
        direction: Direction,
        /// The bytes, invalid UTF-8 replaced.
        text: String,
        /// How many bytes were left out because of the record's limit.
        #[serde(default)]
        left_out: u64,
    },
    /// Something did not go on.
    Refused {
        /// Why.
        #[serde(flatten)]
        refusal: Refusal,
        /// What the kernel refused, where it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kernel: Option<KernelRefusal>,
        /// Whether the policy's author expects it; it does not count against the job.
        #[serde(default)]
        expected: bool,
    },
    /// The last event.
    Closed {
        /// How it ended.
        outcome: Outcome,
        /// Bytes from the job to the server that passed.
        bytes_up: u64,
        /// Bytes from the server to the job that passed.
        bytes_down: u64,
    },
}

/// How often something was masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskHit {
    /// The mask rule's name.
    pub rule: String,
    /// The detector, or `column`, `json_key`.
    pub detector: String,
    /// How often.
    pub count: u64,
}

/// One event of one session, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The session.
    pub session: SessionId,
    /// From 0, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}
