//! From candidates to a verdict: all rules of a layer that match are collected, its strictest
//! verb decides, and the strictest layer wins.

use sluice_flow::operation::OpaqueStream;
use sluice_flow::verdict::Payload;
use sluice_flow::{DnsQuestion, HostFact, Operation, Verdict};
use smallvec::SmallVec;

use crate::flow::{FlowPolicy, Known, LayerView, View};
use crate::job::{JobRule, LayerPolicy};
use crate::rule::{Mode, Rank, Verb};
use crate::ruling::{Judged, Ruling};
use crate::truth::Truth;
use crate::verdict;
use crate::what::{Asked, Kind, Subject};

/// Record types that name an address, or lead to one: what a client asks for before it
/// connects (RFC 1035, RFC 3596, RFC 9460).
const ADDRESS_TYPES: [&str; 5] = ["A", "AAAA", "CNAME", "HTTPS", "SVCB"];

/// The verdict on an operation, or on its answer. Several statements get the strictest among
/// theirs.
pub(crate) fn operation(flow: &FlowPolicy, view: &View, subject: Subject<'_>) -> Verdict {
    let host = subject.host;
    let named = !matches!(subject.operation, Operation::Dns(_));
    if let (HostFact::Disagree { claimed, resolved }, true) = (host, named) {
        return verdict::names_disagree(flow, claimed, resolved);
    }
    if flow.job.layers.is_empty() {
        return verdict::host_default(flow, subject);
    }
    let asked = subject.asked();
    let judged = asked
        .iter()
        .map(|asked| judge(flow, view, asked, host))
        .reduce(Judged::strictest)
        .unwrap_or_default();
    verdict::of(flow, &judged, Some(subject))
}

/// What one operation or statement gets from all layers.
fn judge<'p>(flow: &'p FlowPolicy, view: &View, asked: &Asked<'_>, host: &HostFact) -> Judged<'p> {
    let layers = flow.job.layers.iter().zip(&flow.known).zip(&view.layers);
    layers
        .map(|((layer, known), view)| {
            LayerJudge {
                layer,
                known,
                asked,
                host,
            }
            .judge(view)
        })
        .reduce(Judged::of_layers)
        .unwrap_or_default()
}

struct LayerJudge<'p, 'a> {
    layer: &'p LayerPolicy,
    known: &'p [Known],
    asked: &'a Asked<'a>,
    host: &'a HostFact,
}

/// Rules of the strictest verb that matched so far.
#[derive(Default)]
struct Tally<'p> {
    rank: Option<Rank>,
    rules: SmallVec<[&'p JobRule; 4]>,
    /// Whether some rule names what is asked for and lets it through, or lets people do so.
    opened: bool,
    /// Whether some rule matches for certain.
    certain: bool,
}

impl<'p> Tally<'p> {
    /// Rules come strictest first.
    fn add(&mut self, at: &'p JobRule, opens: bool, certain: bool) {
        let rank = at.rule.verb.rank();
        self.opened |= opens;
        if *self.rank.get_or_insert(rank) == rank {
            self.certain |= certain;
            self.rules.push(at);
        }
    }

