//! A checked set of policies: loaded whole or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_flow::Job;

use crate::diagnostic::{Diagnostic, PolicyErrors, Severity, SourceText, Span};
use crate::job::JobPolicy;
use crate::limits::{MAX_ERRORS, MAX_FILES};
use crate::read::{UserLookup, read_policy};
use crate::rule::{Layer, Policy, Rank};

/// The text of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whose policy it is.
    pub layer: Layer,
    /// Where it was read from; for people.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What happens to jobs that no policy applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostDefault {
    /// Everything is refused.
    #[default]
    Deny,
    /// Everything passes.
    Allow,
}

impl HostDefault {
    pub(crate) fn rank(self) -> Rank {
        match self {
            Self::Deny => Rank::Deny,
            Self::Allow => Rank::Allow,
        }
    }
}

/// All policies of a host, checked.
#[derive(Debug, Clone)]
pub struct PolicySet {
    pub(crate) policies: Vec<Arc<Policy>>,
    host_default: HostDefault,
}

/// One policy of a set, as `sluice policy show` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyName {
    /// Whose it is.
    pub layer: Layer,
    /// Its name.
    pub name: String,
    /// Where it was read from.
    pub file: String,
    /// Lower-case hex of SHA-256 of its text.
    pub digest: String,
}

impl PolicySet {
    /// Reads and checks policies; jobs that none applies to are refused everything, and user
    /// names are not known.
    ///
    /// # Errors
    /// All that is wrong in all files; then none of them is used.
    pub fn load(sources: Vec<Source>) -> Result<Self, PolicyErrors> {
        Self::load_on(sources, HostDefault::Deny, &|_| None)
    }

    /// Reads and checks policies on a host with its default and its users. A user's name that
    /// `users` does not find is unknown wherever a rule asks for it.
    ///
    /// # Errors
    /// All that is wrong in all files, in the order of the files; then none of them is used.
    pub fn load_on(
        sources: Vec<Source>,
        host_default: HostDefault,
        users: UserLookup<'_>,
    ) -> Result<Self, PolicyErrors> {
        let mut errors = Vec::new();
        let mut policies: Vec<Arc<Policy>> = Vec::new();
        if sources.len() > MAX_FILES {
            errors.push(too_many(sources.len()));
        }
        for Source { layer, file, text } in sources.into_iter().take(MAX_FILES) {
            let text = Arc::new(SourceText { file, text });
            match read_policy(layer, text, users) {
                Ok(policy) => policies.push(Arc::new(policy)),
                Err(wrong) => errors.extend(wrong),
            }
        }
        errors.extend(same_names(&policies));
        if errors.is_empty() {
            return Ok(Self {
                policies,
                host_default,
            });
        }
        errors.truncate(MAX_ERRORS);
        Err(PolicyErrors { errors })
    }

    /// The policies that apply to a job, ready to judge its flows.
    #[must_use]
    pub fn for_job(&self, job: &Job) -> Arc<JobPolicy> {
        let applying = self
            .policies
            .iter()
            .filter(|policy| policy.applies_to.matches(job));
        Arc::new(JobPolicy::new(
            applying.cloned().collect(),
            self.host_default,
        ))
    }

    /// The policies of the set.
    #[must_use]
    pub fn names(&self) -> Vec<PolicyName> {
        self.policies
            .iter()
            .map(|policy| PolicyName::of(policy))
            .collect()
    }
}

impl PolicyName {
    pub(crate) fn of(policy: &Policy) -> Self {
        Self {
            layer: policy.layer,
            name: policy.name.clone(),
            file: policy.source.file.clone(),
            digest: policy.digest.clone(),
        }
    }
}

fn too_many(files: usize) -> Diagnostic {
    let source = SourceText {
        file: "the policy set".to_owned(),
        text: String::new(),
    };
    let message = format!("{files} policy files, at most {MAX_FILES} are read");
    Diagnostic::at(
        &source,
        Severity::Error,
        Span {
            line: 1,
            column: 1,
            length: 1,
        },
        message,
    )
    .fix("join policies that apply to the same jobs")
}

/// Records name a policy by its name: two of one name could not be told apart.
fn same_names(policies: &[Arc<Policy>]) -> Vec<Diagnostic> {
    let mut seen: HashMap<&str, &Policy> = HashMap::new();
    let mut errors = Vec::new();
    for policy in policies {
        if let Some(first) = seen.insert(&policy.name, policy) {
            let message = format!("a second policy named `{}`", policy.name);
            let fix = format!("the first is {}; rename one", first.source.file);
            let error =
                Diagnostic::at(&policy.source, Severity::Error, policy.name_span, message).fix(fix);
            errors.push(error);
        }
    }
    errors
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
