//! What holds for every policy: laws, tried on generated ones.

use std::sync::Arc;

use proptest::prelude::*;
use sluice_flow::{Decision, Effect, HostFact, Operation};

use crate::testing::{Flow, gap, http, job, lineage, opaque, proved, question, sql, statement};
use crate::{Admission, JobPolicy, Layer, PolicySet, Source};

fn rank(decision: &Decision) -> u8 {
    match decision {
        Decision::Allow => 0,
        Decision::Approve(_) => 1,
        Decision::Deny => 2,
    }
}

/// Conditions that overlap in many ways.
fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(""),
        Just("what: { host: a.example.com },"),
        Just("what: { host: \"*.example.com\" },"),
        Just("what: { port: 443 },"),
        Just("what: { cidr: 192.0.2.0/24 },"),
        Just("what: { http: { method: GET } },"),
        Just("what: { http: { path: \"/a/**\" } },"),
        Just("what: { http: { status: [404, 5xx] } },"),
        Just("what: { http: { method: GET, status: 2xx } },"),
        Just("what: { postgres: { effect: [read] } },"),
        Just("what: { postgres: { table: \"pay.*\" } },"),
        Just("what: { postgres: { effect: [unknown] } },"),
        Just("what: { dns: { name: \"*.example.com\" } },"),
        Just("what: { protocol: opaque, port: 443 },"),
        Just("what: { protocol: ssh, port: 443 },"),
        Just("who: { exe: \"**/psql\" },"),
        Just("who: { via: [\"**/deploy.sh\"] },"),
        Just("who: { lineage: any },"),
    ]
    .prop_map(str::to_owned)
}

fn unless() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(""),
        1 => Just("unless: { what: { http: { path: /a/b } } },"),
        1 => Just("unless: { what: { http: { status: 200 } } },"),
        1 => Just("unless: { what: { postgres: { table: pay.cards } } },"),
        1 => Just("unless: { who: { exe: \"**/curl\" } },"),
        1 => Just("unless: { what: { host: b.example.com } },"),
    ]
    .prop_map(str::to_owned)
}

fn verb() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("allow"),
        Just("deny"),
        Just("{ approve: { from: [ops] } }")
    ]
}

/// A rule without its name.
fn rule() -> impl Strategy<Value = String> {
    (condition(), unless(), verb()).prop_map(|(condition, unless, verb)| {
        let opaque = condition.contains("protocol") && !condition.contains("port");
        let of_answer = condition.contains("status") || unless.contains("status");
        let verb = if opaque || (of_answer && verb.contains("approve")) {
            "deny"
        } else {
            verb
        };
        format!("{condition} {unless} then: {verb}")
    })
}

fn text(name: &str, default: &str, rules: &[String]) -> String {
    let rules: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(i, rule)| format!("{{ name: r{i}, {rule} }}"))
        .collect();
    format!(
        "version: 1\nname: {name}\ndefault: {default}\nrules: [{}]\n",
        rules.join(", ")
    )
}

fn policy(texts: &[(Layer, String)]) -> Arc<JobPolicy> {
    let source = |(layer, text): &(Layer, String)| Source {
        layer: *layer,
        file: "p".to_owned(),
        text: text.clone(),
    };
    let set = PolicySet::load(texts.iter().map(source).collect());
    set.unwrap_or_else(|errors| panic!("{errors}"))
        .for_job(&job())
}

fn one(default: &str, rules: &[String]) -> Arc<JobPolicy> {
    policy(&[(Layer::Repository, text("p", default, rules))])
}

