use std::time::Duration;

use super::*;
use sluice_flow::session::OperationRecord;
use sluice_flow::verdict::{ApprovalTerms, Escalation};
use sluice_flow::{Job, Lineage};
use uuid::Uuid;

const STARTED_BY: u32 = 1000;

fn job() -> Job {
    Job {
        id: JobId::new(),
        name: "ci".to_owned(),
        labels: Default::default(),
        uid: STARTED_BY,
    }
}

fn held(job: &Job, count: u32, remember: Remember) -> Held {
    let asked = Timestamp::now();
    Held {
        id: Uuid::now_v7(),
        session: SessionId::new(),
        job: job.clone(),
        asked,
        expires: asked + Duration::from_secs(60),
        destination: "db.example.com:5432".to_owned(),
        operation: OperationRecord {
            digest: "d1".to_owned(),
            ..OperationRecord::default()
        },
        terms: ApprovalTerms {
            from: vec!["dba".to_owned()],
            count,
            timeout: Duration::from_secs(60),
            remember,
            reason_required: false,
            message: None,
            escalate: None,
        },
        agreed: Vec::new(),
        lineage: Lineage::default(),
    }
}

fn person(uid: u32, group: &str) -> Person {
    Person {
        uid,
        name: format!("user{uid}"),
        groups: vec![group.to_owned()],
    }
}

#[test]
fn one_agreement_releases_and_it_is_gone_from_the_desk() {
    let desk = Arc::new(Desk::default());
    let request = held(&job(), 1, Remember::Operation);
    let id = request.id;
    let mut place = desk.ask(request).ok().unwrap();
    assert_eq!(desk.answer(id, &person(1, "dba"), true, Some("ok")), Ok(0));
    let counted = place.answers.try_recv().unwrap();
    assert!(counted.agree && counted.last);
    assert_eq!(counted.reason.as_deref(), Some("ok"));
    assert!(desk.held().is_empty());
    assert_eq!(
        desk.answer(id, &person(2, "dba"), true, None),
        Err(AnswerError::Unknown)
    );
}

#[test]
fn others_may_answer_when_nobody_did_for_a_while() {
    for (waited, want) in [
        (30, Err(AnswerError::NotAsked(vec!["dba".to_owned()]))),
        (60, Ok(0)),
    ] {
        let desk = Arc::new(Desk::default());
        let mut request = held(&job(), 1, Remember::Operation);
        request.asked = Timestamp::now() - Duration::from_secs(waited);
        request.expires = Timestamp::now() + Duration::from_secs(600);
        request.terms.escalate = Some(Escalation {
            after: Duration::from_secs(60),
            to: vec!["leads".to_owned()],
        });
        let id = request.id;
        let _place = desk.ask(request).ok().unwrap();
        assert_eq!(desk.answer(id, &person(1, "leads"), true, None), want);
    }
}

#[test]
fn who_may_not_answer_does_not_count() {
    let desk = Arc::new(Desk::default());
    let mut request = held(&job(), 1, Remember::Operation);
    request.terms.reason_required = true;
    let id = request.id;
    let mut place = desk.ask(request).ok().unwrap();
    let cases = [
        (
            person(1, "web"),
            Some("r"),
            AnswerError::NotAsked(vec!["dba".to_owned()]),
        ),
        (person(STARTED_BY, "dba"), Some("r"), AnswerError::OwnJob),
        (person(1, "dba"), None, AnswerError::NoReason),
        (person(1, "dba"), Some("  "), AnswerError::NoReason),
    ];
    for (who, reason, error) in cases {
        assert_eq!(desk.answer(id, &who, true, reason), Err(error));
    }
    assert!(place.answers.try_recv().is_err());
    assert_eq!(desk.held().len(), 1);
}

#[test]
fn two_people_are_two_different_people() {
    let desk = Arc::new(Desk::default());
    let request = held(&job(), 2, Remember::Operation);
    let id = request.id;
    let _place = desk.ask(request).ok().unwrap();
    assert_eq!(desk.answer(id, &person(1, "dba"), true, None), Ok(1));
    assert_eq!(
        desk.answer(id, &person(1, "dba"), true, None),
        Err(AnswerError::Twice(2))
    );
    assert_eq!(
        desk.held().first().map(|h| h.agreed.clone()),
        Some(vec!["user1".to_owned()])
    );
    assert_eq!(desk.answer(id, &person(2, "dba"), true, None), Ok(0));
}

#[test]
fn one_no_is_enough_also_from_the_one_who_started_the_job() {
    let desk = Arc::new(Desk::default());
    let request = held(&job(), 2, Remember::Job);
    let (id, session, of) = (request.id, request.session, request.job.id);
    let mut place = desk.ask(request).ok().unwrap();
    assert_eq!(
        desk.answer(id, &person(STARTED_BY, "dba"), false, None),
        Ok(0)
    );
    assert!(!place.answers.try_recv().unwrap().agree);
    assert!(!desk.remembers(session, of, "d1"));
}

#[test]
fn what_expired_can_not_be_answered() {
    let desk = Arc::new(Desk::default());
    let mut request = held(&job(), 1, Remember::Operation);
    request.expires = Timestamp::now() - Duration::from_secs(1);
    let id = request.id;
    let _place = desk.ask(request).ok().unwrap();
    assert_eq!(
        desk.answer(id, &person(1, "dba"), true, None),
        Err(AnswerError::Unknown)
    );
}

#[test]
fn a_client_that_goes_away_withdraws() {
    let desk = Arc::new(Desk::default());
    let place = desk.ask(held(&job(), 1, Remember::Operation)).ok().unwrap();
    drop(place);
    assert!(desk.held().is_empty());
}

#[test]
fn what_is_remembered_is_the_same_operation_only() {
    for (remember, same_flow, same_job) in [
        (Remember::Operation, false, false),
        (Remember::Flow, true, false),
        (Remember::Job, true, true),
    ] {
        let desk = Arc::new(Desk::default());
        let request = held(&job(), 1, remember);
        let (id, session, of) = (request.id, request.session, request.job.id);
        let _place = desk.ask(request).ok().unwrap();
        assert_eq!(desk.answer(id, &person(1, "dba"), true, None), Ok(0));
        assert_eq!(desk.remembers(session, of, "d1"), same_flow, "{remember:?}");
        assert_eq!(
            desk.remembers(SessionId::new(), of, "d1"),
            same_job,
            "{remember:?}"
        );
        assert!(!desk.remembers(session, of, "d2"), "another operation");
        assert!(
            !desk.remembers(SessionId::new(), JobId::new(), "d1"),
            "another job"
        );
        desk.forget_flow(session);
        desk.forget_job(of);
        assert!(!desk.remembers(session, of, "d1"), "forgotten");
    }
}

#[test]
fn the_desk_is_bounded_for_a_job_and_for_all() {
    let desk = Arc::new(Desk::default());
    let one = job();
    let mut places: Vec<Place> = Vec::new();
    for _ in 0..MAX_HELD_PER_JOB {
        places.push(desk.ask(held(&one, 1, Remember::Operation)).ok().unwrap());
    }
    let full = desk.ask(held(&one, 1, Remember::Operation)).err();
    assert_eq!(
        full,
        Some(DeskFull {
            limit: MAX_HELD_PER_JOB
        })
    );
    while places.len() < MAX_HELD {
        places.push(desk.ask(held(&job(), 1, Remember::Operation)).ok().unwrap());
    }
    let full = desk.ask(held(&job(), 1, Remember::Operation)).err();
    assert_eq!(full, Some(DeskFull { limit: MAX_HELD }));
}
