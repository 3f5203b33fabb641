//! A checked policy: what the text means, and where it stands.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sluice_flow::verdict::Payload;
use sluice_flow::{ApprovalTerms, HostFact, Job, Lineage};
use sluice_masking::MaskRule;

use crate::diagnostic::{SourceText, Span};
use crate::glob::Glob;
use crate::truth::{AllOf, Side, Truth};
use crate::what::{Asked, What};
use crate::who::Who;

/// Whose policy it is. A layer decides by itself; the strictest layer wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The owner of the build host: the ceiling.
    Host,
    /// The organisation.
    Organisation,
    /// The repository (read from where the host's owner put it, never from a checkout).
    Repository,
}

impl Layer {
    /// `host`, `organisation`, `repository`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Organisation => "organisation",
            Self::Repository => "repository",
        }
    }
}

/// How strict a decision is; the strictest is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rank {
    Allow,
    Approve,
    Deny,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Allow,
    Approve(Box<ApprovalTerms>),
    Deny,
}

impl Verb {
    pub(crate) fn rank(&self) -> Rank {
        match self {
            Self::Allow => Rank::Allow,
            Self::Approve(_) => Rank::Approve,
            Self::Deny => Rank::Deny,
        }
    }

    /// Which way its conditions err.
    pub(crate) fn side(&self) -> Side {
        match self {
            Self::Allow => Side::Opens,
            Self::Approve(_) | Self::Deny => Side::Closes,
        }
    }
}

/// Whether something decides or only tells what it would decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Enforce,
    Shadow,
}

/// Conditions on who and what; a rule's own, or a case that `unless` takes out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Case {
    /// `None` asks for a complete lineage in a rule, and for nothing in `unless`.
    pub(crate) who: Option<Who>,
    pub(crate) what: What,
}

impl Case {
    /// Whether it asks for the status of an answer.
    pub(crate) fn names_status(&self) -> bool {
        self.what
            .http
            .as_ref()
            .is_some_and(|http| !http.status.is_empty())
    }

    /// What a flow answers once and for all.
    pub(crate) fn of_flow(&self, lineage: &Lineage, ip: IpAddr, port: u16) -> Truth {
        let mut all = AllOf::quick();
        self.what.address_keys(ip, port, &mut all);
        if let Some(who) = &self.who {
            who.keys(lineage, &mut all);
        }
        all.truth()
    }

    /// What an operation answers.
    pub(crate) fn of_operation(&self, host: &HostFact, asked: &Asked<'_>, side: Side) -> Truth {
        let mut all = AllOf::quick();
        self.what.host_keys(host, asked, &mut all);
        self.what.asked_keys(asked, side, &mut all);
        all.truth()
    }

    /// What an operation answers where the name has been looked at already.
    pub(crate) fn of_asked(&self, asked: &Asked<'_>, side: Side) -> Truth {
        let mut all = AllOf::quick();
        self.what.asked_keys(asked, side, &mut all);
        all.truth()
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) case: Case,
    pub(crate) unless: Vec<Case>,
    pub(crate) verb: Verb,
    pub(crate) mode: Mode,
    pub(crate) expected: bool,
    pub(crate) message: Option<String>,
    pub(crate) sync: bool,
    pub(crate) payload: Option<Payload>,
}

impl Rule {
    /// Whether an answer's status has a say in it.
    pub(crate) fn names_status(&self) -> bool {
        self.case.names_status() || self.unless.iter().any(Case::names_status)
    }
}

/// One entry of `mask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mask {
    pub(crate) span: Span,
    pub(crate) case: Case,
    pub(crate) rule: MaskRule,
}

impl Mask {
    /// Whether streams that are not understood would have to be masked by it. Columns are of
    /// PostgreSQL, so that a mask of nothing else is not about them.
    pub(crate) fn is_about_opaque(&self) -> bool {
        let texts = !self.rule.detect.is_empty() || !self.rule.json_keys.is_empty();
        texts && self.case.what.is_about_opaque()
    }
}

/// Which jobs a policy is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AppliesTo {
    pub(crate) pipeline: Vec<Glob>,
    pub(crate) labels: Vec<(String, Vec<Glob>)>,
}

impl AppliesTo {
    /// Labels come from the runner: one that is not there is known not to be there.
    pub(crate) fn matches(&self, job: &Job) -> bool {
        let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
        let labelled = |(label, globs): &(String, Vec<Glob>)| {
            job.labels.get(label).is_some_and(|value| any(globs, value))
        };
        (self.pipeline.is_empty() || any(&self.pipeline, &job.name))
            && self.labels.iter().all(labelled)
    }
}

/// One policy file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) layer: Layer,
    pub(crate) name: String,
    pub(crate) name_span: Span,
    /// Lower-case hex of SHA-256 of its text.
    pub(crate) digest: String,
    pub(crate) source: Arc<SourceText>,
    pub(crate) applies_to: AppliesTo,
    pub(crate) mode: Mode,
    /// [`Rank::Allow`] or [`Rank::Deny`].
    pub(crate) default: Rank,
    pub(crate) default_span: Span,
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) masks: Vec<Mask>,
    pub(crate) payload: Option<Payload>,
    pub(crate) keep: Option<Duration>,
}