fn default() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("deny"), Just("allow")]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(http("GET", "/a/b")),
        Just(http("POST", "/a/c")),
        Just(http("GET", "/x")),
        Just(sql(vec![statement(Effect::Read, &["pay.cards"], &[])])),
        Just(sql(vec![statement(
            Effect::Write,
            &["pay.cards"],
            &["x.y"]
        )])),
        Just(sql(vec![
            statement(Effect::Read, &["pay.a"], &[]),
            statement(Effect::Ddl, &[], &[])
        ])),
        Just(sql(vec![statement(Effect::Unknown, &[], &[])])),
        Just(sql(Vec::new())),
        Just(question("a.example.com", "A")),
        Just(question("b.example.com", "TXT")),
        Just(opaque("ssh")),
        Just(opaque("unknown")),
    ]
}

fn flow() -> impl Strategy<Value = Flow> {
    let names = ["a.example.com", "b.example.com"].map(str::to_owned);
    let host = prop_oneof![
        Just(proved("a.example.com")),
        Just(proved("b.example.com")),
        Just(proved("c.example.net")),
        Just(HostFact::Ambiguous(names.to_vec())),
        Just(HostFact::Unknown),
    ];
    let chain = prop_oneof![
        Just(lineage(&["/bin/bash", "/ci/deploy.sh", "/usr/bin/psql"])),
        Just(lineage(&["/bin/bash", "/usr/bin/curl"])),
        Just(gap(&["/bin/bash", "/usr/bin/psql"])),
    ];
    (host, chain).prop_map(|(host, lineage)| Flow {
        host,
        lineage,
        ..Flow::default()
    })
}

