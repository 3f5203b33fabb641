use crate::testing::{policy, set};
use crate::{Layer, check};

/// `lint rule` of each finding.
fn found(rest: &str) -> Vec<String> {
    let set = set(&[(Layer::Repository, &policy(rest))]);
    check(&set)
        .iter()
        .map(|f| format!("{} {}", f.lint.word(), f.rule.rule))
        .collect()
}

fn rule(keys: &str) -> String {
    format!("rules:\n  - {{ name: r, {keys} }}\n")
}

#[test]
fn shipped_policies_are_clean() {
    for text in [
        include_str!("../../../../policies/default-deny.yaml"),
        include_str!("../../../../policies/payments-ci.yaml"),
        include_str!("../../../../policies/ci-baseline.yaml"),
    ] {
        let findings = check(&set(&[(Layer::Repository, text)]));
        let told: Vec<String> = findings.iter().map(|f| f.diagnostic.to_string()).collect();
        assert!(findings.is_empty(), "{}", told.join("\n"));
    }
}

fn finds(cases: &[(&str, &[&str])]) {
    for (keys, want) in cases {
        assert_eq!(found(&rule(keys)), *want, "{keys}");
    }
}

#[test]
fn rules_that_never_match_and_rules_that_always_do() {
    finds(&[
        (
            "what: { protocol: postgres, http: {} }, then: deny",
            &["never-matches r"],
        ),
        ("what: { protocol: http, http: {} }, then: deny", &[]),
        ("what: { protocol: ssh, port: 22 }, then: deny", &[]),
        (
            "what: { port: 80 }, unless: { what: { port: 1-90 } }, then: deny",
            &["never-matches r"],
        ),
        (
            "what: { port: 1-90 }, unless: { what: { port: 80 } }, then: deny",
            &[],
        ),
        (
            "what: { http: { status: [500, 503] } }, unless: { what: { http: { status: 5xx } } }, then: deny",
            &["never-matches r"],
        ),
        (
            "what: { http: { status: 5xx } }, unless: { what: { http: { status: 503 } } }, then: deny",
            &[],
        ),
        (
            "what: { protocol: postgres, http: { status: 5xx } }, then: allow",
            &["never-matches r"],
        ),
        ("then: allow", &["allows-all r"]),
        ("what: { host: \"**\" }, then: allow", &["allows-all r"]),
        ("what: { protocol: http }, then: allow", &[]),
        ("who: { exe: \"**/npm\" }, then: allow", &[]),
        ("then: deny", &[]),
    ]);
    assert_eq!(found("default: allow"), ["allows-all default"]);
}

#[test]
fn hosts_that_belong_to_everybody() {
    finds(&[
        (
            "what: { host: \"*.com\" }, then: allow",
            &["public-suffix r"],
        ),
        (
            "what: { host: \"**.co.uk\" }, then: allow",
            &["public-suffix r"],
        ),
        (
            "what: { host: \"*.github.io\" }, then: allow",
            &["public-suffix r"],
        ),
        ("what: { host: \"*.example.com\" }, then: allow", &[]),
        ("what: { host: \"*.com\" }, then: deny", &[]),
        (
            "what: { host: pastebin.com }, then: allow",
            &["paste-host r"],
        ),
        (
            "what: { host: \"*example.com\" }, then: allow",
            &["loose-host r"],
        ),
        (
            "what: { host: \"**example.com\" }, then: allow",
            &["loose-host r"],
        ),
        (
            "what: { protocol: ssh, port: 22 }, then: allow",
            &["opaque-anywhere r"],
        ),
        (
            "what: { protocol: ssh, port: 22, host: a.example.com }, then: allow",
            &[],
        ),
    ]);
    let both = found(&rule("what: { host: \"*bin.com\" }, then: allow"));
    assert!(both.contains(&"paste-host r".to_owned()), "{both:?}");
    assert!(both.contains(&"loose-host r".to_owned()), "{both:?}");
}

#[test]
fn who_is_asked_and_what_is_not_known() {
    finds(&[
        ("then: { approve: { count: 1 } }", &["approver-missing r"]),
        ("then: { approve: { from: dba } }", &[]),
        (
            "who: { container: { image: a } }, then: allow",
            &["unknown-here r"],
        ),
        (
            "who: { exe_sha256: \"0000000000000000000000000000000000000000000000000000000000000000\" }, then: allow",
            &[],
        ),
        (
            "who: { user: nobody-here }, then: deny",
            &["unknown-here r"],
        ),
        ("who: { user: 0 }, then: deny", &[]),
        (
            "what: { http: { path: \"/a/{b,c}\" } }, then: deny",
            &["not-special r"],
        ),
        (
            "who: { exe: \"/usr/bin/python3.?\" }, then: deny",
            &["not-special r"],
        ),
    ]);
}

