//! A ruling in the words of a verdict.

use std::fmt::Write as _;

use sluice_flow::{Decision, HostFact, Operation, RuleRef, Verdict};

use crate::decide::looks_like;
use crate::flow::FlowPolicy;
use crate::rule::{Layer, Rank};
use crate::ruling::{Judged, Ruling};
use crate::what::{Status, Subject};

/// The policy that records name where none applies.
const HOST_DEFAULT: &str = "host";

/// The policy and rule that records name where the names of a flow disagree.
const NAMES_DISAGREE: (&str, &str) = ("sluice", "host-disagrees");

/// What is added where no rule matches for certain.
const UNSURE: &str = " (whether the rule matches could not be known, and so it does)";

/// Characters of an operation that a message shows.
const MAX_SHOWN: usize = 120;

/// What something is said of; `None`: of a connection.
type About<'a> = Option<Subject<'a>>;

pub(crate) fn of(flow: &FlowPolicy, judged: &Judged<'_>, about: About<'_>) -> Verdict {
    let decision = decision(&judged.enforced);
    let would_be = match judged.all.rank == judged.enforced.rank {
        true => None,
        false => Some(self::decision(&judged.all)),
    };
    // What only would have happened is told by those who would have caused it.
    let only_told = judged.all.rank > judged.enforced.rank;
    let ruling = if only_told {
        &judged.all
    } else {
        &judged.enforced
    };
    let mut message = match ruling.rank {
        Rank::Allow => String::new(),
        Rank::Approve | Rank::Deny => message(flow, ruling, &decision, about),
    };
    if ruling.unsure {
        message.push_str(UNSURE);
    }
    let digest = match (ruling.rules.first(), ruling.fallback) {
        (Some(at), _) => at.policy.digest.clone(),
        (None, Some(fallback)) => fallback.policy.digest.clone(),
        (None, None) => String::new(),
    };
    Verdict {
        expected: expected(&judged.enforced),
        decision,
        would_be,
        rules: references(ruling),
        digest,
        layer: ruling.layer.map_or(HOST_DEFAULT, Layer::word).to_owned(),
        sync: judged.sync,
        payload: judged.payload.max(flow.job.payload).unwrap_or_default(),
        message,
    }
}

/// The verdict on an answer, where people were asked about the request: they have agreed.
pub(crate) fn agreed(mut verdict: Verdict) -> Verdict {
    verdict.decision = without_asking(verdict.decision);
    let would_be = verdict.would_be.map(without_asking);
    verdict.would_be = would_be.filter(|would_be| *would_be != verdict.decision);
    if verdict.decision == Decision::Allow && verdict.would_be.is_none() {
        verdict.message.clear();
    }
    verdict
}

fn without_asking(decision: Decision) -> Decision {
    match decision {
        Decision::Approve(_) => Decision::Allow,
        Decision::Allow | Decision::Deny => decision,
    }
}

fn decision(ruling: &Ruling<'_>) -> Decision {
    match ruling.rank {
        Rank::Allow => Decision::Allow,
        Rank::Approve => match ruling.terms() {
            Some(terms) => Decision::Approve(Box::new(terms)),
            None => Decision::Deny,
        },
        Rank::Deny => Decision::Deny,
    }
}

fn expected(ruling: &Ruling<'_>) -> bool {
    ruling.rank == Rank::Deny
        && !ruling.rules.is_empty()
        && ruling.rules.iter().all(|at| at.rule.expected)
}

fn references(ruling: &Ruling<'_>) -> Vec<RuleRef> {
    match ruling.fallback {
        Some(fallback) if ruling.rules.is_empty() => {
            vec![RuleRef {
                policy: fallback.policy.name.clone(),
                rule: "default".to_owned(),
            }]
        }
        _ => ruling.rules.iter().map(|at| at.reference()).collect(),
    }
}

fn message(
    flow: &FlowPolicy,
    ruling: &Ruling<'_>,
    decision: &Decision,
    about: About<'_>,
) -> String {
    let mut said: Vec<&str> = ruling
        .rules
        .iter()
        .filter_map(|at| at.rule.message.as_deref())
        .collect();
    said.dedup();
    if !said.is_empty() && ruling.rank == Rank::Deny {
        return said.join("; ");
    }
    let shown = about.map_or_else(|| place(flow, &flow.host), |subject| summary(flow, subject));
    if ruling.rank == Rank::Approve {
        return match (decision, ruling.terms()) {
            (Decision::Deny, _) | (_, None) => {
                format!("{shown} needs approval of groups that have nobody in common")
            }
            (_, Some(terms)) => {
                let mut text = format!("{shown} needs approval");
                if let Some(message) = terms.message.as_deref().or(said.first().copied()) {
                    let _ = write!(text, ": {message}");
                }
                text
            }
        };
    }
    match (ruling.rules.first(), ruling.fallback) {
        (Some(_), _) => format!("{shown} is not allowed here"),
        (None, Some(fallback)) => format!(
            "no rule allows {shown}; whoever keeps the policy `{}` can add one",
            fallback.policy.name
        ),
        (None, None) => format!("no policy allows {shown}"),
    }
}

