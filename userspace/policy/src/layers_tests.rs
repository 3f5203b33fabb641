//! Layers, shadow mode, masks and records: what adds up and what does not.

use sluice_flow::verdict::Payload;
use sluice_flow::{Decision, Effect, HostFact, Operation};

use crate::Layer;
use crate::testing::{Flow, http, job, job_policy, opaque, said, select, set, sql, statement};

#[test]
fn the_strictest_layer_wins() {
    let all = |name: &str, rules: &str| format!("version: 1\nname: {name}\nrules: [{rules}]\n");
    let allow = "{ name: r, then: allow }";
    let approve = "{ name: r, then: { approve: { from: [a, b] } } }";
    let approve_b = "{ name: r, then: { approve: { from: [b], count: 2 } } }";
    let deny = "{ name: r, then: deny }";
    for (host, repository, want, layer) in [
        (allow, allow, "allow repo/r", "repository"),
        (allow, deny, "deny repo/r", "repository"),
        (deny, allow, "deny host/r", "host"),
        (deny, deny, "deny host/r", "host"),
        ("", deny, "deny repo/r", "repository"),
        ("", allow, "deny host/default", "host"),
        (allow, "", "deny repo/default", "repository"),
        (approve, allow, "approve host/r", "host"),
        (allow, approve, "approve repo/r", "repository"),
        (approve, approve_b, "approve host/r, repo/r", "host"),
        (approve, deny, "deny repo/r", "repository"),
    ] {
        let policies = [all("host", host), all("repo", repository)];
        let set = set(&[
            (Layer::Host, &policies[0]),
            (Layer::Repository, &policies[1]),
        ]);
        let verdict = Flow::default().judged(&set.for_job(&job()), &http("GET", "/"));
        assert_eq!(said(&verdict), want, "{host} {repository}");
        assert_eq!(verdict.layer, layer, "{host} {repository}");
        if want == "approve host/r, repo/r" {
            let Decision::Approve(terms) = verdict.decision else {
                panic!()
            };
            assert_eq!((terms.from, terms.count), (vec!["b".to_owned()], 2));
        }
    }
}

#[test]
fn groups_that_have_nobody_in_common_refuse() {
    let rest = "rules:
  - { name: a, then: { approve: { from: a } } }
  - { name: b, then: { approve: { from: b } } }
";
    let verdict = Flow::default().judged(&job_policy(rest), &http("GET", "/"));
    assert_eq!(said(&verdict), "deny p/a, p/b");
    assert!(
        verdict.message.contains("nobody in common"),
        "{}",
        verdict.message
    );
}

#[test]
fn policies_of_one_layer_decide_together() {
    let a = "version: 1\nname: a\nrules: [{ name: r, what: { port: 443 }, then: allow }]\n";
    let b = "version: 1\nname: b\nrules: [{ name: r, what: { port: 80 }, then: allow }]\n";
    let open = "version: 1\nname: c\ndefault: allow\n";
    let judge = |texts: &[&str]| {
        let layered: Vec<_> = texts.iter().map(|t| (Layer::Repository, *t)).collect();
        said(&Flow::default().judged(&set(&layered).for_job(&job()), &http("GET", "/")))
    };
    assert_eq!(judge(&[a, b]), "allow a/r");
    assert_eq!(judge(&[b]), "deny b/default");
    assert_eq!(
        judge(&[b, open]),
        "deny b/default",
        "the strictest default is the layer's"
    );
}

#[test]
fn shadow_tells_and_lets_pass() {
    let flow = Flow::default();
    for (rest, want) in [
        ("mode: shadow", "allow p/default (would deny)"),
        (
            "mode: shadow\nrules: [{ name: r, then: deny }]",
            "allow p/r (would deny)",
        ),
        ("mode: shadow\nrules: [{ name: r, then: allow }]", "allow "),
        (
            "mode: shadow\nrules: [{ name: r, then: { approve: { from: a } } }]",
            "allow p/r (would approve)",
        ),
        (
            "mode: shadow\nrules: [{ name: r, mode: enforce, then: deny }]",
            "deny p/r",
        ),
        (
            "default: allow\nrules: [{ name: r, mode: shadow, then: deny }]",
            "allow p/r (would deny)",
        ),
        (
            "rules: [{ name: r, mode: shadow, then: allow }]",
            "deny p/default (would allow)",
        ),
        (
            "rules: [{ name: a, then: allow }, { name: r, mode: shadow, then: deny }]",
            "allow p/r (would deny)",
        ),
    ] {
        assert_eq!(flow.says(rest, &http("GET", "/")), want, "{rest}");
    }
    assert_eq!(
        flow.says("mode: shadow", &opaque("tls")),
        "allow p/default (would deny)"
    );
}

#[test]
fn shadow_lets_names_disagree_and_tells() {
    let policy = job_policy("mode: shadow");
    let flow = Flow::to("a.example.com");
    let host = flow.host.claim("b.example.com", flow.ip);
    let verdict = flow.under(&policy).decide(&http("GET", "/"), &host);
    assert_eq!(said(&verdict), "allow sluice/host-disagrees (would deny)");
}