/// The same with everything known that was not.
fn known(mut flow: Flow) -> Flow {
    flow.lineage.complete = true;
    flow
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_deny_rule_never_makes_a_verdict_laxer(
        default in default(),
        rules in prop::collection::vec(rule(), 0..5),
        condition in condition(),
        flow in flow(),
        operation in operation(),
    ) {
        let before = flow.judged(&one(default, &rules), &operation);
        let mut more = rules;
        more.push(format!("{condition} then: deny"));
        let after = flow.judged(&one(default, &more), &operation);
        prop_assert!(rank(&after.decision) >= rank(&before.decision), "{before:?} {after:?}");
    }

    #[test]
    fn a_layer_only_narrows(
        defaults in (default(), default()),
        upper in prop::collection::vec(rule(), 0..4),
        lower in prop::collection::vec(rule(), 0..4),
        flow in flow(),
        operation in operation(),
    ) {
        let host = (Layer::Host, text("host", defaults.0, &upper));
        let repository = (Layer::Repository, text("repo", defaults.1, &lower));
        let alone = [
            flow.judged(&policy(std::slice::from_ref(&host)), &operation),
            flow.judged(&policy(std::slice::from_ref(&repository)), &operation),
        ];
        let both = flow.judged(&policy(&[host, repository]), &operation);
        for verdict in alone {
            prop_assert!(rank(&both.decision) >= rank(&verdict.decision), "{verdict:?} {both:?}");
        }
    }

    #[test]
    fn the_order_of_rules_means_nothing(
        default in default(),
        rules in prop::collection::vec(rule(), 0..6),
        flow in flow(),
        operation in operation(),
    ) {
        let named: Vec<String> = rules.iter().enumerate()
            .map(|(i, rule)| format!("{{ name: r{i}, {rule} }}")).collect();
        let text = |rules: Vec<String>| {
            let rules = rules.join(", ");
            (Layer::Repository, format!("version: 1\nname: p\ndefault: {default}\nrules: [{rules}]"))
        };
        let forth = flow.judged(&policy(&[text(named.clone())]), &operation);
        let back = flow.judged(&policy(&[text(named.into_iter().rev().collect())]), &operation);
        prop_assert_eq!(&forth.decision, &back.decision);
        prop_assert_eq!(&forth.rules, &back.rules);
        prop_assert_eq!(&forth.message, &back.message);
    }

    #[test]
    fn not_knowing_never_turns_deny_into_allow(
        default in default(),
        rules in prop::collection::vec(rule(), 0..5),
        flow in flow(),
        operation in operation(),
    ) {
        // A default of allow is what nothing matches; an unknown allow rule is no match either.
        let policy = one(default, &rules);
        let unknown = flow.judged(&policy, &operation);
        let flow = known(flow);
        let known = flow.judged(&policy, &operation);
        if known.decision == Decision::Deny {
            prop_assert!(unknown.decision != Decision::Allow, "{known:?} {unknown:?}");
        }
    }

    #[test]
    fn what_is_refused_at_once_would_be_refused_later(
        default in default(),
        rules in prop::collection::vec(rule(), 0..5),
        flow in flow(),
        operation in operation(),
    ) {
        let policy = one(default, &rules);
        let under = flow.under(&policy);
        let is_question = matches!(operation, Operation::Dns(_));
        if let (Admission::Refuse(_), false) = (under.admit(), is_question) {
            let verdict = under.decide(&operation, &flow.host);
            prop_assert_eq!(verdict.decision, Decision::Deny);
        }
    }

    #[test]
    fn what_is_refused_is_refused_whatever_it_is_answered(
        default in default(),
        rules in prop::collection::vec(rule(), 0..5),
        flow in flow(),
        operation in operation(),
        status in 100_u16..600,
    ) {
        let under = flow.under(&one(default, &rules));
        let request = under.decide(&operation, &flow.host);
        let answer = under.decide_answer(&operation, status, &flow.host);
        if request.decision == Decision::Deny {
            prop_assert_eq!(&answer.decision, &Decision::Deny);
        }
        prop_assert!(!matches!(answer.decision, Decision::Approve(_)), "{answer:?}");
    }

    #[test]
    fn an_answer_that_is_not_to_be_judged_would_pass_as_its_request_did(
        default in default(),
        rules in prop::collection::vec(rule(), 0..5),
        flow in flow(),
        operation in operation(),
        status in 100_u16..600,
    ) {
        let under = flow.under(&one(default, &rules));
        if !under.judges_answer(&operation, &flow.host) {
            let request = under.decide(&operation, &flow.host);
            let answer = under.decide_answer(&operation, status, &flow.host);
            prop_assert_eq!(&request.rules, &answer.rules);
            let refused = |verdict: &sluice_flow::Verdict| verdict.decision == Decision::Deny;
            prop_assert_eq!(refused(&request), refused(&answer));
        }
    }

    #[test]
    fn explanations_agree_with_verdicts(
        default in default(),
        rules in prop::collection::vec(rule(), 0..5),
        flow in flow(),
        operation in operation(),
    ) {
        let policy = one(default, &rules);
        let explanation = policy.explain(flow.facts(), &operation, None, &flow.host);
        prop_assert_eq!(&explanation.verdict, &flow.judged(&policy, &operation));
        let is_question = matches!(operation, Operation::Dns(_));
        let denied = explanation.parts.iter().flat_map(|part| &part.layers)
            .flat_map(|layer| &layer.rules)
            .any(|rule| rule.matched && rule.verb == "deny");
        if denied {
            prop_assert_eq!(&explanation.verdict.decision, &Decision::Deny);
        }
        for rule in &explanation.verdict.rules {
            let told = explanation.parts.iter().flat_map(|part| &part.layers)
                .flat_map(|layer| &layer.rules)
                .any(|told| told.rule == *rule && (told.matched || is_question));
            prop_assert!(told || rule.rule == "default", "{rule} in {explanation}");
        }
    }

    #[test]
    fn shadow_never_stops_anything(
        default in default(),
        rules in prop::collection::vec(rule(), 0..5),
        flow in flow(),
        operation in operation(),
    ) {
        let text = text("p", default, &rules).replace("version: 1", "version: 1\nmode: shadow");
        let shadow = policy(&[(Layer::Repository, text)]);
        let told = flow.judged(&shadow, &operation);
        prop_assert_eq!(&told.decision, &Decision::Allow);
        let enforced = flow.judged(&one(default, &rules), &operation);
        let would_be = told.would_be.unwrap_or(Decision::Allow);
        prop_assert_eq!(would_be, enforced.decision);
    }
}
