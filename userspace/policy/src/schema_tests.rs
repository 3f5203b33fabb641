use serde_json::Value as Json;

use super::*;
use crate::diagnostic::{Complaints, SourceText};
use crate::yaml::{self, Node, Value as Yaml};

const SHIPPED: &[(&str, &str)] = &[
    (
        "default-deny",
        include_str!("../../../policies/default-deny.yaml"),
    ),
    (
        "ci-baseline",
        include_str!("../../../policies/ci-baseline.yaml"),
    ),
    (
        "payments-ci",
        include_str!("../../../policies/payments-ci.yaml"),
    ),
];

fn node(text: &str) -> Node {
    let source = SourceText {
        file: "p".to_owned(),
        text: text.to_owned(),
    };
    yaml::read(&mut Complaints::new(source.into())).unwrap()
}

/// Enough of JSON Schema for what [`schema`] writes.
fn fits(schema: &Json, node: &Node) -> bool {
    if let Some(any) = schema.get("anyOf").and_then(Json::as_array) {
        return any.iter().any(|schema| fits(schema, node));
    }
    match (schema.get("type").and_then(Json::as_str), &node.value) {
        (Some("object"), Yaml::Map(entries)) => {
            let properties = schema.get("properties");
            let required = schema.get("required").and_then(Json::as_array);
            let there = |key: &Json| entries.iter().any(|e| Some(e.key.as_str()) == key.as_str());
            entries.iter().all(|entry| {
                let known = properties.and_then(|p| p.get(&entry.key));
                let other = schema.get("additionalProperties").filter(|a| a.is_object());
                known
                    .or(other)
                    .is_some_and(|schema| fits(schema, &entry.value))
            }) && required.is_none_or(|keys| keys.iter().all(there))
        }
        (Some("array"), Yaml::List(items)) => schema
            .get("items")
            .is_some_and(|item| items.iter().all(|node| fits(item, node))),
        (
            Some("integer"),
            Yaml::Scalar {
                text,
                quoted: false,
            },
        ) => text.parse::<i64>().is_ok_and(|number| {
            let bound = |name: &str| schema.get(name).and_then(Json::as_i64);
            bound("minimum").is_none_or(|least| number >= least)
                && bound("maximum").is_none_or(|most| number <= most)
        }),
        (Some("boolean"), Yaml::Scalar { text, .. }) => text == "true" || text == "false",
        (Some("string"), Yaml::Scalar { .. }) => node.kind() == "text",
        (None, Yaml::Scalar { text, .. }) => match (schema.get("enum"), schema.get("const")) {
            (Some(words), _) => words
                .as_array()
                .unwrap()
                .iter()
                .any(|w| w.as_str() == Some(text)),
            (_, Some(constant)) => {
                Some(text.as_str()) == constant.as_u64().map(|n| n.to_string()).as_deref()
            }
            _ => false,
        },
        _ => false,
    }
}

#[test]
fn shipped_policies_fit_the_schema() {
    for (name, text) in SHIPPED {
        assert!(fits(&schema(), &node(text)), "{name}");
    }
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    for (rest, want) in [
        ("", true),
        ("rules: []", true),
        ("rulez: []", false),
        ("mode: shadow", true),
        ("mode: off", false),
        ("rules: [{ name: r, then: allow }]", true),
        ("rules: [{ name: r }]", false),
        ("rules: [{ name: r, then: maybe }]", false),
        (
            "rules: [{ name: r, then: { approve: { from: [dba] } } }]",
            true,
        ),
        (
            "rules: [{ name: r, then: { approve: { form: [dba] } } }]",
            false,
        ),
        (
            "rules: [{ name: r, then: deny, what: { port: [80, 90-99] } }]",
            true,
        ),
        (
            "rules: [{ name: r, then: deny, what: { http: { header: { a: [b, c] } } } }]",
            true,
        ),
        (
            "rules: [{ name: r, then: deny, what: { mysql: { effect: read } } }]",
            false,
        ),
        (
            "rules: [{ name: r, then: deny, unless: [{ who: { exe: a } }] }]",
            true,
        ),
        (
            "rules: [{ name: r, then: deny, unless: { exe: a } }]",
            false,
        ),
        ("rules: [{ name: r, then: deny, record: sync }]", true),
        (
            "rules: [{ name: r, then: deny, who: { user: [0, root] } }]",
            true,
        ),
        (
            "rules: [{ name: r, then: deny, who: { step: { exe: a } } }]",
            true,
        ),
        (
            "mask: [{ name: m, detect: [{ regex: a }, email], with: hash }]",
            true,
        ),
        ("mask: [{ name: m, detect: phone }]", false),
        (
            "mask: [{ name: m, detect: email, with: { partial: { keep_last: 4 } } }]",
            true,
        ),
        ("record: { payload: masked, keep: 90d }", true),
        ("applies_to: { labels: { team: a } }", true),
    ] {
        agree(rest, want);
    }
}

/// Schema and reader take it, or neither.
fn agree(rest: &str, want: bool) {
    let text = format!("version: 1\nname: p\n{rest}\n");
    assert_eq!(fits(&schema(), &node(&text)), want, "schema: {rest}");
    let source = crate::Source {
        layer: crate::Layer::Host,
        file: "p".to_owned(),
        text,
    };
    assert_eq!(
        crate::PolicySet::load(vec![source]).is_ok(),
        want,
        "reader: {rest}"
    );
}

#[test]
fn statuses() {
    for (status, want) in [
        ("[404, 5xx]", true),
        ("100", true),
        ("599", true),
        ("99", false),
        ("600", false),
        ("true", false),
        ("{ from: 500 }", false),
    ] {
        agree(
            &format!(
                "rules: [{{ name: r, then: deny, what: {{ http: {{ status: {status} }} }} }}]"
            ),
            want,
        );
    }
}

#[test]
fn it_says_what_it_is_and_describes_every_key() {
    let schema = schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    for (key, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{key}");
    }
}
