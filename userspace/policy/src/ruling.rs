//! What one layer says, and how several of them become one.

use sluice_flow::verdict::{ApprovalTerms, Escalation, Payload};
use smallvec::SmallVec;

use crate::job::{Fallback, JobRule};
use crate::rule::{Layer, Rank, Verb};

/// The decision of a layer, or of several, with what caused it.
#[derive(Debug, Clone)]
pub(crate) struct Ruling<'p> {
    pub(crate) rank: Rank,
    pub(crate) layer: Option<Layer>,
    pub(crate) rules: SmallVec<[&'p JobRule; 4]>,
    /// Whether all of the rules match only as far as can be known.
    pub(crate) unsure: bool,
    /// Set where no rule matched; `None` with no rules where a layer only tells.
    pub(crate) fallback: Option<&'p Fallback>,
}

impl Default for Ruling<'_> {
    /// Nothing was judged: refuse.
    fn default() -> Self {
        Self {
            rank: Rank::Deny,
            layer: None,
            rules: SmallVec::new(),
            unsure: false,
            fallback: None,
        }
    }
}

impl<'p> Ruling<'p> {
    pub(crate) fn of(layer: Layer, rank: Rank, rules: SmallVec<[&'p JobRule; 4]>) -> Self {
        Self {
            rank,
            layer: Some(layer),
            rules,
            unsure: false,
            fallback: None,
        }
    }

    /// What a layer's default says; a layer of which all policies only tell lets everything
    /// pass.
    pub(crate) fn fallback(layer: Layer, fallback: Option<&'p Fallback>) -> Self {
        let rank = fallback.map_or(Rank::Allow, |fallback| fallback.rank);
        Self {
            rank,
            layer: Some(layer),
            rules: SmallVec::new(),
            unsure: false,
            fallback,
        }
    }

    /// The strictest of two layers. Of two that refuse, one that says why in a rule is named,
    /// and the higher one; of two that allow, the lower one, which knows the job better. Where
    /// both ask people, both have their say.
    pub(crate) fn strictest_layer(self, lower: Self) -> Self {
        if self.rank != lower.rank {
            return if self.rank > lower.rank { self } else { lower };
        }
        match self.rank {
            Rank::Approve => self.with_rules_of(lower),
            Rank::Deny if self.rules.is_empty() && !lower.rules.is_empty() => lower,
            Rank::Deny => self,
            Rank::Allow if lower.rules.is_empty() && !self.rules.is_empty() => self,
            Rank::Allow => lower,
        }
    }

    /// The strictest of two statements of one message; rules of equals are collected.
    fn strictest_statement(self, next: Self) -> Self {
        if self.rank != next.rank {
            return if self.rank > next.rank { self } else { next };
        }
        match (self.rules.is_empty(), next.rules.is_empty()) {
            (true, false) if self.rank != Rank::Allow => next,
            (true, _) => self,
            (false, true) if next.rank != Rank::Allow => self,
            (false, true) => next,
            (false, false) => self.with_rules_of(next),
        }
    }

    fn with_rules_of(mut self, other: Self) -> Self {
        self.unsure &= other.unsure;
        for rule in other.rules {
            if !self.rules.iter().any(|known| std::ptr::eq(*known, rule)) {
                self.rules.push(rule);
            }
        }
        self
    }

    /// What all approve rules together ask for: people that each of them accepts, the most of
    /// them, in the shortest time, remembered the least. `None` where no group is accepted by
    /// all: nobody could agree.
    pub(crate) fn terms(&self) -> Option<ApprovalTerms> {
        let terms = self.rules.iter().filter_map(|at| match &at.rule.verb {
            Verb::Approve(terms) => Some(terms.as_ref().clone()),
            Verb::Allow | Verb::Deny => None,
        });
        let mut joined: Option<ApprovalTerms> = None;
        for terms in terms {
            joined = Some(match joined {
                None => terms,
                Some(so_far) => both(so_far, terms)?,
            });
        }
        joined
    }
}

fn both(mut a: ApprovalTerms, b: ApprovalTerms) -> Option<ApprovalTerms> {
    if a.from.is_empty() {
        a.from = b.from;
    } else if !b.from.is_empty() {
        a.from.retain(|group| b.from.contains(group));
        if a.from.is_empty() {
            return None;
        }
    }
    a.count = a.count.max(b.count);
    a.timeout = a.timeout.min(b.timeout);
    if (b.remember as u8) < a.remember as u8 {
        a.remember = b.remember;
    }
    a.reason_required |= b.reason_required;
    a.escalate = match (a.escalate, b.escalate) {
        (Some(a), Some(b)) => escalated_by_both(a, &b),
        _ => None,
    };
    a.message = match (a.message, b.message) {
        (Some(a), Some(b)) if a != b => Some(format!("{a}; {b}")),
        (a, b) => a.or(b),
    };
    Some(a)
}

/// Others may answer when both rules let them, and from then on.
fn escalated_by_both(mut a: Escalation, b: &Escalation) -> Option<Escalation> {
    a.to.retain(|group| b.to.contains(group));
    a.after = a.after.max(b.after);
    (!a.to.is_empty()).then_some(a)
}

/// What is said to an operation: by the rules that decide, and by all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judged<'p> {
    pub(crate) enforced: Ruling<'p>,
    pub(crate) all: Ruling<'p>,
    pub(crate) sync: bool,
    pub(crate) payload: Option<Payload>,
}

impl<'p> Judged<'p> {
    pub(crate) fn of_layers(self, lower: Self) -> Self {
        Self {
            enforced: self.enforced.strictest_layer(lower.enforced),
            all: self.all.strictest_layer(lower.all),
            sync: self.sync || lower.sync,
            payload: self.payload.max(lower.payload),
        }
    }

    pub(crate) fn strictest(self, next: Self) -> Self {
        Self {
            enforced: self.enforced.strictest_statement(next.enforced),
            all: self.all.strictest_statement(next.all),
            sync: self.sync || next.sync,
            payload: self.payload.max(next.payload),
        }
    }
}

#[cfg(test)]
#[path = "ruling_tests.rs"]
mod tests;
