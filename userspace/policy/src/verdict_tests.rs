use sluice_flow::verdict::Remember;
use sluice_flow::{Effect, HostFact};

use super::*;
use crate::testing::{Flow, http, job_policy, opaque, question, select, sql, statement};

fn shown(operation: &Operation) -> String {
    let flow = Flow::to("api.example.com");
    let policy = job_policy("");
    said_of(&flow, &flow.under(&policy), operation, Status::ToCome)
}

fn said_of(flow: &Flow, policy: &FlowPolicy, operation: &Operation, status: Status) -> String {
    let subject = Subject {
        operation,
        status,
        host: &flow.host,
    };
    summary(policy, subject)
}

#[test]
fn operations_in_one_line() {
    for (operation, want) in [
        (http("GET", "/x"), "GET /x at api.example.com:443"),
        (
            select(&["b.c", "a.b"]),
            "select on a.b, b.c at api.example.com:443",
        ),
        (
            sql(vec![statement(Effect::Read, &[], &[])]),
            "select at api.example.com:443",
        ),
        (sql(Vec::new()), "unknown at api.example.com:443"),
        (
            question("a.example.com", "TXT"),
            "the question TXT a.example.com",
        ),
        (
            opaque("ssh"),
            "a stream that is not understood (ssh) to api.example.com:443",
        ),
        (
            opaque(""),
            "a stream that is not understood (unknown) to api.example.com:443",
        ),
    ] {
        assert_eq!(shown(&operation), want);
    }
}

#[test]
fn a_destination_without_a_name_is_its_address() {
    let flow = Flow::default().named(HostFact::Unknown);
    let policy = job_policy("");
    let shown = said_of(
        &flow,
        &flow.under(&policy),
        &http("GET", "/"),
        Status::ToCome,
    );
    assert_eq!(shown, "GET / at 192.0.2.1:443");
    let flow = Flow {
        ip: "2001:db8::1".parse().unwrap(),
        ..flow
    };
    let shown = said_of(
        &flow,
        &flow.under(&policy),
        &http("GET", "/"),
        Status::ToCome,
    );
    assert_eq!(shown, "GET / at [2001:db8::1]:443");
}

#[test]
fn an_answer_is_named_by_its_status_and_its_request() {
    let flow = Flow::to("api.example.com");
    let policy = job_policy("");
    let answer = Status::Known(502);
    let shown = said_of(&flow, &flow.under(&policy), &http("GET", "/x"), answer);
    assert_eq!(shown, "the answer 502 to GET /x at api.example.com:443");
}

#[test]
fn what_peers_write_is_bounded_and_printable() {
    assert_eq!(
        shown(&http("GET\r\n", "/\u{7}")),
        "GET?? /? at api.example.com:443"
    );
    let long = "x".repeat(MAX_SHOWN);
    assert_eq!(printable(&long), long);
    assert_eq!(printable(&format!("{long}y")), format!("{long}..."));
}

#[test]
fn approval_terms_are_those_of_the_rule() {
    let rest = "rules:
  - name: r
    then: { approve: { from: [dba, sec], count: 2, timeout: 5m, remember: flow, reason_required: true, message: Ask } }
";
    let verdict = Flow::default().judged(&job_policy(rest), &http("GET", "/"));
    let Decision::Approve(terms) = verdict.decision else {
        panic!("{verdict:?}")
    };
    assert_eq!(terms.from, ["dba", "sec"]);
    assert_eq!((terms.count, terms.timeout.as_secs()), (2, 300));
    assert_eq!(
        (terms.remember, terms.reason_required),
        (Remember::Flow, true)
    );
    assert_eq!(terms.message.as_deref(), Some("Ask"));
}

#[test]
fn approval_terms_that_are_not_said() {
    let rest = "rules: [{ name: r, then: { approve: { from: dba } } }]";
    let verdict = Flow::default().judged(&job_policy(rest), &http("GET", "/"));
    let Decision::Approve(terms) = verdict.decision else {
        panic!("{verdict:?}")
    };
    assert_eq!((terms.count, terms.timeout.as_secs()), (1, 600));
    assert_eq!(
        (terms.remember, terms.reason_required),
        (Remember::Operation, false)
    );
}

#[test]
fn a_match_that_is_not_certain_says_so() {
    let rest = "default: allow\nrules: [{ name: r, what: { host: evil.example.com }, then: deny, message: closed }]";
    let policy = job_policy(rest);
    let raw = Flow::default()
        .named(HostFact::Unknown)
        .judged(&policy, &http("GET", "/"));
    assert_eq!(
        raw.message,
        "closed (whether the rule matches could not be known, and so it does)"
    );
    let certain = Flow::to("evil.example.com").judged(&policy, &http("GET", "/"));
    assert_eq!(certain.message, "closed");
}

#[test]
fn several_messages_are_joined() {
    let rest = "rules:
  - { name: a, then: deny, message: one }
  - { name: b, then: deny, message: two }
  - { name: c, then: deny }
";
    let verdict = Flow::default().judged(&job_policy(rest), &http("GET", "/"));
    assert_eq!(verdict.message, "one; two");
}

#[test]
fn no_policy_says_what_to_do() {
    let set = crate::PolicySet::load(Vec::new()).unwrap();
    let policy = set.for_job(&crate::testing::job());
    let verdict = Flow::default().judged(&policy, &http("GET", "/"));
    assert!(
        verdict.message.contains("no policy applies to this job"),
        "{}",
        verdict.message
    );
    assert!(
        verdict.message.contains("applies_to"),
        "{}",
        verdict.message
    );
}