    fn ruling(self, layer: &'p LayerPolicy, shadow: bool, kind: Kind) -> Ruling<'p> {
        let fallback = match (&layer.fallback, shadow) {
            (_, true) => Some(&layer.shadow_fallback),
            (fallback, false) => fallback.as_ref(),
        };
        let closed = fallback.is_some_and(|fallback| fallback.rank == Rank::Deny);
        match self.rank {
            None => Ruling::fallback(layer.layer, fallback),
            // A stream that nobody named is not let through by a question that somebody asked
            // about something else.
            Some(Rank::Approve) if kind == Kind::Opaque && closed && !self.opened => {
                Ruling::fallback(layer.layer, fallback)
            }
            Some(rank) => Ruling {
                unsure: rank > Rank::Allow && !self.certain,
                ..Ruling::of(layer.layer, rank, self.rules)
            },
        }
    }
}

impl<'p> LayerJudge<'p, '_> {
    fn judge(&self, view: &LayerView) -> Judged<'p> {
        let kind = self.asked.kind();
        let (mut enforced, mut all) = (Tally::default(), Tally::default());
        let mut sync = false;
        let mut payload: Option<Payload> = None;
        let decided = |tally: &Tally<'_>, rank| match tally.rank {
            Some(Rank::Deny) => true,
            // Whether an opaque stream is opened is only known at the end.
            Some(strictest) => strictest > rank && kind != Kind::Opaque,
            None => false,
        };
        let selected = self.layer.index.select(self.asked, &view.general);
        for rule in selected.iter().copied() {
            let Some((at, known)) = self.at(rule) else {
                continue;
            };
            let rank = at.rule.verb.rank();
            if rank < Rank::Deny && decided(&enforced, rank) {
                break;
            }
            let base = self.base(view, rule, known);
            if base == Truth::False {
                continue;
            }
            let truth = self.truth(at, known, base);
            let Some(opens) = matched(at, truth, kind) else {
                continue;
            };
            sync |= at.rule.sync;
            payload = payload.max(at.rule.payload);
            let certain = truth == Truth::True;
            all.add(at, opens, certain);
            if at.rule.mode == Mode::Enforce {
                enforced.add(at, opens, certain);
            }
        }
        if let Asked::Dns(question) = self.asked {
            self.resolve(question, &selected, &mut enforced, &mut all);
        }
        Judged {
            enforced: enforced.ruling(self.layer, false, kind),
            all: all.ruling(self.layer, true, kind),
            sync,
            payload,
        }
    }

    fn at(&self, index: usize) -> Option<(&'p JobRule, &'p Known)> {
        Some((self.layer.rules.get(index)?, self.known.get(index)?))
    }

    /// What the flow says to a rule; the name is that of a question where one is asked.
    fn base(&self, view: &LayerView, rule: usize, known: &Known) -> Truth {
        match self.asked {
            Asked::Dns(_) => known.case,
            Asked::Connect | Asked::Http(..) | Asked::Postgres(..) | Asked::Opaque(_) => {
                view.base.get(rule).copied().unwrap_or(Truth::Unknown)
            }
        }
    }

    fn truth(&self, at: &JobRule, known: &Known, base: Truth) -> Truth {
        let rule = &at.rule;
        let side = rule.verb.side();
        let case = if let Asked::Dns(_) = self.asked {
            // An address question about a host is not held: connecting to it is.
            if rule.verb.rank() == Rank::Approve && self.only_resolves(at) {
                return Truth::False;
            }
            rule.case.of_operation(self.host, self.asked, side)
        } else {
            rule.case.of_asked(self.asked, side)
        };
        let matches = base.and(case);
        if matches == Truth::False || rule.unless.is_empty() {
            return matches;
        }
        matches.and(self.taken_out(at, known).negated())
    }

    fn taken_out(&self, at: &JobRule, known: &Known) -> Truth {
        let side = at.rule.verb.side().opposite();
        Truth::any(
            at.rule
                .unless
                .iter()
                .zip(&known.unless)
                .map(|(case, known)| known.and(case.of_operation(self.host, self.asked, side))),
        )
    }

    fn only_resolves(&self, at: &JobRule) -> bool {
        let what = &at.rule.case.what;
        let about_dns = what.dns.is_some() || what.protocol.iter().any(|p| p == "dns");
        let Asked::Dns(question) = self.asked else {
            return false;
        };
        !what.host.is_empty() && !about_dns && is_address(question)
    }

    /// A host that a rule opens can be resolved: where nothing else decides, an allow or
    /// approve rule that names the host lets address questions for it pass, whatever else
    /// it asks of the operations on a connection.
    fn resolve(
        &self,
        question: &DnsQuestion,
        selected: &[usize],
        enforced: &mut Tally<'p>,
        all: &mut Tally<'p>,
    ) {
        if !is_address(question) || (enforced.rank.is_some() && all.rank.is_some()) {
            return;
        }
        for rule in selected.iter().copied() {
            let Some((at, known)) = self.at(rule) else {
                continue;
            };
            let opens = at.rule.verb.rank() < Rank::Deny
                && self.only_resolves(at)
                && known.who == Truth::True
                && at.rule.case.what.names(&question.name)
                && self.taken_out(at, known) == Truth::False;
            if !opens {
                continue;
            }
            for (tally, takes_part) in [
                (&mut *all, true),
                (&mut *enforced, at.rule.mode == Mode::Enforce),
            ] {
                if takes_part && tally.rank.is_none_or(|rank| rank == Rank::Allow) {
                    tally.rank = Some(Rank::Allow);
                    tally.rules.push(at);
                }
            }
        }
    }
}

