use sluice_flow::{EventKind, HostFact, HttpRequest, Judgement, Refusal};

use super::*;
use crate::gate::tests::{Fixture, fixture, fixture_of, kinds, request};

const RULES: &str = "  - { name: get, what: { http: { method: GET } }, then: allow }
  - { name: no-errors, what: { http: { status: 5xx } }, then: deny, expected: true }
  - { name: told, what: { http: { status: 404 } }, mode: shadow, then: deny }
mask:
  - { name: pages, what: { http: { status: [101, 200] } }, detect: email }
record: { payload: masked }
";

fn get() -> Operation {
    request("GET", "/x", "api.example.com")
}

async fn passed(f: &mut Fixture, operation: Operation) -> Pass {
    match f.gate.judge(operation).await {
        Judgement::Forward(pass) => pass,
        Judgement::Refuse(refusal) => panic!("{refusal:?}"),
        Judgement::Hold(_) | Judgement::ReadBody(_) => panic!("held"),
    }
}

async fn answered(f: &mut Fixture, status: u16) -> Result<Pass, Refusal> {
    let pass = passed(f, get()).await;
    assert!(pass.judges_answer);
    f.gate.judge_answer(pass.operation, status).await
}

#[tokio::test]
async fn the_verdict_on_an_answer_is_in_the_log_before_it_may_pass() {
    for (status, verdict, would_be) in [
        (200, "allow", None),
        (404, "allow", Some(Decision::Deny)),
        (503, "deny", None),
    ] {
        let mut f = fixture(RULES);
        let answer = answered(&mut f, status).await;
        assert_eq!(answer.is_err(), verdict == "deny", "{status}");
        let events = f.memory.events.lock().unwrap();
        let Some(EventKind::Verdict {
            operation,
            status: of_answer,
            verdict: word,
            because,
        }) = events.get(2)
        else {
            panic!("{events:?}")
        };
        assert_eq!(
            (*operation, *of_answer, word.as_str()),
            (0, Some(status), verdict)
        );
        assert_eq!(because.would_be, would_be, "{status}");
    }
}

#[tokio::test]
async fn a_refused_answer_names_its_rule_and_status_and_is_recorded_as_refused() {
    let mut f = fixture(RULES);
    let Err(refusal) = answered(&mut f, 503).await else {
        panic!("allowed")
    };
    assert_eq!(refusal.cause, Cause::Policy);
    assert_eq!(
        refusal.text(),
        "sluice: refused by p/no-errors: the answer 503 to GET /x at api.example.com:80 is not allowed here"
    );
    let recorded = ["operation", "verdict", "verdict on the answer", "refused"];
    assert_eq!(kinds(&f.memory), recorded);
    let events = f.memory.events.lock().unwrap();
    let last = events.last();
    assert!(
        matches!(last, Some(EventKind::Refused { expected: true, .. })),
        "{last:?}"
    );
}

#[tokio::test]
async fn an_answer_is_masked_and_kept_as_its_status_asks() {
    for (status, masked) in [(200, true), (404, false)] {
        let mut f = fixture_without_secrets(RULES);
        let Ok(answer) = answered(&mut f, status).await else {
            panic!("refused")
        };
        assert_eq!(
            (answer.masker.is_some(), answer.record_payload),
            (masked, masked),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_request_is_told_whether_its_answer_must_not_be_a_part_or_a_tunnel() {
    let upgrade = |operation| match operation {
        Operation::Http(request) => Operation::Http(HttpRequest {
            upgrade: Some("websocket".to_owned()),
            ..request
        }),
        other => other,
    };
    let parts = "  - { name: get, then: allow }\nmask:\n  - { name: m, what: { http: { status: 2xx } }, detect: email }\n";
    for (rules, operation, masked) in [
        (RULES, get(), false),
        (RULES, upgrade(get()), true),
        (parts, get(), true),
        (parts, upgrade(get()), false),
    ] {
        let mut f = fixture_without_secrets(rules);
        let pass = passed(&mut f, operation).await;
        assert_eq!(pass.masker.is_some(), masked, "{rules}");
    }
}

#[tokio::test]
async fn where_no_rule_is_about_answers_none_is_judged() {
    let mut f = fixture("  - { name: get, then: allow }\n");
    let pass = passed(&mut f, get()).await;
    assert!(!pass.judges_answer);
    // Who asks all the same gets no answer through.
    let asked = f.gate.judge_answer(pass.operation, 200).await;
    assert_eq!(
        asked.err().map(|refusal| refusal.cause),
        Some(Cause::Undecodable)
    );
}

#[tokio::test]
async fn every_head_of_an_answer_is_judged_and_none_of_another_request() {
    let mut f = fixture(RULES);
    let first = passed(&mut f, get()).await;
    for status in [100, 103, 200] {
        assert!(
            f.gate.judge_answer(first.operation, status).await.is_ok(),
            "{status}"
        );
    }
    let second = passed(&mut f, get()).await;
    assert!(f.gate.judge_answer(first.operation, 200).await.is_err());
    assert!(f.gate.judge_answer(second.operation, 200).await.is_err());
}

#[tokio::test]
async fn without_a_record_no_answer_passes() {
    let mut f = fixture(RULES);
    let pass = passed(&mut f, get()).await;
    *f.memory.full.lock().unwrap() = true;
    let answer = f.gate.judge_answer(pass.operation, 200).await;
    assert_eq!(
        answer.err().map(|refusal| refusal.cause),
        Some(Cause::RecorderUnavailable)
    );
}

#[tokio::test]
async fn an_answer_is_judged_by_the_name_that_its_request_proved() {
    let names = ["api.example.com", "web.example.com"].map(str::to_owned);
    let rules = "  - { name: get, what: { http: { method: GET } }, then: allow }
  - { name: web, what: { host: web.example.com, http: { status: 500 } }, then: deny }
";
    for (host, refused) in [("api.example.com", false), ("web.example.com", true)] {
        let mut f = fixture_of(rules, HostFact::resolved(&names));
        let pass = passed(&mut f, request("GET", "/", host)).await;
        assert_eq!(pass.judges_answer, refused, "{host}");
        if pass.judges_answer {
            assert!(f.gate.judge_answer(pass.operation, 500).await.is_err());
        }
    }
}

fn fixture_without_secrets(rules: &str) -> Fixture {
    crate::gate::tests::fixture_with(
        rules,
        HostFact::Proved("api.example.com".to_owned()),
        Vec::new(),
    )
}
