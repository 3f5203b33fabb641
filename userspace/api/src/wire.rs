//! Bodies and queries that are of the API alone; all others are of `sluice_flow`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_flow::Event;
use sluice_flow::ports::SessionFilter;

use crate::limits::{MAX_GRACE, MAX_TAIL, MAX_TAIL_WAIT};

/// An answer to a held operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    /// Whether it may go on.
    pub agree: bool,
    /// Why; at most [`crate::limits::MAX_REASON`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerTaken {
    /// How many more people it takes; 0: the operation goes on, or is refused.
    pub remaining: u32,
}

/// A policy that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// Its name.
    pub policy: String,
    /// Its digest, hex of SHA-256.
    pub digest: String,
}

/// Events of all sessions, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailPage {
    /// Where the next page starts.
    pub position: u64,
    /// The events; none when none came while the request waited.
    pub events: Vec<Event>,
}

/// A [`SessionFilter`] that refuses keys that it does not know: a misspelt filter must not
/// answer with everything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FilterQuery {
    job: Option<String>,
    process: Option<String>,
    host: Option<String>,
    verdict: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
}

impl From<FilterQuery> for SessionFilter {
    fn from(query: FilterQuery) -> Self {
        Self {
            job: query.job,
            process: query.process,
            host: query.host,
            verdict: query.verdict,
            since: query.since,
            until: query.until,
            limit: query.limit,
        }
    }
}

/// The query of `/v1/tail`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TailQuery {
    /// 0: the first event; `u64::MAX`: behind the last.
    #[serde(default)]
    pub(crate) position: u64,
    most: Option<usize>,
    wait: Option<u64>,
}

impl TailQuery {
    pub(crate) fn most(&self) -> usize {
        self.most.unwrap_or(MAX_TAIL).clamp(1, MAX_TAIL)
    }

    pub(crate) fn wait(&self) -> Duration {
        self.wait
            .map_or(MAX_TAIL_WAIT, Duration::from_secs)
            .min(MAX_TAIL_WAIT)
    }
}

/// The query of `DELETE /v1/jobs/{id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndQuery {
    grace: Option<u64>,
}

impl EndQuery {
    /// Five seconds unless said.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace.unwrap_or(5)).min(MAX_GRACE)
    }
}