#[test]
fn hidden_rules() {
    let two =
        |a: &str, b: &str| format!("rules:\n  - {{ name: a, {a} }}\n  - {{ name: b, {b} }}\n");
    for (a, b, want) in [
        (
            "what: { host: x.example.com }, then: allow",
            "what: { host: \"*.example.com\" }, then: deny",
            true,
        ),
        (
            "what: { host: \"*.example.com\" }, then: allow",
            "what: { host: x.example.com }, then: deny",
            false,
        ),
        (
            "what: { host: x.example.com, http: {} }, then: allow",
            "what: { host: x.example.com }, then: deny",
            true,
        ),
        (
            "what: { host: x.example.com }, then: allow",
            "what: { host: x.example.com, http: {} }, then: deny",
            false,
        ),
        (
            "what: { host: x.example.com }, then: allow",
            "what: { host: x.example.com }, then: { approve: { from: a } }",
            true,
        ),
        (
            "what: { host: x.example.com }, then: allow",
            "what: { host: x.example.com }, mode: shadow, then: deny",
            false,
        ),
        (
            "what: { host: x.example.com }, then: allow",
            "what: { host: x.example.com }, unless: { who: { exe: a } }, then: deny",
            false,
        ),
        (
            "what: { host: x.example.com }, then: allow",
            "who: { exe: a }, what: { host: x.example.com }, then: deny",
            false,
        ),
        (
            "who: { exe: a }, what: { host: x.example.com }, then: allow",
            "who: { exe: a }, then: deny",
            true,
        ),
        (
            "what: { port: 80 }, then: allow",
            "what: { port: 1-90 }, then: deny",
            true,
        ),
        (
            "what: { port: 80-100 }, then: allow",
            "what: { port: 1-90 }, then: deny",
            false,
        ),
        (
            "what: { cidr: 10.1.0.0/16 }, then: allow",
            "what: { cidr: 10.0.0.0/8 }, then: deny",
            true,
        ),
        (
            "what: { host: h.example.com, http: { method: GET, path: /a/b } }, then: allow",
            "what: { http: { path: \"/a/**\" } }, then: deny",
            true,
        ),
        (
            "what: { host: h.example.com, http: { status: [500, 503] } }, then: allow",
            "what: { http: { status: 5xx } }, then: deny",
            true,
        ),
        (
            "what: { host: h.example.com, http: { status: [404, 503] } }, then: allow",
            "what: { http: { status: 5xx } }, then: deny",
            false,
        ),
        (
            "what: { host: h.example.com, http: { method: GET } }, then: allow",
            "what: { http: { status: 5xx } }, then: deny",
            false,
        ),
        (
            "what: { host: h.example.com, http: { status: 5xx } }, then: allow",
            "what: { http: {} }, then: deny",
            true,
        ),
        (
            "what: { host: h.example.com, postgres: { table: a.b } }, then: allow",
            "what: { postgres: { table: \"a.*\" } }, then: deny",
            true,
        ),
        (
            "what: { host: h.example.com, postgres: { effect: [read, write] } }, then: allow",
            "what: { postgres: { effect: write } }, then: deny",
            false,
        ),
    ] {
        let found = found(&two(a, b));
        assert_eq!(
            found.contains(&"hidden a".to_owned()),
            want,
            "{a} | {b}: {found:?}"
        );
    }
}

#[test]
fn approvers_that_never_meet() {
    let two = |groups: &str| {
        format!(
            "rules:\n  - {{ name: a, then: {{ approve: {{ from: dba }} }} }}\n  - {{ name: b, what: {{ port: 80 }}, then: {{ approve: {{ from: {groups} }} }} }}\n"
        )
    };
    assert_eq!(found(&two("ops")), ["approvers-disjoint b"]);
    assert_eq!(found(&two("[ops, dba]")), [""; 0]);
}

#[test]
fn a_rule_that_stops_streams_that_another_allows() {
    let open = "{ name: ssh, what: { host: a.example.com, protocol: ssh, port: 22 }, then: allow }";
    let with = |what: &str| {
        let ask = format!("{{ name: ddl, what: {what}, then: {{ approve: {{ from: dba }} }} }}");
        found(&format!("rules: [{open}, {ask}]"))
    };
    assert_eq!(with("{ postgres: { effect: ddl } }"), ["stops-opaque ddl"]);
    assert_eq!(with("{ port: 5432, postgres: { effect: ddl } }"), [""; 0]);
    assert_eq!(
        with("{ host: db.example.com, postgres: { effect: ddl } }"),
        [""; 0]
    );
}

#[test]
fn a_mask_that_stops_streams_which_a_rule_allows() {
    let open = "{ name: ssh, what: { host: a.example.com, protocol: ssh, port: 22 }, then: allow }";
    for (mask, want) in [
        ("detect: secret", true),
        (
            "what: { protocol: [http, postgres] }, detect: secret",
            false,
        ),
        ("what: { protocol: [http, ssh] }, detect: secret", true),
        ("what: { postgres: {} }, detect: secret", false),
        ("what: { host: b.example.com }, detect: secret", false),
        ("column: a.b", false),
    ] {
        let found = found(&format!("rules: [{open}]\nmask: [{{ name: m, {mask} }}]\n"));
        assert_eq!(found == ["stops-opaque m"], want, "{mask}: {found:?}");
    }
}

#[test]
fn masks_that_cannot_fire() {
    for (mask, want) in [
        ("what: { http: {} }, column: a.b", true),
        ("what: { http: {} }, column: a.b, json_key: c", false),
        ("what: { dns: { name: a } }, detect: email", true),
        ("what: { protocol: ssh }, detect: email", true),
        ("what: { postgres: {} }, column: a.b", false),
        ("detect: email", false),
        ("what: { http: { status: 5xx } }, detect: email", false),
        (
            "what: { protocol: postgres, http: { status: 5xx } }, detect: email",
            true,
        ),
    ] {
        let found = found(&format!("mask:\n  - {{ name: m, {mask} }}\n"));
        assert_eq!(found == ["mask-cannot-fire m"], want, "{mask}: {found:?}");
    }
    assert_eq!(
        found("mode: shadow\nmask:\n  - { name: m, detect: email }\n"),
        ["mask-cannot-fire m"]
    );
}

#[test]
fn findings_have_a_place_and_a_fix() {
    let set = set(&[(
        Layer::Repository,
        &policy("rules:\n  - { name: all, then: allow }\n"),
    )]);
    let findings = check(&set);
    let text = findings[0].diagnostic.to_string();
    assert!(
        text.starts_with("warning: it allows everything to everybody\n --> p.yaml:4:13\n"),
        "{text}"
    );
    assert!(text.contains("= help: name a host"), "{text}");
}