fn is_address(question: &DnsQuestion) -> bool {
    ADDRESS_TYPES
        .iter()
        .any(|t| question.r#type.eq_ignore_ascii_case(t))
}

/// Whether a rule whose conditions have this truth takes part, and whether it opens what is
/// asked for. Unknown is a match for deny and approve, and none for allow.
pub(crate) fn matched(at: &JobRule, truth: Truth, kind: Kind) -> Option<bool> {
    let names_it = kind != Kind::Opaque || at.rule.case.what.names_opaque();
    match &at.rule.verb {
        Verb::Allow => (truth == Truth::True && names_it).then_some(true),
        Verb::Approve(_) => (truth != Truth::False).then_some(truth == Truth::True && names_it),
        Verb::Deny => (truth != Truth::False).then_some(false),
    }
}

/// Whether a connection is refused before its protocol is known.
pub(crate) fn connection(flow: &FlowPolicy, view: &View) -> Option<Verdict> {
    if flow.job.layers.is_empty() {
        return match flow.job.host_default.rank() {
            Rank::Allow => None,
            Rank::Approve | Rank::Deny => Some(verdict::host_default_connection(flow)),
        };
    }
    let layers = flow.job.layers.iter().zip(&flow.known).zip(&view.layers);
    let refusals = layers.filter_map(|((layer, known), view)| {
        let judge = LayerJudge {
            layer,
            known,
            asked: &Asked::Connect,
            host: &flow.host,
        };
        judge.refuses_connection(view)
    });
    let ruling = refusals.reduce(Ruling::strictest_layer)?;
    let judged = Judged {
        all: ruling.clone(),
        enforced: ruling,
        sync: false,
        payload: None,
    };
    Some(verdict::of(flow, &judged, None))
}

impl<'p> LayerJudge<'p, '_> {
    fn refuses_connection(&self, view: &LayerView) -> Option<Ruling<'p>> {
        let mut denied: SmallVec<[&'p JobRule; 4]> = SmallVec::new();
        let mut could_open = self
            .layer
            .fallback
            .as_ref()
            .is_none_or(|f| f.rank == Rank::Allow);
        for (rule, base) in view.base.iter().enumerate() {
            let Some((at, known)) = self.at(rule) else {
                continue;
            };
            if at.rule.mode == Mode::Shadow || *base == Truth::False {
                continue;
            }
            let truth = self.truth(at, known, *base);
            match at.rule.verb.rank() {
                Rank::Deny if truth == Truth::True => denied.push(at),
                Rank::Deny => {}
                Rank::Approve => could_open |= truth != Truth::False,
                // Who, address and port do not change any more; the name and the operation do.
                Rank::Allow => {
                    could_open |= truth != Truth::False
                        && known.case == Truth::True
                        && self.name_may_come(at);
                }
            }
        }
        match (denied.is_empty(), could_open) {
            (false, _) => Some(Ruling::of(self.layer.layer, Rank::Deny, denied)),
            (true, true) => None,
            (true, false) => Some(Ruling::fallback(
                self.layer.layer,
                self.layer.fallback.as_ref(),
            )),
        }
    }

    /// An operation can say which of several names it means, but prove none by itself.
    fn name_may_come(&self, at: &JobRule) -> bool {
        let what = &at.rule.case.what;
        what.host.is_empty()
            || match self.host {
                HostFact::Proved(_) | HostFact::Ambiguous(_) => {
                    what.host_truth(self.host) != Truth::False
                }
                HostFact::Unknown | HostFact::Disagree { .. } => false,
            }
    }
}

/// What an opaque stream is called in messages.
pub(crate) fn looks_like(stream: &OpaqueStream) -> &str {
    if stream.looks_like.is_empty() {
        "unknown"
    } else {
        &stream.looks_like
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
