//! Rules and masks about the status of an answer: before it is there, and then.

use sluice_flow::{HostFact, Operation};

use crate::testing::{
    Flow, gap, http, job, job_policy, lineage, opaque, policy, proved, question, said, select, set,
};
use crate::{Admission, HostDefault, Layer, PolicySet};

/// What is said to a request, and to its answers in turn.
fn exchange(flow: &Flow, rest: &str, operation: &Operation, statuses: &[u16]) -> Vec<String> {
    let under = flow.under(&job_policy(rest));
    let answer = |status: &u16| said(&under.decide_answer(operation, *status, &flow.host));
    let request = said(&under.decide(operation, &flow.host));
    std::iter::once(request)
        .chain(statuses.iter().map(answer))
        .collect()
}

const RULES: [(&str, &str); 8] = [
    ("reads", "what: { http: { method: GET } }, then: allow"),
    ("never", "what: { http: { method: GET } }, then: deny"),
    (
        "ask",
        "what: { http: { method: GET } }, then: { approve: { from: ops } }",
    ),
    ("errors", "what: { http: { status: 5xx } }, then: deny"),
    (
        "told",
        "what: { http: { status: 5xx } }, mode: shadow, then: deny",
    ),
    (
        "found",
        "what: { http: { method: GET, status: [2xx, 304] } }, then: allow",
    ),
    ("missing", "what: { http: { status: 404 } }, then: allow"),
    (
        "others",
        "what: { http: { method: GET } }, unless: { what: { http: { status: 2xx } } }, then: deny",
    ),
];

/// Rules and the default; what is said to the request; to answers 200, 304, 404 and 503.
const EXCHANGES: &str = "
reads errors, deny    | allow reads          | allow reads   | allow reads   | allow reads   | deny errors
errors, allow         | allow default        | allow default | allow default | allow default | deny errors
errors, deny          | deny default         | deny default  | deny default  | deny default  | deny errors
found, deny           | allow found          | allow found   | allow found   | deny default  | deny default
found missing, deny   | allow found, missing | allow found   | allow found   | allow missing | deny default
others, allow         | allow default        | allow default | deny others   | deny others   | deny others
others reads, deny    | allow reads          | allow reads   | deny others   | deny others   | deny others
reads told, deny      | allow reads          | allow reads   | allow reads   | allow reads   | allow told (would deny)
found never, deny     | deny never           | deny never    | deny never    | deny never    | deny never
ask errors, deny      | approve ask          | allow ask     | allow ask     | allow ask     | deny errors
ask found, deny       | approve ask          | allow ask     | allow ask     | allow ask     | allow ask
";

#[test]
fn a_rule_about_an_answer_lets_the_request_go_and_decides_then() {
    let keys = |name: &str| RULES.iter().find(|(of, _)| *of == name).unwrap().1;
    for row in EXCHANGES.lines().skip(1) {
        let mut cells = row.split('|').map(str::trim);
        let (names, default) = cells.next().unwrap().split_once(", ").unwrap();
        let rules: Vec<String> = names
            .split(' ')
            .map(|name| format!("{{ name: {name}, {} }}", keys(name)))
            .collect();
        let rest = format!("default: {default}\nrules: [{}]\n", rules.join(", "));
        let statuses = [200, 304, 404, 503];
        let said = exchange(&Flow::default(), &rest, &http("GET", "/"), &statuses);
        let got: Vec<String> = said.iter().map(|said| said.replace("p/", "")).collect();
        assert_eq!(got, cells.collect::<Vec<_>>(), "{row}");
    }
}

#[test]
fn what_an_allow_rule_leaves_out_by_status_is_not_allowed() {
    let rest = "rules: [{ name: but, what: { http: {} }, unless: { what: { http: { status: 5xx } } }, then: allow }]";
    let got = exchange(&Flow::default(), rest, &http("GET", "/"), &[200, 503]);
    assert_eq!(got, ["allow p/but", "allow p/but", "deny p/default"]);
}

