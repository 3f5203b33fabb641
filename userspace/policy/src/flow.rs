//! What applies to one flow: who, address and port are looked at once, hosts once a name.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_flow::verdict::Payload;
use sluice_flow::{HostFact, Lineage, Operation, Verdict};
use sluice_masking::MaskRule;
use smallvec::SmallVec;

use crate::decide;
use crate::index::General;
use crate::job::{JobPolicy, JobRule, LayerPolicy};
use crate::limits::MAX_VIEWS;
use crate::permit::{Admission, Permit};
use crate::rule::{Case, Mask, Mode, Rule};
use crate::truth::{AllOf, Side, Truth};
use crate::verdict;
use crate::what::{Asked, Status, Subject};

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
        self.judge(Subject {
            operation,
            status: Status::ToCome,
            host,
        })
    }

    /// Judges the answer to a request, now that its status is known: allow or deny. People who
    /// were to be asked have agreed to the request. One that [`FlowPolicy::decide`] refuses is
    /// refused whatever it is answered.
    pub fn decide_answer(&self, operation: &Operation, status: u16, host: &HostFact) -> Verdict {
        self.judge(Subject {
            operation,
            status: Status::Known(status),
            host,
        })
    }

    pub(crate) fn judge(&self, subject: Subject<'_>) -> Verdict {
        let verdict = if *subject.host == self.host {
            decide::operation(self, &self.view, subject)
        } else {
            decide::operation(self, &self.view_of(subject.host), subject)
        };
        match subject.status {
            Status::Known(_) => verdict::agreed(verdict),
            Status::ToCome | Status::Unknown => verdict,
        }
    }

    /// Whether the answer to a request is to be judged: there is a rule or a mask in which its
    /// status has a say, and nothing else in it speaks against the request.
    #[must_use]
    pub fn judges_answer(&self, operation: &Operation, host: &HostFact) -> bool {
        if !self.job.names_status || !matches!(operation, Operation::Http(_)) {
            return false;
        }
        let subject = Subject {
            operation,
            status: Status::Unknown,
            host,
        };
        let has_a_say = |mask: &Mask| mask.case.names_status();
        self.status_decides(subject) || self.masks_of(subject).any(has_a_say)
    }

    /// Whether a rule in which the status has a say may match.
    fn status_decides(&self, subject: Subject<'_>) -> bool {
        let may_match = |at: &JobRule, known: &Known| {
            let side = at.rule.verb.side();
            let case = |asked: &Asked<'_>| at.rule.case.of_operation(subject.host, asked, side);
            let mut asked = subject.asked().into_iter();
            asked.any(|asked| known.case.and(case(&asked)) != Truth::False)
        };
        let mut layers = self.job.layers.iter().zip(&self.known);
        layers.any(|(layer, known)| {
            let rules = layer.by_status.iter();
            let mut rules = rules.filter_map(|i| layer.rules.get(*i).zip(known.get(*i)));
            rules.any(|(at, known)| may_match(at, known))
        })
    }

    /// The masks for the answer to an operation, of all layers; where it cannot be known
    /// whether a mask applies, it does. A policy in shadow mode masks nothing. `status` is that
    /// of the answer, where it is there. `host` as in [`FlowPolicy::decide`].
    ///
    /// An opaque stream cannot be masked, and is to be refused where there is a mask for it:
    /// one that names neither `http` nor `postgres`, and does more than hide columns.
    #[must_use]
    pub fn masks_for(
        &self,
        operation: &Operation,
        status: Option<u16>,
        host: &HostFact,
    ) -> Vec<MaskRule> {
        let subject = Subject {
            operation,
            status: status.map_or(Status::Unknown, Status::Known),
            host,
        };
        let rules = self.masks_of(subject).map(|mask| mask.rule.clone());
        rules.collect()
    }

    /// The masks that may apply.
    fn masks_of<'s>(&'s self, subject: Subject<'s>) -> impl Iterator<Item = &'s Mask> {
        let applies = move |mask: &Mask, known: Truth| {
            subject.asked().into_iter().any(|asked| {
                let concerns = !matches!(asked, Asked::Opaque(_)) || mask.is_about_opaque();
                let case = || mask.case.of_operation(subject.host, &asked, Side::Closes);
                concerns && known.and(case()) != Truth::False
            })
        };
        let policies = self.job.policies.iter().zip(&self.masks);
        policies
            .filter(|(policy, _)| policy.mode != Mode::Shadow)
            .flat_map(|(policy, known)| policy.masks.iter().zip(known))
            .filter(move |(mask, known)| applies(mask, **known))
            .map(|(mask, _)| mask)
    }

    /// [`FlowPolicy::masks_for`] with the name that is known of the flow, and no answer yet.
    #[must_use]
    pub fn masks(&self, operation: &Operation) -> Vec<MaskRule> {
        self.masks_for(operation, None, &self.host)
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
