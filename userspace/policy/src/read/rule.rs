//! One rule.

use std::time::Duration;

use sluice_flow::ApprovalTerms;
use sluice_flow::verdict::{Escalation, Payload, Remember};

use crate::diagnostic::Span;
use crate::keys;
use crate::limits::{MAX_APPROVAL_SECONDS, MAX_APPROVERS};
use crate::read::fields::short;
use crate::read::{Fields, Reader};
use crate::rule::{Case, Mode, Rule, Verb};
use crate::yaml::{Node, Value};

/// How long an operation is held where the policy does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

pub(super) const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)];

pub(super) const PAYLOADS: &[(&str, Payload)] = &[
    ("none", Payload::None),
    ("statements", Payload::Statements),
    ("masked", Payload::Masked),
];

/// `record` of a rule in one word.
#[derive(Clone, Copy)]
enum Recorded {
    Sync,
    Payload(Payload),
}

const RECORDED: &[(&str, Recorded)] = &[
    ("sync", Recorded::Sync),
    ("none", Recorded::Payload(Payload::None)),
    ("statements", Recorded::Payload(Payload::Statements)),
    ("masked", Recorded::Payload(Payload::Masked)),
];

impl Reader<'_> {
    pub(super) fn rule(&mut self, node: &Node, policy_mode: Mode) -> Option<Rule> {
        let fields = self.fields(node, &keys::RULE)?;
        let case = Case {
            who: fields.find("who").map(|who| self.who(who)),
            what: fields
                .find("what")
                .map(|what| self.what(what))
                .unwrap_or_default(),
        };
        let unless = fields
            .find("unless")
            .map(|n| self.unless(n))
            .unwrap_or_default();
        let mode = fields.find("mode").and_then(|node| self.word(node, MODES));
        let message = fields.find("message").and_then(|node| self.message(node));
        let expected = fields.find("expected").and_then(|node| self.boolean(node));
        let (sync, payload) = fields
            .find("record")
            .map(|n| self.recorded(n))
            .unwrap_or_default();
        let verb = fields.find("then").and_then(|then| self.then(then));
        let name = fields.find("name").and_then(|name| self.name(name));
        let (verb, name) = (verb?, name?);
        self.fits(fields, &verb, &case, expected);
        if matches!(verb, Verb::Approve(_)) {
            self.asks_in_time(fields, &case, &unless);
        }
        Some(Rule {
            name,
            span: fields.find("name").map_or(node.span, |name| name.span),
            case,
            unless,
            verb,
            mode: mode.unwrap_or(policy_mode),
            expected: expected.unwrap_or_default(),
            message,
            sync,
            payload,
        })
    }

    /// What a rule may not say together.
    fn fits(&mut self, fields: Fields<'_>, verb: &Verb, case: &Case, expected: Option<bool>) {
        if expected == Some(true) && *verb != Verb::Deny {
            let fix = "`expected` belongs to `then: deny`; leave it out";
            let span = fields.place("expected");
            self.complaints
                .error_with_fix(span, "only a refusal can be expected", fix);
        }
        let opaque = case
            .what
            .protocol
            .iter()
            .find(|p| !keys::DECODED.contains(&p.as_str()));
        if let Some(protocol) = opaque
            && *verb != Verb::Deny
            && case.what.port.is_empty()
        {
            let message = format!("`protocol: {protocol}` is let through by name and port only");
            let fix = "add `port:` to this rule, for example `port: 22`";
            self.complaints
                .error_with_fix(fields.place("what"), message, fix);
        }
    }

    /// People are asked before a request goes on, so that what they are asked about cannot
    /// depend on its answer.
    fn asks_in_time(&mut self, fields: Fields<'_>, case: &Case, unless: &[Case]) {
        let late = [
            ("what", case.names_status()),
            ("unless", unless.iter().any(Case::names_status)),
        ];
        for (key, _) in late.into_iter().filter(|(_, names_status)| *names_status) {
            let message = "people are asked before there is an answer, and `status` is about it";
            let fix = "leave `status` out to ask about the request; a rule of its own with \
                       `then: deny` or `then: allow` decides about the answer";
            self.complaints
                .error_with_fix(fields.place(key), message, fix);
        }
    }

    fn unless(&mut self, node: &Node) -> Vec<Case> {
        let values = self.values(node);
        values
            .iter()
            .filter_map(|value| self.unless_case(value))
            .collect()
    }

    fn unless_case(&mut self, node: &Node) -> Option<Case> {
        let fields = self.fields(node, &keys::UNLESS)?;
        if fields.is_empty() {
            let fix = "name `who`, `what` or both";
            self.complaints
                .error_with_fix(node.span, "this takes every case out", fix);
        }
        Some(Case {
            who: fields.find("who").map(|who| self.who(who)),
            what: fields
                .find("what")
                .map(|what| self.what(what))
                .unwrap_or_default(),
        })
    }

    fn then(&mut self, node: &Node) -> Option<Verb> {
        match &node.value {
            Value::Scalar { text, .. } if text == "approve" => {
                let fix = "say who: `then: { approve: { from: [group] } }`";
                self.complaints
                    .error_with_fix(node.span, "approve from whom?", fix);
                None
            }
            Value::Scalar { .. } => self
                .word(node, &[("allow", false), ("deny", true)])
                .map(|deny| if deny { Verb::Deny } else { Verb::Allow }),
            Value::List(_) | Value::Map(_) => {
                let approve = self.fields(node, &keys::THEN)?.find("approve")?;
                self.approve(approve)
            }
        }
    }

    fn approve(&mut self, node: &Node) -> Option<Verb> {
        let fields = self.fields(node, &keys::APPROVE)?;
        let most = Duration::from_secs(MAX_APPROVAL_SECONDS);
        let timeout = fields
            .find("timeout")
            .and_then(|node| self.duration(node, most));
        let count = fields
            .find("count")
            .and_then(|n| self.number(n, 1, MAX_APPROVERS.into()));
        if let Some(node) = fields.find("on_timeout") {
            self.word(node, &[("deny", ())]);
        }
        let remember = &[
            ("operation", Remember::Operation),
            ("flow", Remember::Flow),
            ("job", Remember::Job),
        ];
        let from = fields
            .find("from")
            .map(|node| self.groups(node))
            .unwrap_or_default();
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        let terms = ApprovalTerms {
            escalate: fields
                .find("escalate")
                .and_then(|node| self.escalation(node, timeout)),
            from,
            count: count.and_then(|count| count.try_into().ok()).unwrap_or(1),
            timeout,
            remember: fields
                .find("remember")
                .and_then(|node| self.word(node, remember))
                .unwrap_or_default(),
            reason_required: fields
                .find("reason_required")
                .and_then(|node| self.boolean(node))
                .unwrap_or_default(),
            message: fields.find("message").and_then(|node| self.message(node)),
        };
        Some(Verb::Approve(Box::new(terms)))
    }

    fn escalation(&mut self, node: &Node, timeout: Duration) -> Option<Escalation> {
        let fields = self.fields(node, &keys::ESCALATE)?;
        let most = Duration::from_secs(MAX_APPROVAL_SECONDS);
        let after = fields
            .find("after")
            .and_then(|node| self.duration(node, most))?;
        let to = fields.find("to").map(|node| self.groups(node))?;
        if after >= timeout {
            let message = "it is denied before anybody else could answer";
            let fix = "`after` shorter than `timeout`";
            self.complaints.error_with_fix(node.span, message, fix);
        }
        Some(Escalation { after, to })
    }

    fn groups(&mut self, node: &Node) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for (text, span) in self.texts(node) {
            if text.is_empty() || text.contains(char::is_whitespace) {
                let message = format!("`{}` is no group", short(text));
                self.complaints
                    .error_with_fix(span, message, "a group's name, as in /etc/group");
            } else if !groups.iter().any(|group| group == text) {
                groups.push(text.to_owned());
            }
        }
        groups
    }

    fn recorded(&mut self, node: &Node) -> (bool, Option<Payload>) {
        if !matches!(node.value, Value::Map(_)) {
            return match self.word(node, RECORDED) {
                Some(Recorded::Sync) => (true, None),
                Some(Recorded::Payload(payload)) => (false, Some(payload)),
                None => (false, None),
            };
        }
        let Some(fields) = self.fields(node, &keys::RULE_RECORD) else {
            return (false, None);
        };
        let sync = fields.find("sync").and_then(|node| self.boolean(node));
        let payload = fields
            .find("payload")
            .and_then(|node| self.word(node, PAYLOADS));
        (sync.unwrap_or_default(), payload)
    }

    /// Two of one name could not be told apart in a record.
    pub(super) fn no_same_names<'n>(
        &mut self,
        what: &str,
        names: impl Iterator<Item = (&'n str, Span)>,
    ) {
        let mut seen = std::collections::HashMap::new();
        for (name, span) in names {
            if let Some(first) = seen.insert(name, span) {
                let message = format!("a second {what} named `{name}`");
                let fix = format!("the first stands in line {}; rename one", first.line);
                self.complaints.error_with_fix(span, message, fix);
            }
        }
    }
}