#[test]
fn what_else_is_unknown_counts_as_ever() {
    let deny = "default: allow\nrules: [{ name: r, who: { exe: \"**/psql\" }, what: { host: a.example.com, http: { status: 500 } }, then: deny }]";
    let allow = deny
        .replace("default: allow", "default: deny")
        .replace("then: deny", "then: allow");
    let names = ["a.example.com", "b.example.com"].map(str::to_owned);
    let known = || Flow::to("a.example.com");
    for (flow, denies, allows) in [
        (known(), [false, true], [true, true]),
        (Flow::to("b.example.com"), [false, false], [false, false]),
        (
            Flow::default().named(HostFact::Ambiguous(names.to_vec())),
            [false, true],
            [false, false],
        ),
        (
            known().by(gap(&["/usr/bin/psql"])),
            [false, true],
            [false, false],
        ),
        (
            known().by(lineage(&["/usr/bin/curl"])),
            [false, false],
            [false, false],
        ),
    ] {
        let says = |rest: &str, word: &str| -> Vec<bool> {
            let said = exchange(&flow, rest, &http("GET", "/"), &[500]);
            said.iter().map(|said| said.starts_with(word)).collect()
        };
        assert_eq!(says(deny, "deny"), denies, "{flow:?}");
        assert_eq!(says(&allow, "allow"), allows, "{flow:?}");
    }
    // What may be meant is told.
    let flow = known().by(gap(&["/usr/bin/psql"]));
    let under = flow.under(&job_policy(deny));
    let verdict = under.decide_answer(&http("GET", "/"), 500, &flow.host);
    assert!(
        verdict
            .message
            .ends_with("could not be known, and so it does)"),
        "{verdict:?}"
    );
}

#[test]
fn the_strictest_layer_wins_on_the_answer_too() {
    let host = "version: 1\nname: host\ndefault: allow\nrules: [{ name: no-errors, what: { http: { status: 5xx } }, then: deny }]";
    let ours = "version: 1\nname: ours\nrules: [{ name: all, what: { http: {} }, then: allow }]";
    let told = host.replace("name: host", "name: host\nmode: shadow");
    let flow = Flow::default();
    for (host, wants) in [
        (
            host,
            ["allow ours/all", "allow ours/all", "deny host/no-errors"],
        ),
        (
            &told,
            [
                "allow ours/all",
                "allow ours/all",
                "allow host/no-errors (would deny)",
            ],
        ),
    ] {
        let policy = set(&[(Layer::Host, host), (Layer::Repository, ours)]).for_job(&job());
        let under = flow.under(&policy);
        let answer = |status| said(&under.decide_answer(&http("GET", "/"), status, &flow.host));
        let request = said(&under.decide(&http("GET", "/"), &flow.host));
        assert_eq!([request, answer(404), answer(500)], wants);
    }
}

#[test]
fn a_connection_is_let_in_as_the_request_would_be() {
    for (rest, permitted) in [
        (
            "rules: [{ name: r, what: { http: { status: 200 } }, then: allow }]",
            true,
        ),
        (
            "default: allow\nrules: [{ name: r, what: { http: { status: 5xx } }, then: deny }]",
            true,
        ),
        (
            "rules: [{ name: r, what: { http: { status: 5xx } }, then: deny }]",
            false,
        ),
    ] {
        let admitted = Flow::default().under(&job_policy(rest)).admit();
        assert_eq!(
            matches!(admitted, Admission::Permit(_)),
            permitted,
            "{rest}"
        );
    }
}

#[test]
fn what_has_no_status_is_judged_as_before() {
    let rest = "default: allow\nrules: [{ name: r, what: { http: { status: 5xx } }, then: deny }]";
    let flow = Flow::default();
    for (operation, want) in [
        (select(&["a.b"]), "allow p/default"),
        (question("a.example.com", "A"), "allow p/default"),
        // It may be anything: also an answer of that status.
        (opaque("tls"), "deny p/r"),
    ] {
        assert_eq!(flow.says(rest, &operation), want);
        let under = flow.under(&job_policy(rest));
        assert!(
            !under.judges_answer(&operation, &flow.host),
            "{operation:?}"
        );
    }
}

