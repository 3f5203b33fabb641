//! Why a verdict is what it is: every layer, every rule, every key.

use std::fmt;
use std::sync::Arc;

use sluice_flow::{Decision, HostFact, Lineage, Operation, RuleRef, Verdict};

use crate::decide::matched;
use crate::flow::FlowFacts;
use crate::job::{JobPolicy, JobRule, LayerPolicy};
use crate::rule::{Case, Layer, Mode, Rank};
use crate::truth::{AllOf, KeyTruth, Side, Truth};
use crate::verdict::summary;
use crate::what::{Asked, Status, Subject};
use crate::who::Who;

/// A verdict and how each rule contributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was asked for, in one line.
    pub asked: String,
    /// The verdict.
    pub verdict: Verdict,
    /// One part for each statement of a message; one for everything else.
    pub parts: Vec<ExplainedPart>,
}

/// What all layers said to one statement, request, question or stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedPart {
    /// The statement's text, where there are several.
    pub statement: Option<String>,
    /// Host first.
    pub layers: Vec<ExplainedLayer>,
}

/// What the rules of one layer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedLayer {
    /// Which.
    pub layer: Layer,
    /// Strictest first.
    pub rules: Vec<ExplainedRule>,
    /// What its policies say where no rule matches: `deny`, `allow`, or `pass` where they only
    /// tell.
    pub default: &'static str,
}

/// What one rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedRule {
    /// Which.
    pub rule: RuleRef,
    /// `allow`, `approve`, `deny`.
    pub verb: &'static str,
    /// Whether it only tells.
    pub shadow: bool,
    /// Whether its conditions hold, `unless` taken into account.
    pub truth: Truth,
    /// Whether it takes part in the decision: unknown does for deny and approve.
    pub matched: bool,
    /// Each key.
    pub keys: Vec<KeyTruth>,
    /// What is not in the keys.
    pub note: Option<&'static str>,
}

impl JobPolicy {
    /// Judges an operation, or its answer where `status` is that of one, and tells how each
    /// rule contributed. `host` as in [`FlowPolicy::decide`](crate::FlowPolicy::decide).
    #[must_use]
    pub fn explain(
        self: &Arc<Self>,
        facts: FlowFacts<'_>,
        operation: &Operation,
        status: Option<u16>,
        host: &HostFact,
    ) -> Explanation {
        let flow = self.flow(facts);
        let subject = Subject {
            operation,
            status: status.map_or(Status::ToCome, Status::Known),
            host,
        };
        let verdict = flow.judge(subject);
        let asked = subject.asked();
        let several = asked.len() > 1;
        let parts = asked.iter().map(|asked| ExplainedPart {
            statement: match asked {
                Asked::Postgres(_, Some(statement)) if several => Some(statement.text.clone()),
                _ => None,
            },
            layers: self
                .layers
                .iter()
                .map(|l| explain_layer(l, &facts, asked, host))
                .collect(),
        });
        let parts = parts.collect();
        Explanation {
            asked: summary(&flow, subject),
            verdict,
            parts,
        }
    }
}

fn explain_layer(
    layer: &LayerPolicy,
    facts: &FlowFacts<'_>,
    asked: &Asked<'_>,
    host: &HostFact,
) -> ExplainedLayer {
    let rules = layer
        .rules
        .iter()
        .map(|at| explain_rule(at, facts, asked, host))
        .collect();
    let default = layer
        .fallback
        .as_ref()
        .map_or("pass", |fallback| word(fallback.rank));
    ExplainedLayer {
        layer: layer.layer,
        rules,
        default,
    }
}

pub(crate) fn word(rank: Rank) -> &'static str {
    match rank {
        Rank::Allow => "allow",
        Rank::Approve => "approve",
        Rank::Deny => "deny",
    }
}

