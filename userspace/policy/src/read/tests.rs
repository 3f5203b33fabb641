use crate::testing::{policy, source};
use crate::{Layer, PolicyErrors, PolicySet, limits};

pub(super) fn load(text: &str) -> Result<PolicySet, PolicyErrors> {
    PolicySet::load(vec![source(Layer::Repository, text)])
}

/// `line:column message | fix` of each error.
pub(super) fn errors(text: &str) -> Vec<String> {
    let errors = load(text).expect_err("it has errors").errors;
    errors
        .iter()
        .map(|e| {
            let fix = e.fix.as_deref().unwrap_or("-");
            format!("{}:{} {} | {fix}", e.span.line, e.span.column, e.message)
        })
        .collect()
}

/// One error of a policy with these lines; lines count from behind the head.
pub(super) fn error(rest: &str) -> String {
    let errors = errors(&policy(rest));
    assert_eq!(errors.len(), 1, "{rest}: {errors:#?}");
    errors[0].clone()
}

pub(super) fn rule(keys: &str) -> String {
    format!("rules:\n  - {{ name: r, then: allow, {keys} }}\n")
}

#[test]
fn the_example_of_the_page_is_read() {
    let text = include_str!("../../../../policies/payments-ci.yaml");
    load(text).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn misspelt_keys_are_suggested() {
    for (rest, want) in [
        (
            "rulez: []",
            "3:1 unknown key `rulez` in a policy | did you mean `rules`?",
        ),
        (
            &rule("whoo: { exe: a }"),
            "unknown key `whoo` in a rule | did you mean `who`?",
        ),
        (
            &rule("what: { hosts: a }"),
            "unknown key `hosts` in what | did you mean `host`?",
        ),
        (
            &rule("what: { http: { paths: /a } }"),
            "`paths` in http | did you mean `path`?",
        ),
        (
            &rule("who: { ancestors: { exe: a } }"),
            "in who | did you mean `ancestor`?",
        ),
        (&rule("what: { xyzzy: a }"), "| its keys: host, cidr, port"),
        (
            "mode: enforced",
            "`enforced` is not known here | did you mean `enforce`?",
        ),
        ("default: allowed", "did you mean `allow`?"),
        (
            &rule("what: { postgres: { effect: reed } }"),
            "did you mean `read`?",
        ),
        (
            &rule("what: { protocol: postgress }"),
            "did you mean `postgres`?",
        ),
    ] {
        let got = error(rest);
        assert!(got.contains(want), "{rest}: {got}");
    }
}

#[test]
fn blocks_of_later_versions_say_so() {
    for block in ["tls", "mysql", "redis", "ssh", "kubernetes", "mcp"] {
        let got = error(&rule(&format!("what: {{ {block}: {{ a: b }} }}")));
        assert!(got.contains("not in this version"), "{got}");
    }
}

#[test]
fn wrong_types_name_what_was_found() {
    for (rest, want) in [
        ("rules: {}", "`rules` is a list, not a mapping"),
        ("rules: [1]", "`a rule` is a mapping, not a number"),
        ("mask: {}", "`mask` is a list"),
        ("applies_to: []", "`applies_to` is a mapping, not a list"),
        ("applies_to: {}", "`applies_to` names no job"),
        ("applies_to: { labels: [] }", "expected a mapping of names"),
        (&rule("who: {}"), "`who` names nobody"),
        (&rule("what: {}"), "`what` names nothing"),
        (
            &rule("who: { exe: 5 }"),
            "expected text, found a number | put it into quotes: \"5\"",
        ),
        (
            &rule("who: { exe: true }"),
            "expected text, found true or false",
        ),
        (&rule("who: { exe: ~ }"), "expected text, found nothing"),
        (&rule("who: { exe: [] }"), "an empty list matches nothing"),
        (&rule("who: { exe: '' }"), "a glob may not be empty"),
        (&rule("who: { exe: [[a]] }"), "expected text, found a list"),
        (&rule("who: { parent: {} }"), "this names no process"),
        (&rule("who: { container: {} }"), "container needs `image`"),
        (
            &rule("who: { lineage: maybe }"),
            "`maybe` is not known here | one of: complete, any",
        ),
        (
            &rule("who: { exe_sha256: abc }"),
            "this is no SHA-256 | 64 hex digits, as",
        ),
        (
            &rule(&format!("who: {{ exe_sha256: \"{}\" }}", "a".repeat(63))),
            "this is no SHA-256",
        ),
        (
            &rule(&format!("who: {{ exe_sha256: \"{}\" }}", "a".repeat(65))),
            "this is no SHA-256",
        ),
        (
            &rule(&format!(
                "who: {{ exe_sha256: \"sha256:{}\" }}",
                "a".repeat(64)
            )),
            "this is no SHA-256 | write the 64 hex digits alone",
        ),
        (
            &rule("who: { exe_sha256: [] }"),
            "an empty list matches nothing",
        ),
        (&rule("mode: 1"), "`1` is not known here"),
        (&rule("expected: yes"), "expected true or false, found text"),
        (&rule("record: always"), "`always` is not known here"),
        (&rule("unless: {}"), "this takes every case out"),
        (&rule("message: [a]"), "expected text, found a list"),
        (
            "record: { keep: 90 }",
            "expected a span of time, found a number | a number with its",
        ),
        ("record: { keep: 0d }", "0d is out of range"),
        (
            "record: { payload: all }",
            "one of: none, statements, masked",
        ),
    ] {
        let got = error(rest);
        assert!(got.contains(want), "{rest}: {got}");
    }
}

#[test]
fn hosts_are_names_in_lower_case() {
    for (host, want) in [
        ("192.0.2.1", "write `cidr: 192.0.2.1`"),
        ("192.0.2.0/24", "write `cidr: 192.0.2.0/24`"),
        ("\"2001:db8::1\"", "write `cidr: 2001:db8::1`"),
        ("\"[2001:db8::1]\"", "write `cidr: 2001:db8::1`"),
        (
            "API.example.com",
            "hosts are in lower case: `api.example.com`",
        ),
        ("https://example.com/x", "write `example.com`"),
        (
            "example.com:443",
            "write `host: example.com` and `port: 443`",
        ),
        ("example.com.", "a dot at its end"),
        (".example.com", "a dot at its end"),
        ("exämple.com", "xn--"),
        ("a b", "other characters"),
    ] {
        let got = error(&rule(&format!("what: {{ host: {host} }}")));
        assert!(got.contains(want), "{host}: {got}");
    }
}

#[test]
fn networks_and_ports() {
    for (what, want) in [
        ("cidr: 10.0.0.1/8", "write 10.0.0.0/8 or one address"),
        ("cidr: example.com", "`example.com` is no network"),
        ("cidr: 10.0.0.0/33", "is no network"),
        ("port: 0", "`0` is no port"),
        ("port: 65536", "is no port"),
        ("port: 90-80", "is no port"),
        ("port: http", "is no port"),
        ("port: [80, x]", "`x` is no port"),
    ] {
        let got = error(&rule(&format!("what: {{ {what} }}")));
        assert!(got.contains(want), "{what}: {got}");
    }
    for what in [
        "cidr: 192.0.2.7",
        "cidr: [192.0.2.0/24, '2001:db8::/32']",
        "port: [1, 80-90]",
    ] {
        load(&policy(&rule(&format!("what: {{ {what} }}")))).unwrap();
    }
}

#[test]
fn http_keys_that_never_match_are_errors() {
    for (http, want) in [
        ("method: get", "in upper case: `GET`"),
        ("method: 'GET /'", "is no method"),
        ("path: api/v1", "`/api/v1`"),
        ("path: '/a?b=c'", "a path ends before `?`"),
    ] {
        let got = error(&rule(&format!("what: {{ http: {{ {http} }} }}")));
        assert!(got.contains(want), "{http}: {got}");
    }
    let got = error(&rule("what: { http: { path: /a }, dns: { name: a } }"));
    assert!(
        got.contains("no operation is http and dns at once"),
        "{got}"
    );
}

#[test]
fn required_keys_and_versions() {
    assert!(
        errors("name: p")
            .iter()
            .any(|e| e.contains("a policy needs `version`"))
    );
    assert!(
        errors("version: 1")
            .iter()
            .any(|e| e.contains("a policy needs `name`"))
    );
    assert!(errors("version: 2\nname: p")[0].contains("version 2 of the language is not known"));
    assert!(errors("version: '1'\nname: p")[0].contains("write `version: 1`"));
    assert!(errors("version: [1]\nname: p")[0].contains("`version` is a number, not a list"));
    assert!(error("rules: [{ name: r }]").contains("a rule needs `then`"));
    assert!(error("rules: [{ then: allow }]").contains("a rule needs `name`"));
    assert!(errors("[]")[0].contains("`a policy` is a mapping, not a list"));
}

#[test]
fn names() {
    for (name, want) in [
        ("a b", "`a-b`"),
        ("default", "is taken"),
        ("''", "is no name"),
        ("\"a\\nb\"", "control characters"),
        ("7", "put it into quotes"),
    ] {
        let got = error(&format!("rules:\n  - {{ name: {name}, then: deny }}"));
        assert!(got.contains(want), "{name}: {got}");
    }
    let long = |n: usize| format!("version: 1\nname: {}\n", "a".repeat(n));
    assert!(load(&long(limits::MAX_NAME_BYTES)).is_ok());
    assert!(load(&long(limits::MAX_NAME_BYTES + 1)).is_err());
}

#[test]
fn doubles() {
    let got = error("mode: enforce\nmode: shadow");
    assert!(
        got.starts_with("4:1 `mode` stands twice in a policy"),
        "{got}"
    );
    let got = error("rules:\n  - { name: a, then: deny }\n  - { name: a, then: allow }");
    assert!(
        got.contains("a second rule named `a` | the first stands in line 4"),
        "{got}"
    );
    let got = error("mask:\n  - { name: a, detect: email }\n  - { name: a, detect: jwt }");
    assert!(got.contains("a second mask named `a`"), "{got}");
    let got = error("applies_to: { labels: { team: a, team: b } }");
    assert!(got.contains("`team` stands twice"), "{got}");
}

#[test]
fn then() {
    for (then, want) in [
        ("approve", "approve from whom?"),
        ("alow", "did you mean `allow`?"),
        ("{}", "then needs `approve`"),
        ("{ approve: [] }", "`approve` is a mapping, not a list"),
        (
            "{ approve: { from: dba, count: 0 } }",
            "0 is out of range | a whole number from 1",
        ),
        (
            "{ approve: { from: dba, count: 17 } }",
            "17 is out of range",
        ),
        (
            "{ approve: { from: dba, count: two } }",
            "expected a number",
        ),
        (
            "{ approve: { from: dba, timeout: 10 } }",
            "a number with its unit",
        ),
        ("{ approve: { from: dba, timeout: 2d } }", "out of range"),
        (
            "{ approve: { from: dba, on_timeout: allow } }",
            "one of: deny",
        ),
        (
            "{ approve: { from: dba, remember: ever } }",
            "one of: operation, flow, job",
        ),
        ("{ approve: { from: 'the dbas' } }", "is no group"),
        (
            "{ approve: { from: dba, escalate: 5m } }",
            "is a mapping, not text",
        ),
        (
            "{ approve: { from: dba, escalate: { to: leads } } }",
            "escalate needs `after`",
        ),
        (
            "{ approve: { from: dba, escalate: { after: 10m, to: leads } } }",
            "before anybody else could answer",
        ),
        (
            "{ approve: { from: dba, escalate: { after: 1m, to: [] } } }",
            "an empty list matches nothing",
        ),
    ] {
        let got = error(&format!("rules:\n  - {{ name: r, then: {then} }}"));
        assert!(got.contains(want), "{then}: {got}");
    }
}

#[test]
fn what_does_not_go_together() {
    let got = error(&rule("expected: true"));
    assert!(got.contains("only a refusal can be expected"), "{got}");
    for then in ["allow", "{ approve: { from: dba } }"] {
        let rest = format!("rules:\n  - {{ name: r, what: {{ protocol: ssh }}, then: {then} }}");
        assert!(error(&rest).contains("add `port:`"), "{then}");
    }
    load(&policy(
        "rules:\n  - { name: r, what: { protocol: ssh }, then: deny }",
    ))
    .unwrap();
}

#[test]
fn masks() {
    for (mask, want) in [
        ("detect: emial", "did you mean `email`?"),
        ("detect: [{ regexp: a }]", "only `regex` has one"),
        ("detect: [{ regex: a, b: c }]", "this is no detector"),
        ("with: redact", "this mask looks for nothing"),
        (
            "detect: email, with: hide",
            "one of: redact, hash, tokenise",
        ),
        (
            "detect: email, with: { partial: { keep_last: 17 } }",
            "17 is out of range",
        ),
        (
            "detect: email, with: { partial: {} }",
            "partial needs `keep_last`",
        ),
    ] {
        let got = error(&format!("mask:\n  - {{ name: m, {mask} }}"));
        assert!(got.contains(want), "{mask}: {got}");
    }
    let broken = "mask:\n  - { name: m, detect: [{ regex: '(' }] }";
    assert!(
        error(broken).starts_with("4:"),
        "a regex is compiled when it is read"
    );
    for mask in [
        "detect: [credit_card, email, secret]",
        "detect: [{ regex: 'acct-[0-9]+' }], with: tokenise",
        "column: ['*.ssn'], with: { partial: { keep_last: 4 } }",
        "json_key: password, with: hash",
    ] {
        load(&policy(&format!("mask:\n  - {{ name: m, {mask} }}")))
            .unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn durations() {
    use std::time::Duration;
    for (text, want) in [
        ("30s", Some(30)),
        ("10m", Some(600)),
        ("2h", Some(7200)),
        ("90d", Some(7_776_000)),
        ("", None),
        ("m", None),
        ("10", None),
        ("-1s", None),
        ("1.5h", None),
        ("10 m", None),
        ("99999999999999999999s", None),
        ("18446744073709551615d", None),
        ("5é", None),
    ] {
        assert_eq!(
            super::read_duration(text),
            want.map(Duration::from_secs),
            "{text}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_policy_breaks_it(rest in "[a-z: \\[\\]{},*\"0-9\n-]{0,120}") {
        let _ = load(&policy(&rest));
        let _ = load(&rest);
    }

    #[test]
    fn no_rule_breaks_it(key in "(who|what|then|unless|record|mode|expected)",
                         value in "[a-z:\\[\\]{}, */0-9]{0,40}") {
        let _ = load(&policy(&format!("rules:\n  - name: r\n    {key}: {value}\n")));
    }
}
