use super::tests::{error, errors, load, rule};
use crate::testing::policy;

fn status(value: &str) -> String {
    rule(&format!("what: {{ http: {{ status: {value} }} }}"))
}

#[test]
fn a_status_is_a_number_or_a_class_of_them() {
    for value in [
        "100",
        "599",
        "5xx",
        "\"5xx\"",
        "1xx",
        "[200, 3xx, 404]",
        "[1xx, 2xx, 3xx, 4xx, 5xx]",
    ] {
        load(&policy(&status(value))).unwrap_or_else(|errors| panic!("{value}: {errors}"));
    }
    let range = "100 to 599, a class `5xx`, or a list of them";
    for (value, message, fix) in [
        ("99", "`99` is no status", range),
        ("600", "`600` is no status", range),
        (
            "0200",
            "`0200` is no status",
            "without quotes, three digits: 200",
        ),
        (
            "\"500\"",
            "`500` is no status",
            "without quotes, three digits: 500",
        ),
        ("-500", "`-500` is no status", range),
        ("0xx", "`0xx` is no status", range),
        ("6xx", "`6xx` is no status", range),
        ("5x", "`5x` is no status", range),
        ("5xxx", "`5xxx` is no status", range),
        ("50x", "`50x` is no status", range),
        ("\"+xx\"", "`+xx` is no status", range),
        ("éxx", "`éxx` is no status", range),
        ("5XX", "`5XX` is no status", "in lower case: `5xx`"),
        ("500-503", "`500-503` is no status", range),
        ("error", "`error` is no status", range),
        ("~", "`~` is no status", range),
        ("[500, 600]", "`600` is no status", range),
        (
            "[]",
            "an empty list matches nothing",
            "name at least one value",
        ),
        ("{ a: b }", "`` is no status", range),
    ] {
        let got = error(&status(value));
        let (said, told) = got.split_once(" | ").unwrap();
        assert!(
            said.ends_with(message) && told.ends_with(fix),
            "{value}: {got}"
        );
    }
}

#[test]
fn nobody_is_asked_about_an_answer() {
    let approve = |keys: &str| {
        format!(
            "rules:\n  - {{ name: r, {keys}, then: {{ approve: {{ from: dba, remember: job }} }} }}\n"
        )
    };
    let (what, unless) = (
        "what: { http: { status: 5xx } }",
        "unless: [{ who: { exe: a } }, { what: { http: { status: 200 } } }]",
    );
    for (keys, at) in [
        (what.to_owned(), &["4:16"][..]),
        (unless.to_owned(), &["4:16"]),
        (format!("{what}, {unless}"), &["4:16", "4:49"]),
        (format!("mode: shadow, {what}"), &["4:30"]),
    ] {
        let got = errors(&policy(&approve(&keys)));
        assert_eq!(got.len(), at.len(), "{keys}: {got:#?}");
        for (got, at) in got.iter().zip(at) {
            assert!(
                got.starts_with(&format!("{at} people are asked before")),
                "{keys}: {got}"
            );
            assert!(
                got.contains("| leave `status` out to ask about the request"),
                "{got}"
            );
        }
    }
    for then in ["allow", "deny"] {
        let rule = format!("rules:\n  - {{ name: r, {what}, {unless}, then: {then} }}\n");
        load(&policy(&rule)).unwrap_or_else(|errors| panic!("{errors}"));
    }
}