/// No policy applies to the job.
pub(crate) fn host_default(flow: &FlowPolicy, subject: Subject<'_>) -> Verdict {
    by_host(flow, flow.job.host_default.rank(), &summary(flow, subject))
}

pub(crate) fn host_default_connection(flow: &FlowPolicy) -> Verdict {
    by_host(flow, Rank::Deny, &place(flow, &flow.host))
}

fn by_host(flow: &FlowPolicy, rank: Rank, shown: &str) -> Verdict {
    let decision = match rank {
        Rank::Allow => Decision::Allow,
        Rank::Approve | Rank::Deny => Decision::Deny,
    };
    let message = match decision {
        Decision::Allow => String::new(),
        Decision::Approve(_) | Decision::Deny => format!(
            "no policy applies to this job, and so nothing is allowed, {shown} neither; whoever \
             keeps this host can add one whose `applies_to` matches the job's labels"
        ),
    };
    Verdict {
        decision,
        would_be: None,
        rules: vec![RuleRef {
            policy: HOST_DEFAULT.to_owned(),
            rule: "default".to_owned(),
        }],
        digest: String::new(),
        layer: Layer::Host.word().to_owned(),
        expected: false,
        sync: false,
        payload: flow.job.payload(),
        message,
    }
}

/// The names of a flow disagree: refused by every layer that decides.
pub(crate) fn names_disagree(flow: &FlowPolicy, claimed: &str, resolved: &[String]) -> Verdict {
    let layers = &flow.job.layers;
    let only_told = !layers.is_empty() && layers.iter().all(|layer| layer.fallback.is_none());
    let by = layers
        .iter()
        .find(|layer| only_told || layer.fallback.is_some());
    let names = match resolved {
        [] => "no name".to_owned(),
        names => names.join(", "),
    };
    let (policy, rule) = NAMES_DISAGREE;
    let (decision, would_be) = match only_told {
        true => (Decision::Allow, Some(Decision::Deny)),
        false => (Decision::Deny, None),
    };
    Verdict {
        decision,
        would_be,
        rules: vec![RuleRef {
            policy: policy.to_owned(),
            rule: rule.to_owned(),
        }],
        digest: by
            .map(|l| l.shadow_fallback.policy.digest.clone())
            .unwrap_or_default(),
        layer: by
            .map_or(Layer::Host, |layer| layer.layer)
            .word()
            .to_owned(),
        expected: false,
        sync: false,
        payload: flow.job.payload(),
        message: format!(
            "the request says it is for {}, but the job resolved {} to {}",
            printable(claimed),
            printable(&names),
            flow.ip
        ),
    }
}

/// One line that says what was asked for, bounded and without control characters.
pub(crate) fn summary(flow: &FlowPolicy, subject: Subject<'_>) -> String {
    let place = place(flow, subject.host);
    match subject.operation {
        Operation::Opaque(stream) => {
            format!(
                "a stream that is not understood ({}) to {place}",
                printable(looks_like(stream))
            )
        }
        Operation::Http(request) => {
            let (method, path) = (printable(&request.method), printable(&request.path));
            match subject.status {
                Status::Known(code) => format!("the answer {code} to {method} {path} at {place}"),
                Status::ToCome | Status::Unknown => format!("{method} {path} at {place}"),
            }
        }
        Operation::Postgres(message) => {
            let kinds: Vec<&str> = message.statements.iter().map(|s| s.kind.as_str()).collect();
            let kinds = if kinds.is_empty() {
                "unknown".to_owned()
            } else {
                kinds.join(", ")
            };
            let mut touched: Vec<&str> = message
                .statements
                .iter()
                .flat_map(|s| s.writes.iter().chain(&s.reads))
                .map(String::as_str)
                .collect();
            touched.sort_unstable();
            touched.dedup();
            match touched.as_slice() {
                [] => format!("{} at {place}", printable(&kinds)),
                tables => {
                    format!(
                        "{} on {} at {place}",
                        printable(&kinds),
                        printable(&tables.join(", "))
                    )
                }
            }
        }
        Operation::Dns(question) => {
            format!(
                "the question {} {}",
                printable(&question.r#type),
                printable(&question.name)
            )
        }
    }
}

fn place(flow: &FlowPolicy, host: &HostFact) -> String {
    match host.proved() {
        Some(name) => format!("{}:{}", printable(name), flow.port),
        None => std::net::SocketAddr::new(flow.ip, flow.port).to_string(),
    }
}

fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    let shown: String = text.chars().take(MAX_SHOWN).map(plain).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        format!("{shown}...")
    } else {
        shown
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
