//! What applies to one flow: who, address and port are looked at once, hosts once a name.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_flow::verdict::Payload;
use sluice_flow::{HostFact, Lineage, Operation, Verdict};
use sluice_masking::MaskRule;
use smallvec::SmallVec;

use crate::decide;
use crate::index::General;
use crate::job::{JobPolicy, LayerPolicy};
use crate::limits::MAX_VIEWS;
use crate::permit::{Admission, Permit};
use crate::rule::{Case, Mode, Rule};
use crate::truth::{AllOf, Side, Truth};
use crate::what::Asked;

/// What is known of a flow before its first byte.
#[derive(Debug, Clone, Copy)]
pub struct FlowFacts<'a> {
    /// The chain of processes behind it.
    pub lineage: &'a Lineage,
    /// The address that the client asked for.
    pub ip: IpAddr,
    /// The port that the client asked for.
    pub port: u16,
    /// The name that the job resolved to the address.
    pub host: &'a HostFact,
}

/// What a flow answers of one rule once and for all: who, `cidr`, `port`.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) case: Truth,
    /// Only who, for names that a rule lets be resolved.
    pub(crate) who: Truth,
    pub(crate) unless: SmallVec<[Truth; 1]>,
}

impl Known {
    fn of(rule: &Rule, facts: &FlowFacts<'_>) -> Self {
        let lineage = facts.lineage;
        let who = match &rule.case.who {
            Some(who) => who.truth(lineage),
            None => crate::who::Who::default().truth(lineage),
        };
        let mut address = AllOf::quick();
        rule.case
            .what
            .address_keys(facts.ip, facts.port, &mut address);
        let unless = |case: &Case| case.of_flow(lineage, facts.ip, facts.port);
        Self {
            case: who.and(address.truth()),
            who,
            unless: rule.unless.iter().map(unless).collect(),
        }
    }
}

/// What is known of each rule of a layer before an operation is looked at, for one name of
/// the destination.
#[derive(Debug)]
pub(crate) struct LayerView {
    pub(crate) base: Vec<Truth>,
    pub(crate) general: General,
}

impl LayerView {
    fn new(layer: &LayerPolicy, known: &[Known], host: &HostFact) -> Self {
        let rules = layer.rules.iter().zip(known);
        let base: Vec<Truth> = rules
            .map(|(at, known)| {
                let what = &at.rule.case.what;
                if known.case == Truth::False || what.host.is_empty() {
                    return known.case;
                }
                known.case.and(what.host_truth(host))
            })
            .collect();
        let possible = |rule: usize| base.get(rule).is_none_or(|base| *base != Truth::False);
        Self {
            general: layer.index.general(possible),
            base,
        }
    }
}

/// All layers for one name.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) layers: Vec<LayerView>,
}

impl View {
    fn new(job: &JobPolicy, known: &[Vec<Known>], host: &HostFact) -> Self {
        let layers = job.layers.iter().zip(known);
        Self {
            layers: layers
                .map(|(layer, known)| LayerView::new(layer, known, host))
                .collect(),
        }
    }
}

/// The policies of a job as one flow meets them.
#[derive(Debug)]
pub struct FlowPolicy {
    pub(crate) job: Arc<JobPolicy>,
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) host: HostFact,
    pub(crate) known: Vec<Vec<Known>>,
    /// By policy and mask: who, `cidr`, `port`.
    masks: Vec<Vec<Truth>>,
    view: View,
    /// Views for other names that the flow's operations claimed, newest last.
    claimed: Mutex<Vec<(HostFact, Arc<View>)>>,
}

impl FlowPolicy {
    pub(crate) fn new(job: Arc<JobPolicy>, facts: FlowFacts<'_>) -> Self {
        let facts = FlowFacts {
            ip: facts.ip.to_canonical(),
            ..facts
        };
        let known: Vec<Vec<Known>> = job
            .layers
            .iter()
            .map(|layer| {
                layer
                    .rules
                    .iter()
                    .map(|at| Known::of(&at.rule, &facts))
                    .collect()
            })
            .collect();
        let of_flow = |case: &Case| case.of_flow(facts.lineage, facts.ip, facts.port);
        let masks = job
            .policies
            .iter()
            .map(|policy| {
                policy
                    .masks
                    .iter()
                    .map(|mask| of_flow(&mask.case))
                    .collect()
            })
            .collect();
        let view = View::new(&job, &known, facts.host);
        Self {
            job,
            ip: facts.ip,
            port: facts.port,
            host: facts.host.clone(),
            known,
            masks,
            view,
            claimed: Mutex::new(Vec::new()),
        }
    }

    /// Whether a connection may be opened before its protocol is known: if no rule denies it
    /// for certain, and in each layer some rule could allow or approve an operation on it, or
    /// the layer's default is to allow.
    pub fn admit(&self) -> Admission {
        match decide::connection(self, &self.view) {
            Some(verdict) => Admission::Refuse(Box::new(verdict)),
            None => Admission::Permit(Permit::new(self.ip, self.port)),
        }
    }

    /// Judges one operation. `host` is the flow's [`HostFact`] with the name that the
    /// operation claims taken into account ([`HostFact::claim`]); a DNS question is judged by
    /// the name that it asks for instead.
    pub fn decide(&self, operation: &Operation, host: &HostFact) -> Verdict {
        if *host == self.host {
            return decide::operation(self, &self.view, operation, host);
        }
        decide::operation(self, &self.view_of(host), operation, host)
    }

    /// The masks for the answer to an operation, of all layers; where it cannot be known
    /// whether a mask applies, it does. A policy in shadow mode masks nothing. `host` as in
    /// [`FlowPolicy::decide`].
    ///
    /// An opaque stream cannot be masked, and is to be refused where there is a mask for it:
    /// one that names neither `http` nor `postgres`, and does more than hide columns.
    #[must_use]
    pub fn masks_for(&self, operation: &Operation, host: &HostFact) -> Vec<MaskRule> {
        let mut rules = Vec::new();
        for (policy, known) in self.job.policies.iter().zip(&self.masks) {
            if policy.mode == Mode::Shadow {
                continue;
            }
            for (mask, known) in policy.masks.iter().zip(known) {
                let applies = |asked: Asked<'_>| {
                    let concerns = !matches!(asked, Asked::Opaque(_)) || mask.is_about_opaque();
                    concerns
                        && known.and(mask.case.of_operation(host, &asked, Side::Closes))
                            != Truth::False
                };
                if decide::asked(operation).into_iter().any(applies) {
                    rules.push(mask.rule.clone());
                }
            }
        }
        rules
    }

    /// [`FlowPolicy::masks_for`] with the name that is known of the flow.
    #[must_use]
    pub fn masks(&self, operation: &Operation) -> Vec<MaskRule> {
        self.masks_for(operation, &self.host)
    }

    /// What is recorded where no rule that matches an operation says less.
    #[must_use]
    pub fn payload(&self) -> Payload {
        self.job.payload()
    }

    fn view_of(&self, host: &HostFact) -> Arc<View> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = claimed.iter().find(|(known, _)| known == host) {
            return Arc::clone(view);
        }
        if claimed.len() >= MAX_VIEWS {
            claimed.remove(0);
        }
        let view = Arc::new(View::new(&self.job, &self.known, host));
        claimed.push((host.clone(), Arc::clone(&view)));
        view
    }
}
