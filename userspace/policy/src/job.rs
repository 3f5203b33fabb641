//! What applies to one job: its layers, masks and what is recorded.

use std::sync::Arc;
use std::time::Duration;

use sluice_flow::RuleRef;
use sluice_flow::verdict::Payload;

use crate::flow::{FlowFacts, FlowPolicy};
use crate::index::Index;
use crate::rule::{Case, Layer, Mode, Policy, Rank, Rule};
use crate::set::{HostDefault, PolicyName};
use crate::who::Who;

/// A rule and the policy that it stands in.
#[derive(Debug, Clone)]
pub(crate) struct JobRule {
    pub(crate) rule: Arc<Rule>,
    pub(crate) policy: Arc<Policy>,
}

impl JobRule {
    pub(crate) fn reference(&self) -> RuleRef {
        RuleRef {
            policy: self.policy.name.clone(),
            rule: self.rule.name.clone(),
        }
    }
}

/// What decides where no rule of a layer matched.
#[derive(Debug, Clone)]
pub(crate) struct Fallback {
    pub(crate) rank: Rank,
    pub(crate) policy: Arc<Policy>,
}

/// The policies of one layer that apply to a job. They decide together: their rules are
/// collected, and the strictest of their defaults is the layer's.
#[derive(Debug)]
pub(crate) struct LayerPolicy {
    pub(crate) layer: Layer,
    /// Strictest first, then by name: the order in the text means nothing.
    pub(crate) rules: Vec<JobRule>,
    pub(crate) index: Index,
    /// Numbers of the rules in which an answer's status has a say.
    pub(crate) by_status: Vec<usize>,
    /// Of the policies that enforce; `None` where all of them only tell.
    pub(crate) fallback: Option<Fallback>,
    /// Of all policies.
    pub(crate) shadow_fallback: Fallback,
}

impl LayerPolicy {
    fn new(layer: Layer, policies: &[Arc<Policy>]) -> Option<Self> {
        let of_layer = || policies.iter().filter(|policy| policy.layer == layer);
        let fallback = |policy: &Arc<Policy>| Fallback {
            rank: policy.default,
            policy: Arc::clone(policy),
        };
        let strictest = |a: Fallback, b: Fallback| if b.rank > a.rank { b } else { a };
        let enforcing = of_layer().filter(|policy| policy.mode == Mode::Enforce);
        let mut rules: Vec<JobRule> = of_layer()
            .flat_map(|policy| {
                let rules = policy.rules.iter();
                rules.map(|rule| JobRule {
                    rule: Arc::clone(rule),
                    policy: Arc::clone(policy),
                })
            })
            .collect();
        rules.sort_by(|a, b| {
            let strictness = b.rule.verb.rank().cmp(&a.rule.verb.rank());
            let name = |r: &JobRule| (r.policy.name.clone(), r.rule.name.clone());
            strictness.then_with(|| name(a).cmp(&name(b)))
        });
        let names_status = |(_, at): &(usize, &JobRule)| at.rule.names_status();
        let by_status = rules.iter().enumerate().filter(names_status);
        Some(Self {
            layer,
            by_status: by_status.map(|(rule, _)| rule).collect(),
            index: Index::new(&rules),
            rules,
            fallback: enforcing.map(fallback).reduce(strictest),
            shadow_fallback: of_layer().map(fallback).reduce(strictest)?,
        })
    }
}

/// All that applies to one job. Made by [`PolicySet::for_job`](crate::PolicySet::for_job).
#[derive(Debug)]
pub struct JobPolicy {
    pub(crate) layers: Vec<LayerPolicy>,
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) host_default: HostDefault,
    pub(crate) payload: Option<Payload>,
    asks_exe_sha256: bool,
    /// Whether an answer's status has a say in any rule or mask: without one no answer is judged.
    pub(crate) names_status: bool,
}

impl JobPolicy {
    pub(crate) fn new(mut policies: Vec<Arc<Policy>>, host_default: HostDefault) -> Self {
        // The order of the files means nothing either.
        policies.sort_by(|a, b| (a.layer, &a.name).cmp(&(b.layer, &b.name)));
        let layers = [Layer::Host, Layer::Organisation, Layer::Repository];
        let layers: Vec<LayerPolicy> = layers
            .iter()
            .filter_map(|l| LayerPolicy::new(*l, &policies))
            .collect();
        let mut masks = policies.iter().flat_map(|policy| &policy.masks);
        let least = policies.iter().filter_map(|policy| policy.payload).max();
        Self {
            names_status: layers.iter().any(|layer| !layer.by_status.is_empty())
                || masks.any(|mask| mask.case.names_status()),
            layers,
            payload: least,
            asks_exe_sha256: policies.iter().any(|policy| asks_exe_sha256(policy)),
            policies,
            host_default,
        }
    }

    /// Prepares to judge the operations of one flow: who, the address and the port are looked
    /// at once.
    #[must_use]
    pub fn flow(self: &Arc<Self>, facts: FlowFacts<'_>) -> FlowPolicy {
        FlowPolicy::new(Arc::clone(self), facts)
    }

    /// What is recorded of operations of the job. Where several policies say something, the
    /// least is kept: a promise not to keep something is not undone by another layer. That an
    /// operation was asked for, and its verdict, is always recorded.
    #[must_use]
    pub fn payload(&self) -> Payload {
        self.payload.unwrap_or_default()
    }

    /// Whether a rule or mask asks what is in the files of programs: then, and only then, a
    /// lineage has to tell it.
    #[must_use]
    pub fn asks_exe_sha256(&self) -> bool {
        self.asks_exe_sha256
    }

    /// How long records of the job are kept: the shortest that any policy says.
    #[must_use]
    pub fn keep(&self) -> Option<Duration> {
        self.policies.iter().filter_map(|policy| policy.keep).min()
    }

    /// The policies that apply, host first.
    #[must_use]
    pub fn policies(&self) -> Vec<PolicyName> {
        self.policies
            .iter()
            .map(|policy| PolicyName::of(policy))
            .collect()
    }
}

fn asks_exe_sha256(policy: &Policy) -> bool {
    let of_rules = policy.rules.iter();
    let of_rules = of_rules.flat_map(|rule| rule.unless.iter().chain([&rule.case]));
    let mut cases = of_rules.chain(policy.masks.iter().map(|mask| &mask.case));
    let asks = |case: &Case| case.who.as_ref().is_some_and(Who::asks_exe_sha256);
    cases.any(asks)
}
