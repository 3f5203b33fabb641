use sluice_flow::{Effect, HostFact, Operation};

use super::*;
use crate::decide::matched;
use crate::testing::{asked, http, job_policy, opaque, question, sql, statement};

fn prefixes(path: &str) -> Vec<&str> {
    path_prefixes(path).collect()
}

#[test]
fn prefixes_are_whole_parts() {
    assert_eq!(prefixes("/a/b/c/d"), ["/a", "/a/b", "/a/b/c"]);
    assert_eq!(prefixes("/a/b"), ["/a", "/a/b"]);
    assert_eq!(prefixes("/a/"), ["/a", "/a/"]);
    assert_eq!(prefixes("/"), ["/"]);
    assert_eq!(prefixes(""), [""]);
    assert_eq!(prefixes("é/x"), ["é", "é/x"]);
    assert_eq!(prefixes("*"), ["*"]);
}

#[test]
fn keys_of_paths() {
    for (glob, want) in [
        ("/repos/acme/**", Some("/repos/acme")),
        ("/repos/acme/x/y/z", Some("/repos/acme/x")),
        ("/repos/ac*", Some("/repos")),
        ("/repos/*/x", Some("/repos")),
        ("/r*", None),
        ("/**", None),
        ("**", None),
        ("/exact", Some("/exact")),
    ] {
        assert_eq!(path_key(glob), want, "{glob}");
    }
}

#[test]
fn keys_of_tables() {
    for (glob, want) in [
        ("payments.*", Some("payments")),
        ("payments.cards", Some("payments")),
        ("pay*.cards", None),
        ("cards", None),
        ("**.cards", None),
    ] {
        assert_eq!(literal_schema(glob), want, "{glob}");
    }
    for (reads, want) in [
        (&["a.b"][..], Some(vec!["a"])),
        (&["a.b", "c.d"], Some(vec!["a", "c"])),
        (&["a.b", "d"], None),
        (&["x.a.b"], None),
        (&[], None),
    ] {
        let statement = statement(Effect::Read, reads, &[]);
        assert_eq!(
            schemas(&statement).map(SmallVec::into_vec),
            want,
            "{reads:?}"
        );
    }
    let unknown = Statement {
        tables_known: false,
        ..statement(Effect::Read, &["a.b"], &[])
    };
    assert_eq!(schemas(&unknown), None);
}

const RULES: &str = "rules:
  - { name: any, then: allow }
  - { name: h1, what: { host: a.example.com }, then: allow }
  - { name: h2, what: { host: \"*.example.com\" }, then: deny }
  - { name: h3, what: { host: [a.example.com, b.example.com], http: {} }, then: allow }
  - { name: p1, what: { http: { path: \"/a/b/**\" } }, then: allow }
  - { name: p2, what: { http: { path: [\"/a/*\", /c] } }, then: deny }
  - { name: p3, what: { http: { path: \"/**/c\" } }, then: deny }
  - { name: p4, what: { http: { path: \"/a/b/c/d/e\" } }, then: allow }
  - { name: m, what: { http: { method: GET } }, then: allow }
  - { name: t1, what: { postgres: { table: \"pay.*\" } }, then: allow }
  - { name: t2, what: { postgres: { table: [\"pay.cards\", \"x.*\"] } }, then: deny }
  - { name: t3, what: { postgres: { table: cards } }, then: deny }
  - { name: t4, what: { postgres: { table: \"**.cards\" } }, then: { approve: { from: a } } }
  - { name: e, what: { postgres: { effect: read } }, then: allow }
  - { name: d, what: { dns: { name: a.example.com } }, then: allow }
  - { name: o, what: { protocol: ssh, port: 22 }, then: allow }
  - { name: s, what: { http: { path: /c, status: 5xx } }, then: deny }
";

fn operations() -> Vec<Operation> {
    let mut all = vec![
        question("a.example.com", "A"),
        question("c.example.com", "TXT"),
        question("other", "A"),
        opaque("ssh"),
        opaque("unknown"),
        sql(Vec::new()),
    ];
    for path in [
        "/",
        "/a",
        "/a/b",
        "/a/b/",
        "/a/b/c",
        "/a/b/c/d/e",
        "/c",
        "/x/y/c",
        "",
        "*",
    ] {
        all.push(http("GET", path));
    }
    for tables in [
        &["pay.cards"][..],
        &["pay.a", "x.y"],
        &["cards"],
        &["z.cards"],
        &["q.w.e"],
        &[],
    ] {
        for effect in [Effect::Read, Effect::Write, Effect::Unknown] {
            all.push(sql(vec![statement(effect, tables, &[])]));
            all.push(sql(vec![statement(effect, &[], tables)]));
        }
    }
    all
}

#[test]
fn what_is_not_selected_takes_no_part() {
    let policy = job_policy(RULES);
    let layer = &policy.layers[0];
    for operation in operations() {
        for asked in asked(&operation) {
            let selected = layer.index.select(&asked, &layer.index.general(|_| true));
            assert!(selected.is_sorted(), "strictest first");
            for (rule, at) in layer.rules.iter().enumerate() {
                let side = at.rule.verb.side();
                let truth = at.rule.case.of_operation(&HostFact::Unknown, &asked, side);
                // Not to know whether it matches is no match for a rule that allows.
                let left_out = !selected.contains(&rule);
                let name = &at.rule.name;
                assert!(
                    !left_out || matched(at, truth, asked.kind()).is_none(),
                    "{name} on {operation:?}"
                );
            }
        }
    }
}

#[test]
fn few_rules_are_selected() {
    let rule = |i: usize| {
        format!("  - {{ name: r{i}, what: {{ http: {{ path: \"/p{i}/**\" }} }}, then: deny }}\n")
    };
    let policy = job_policy(&format!(
        "rules:\n{}",
        (0..100).map(rule).collect::<String>()
    ));
    let operation = http("GET", "/p7/x");
    let index = &policy.layers[0].index;
    let selected = index.select(&asked(&operation)[0], &index.general(|_| true));
    assert_eq!(selected.len(), 1);
}

#[test]
fn a_connection_selects_all() {
    let policy = job_policy(RULES);
    assert_eq!(
        policy.layers[0]
            .index
            .select(&Asked::Connect, &General::default())
            .len(),
        17
    );
}

#[test]
fn what_the_flow_rules_out_is_left_out() {
    let policy = job_policy(RULES);
    let index = &policy.layers[0].index;
    let operation = http("GET", "/a/b/c");
    let selected = index.select(&asked(&operation)[0], &index.general(|_| false));
    let names: Vec<&str> = selected
        .iter()
        .map(|rule| policy.layers[0].rules[*rule].rule.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["p2", "p1", "p4"],
        "only keyed rules, which are looked at by themselves"
    );
}
