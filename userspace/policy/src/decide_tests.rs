use sluice_flow::{Effect, HostFact, Operation};

use crate::testing::{
    Flow, gap, http, job, job_policy, lineage, opaque, policy, proved, question, said, select, set,
    sql, statement,
};
use crate::{Admission, Layer};

const READ_RULE: &str = "
rules:
  - { name: read, what: { host: api.example.com, http: { method: GET } }, then: allow }
  - { name: ask, what: { host: api.example.com, http: { path: \"/admin/**\" } }, then: { approve: { from: ops } } }
  - { name: never, what: { host: api.example.com, http: { path: /admin/keys } }, then: deny }
";

#[test]
fn the_strictest_rule_that_matches_wins() {
    let flow = Flow::to("api.example.com");
    for (method, path, want) in [
        ("GET", "/x", "allow p/read"),
        ("POST", "/x", "deny p/default"),
        ("GET", "/admin/users", "approve p/ask"),
        ("POST", "/admin/users", "approve p/ask"),
        ("GET", "/admin/keys", "deny p/never"),
    ] {
        assert_eq!(
            flow.says(READ_RULE, &http(method, path)),
            want,
            "{method} {path}"
        );
    }
    assert_eq!(
        Flow::to("b.example.com").says(READ_RULE, &http("GET", "/x")),
        "deny p/default"
    );
}

#[test]
fn all_rules_of_the_strictest_verb_are_named_in_their_order_by_name() {
    let rest = "rules:
  - { name: b, what: { port: 443 }, then: deny }
  - { name: a, what: { http: {} }, then: deny }
  - { name: c, then: allow }
";
    assert_eq!(
        Flow::default().says(rest, &http("GET", "/")),
        "deny p/a, p/b"
    );
}

#[test]
fn unknown_is_a_match_for_deny_and_approve_and_none_for_allow() {
    let rules = |then: &str| {
        format!(
            "default: allow\nrules:\n  - {{ name: r, what: {{ postgres: {{ table: payments.cards }} }}, then: {then} }}\n"
        )
    };
    let unknown = sql(vec![statement(Effect::Unknown, &[], &[])]);
    let flow = Flow::default();
    for (then, want) in [
        ("deny", "deny p/r"),
        ("{ approve: { from: dba } }", "approve p/r"),
        ("allow", "allow p/default"),
    ] {
        assert_eq!(flow.says(&rules(then), &unknown), want, "{then}");
    }
    let closed = rules("allow").replace("default: allow", "default: deny");
    assert_eq!(flow.says(&closed, &unknown), "deny p/default");
}

#[test]
fn an_incomplete_lineage_opens_nothing() {
    let rest = "rules:\n  - { name: r, then: allow }\n";
    let any = "rules:\n  - { name: r, who: { lineage: any }, then: allow }\n";
    let flow = || Flow::default().by(gap(&["/bin/bash", "/usr/bin/curl"]));
    assert_eq!(flow().says(rest, &http("GET", "/")), "deny p/default");
    assert_eq!(flow().says(any, &http("GET", "/")), "allow p/r");
}

#[test]
fn unless_takes_cases_out() {
    let rest = "default: allow
rules:
  - name: ours
    what: { host: api.github.com, http: { method: [POST] } }
    unless: { what: { http: { path: \"/repos/acme/**\" } } }
    then: deny
";
    let flow = Flow::to("api.github.com");
    assert_eq!(
        flow.says(rest, &http("POST", "/repos/acme/x")),
        "allow p/default"
    );
    assert_eq!(
        flow.says(rest, &http("POST", "/repos/evil/x")),
        "deny p/ours"
    );
    assert_eq!(
        flow.says(rest, &http("GET", "/repos/evil/x")),
        "allow p/default"
    );
}

#[test]
fn unless_of_which_nothing_is_known_takes_nothing_out_of_a_deny_and_all_out_of_an_allow() {
    let rest = |then: &str, default: &str| {
        format!(
            "default: {default}\nrules:\n  - {{ name: r, unless: {{ what: {{ postgres: {{ table: \"payments.*\" }} }} }}, then: {then} }}\n"
        )
    };
    let unknown = sql(vec![statement(Effect::Unknown, &[], &[])]);
    let flow = Flow::default();
    assert_eq!(flow.says(&rest("deny", "allow"), &unknown), "deny p/r");
    assert_eq!(
        flow.says(&rest("allow", "deny"), &unknown),
        "deny p/default"
    );
    assert_eq!(
        flow.says(&rest("deny", "allow"), &select(&["payments.a"])),
        "allow p/default"
    );
    assert_eq!(
        flow.says(&rest("deny", "allow"), &select(&["payments.a", "x.y"])),
        "deny p/r"
    );
    assert_eq!(
        flow.says(&rest("allow", "deny"), &select(&["payments.a", "x.y"])),
        "deny p/default"
    );
    assert_eq!(
        flow.says(&rest("allow", "deny"), &select(&["x.y"])),
        "allow p/r"
    );
}

#[test]
fn unless_who() {
    let rest = "default: allow
rules:
  - { name: r, unless: [{ who: { exe: \"**/psql\" } }, { who: { exe: \"**/curl\" } }], then: deny }
";
    let by = |exe: &str| Flow::default().by(lineage(&["/bin/bash", exe]));
    assert_eq!(
        by("/usr/bin/psql").says(rest, &http("GET", "/")),
        "allow p/default"
    );
    assert_eq!(
        by("/usr/bin/curl").says(rest, &http("GET", "/")),
        "allow p/default"
    );
    assert_eq!(
        by("/usr/bin/wget").says(rest, &http("GET", "/")),
        "deny p/r"
    );
    let unknown = Flow::default().by(gap(&["/bin/bash", "/usr/bin/psql"]));
    assert_eq!(unknown.says(rest, &http("GET", "/")), "deny p/r");
}

#[test]
fn several_statements_get_the_strictest_verdict() {
    let rest = "rules:
  - { name: read, what: { postgres: { effect: read } }, then: allow }
  - { name: ddl, what: { postgres: { effect: ddl } }, then: { approve: { from: dba } } }
  - { name: admin, what: { postgres: { effect: admin } }, then: deny }
";
    let of = |effects: &[Effect]| sql(effects.iter().map(|e| statement(*e, &[], &[])).collect());
    let flow = Flow::default();
    for (effects, want) in [
        (&[Effect::Read][..], "allow p/read"),
        (&[Effect::Read, Effect::Read], "allow p/read"),
        (&[Effect::Read, Effect::Ddl], "approve p/ddl"),
        (&[Effect::Ddl, Effect::Admin, Effect::Read], "deny p/admin"),
        (&[Effect::Read, Effect::Write], "deny p/default"),
        (&[], "deny p/admin"),
    ] {
        assert_eq!(flow.says(rest, &of(effects)), want, "{effects:?}");
    }
}

#[test]
fn names_that_disagree_are_refused_with_that_reason() {
    let policy = job_policy("default: allow\n");
    let flow = Flow::to("a.example.com");
    let host = flow.host.claim("b.example.com", flow.ip);
    let verdict = flow.under(&policy).decide(&http("GET", "/"), &host);
    assert_eq!(said(&verdict), "deny sluice/host-disagrees");
    assert!(
        verdict.message.contains("b.example.com"),
        "{}",
        verdict.message
    );
    assert!(
        verdict.message.contains("a.example.com"),
        "{}",
        verdict.message
    );
}

#[test]
fn one_address_several_names() {
    let rest = "rules:\n  - { name: r, what: { host: a.example.com }, then: allow }\n";
    let names = ["a.example.com", "b.example.com"].map(str::to_owned);
    let flow = Flow::default().named(HostFact::resolved(&names));
    let policy = job_policy(rest);
    let under = flow.under(&policy);
    let judged = |claimed: Option<&str>| {
        let host = claimed.map_or(flow.host.clone(), |name| flow.host.claim(name, flow.ip));
        said(&under.decide(&http("GET", "/"), &host))
    };
    assert_eq!(judged(None), "deny p/default");
    assert_eq!(judged(Some("a.example.com")), "allow p/r");
    assert_eq!(judged(Some("b.example.com")), "deny p/default");
    assert_eq!(judged(Some("a.example.com")), "allow p/r");
    assert_eq!(judged(Some("c.example.com")), "deny sluice/host-disagrees");
    assert!(matches!(under.admit(), Admission::Permit(_)));
}

#[test]
fn views_of_names_do_not_grow() {
    let rest = "rules:\n  - { name: r, what: { host: \"*.example.com\" }, then: allow }\n";
    let names: Vec<String> = (0..20).map(|i| format!("n{i}.example.com")).collect();
    let flow = Flow::default().named(HostFact::resolved(&names));
    let policy = job_policy(rest);
    let under = flow.under(&policy);
    for name in names.iter().chain(&names) {
        let verdict = under.decide(&http("GET", "/"), &proved(name));
        assert_eq!(said(&verdict), "allow p/r");
    }
}

#[test]
fn a_raw_address_never_matches_a_host_and_closes_what_names_hosts() {
    let allow = "rules:\n  - { name: r, what: { host: \"**\" }, then: allow }\n";
    let deny =
        "default: allow\nrules:\n  - { name: r, what: { host: evil.example.com }, then: deny }\n";
    let cidr = "rules:\n  - { name: r, what: { cidr: 192.0.2.0/24 }, then: allow }\n";
    let raw = || Flow::default().named(HostFact::Unknown);
    assert_eq!(raw().says(allow, &http("GET", "/")), "deny p/default");
    assert_eq!(raw().says(deny, &http("GET", "/")), "deny p/r");
    assert_eq!(raw().says(cidr, &http("GET", "/")), "allow p/r");
    assert!(matches!(
        raw().under(&job_policy(allow)).admit(),
        Admission::Refuse(_)
    ));
}

#[test]
fn a_v4_address_in_v6_is_its_v4_address() {
    let cidr = "rules:\n  - { name: r, what: { cidr: 192.0.2.0/24 }, then: allow }\n";
    let flow = Flow {
        ip: "::ffff:192.0.2.9".parse().unwrap(),
        ..Flow::default()
    };
    assert_eq!(flow.says(cidr, &http("GET", "/")), "allow p/r");
    let Admission::Permit(permit) = flow.under(&job_policy(cidr)).admit() else {
        panic!()
    };
    assert_eq!(permit.destination().to_string(), "192.0.2.9:443");
}

#[test]
fn opaque_streams_need_a_rule_with_protocol_and_port() {
    for (rest, looks_like, want) in [
        ("rules: [{ name: r, then: allow }]", "ssh", "deny p/default"),
        (
            "rules: [{ name: r, what: { port: 443 }, then: allow }]",
            "ssh",
            "deny p/default",
        ),
        (
            "rules: [{ name: r, what: { protocol: ssh, port: 443 }, then: allow }]",
            "ssh",
            "allow p/r",
        ),
        (
            "rules: [{ name: r, what: { protocol: ssh, port: 443 }, then: allow }]",
            "tls",
            "deny p/default",
        ),
        (
            "rules: [{ name: r, what: { protocol: opaque, port: 443 }, then: allow }]",
            "tls",
            "allow p/r",
        ),
        (
            "rules: [{ name: r, what: { protocol: ssh, port: 22 }, then: allow }]",
            "ssh",
            "deny p/default",
        ),
        (
            "rules: [{ name: r, what: { http: {} }, then: allow }]",
            "unknown",
            "deny p/default",
        ),
        ("default: allow", "unknown", "allow p/default"),
        (
            "default: allow\nrules: [{ name: r, what: { http: { method: POST } }, then: deny }]",
            "websocket",
            "deny p/r",
        ),
        (
            "default: allow\nrules: [{ name: r, what: { protocol: ssh }, then: deny }]",
            "unknown",
            "deny p/r",
        ),
        (
            "default: allow\nrules: [{ name: r, what: { port: 22 }, then: deny }]",
            "ssh",
            "allow p/default",
        ),
    ] {
        assert_eq!(
            Flow::default().says(rest, &opaque(looks_like)),
            want,
            "{rest} {looks_like}"
        );
    }
}

#[test]
fn a_person_lets_an_opaque_stream_through_only_where_a_rule_names_it() {
    for (what, want) in [
        ("{ protocol: ssh, port: 443 }", "approve p/r"),
        ("{ port: 443 }", "deny p/default"),
        ("{ postgres: { effect: ddl } }", "deny p/default"),
    ] {
        let rest =
            format!("rules: [{{ name: r, what: {what}, then: {{ approve: {{ from: a }} }} }}]");
        assert_eq!(Flow::default().says(&rest, &opaque("ssh")), want, "{what}");
    }
    let both = "rules:
  - { name: open, what: { protocol: ssh, port: 443 }, then: allow }
  - { name: ask, what: { postgres: { effect: ddl } }, then: { approve: { from: a } } }
";
    assert_eq!(Flow::default().says(both, &opaque("ssh")), "approve p/ask");
}

#[test]
fn a_host_that_is_opened_can_be_resolved() {
    let rest = "rules:
  - { name: api, what: { host: api.example.com, port: 80, http: { method: GET } }, then: allow }
  - { name: db, what: { host: db.example.com }, then: { approve: { from: dba } } }
  - { name: not-psql, what: { host: c.example.com }, unless: { who: { exe: \"**/psql\" } }, then: allow }
  - { name: no, what: { host: \"*.evil.example\" }, then: deny }
";
    let flow = Flow::default().port(53).named(HostFact::Unknown);
    for (name, r#type, want) in [
        ("api.example.com", "A", "allow p/api"),
        ("api.example.com", "AAAA", "allow p/api"),
        ("api.example.com", "TXT", "deny p/default"),
        ("db.example.com", "A", "allow p/db"),
        ("db.example.com", "TXT", "approve p/db"),
        ("c.example.com", "A", "deny p/default"),
        ("x.evil.example", "A", "deny p/no"),
        ("other.example.com", "A", "deny p/default"),
    ] {
        assert_eq!(
            flow.says(rest, &question(name, r#type)),
            want,
            "{name} {type}"
        );
    }
    let strange = Flow::default().by(gap(&["/bin/sh"])).port(53);
    assert_eq!(
        strange.says(rest, &question("api.example.com", "A")),
        "deny p/default"
    );
}

#[test]
fn questions_have_rules_of_their_own() {
    let rest = "rules:
  - { name: ours, what: { dns: { name: \"**.example.com\", type: [A, AAAA] } }, then: allow }
";
    let flow = Flow::default().port(53);
    assert_eq!(
        flow.says(rest, &question("a.b.example.com", "A")),
        "allow p/ours"
    );
    assert_eq!(
        flow.says(rest, &question("a.b.example.com", "TXT")),
        "deny p/default"
    );
    assert_eq!(flow.says(rest, &http("GET", "/")), "deny p/default");
}

#[test]
fn a_connection_is_permitted_if_something_could_pass() {
    for (rest, permitted) in [
        ("", false),
        ("default: allow", true),
        (
            "rules: [{ name: r, what: { http: { method: GET } }, then: allow }]",
            true,
        ),
        (
            "rules: [{ name: r, what: { host: db.example.com, postgres: {} }, then: allow }]",
            true,
        ),
        (
            "rules: [{ name: r, what: { host: other.example.com }, then: allow }]",
            false,
        ),
        (
            "rules: [{ name: r, what: { port: 80 }, then: allow }]",
            false,
        ),
        (
            "rules: [{ name: r, what: { cidr: 198.51.100.0/24 }, then: allow }]",
            false,
        ),
        (
            "rules: [{ name: r, who: { exe: \"**/curl\" }, then: allow }]",
            false,
        ),
        (
            "rules: [{ name: r, who: { container: { image: a } }, then: allow }]",
            false,
        ),
        (
            "rules: [{ name: r, what: { http: {} }, then: { approve: { from: a } } }]",
            true,
        ),
        (
            "default: allow\nrules: [{ name: r, what: { port: 443 }, then: deny }]",
            false,
        ),
        (
            "default: allow\nrules: [{ name: r, what: { http: {} }, then: deny }]",
            true,
        ),
        (
            "default: allow\nrules: [{ name: r, what: { protocol: ssh }, then: deny }]",
            true,
        ),
        (
            "default: allow\nrules: [{ name: r, unless: { what: { http: {} } }, then: deny }]",
            true,
        ),
        (
            "default: allow\nrules: [{ name: r, unless: { what: { port: 443 } }, then: deny }]",
            true,
        ),
        (
            "rules: [{ name: r, unless: { what: { port: 443 } }, then: allow }]",
            false,
        ),
        (
            "default: allow\nrules: [{ name: r, mode: shadow, then: deny }]",
            true,
        ),
        ("rules: [{ name: r, mode: shadow, then: allow }]", false),
        ("mode: shadow", true),
    ] {
        let got = Flow::default().under(&job_policy(rest)).admit();
        assert_eq!(matches!(got, Admission::Permit(_)), permitted, "{rest}");
    }
}

#[test]
fn a_refused_connection_says_why() {
    let rest = "rules: [{ name: r, what: { port: 443 }, then: deny, message: no, expected: true }]";
    let Admission::Refuse(verdict) = Flow::default().under(&job_policy(rest)).admit() else {
        panic!("it is refused")
    };
    assert_eq!(
        (said(&verdict).as_str(), verdict.message.as_str()),
        ("deny p/r", "no")
    );
    assert!(verdict.expected);
    let Admission::Refuse(verdict) = Flow::default().under(&job_policy("")).admit() else {
        panic!("it is refused")
    };
    assert_eq!(said(&verdict), "deny p/default");
    assert!(
        verdict.message.contains("db.example.com:443"),
        "{}",
        verdict.message
    );
}

#[test]
fn messages_say_what_was_asked_and_who_can_help() {
    let flow = Flow::to("api.example.com");
    let judged = |rest: &str, operation: &Operation| flow.judged(&job_policy(rest), operation);
    let verdict = judged("", &http("GET", "/a\u{1b}[2J"));
    assert_eq!(
        verdict.message,
        "no rule allows GET /a?[2J at api.example.com:443; whoever keeps the policy `p` can add one"
    );
    let verdict = judged("rules: [{ name: r, then: deny }]", &select(&["b", "a"]));
    assert_eq!(
        verdict.message,
        "select on a, b at api.example.com:443 is not allowed here"
    );
    let ask = "rules: [{ name: r, then: { approve: { from: dba, message: \"Ask in #dba\" } } }]";
    assert_eq!(
        judged(ask, &http("GET", "/")).message,
        "GET / at api.example.com:443 needs approval: Ask in #dba"
    );
    let long = judged("", &http("GET", &"/a".repeat(10_000)));
    assert!(long.message.len() < 400, "{}", long.message.len());
    assert_eq!(judged("default: allow", &http("GET", "/")).message, "");
}

#[test]
fn a_verdict_names_the_digest_of_the_policy_that_decided() {
    let text = policy("rules: [{ name: r, then: deny }]");
    let set = set(&[(Layer::Repository, &text)]);
    let policy = set.for_job(&job());
    let verdict = Flow::default().judged(&policy, &http("GET", "/"));
    assert_eq!(verdict.digest, policy.policies()[0].digest);
}