#[test]
fn another_layer_enforces_beside_a_shadow() {
    let shadow = "version: 1\nname: s\nmode: shadow\n";
    let enforce =
        "version: 1\nname: e\nrules: [{ name: r, what: { http: { method: GET } }, then: allow }]\n";
    let set = set(&[(Layer::Organisation, shadow), (Layer::Repository, enforce)]);
    let policy = set.for_job(&job());
    let flow = Flow::default();
    assert_eq!(
        said(&flow.judged(&policy, &http("GET", "/"))),
        "allow s/default (would deny)"
    );
    assert_eq!(
        said(&flow.judged(&policy, &http("PUT", "/"))),
        "deny e/default"
    );
}

#[test]
fn expected_only_if_all_rules_that_refuse_expect_it() {
    let rest = |other: &str| {
        format!(
            "rules:\n  - {{ name: a, then: deny, expected: true }}\n  - {{ name: b, what: {{ port: {other} }}, then: deny }}\n"
        )
    };
    let judged = |rest: &str| Flow::default().judged(&job_policy(rest), &http("GET", "/"));
    assert!(judged(&rest("80")).expected);
    assert!(!judged(&rest("443")).expected);
    assert!(!judged("").expected);
}

#[test]
fn recording_adds_up_to_the_least() {
    let judged = |record: &str, rule: &str| {
        let rest = format!("{record}\nrules: [{{ name: r, then: allow{rule} }}]");
        let verdict = Flow::default().judged(&job_policy(&rest), &http("GET", "/"));
        (verdict.payload, verdict.sync)
    };
    for (record, rule, want) in [
        ("", "", (Payload::Statements, false)),
        ("record: { payload: masked }", "", (Payload::Masked, false)),
        ("record: { payload: none }", "", (Payload::None, false)),
        ("", ", record: masked", (Payload::Masked, false)),
        ("", ", record: sync", (Payload::Statements, true)),
        (
            "record: { payload: masked }",
            ", record: none",
            (Payload::None, false),
        ),
        (
            "record: { payload: none }",
            ", record: masked",
            (Payload::None, false),
        ),
        (
            "record: { payload: masked }",
            ", record: { sync: true, payload: statements }",
            (Payload::Statements, true),
        ),
    ] {
        assert_eq!(judged(record, rule), want, "{record} {rule}");
    }
}

#[test]
fn retention_is_the_shortest() {
    let text =
        |name: &str, keep: &str| format!("version: 1\nname: {name}\nrecord: {{ keep: {keep} }}\n");
    let (a, b) = (text("a", "90d"), text("b", "30d"));
    let set = set(&[(Layer::Host, &a), (Layer::Repository, &b)]);
    let keep = set.for_job(&job()).keep().unwrap();
    assert_eq!(keep.as_secs(), 30 * 24 * 60 * 60);
    assert_eq!(job_policy("").keep(), None);
}

#[test]
fn masks_of_all_layers_add_up_and_unknown_masks() {
    let text = |name: &str, what: &str, mode: &str| {
        format!(
            "version: 1\nname: {name}\nmode: {mode}\nmask:\n  - {{ name: m-{name}, {what} detect: email }}\n"
        )
    };
    let host = text("host", "", "enforce");
    let cards = text(
        "cards",
        "what: { postgres: { table: \"payments.*\" } },",
        "enforce",
    );
    let shadow = text("shadow", "", "shadow");
    let set = set(&[
        (Layer::Host, &host),
        (Layer::Organisation, &shadow),
        (Layer::Repository, &cards),
    ]);
    let policy = set.for_job(&job());
    let flow = Flow::default().under(&policy);
    let names = |operation: &Operation| -> Vec<String> {
        flow.masks(operation).into_iter().map(|m| m.name).collect()
    };
    assert_eq!(names(&select(&["payments.cards"])), ["m-host", "m-cards"]);
    assert_eq!(
        names(&select(&["public.users", "payments.cards"])),
        ["m-host", "m-cards"]
    );
    assert_eq!(names(&select(&["public.users"])), ["m-host"]);
    assert_eq!(
        names(&sql(vec![statement(Effect::Unknown, &[], &[])])),
        ["m-host", "m-cards"]
    );
    assert_eq!(names(&sql(Vec::new())), ["m-host", "m-cards"]);
    assert_eq!(names(&http("GET", "/")), ["m-host"]);
}

#[test]
fn a_mask_for_a_host_applies_where_the_name_is_not_known() {
    let rest = "mask:\n  - { name: m, what: { host: a.example.com }, detect: email }\n";
    let policy = job_policy(rest);
    let count = |flow: Flow| flow.under(&policy).masks(&http("GET", "/")).len();
    assert_eq!(count(Flow::to("a.example.com")), 1);
    assert_eq!(count(Flow::to("b.example.com")), 0);
    assert_eq!(count(Flow::default().named(HostFact::Unknown)), 1);
}
