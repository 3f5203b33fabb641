//! What a policy answers, with its reasons.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Cause;

/// A rule, by the policy that it stands in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleRef {
    /// Name of the policy.
    pub policy: String,
    /// Name of the rule; `default` where no rule matched.
    pub rule: String,
}

impl std::fmt::Display for RuleRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.policy, self.rule)
    }
}

/// What is remembered of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remember {
    /// Only the operation that was asked for, once.
    #[default]
    Operation,
    /// The same operation again on this flow.
    Flow,
    /// The same operation again in this job.
    Job,
}

/// Who must agree before an operation goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalTerms {
    /// Groups of which an approver must be a member of one.
    pub from: Vec<String>,
    /// How many distinct people.
    pub count: u32,
    /// How long the operation is held; after that it is denied.
    pub timeout: Duration,
    /// What is remembered.
    pub remember: Remember,
    /// Whether an answer must come with a reason.
    pub reason_required: bool,
    /// For the person at the build log.
    pub message: Option<String>,
    /// Who may answer as well when it waited for some time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalation>,
}

/// Others who may answer an operation that nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// How long it waited then; shorter than the timeout.
    pub after: Duration,
    /// Groups of which an approver may be a member from then on.
    pub to: Vec<String>,
}

impl ApprovalTerms {
    /// The groups that may answer an operation which has waited so long.
    #[must_use]
    pub fn groups(&self, waited: Duration) -> Vec<String> {
        let mut groups = self.from.clone();
        if let Some(escalation) = &self.escalate
            && waited >= escalation.after
        {
            groups.extend(escalation.to.iter().cloned());
        }
        groups
    }
}

/// What happens to an operation. Strictest last: `max` of several is the strictest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It goes on.
    Allow,
    /// It is held until people answer.
    Approve(Box<ApprovalTerms>),
    /// It is refused.
    Deny,
}

impl Decision {
    /// `allow`, `approve` or `deny`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Approve(_) => "approve",
            Self::Deny => "deny",
        }
    }
}

/// How much of an operation and its answer is recorded. Later ones keep less.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Statements and masked answers.
    Masked,
    /// Statements, paths and names; no answers.
    #[default]
    Statements,
    /// Only that something was asked, and by digest what.
    None,
}

/// The answer of a policy to one operation.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What happens.
    pub decision: Decision,
    /// In shadow mode: what would have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_be: Option<Decision>,
    /// The rules that caused it, of the layer that was strictest.
    pub rules: Vec<RuleRef>,
    /// Digest of the policy that they stand in (hex of SHA-256 of its text).
    pub digest: String,
    /// The layer that decided: `host`, `organisation`, `repository`, ...
    pub layer: String,
    /// A refusal that the policy's author expects; it does not count against the job.
    #[serde(default)]
    pub expected: bool,
    /// Whether the record must be on disk before the operation goes on.
    #[serde(default)]
    pub sync: bool,
    /// What is recorded of it.
    #[serde(default)]
    pub payload: Payload,
    /// For the person at the build log: what to do next.
    pub message: String,
}

/// Why an operation or a flow does not go on: enough to answer in the protocol's own words.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of it.
    pub cause: Cause,
    /// The rules behind it, empty where no rule was asked.
    pub rules: Vec<RuleRef>,
    /// One sentence for the person at the build log.
    pub message: String,
}

impl Refusal {
    /// A refusal that no rule caused.
    pub fn of(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            rules: Vec::new(),
            message: message.into(),
        }
    }

    /// The sentence that clients see: always starts with `sluice:`.
    #[must_use]
    pub fn text(&self) -> String {
        let rules: Vec<String> = self.rules.iter().map(ToString::to_string).collect();
        match rules.as_slice() {
            [] => format!("sluice: refused ({}): {}", self.cause, self.message),
            _ => format!("sluice: refused by {}: {}", rules.join(", "), self.message),
        }
    }
}