#[test]
fn masks_by_status_apply_there_and_where_none_is_told() {
    let rest = "mask:
  - { name: all, what: { http: {} }, detect: email }
  - { name: errors, what: { http: { status: 5xx } }, detect: email }
  - { name: pages, what: { http: { path: /p, status: 200 } }, detect: email }
";
    let flow = Flow::default();
    let under = flow.under(&job_policy(rest));
    for (path, status, wants) in [
        ("/", None, &["all", "errors"][..]),
        ("/", Some(200), &["all"]),
        ("/", Some(502), &["all", "errors"]),
        ("/p", None, &["all", "errors", "pages"]),
        ("/p", Some(200), &["all", "pages"]),
        ("/p", Some(500), &["all", "errors"]),
    ] {
        let masks = under.masks_for(&http("GET", path), status, &flow.host);
        let names: Vec<String> = masks.into_iter().map(|mask| mask.name).collect();
        assert_eq!(names, wants, "{path} {status:?}");
    }
}

#[test]
fn an_answer_is_judged_only_where_its_status_has_a_say() {
    let rule = |keys: &str| format!("rules: [{{ name: r, {keys} }}]");
    let mask = |keys: &str| format!("mask: [{{ name: m, {keys}, detect: email }}]");
    for (rest, want) in [
        (String::new(), false),
        (rule("what: { http: { method: GET } }, then: deny"), false),
        (mask("what: { http: {} }"), false),
        (rule("what: { http: { status: 5xx } }, then: deny"), true),
        (rule("what: { http: { status: 5xx } }, then: allow"), true),
        (
            rule("what: { http: { status: 5xx } }, mode: shadow, then: deny"),
            true,
        ),
        (
            rule("unless: { what: { http: { status: 5xx } } }, then: allow"),
            true,
        ),
        (mask("what: { http: { status: 5xx } }"), true),
        (
            rule("what: { http: { method: GET, status: 5xx } }, then: deny"),
            true,
        ),
        (
            rule("what: { http: { method: POST, status: 5xx } }, then: deny"),
            false,
        ),
        (
            rule("what: { host: other.example.com, http: { status: 5xx } }, then: deny"),
            false,
        ),
        (
            rule("what: { port: 80, http: { status: 5xx } }, then: deny"),
            false,
        ),
        (
            rule("who: { exe: \"**/curl\" }, what: { http: { status: 5xx } }, then: deny"),
            false,
        ),
        (mask("what: { port: 80, http: { status: 5xx } }"), false),
        (mask("what: { http: { path: /x, status: 5xx } }"), false),
        (
            format!("mode: shadow\n{}", mask("what: { http: { status: 5xx } }")),
            false,
        ),
    ] {
        let flow = Flow::default();
        let under = flow.under(&job_policy(&rest));
        assert_eq!(
            under.judges_answer(&http("GET", "/"), &flow.host),
            want,
            "{rest}"
        );
    }
    let none = PolicySet::load_on(Vec::new(), HostDefault::Allow, &|_| None).unwrap();
    let flow = Flow::default().under(&none.for_job(&job()));
    assert!(!flow.judges_answer(&http("GET", "/"), &proved("a.example.com")));
}

#[test]
fn what_is_recorded_is_what_the_rules_on_the_answer_say() {
    let rest = "default: allow\nrules: [{ name: r, what: { http: { status: 5xx } }, then: deny, expected: true, record: sync, message: Try later }]";
    let flow = Flow::default();
    let under = flow.under(&set(&[(Layer::Repository, &policy(rest))]).for_job(&job()));
    let request = under.decide(&http("GET", "/"), &flow.host);
    assert!(!request.sync && !request.expected && request.message.is_empty());
    let answer = under.decide_answer(&http("GET", "/"), 500, &flow.host);
    assert!(answer.sync && answer.expected);
    assert_eq!(
        (answer.message.as_str(), answer.layer.as_str()),
        ("Try later", "repository")
    );
}
