//! What a policy says and its author hardly means.

mod cover;
mod hosts;
mod masks;

use std::sync::Arc;

use sluice_flow::RuleRef;

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::rule::{Mode, Policy, Rank, Rule, Verb};
use crate::set::PolicySet;
use crate::what::Kind;
use crate::who::User;

/// The kind of a finding. The names stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lint {
    /// A rule that no operation can match.
    NeverMatches,
    /// A rule that a stricter one always overrules.
    Hidden,
    /// Everything is allowed.
    AllowsAll,
    /// Names of everybody are allowed: `*.com`.
    PublicSuffix,
    /// A place where anybody can leave data is allowed.
    PasteHost,
    /// A host glob that other owners' names match: `*example.com`.
    LooseHost,
    /// A mask that can hide nothing.
    MaskCannotFire,
    /// An approval that anybody can give.
    ApproverMissing,
    /// Rules that ask groups which have nobody in common.
    ApproversDisjoint,
    /// A key of which nothing is known in this version or on this host.
    UnknownHere,
    /// A rule about operations, or a mask, that also stops streams which a rule allows.
    StopsOpaque,
    /// A stream that is not understood is allowed to any host.
    OpaqueAnywhere,
    /// A character that is not special in a glob.
    NotSpecial,
}

impl Lint {
    /// The name that output uses.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NeverMatches => "never-matches",
            Self::Hidden => "hidden",
            Self::AllowsAll => "allows-all",
            Self::PublicSuffix => "public-suffix",
            Self::PasteHost => "paste-host",
            Self::LooseHost => "loose-host",
            Self::MaskCannotFire => "mask-cannot-fire",
            Self::ApproverMissing => "approver-missing",
            Self::ApproversDisjoint => "approvers-disjoint",
            Self::UnknownHere => "unknown-here",
            Self::StopsOpaque => "stops-opaque",
            Self::OpaqueAnywhere => "opaque-anywhere",
            Self::NotSpecial => "not-special",
        }
    }
}

/// One thing that a policy says and its author hardly means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub lint: Lint,
    /// The rule or mask; the policy itself as `default`.
    pub rule: RuleRef,
    /// Where, what, and what to do.
    pub diagnostic: Diagnostic,
}

/// Looks at every policy of a set, in the order of the files and their rules.
#[must_use]
pub fn check(set: &PolicySet) -> Vec<Finding> {
    set.policies.iter().flat_map(check_policy).collect()
}

/// Findings of one policy.
struct Findings<'p> {
    policy: &'p Policy,
    found: Vec<Finding>,
}

impl Findings<'_> {
    fn note(
        &mut self,
        lint: Lint,
        (name, span): (&str, Span),
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let diagnostic =
            Diagnostic::at(&self.policy.source, Severity::Warning, span, message).fix(fix);
        let rule = RuleRef {
            policy: self.policy.name.clone(),
            rule: name.to_owned(),
        };
        self.found.push(Finding {
            lint,
            rule,
            diagnostic,
        });
    }
}

fn check_policy(policy: &Arc<Policy>) -> Vec<Finding> {
    let mut findings = Findings {
        policy,
        found: Vec::new(),
    };
    if policy.default == Rank::Allow {
        let fix = "`default: deny`, and a rule for each thing that the job needs";
        let place = ("default", policy.default_span);
        findings.note(
            Lint::AllowsAll,
            place,
            "what no rule matches is allowed",
            fix,
        );
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        findings.rule(rule);
        findings.hidden(rule);
        findings.disjoint(rule, index);
    }
    for mask in &policy.masks {
        findings.mask(mask);
    }
    findings.found
}