fn explain_rule(
    at: &JobRule,
    facts: &FlowFacts<'_>,
    asked: &Asked<'_>,
    host: &HostFact,
) -> ExplainedRule {
    let rule = &at.rule;
    let side = rule.verb.side();
    let mut keys = Vec::new();
    let lineage = facts.lineage;
    if rule.case.who.is_none() {
        let mut all = AllOf::noting("who.", &mut keys);
        Who::default().keys(lineage, &mut all);
        keys.retain(|key| key.truth != Truth::True);
    }
    note_case(
        &rule.case,
        "who.",
        "what.",
        (facts, lineage),
        (host, asked, side),
        &mut keys,
    );
    let holds = Truth::all(keys.iter().map(|key| key.truth));
    let but_for_status = keys.iter().filter(|key| key.key != "what.http.status");
    let waits = Truth::all(but_for_status.map(|key| key.truth)) != Truth::False;
    let mut taken_out = Truth::False;
    for case in &rule.unless {
        let mut unless = Vec::new();
        let opposite = side.opposite();
        let about = (host, asked, opposite);
        note_case(
            case,
            "unless.who.",
            "unless.what.",
            (facts, lineage),
            about,
            &mut unless,
        );
        taken_out = taken_out.or(Truth::all(unless.iter().map(|key| key.truth)));
        keys.append(&mut unless);
    }
    let truth = holds.and(taken_out.negated());
    let kind = asked.kind();
    let takes_part = matched(at, truth, kind).is_some();
    ExplainedRule {
        rule: at.reference(),
        verb: word(rule.verb.rank()),
        shadow: rule.mode == Mode::Shadow,
        truth,
        matched: takes_part,
        keys,
        note: note(at, (truth, takes_part), waits, asked),
    }
}

/// `waits`: whether it may match once the status of the answer is known.
fn note(
    at: &JobRule,
    (truth, takes_part): (Truth, bool),
    waits: bool,
    asked: &Asked<'_>,
) -> Option<&'static str> {
    let what = &at.rule.case.what;
    match asked {
        Asked::Http(_, Status::ToCome) if waits && at.rule.names_status() => {
            Some("the request passes as far as `status` is concerned; its answer is judged")
        }
        Asked::Opaque(_) if truth == Truth::True && !takes_part => {
            Some("a stream that is not understood is allowed by `protocol` and `port` only")
        }
        Asked::Dns(question) if at.rule.verb.rank() < Rank::Deny && what.names(&question.name) => {
            Some("names this host, and so lets it be resolved")
        }
        _ if truth == Truth::Unknown && takes_part => Some("unknown counts as a match here"),
        _ if truth == Truth::Unknown => Some("unknown never allows"),
        _ => None,
    }
}

fn note_case(
    case: &Case,
    who_prefix: &'static str,
    what_prefix: &'static str,
    (facts, lineage): (&FlowFacts<'_>, &Lineage),
    (host, asked, side): (&HostFact, &Asked<'_>, Side),
    keys: &mut Vec<KeyTruth>,
) {
    if let Some(who) = &case.who {
        who.keys(lineage, &mut AllOf::noting(who_prefix, keys));
    }
    let mut what = AllOf::noting(what_prefix, keys);
    case.what.host_keys(host, asked, &mut what);
    case.what
        .address_keys(facts.ip.to_canonical(), facts.port, &mut what);
    case.what.asked_keys(asked, side, &mut what);
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = &self.verdict;
        let rules: Vec<String> = verdict.rules.iter().map(ToString::to_string).collect();
        writeln!(f, "{}", self.asked)?;
        write!(
            f,
            "  {} by {} ({} layer)",
            verdict.decision.word(),
            rules.join(", "),
            verdict.layer
        )?;
        if let Some(would_be) = verdict.would_be.as_ref().map(Decision::word) {
            write!(f, "; enforced it would be {would_be}")?;
        }
        writeln!(f)?;
        if !verdict.message.is_empty() {
            writeln!(f, "  \"{}\"", verdict.message)?;
        }
        for part in &self.parts {
            if let Some(statement) = &part.statement {
                writeln!(f, "\nstatement: {statement}")?;
            }
            for layer in &part.layers {
                write!(f, "{layer}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{} layer", self.layer.word())?;
        for rule in &self.rules {
            let mark = if rule.matched { '*' } else { ' ' };
            let shadow = if rule.shadow { " (shadow)" } else { "" };
            write!(f, "{mark} {:<8}{}{shadow}: ", rule.verb, rule.rule)?;
            writeln!(f, "{}", because(rule))?;
            if let Some(note) = rule.note {
                writeln!(f, "            {note}")?;
            }
        }
        writeln!(f, "  {:<8}where none matches", self.default)
    }
}

/// The keys that tell: those that are not `yes`, or all when every one is.
fn because(rule: &ExplainedRule) -> String {
    let all_hold = rule.truth == Truth::True;
    let said = rule
        .keys
        .iter()
        .filter(|key| all_hold || key.truth != Truth::True || key.key.starts_with("unless."));
    let keys: Vec<String> = said.map(ToString::to_string).collect();
    match (keys.is_empty(), rule.truth) {
        (true, Truth::True) => "matches everything".to_owned(),
        (true, truth) => truth.to_string(),
        (false, Truth::True) => format!("matches: {}", keys.join(", ")),
        (false, Truth::Unknown) => format!("cannot be known: {}", keys.join(", ")),
        (false, Truth::False) => format!("does not match: {}", keys.join(", ")),
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
