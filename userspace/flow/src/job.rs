//! One execution of a pipeline: the unit that a policy is chosen for.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names a job for good (UUID version 7, so that jobs sort by their start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// A new one, of now.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a job beside its name: `repository`, `ref`, `job`, `commit`, ...
pub type Labels = BTreeMap<String, String>;

/// One execution of a pipeline by a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name for good.
    pub id: JobId,
    /// The pipeline's name.
    pub name: String,
    /// What `applies_to` of a policy is compared with.
    #[serde(default)]
    pub labels: Labels,
    /// The user who asked for it: an approver never approves their own job's request.
    #[serde(default)]
    pub uid: u32,
}