impl Findings<'_> {
    fn rule(&mut self, rule: &Rule) {
        let place = (rule.name.as_str(), rule.span);
        self.never_matches(rule, place);
        self.unknown_here(rule, place);
        self.not_special(rule, place);
        match &rule.verb {
            Verb::Allow => self.opens_much(rule, place),
            Verb::Approve(terms) => {
                if terms.from.is_empty() {
                    let fix = "name groups: `from: [dba]`";
                    let message = "nobody can approve this: `from` names no group";
                    self.note(Lint::ApproverMissing, place, message, fix);
                }
                self.stops_opaque(rule, place);
            }
            Verb::Deny => self.stops_opaque(rule, place),
        }
    }

    fn never_matches(&mut self, rule: &Rule, place: (&str, Span)) {
        let what = &rule.case.what;
        let kinds = [Kind::Http, Kind::Postgres, Kind::Dns];
        let decoded = kinds.into_iter().any(|kind| what.can_be(kind));
        let opaque = !what.looks_inside() && what.can_be(Kind::Opaque);
        if !decoded && !opaque {
            let fix = "`protocol` and the block must name the same one; leave `protocol` out";
            let message = "no operation is of that protocol and has that block";
            self.note(Lint::NeverMatches, place, message, fix);
        }
        let takes_all = rule.unless.iter().any(|case| {
            case.who
                .as_ref()
                .is_none_or(|who| rule.case.who.as_ref() == Some(who))
                && cover::what(&case.what, what)
        });
        if takes_all {
            let message = "`unless` takes out everything that the rule matches";
            let fix = "make `unless` narrower than the rule";
            self.note(Lint::NeverMatches, place, message, fix);
        }
    }

    fn unknown_here(&mut self, rule: &Rule, place: (&str, Span)) {
        let Some(who) = &rule.case.who else { return };
        let effect = match rule.verb.rank() {
            Rank::Allow => "so the rule never allows",
            Rank::Approve | Rank::Deny => "so the rule takes it for a match",
        };
        if who.container {
            let message = format!("`container.image` is not known in this version, {effect}");
            let fix = "use `exe`, `exe_sha256`, `via` or `ancestor`";
            self.note(Lint::UnknownHere, place, message, fix);
        }
        for user in &who.image.user {
            if let User::Unresolved(name) = user {
                let message = format!("there is no user `{name}` on this host, {effect}");
                self.note(Lint::UnknownHere, place, message, "write the uid");
            }
        }
    }

    fn hidden(&mut self, rule: &Rule) {
        let stricter = self.policy.rules.iter().find(|other| {
            other.verb.rank() > rule.verb.rank()
                && (other.mode == Mode::Enforce || rule.mode == Mode::Shadow)
                && other.unless.is_empty()
                && cover::case(&other.case, &rule.case)
        });
        if let Some(stricter) = stricter {
            let message = format!(
                "it never decides: `{}` in line {} is stricter and matches all of it",
                stricter.name, stricter.span.line
            );
            let fix = "strictest wins whatever the order: narrow the stricter rule, or use its \
                       `unless`";
            self.note(Lint::Hidden, (&rule.name, rule.span), message, fix);
        }
    }

    fn disjoint(&mut self, rule: &Arc<Rule>, index: usize) {
        let Verb::Approve(terms) = &rule.verb else {
            return;
        };
        let earlier = self
            .policy
            .rules
            .iter()
            .take(index)
            .find(|other| match &other.verb {
                Verb::Approve(others) => {
                    let apart = !others.from.iter().any(|group| terms.from.contains(group));
                    let both = !others.from.is_empty() && !terms.from.is_empty();
                    let meet = cover::case(&other.case, &rule.case)
                        || cover::case(&rule.case, &other.case);
                    apart && both && meet
                }
                Verb::Allow | Verb::Deny => false,
            });
        if let Some(other) = earlier {
            let message = format!(
                "what this and `{}` match needs people of both, and no group is in both: it is \
                 refused",
                other.name
            );
            let fix = "name a group in both, or narrow one of the rules";
            self.note(
                Lint::ApproversDisjoint,
                (&rule.name, rule.span),
                message,
                fix,
            );
        }
    }

    /// Whether another rule allows streams that this one, which cannot look into them, stops.
    fn stops_opaque(&mut self, rule: &Rule, place: (&str, Span)) {
        let what = &rule.case.what;
        let anywhere = what.host.is_empty() && what.cidr.is_empty() && what.port.is_empty();
        if !what.looks_inside() || !anywhere || !what.protocol.is_empty() {
            return;
        }
        if let Some(opener) = self.opens_opaque() {
            let message = format!(
                "it also stops the streams that `{}` allows: what is in them cannot be known",
                opener.name
            );
            let fix = "add `host`, `port` or `protocol` to this rule";
            self.note(Lint::StopsOpaque, place, message, fix);
        }
    }

    /// A rule that lets streams pass which are not understood.
    fn opens_opaque(&self) -> Option<&Arc<Rule>> {
        let rules = &self.policy.rules;
        rules
            .iter()
            .find(|rule| rule.verb.rank() == Rank::Allow && rule.case.what.names_opaque())
    }
}

#[cfg(test)]
mod tests;
