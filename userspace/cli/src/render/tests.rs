//! What people see, against files in `tests/golden`: read them, they are the product.
//!
//! `SLUICE_BLESS=1 cargo test -p sluice` writes them anew.

use jiff::Timestamp;
use sluice_flow::{Event, EventKind, SessionSummary};

use super::fixture::{at, held, http_session, job, postgres_session, status};
use super::*;
use crate::paper::Paint;

fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, want, "{name} differs; SLUICE_BLESS=1 writes it anew");
    assert!(!text.contains('\u{1b}'), "{name} holds an escape character");
}

fn summary(events: &[Event]) -> SessionSummary {
    summarised(events).unwrap()
}

fn both() -> Vec<SessionSummary> {
    vec![summary(&postgres_session()), summary(&http_session())]
}

#[test]
fn a_list_of_sessions() {
    let mut open = summary(&postgres_session()[..3]);
    open.lineage_complete = false;
    let mut list = both();
    list.push(open);
    golden("sessions.txt", &sessions(&list, Paint::OFF));
}

#[test]
fn a_transcript_of_queries() {
    let events = postgres_session();
    let text = transcript(&summary(&events), &events, Paint::OFF);
    golden("transcript_postgres.txt", &text);
}

#[test]
fn a_transcript_of_requests() {
    let events = http_session();
    let text = transcript(&summary(&events), &events, Paint::OFF);
    golden("transcript_http.txt", &text);
}

#[test]
fn an_open_session_says_so() {
    let events = postgres_session();
    let text = transcript(&summary(&events[..2]), &events[..2], Paint::OFF);
    assert!(text.contains("still open"), "{text}");
}

#[test]
fn an_answer_that_comes_late_names_its_operation() {
    let mut events = postgres_session();
    let masked = events.remove(3);
    events.insert(7, masked);
    let text = transcript(&summary(&events), &events, Paint::OFF);
    assert!(text.contains("1 credit_card (by cards)  (of 1)"), "{text}");
}

#[test]
fn a_verdict_on_an_answer_says_which() {
    let mut events = http_session();
    for event in &mut events {
        if let EventKind::Verdict { status, .. } = &mut event.kind {
            *status = Some(502);
        }
    }
    let text = transcript(&summary(&events), &events, Paint::OFF);
    assert!(text.contains("deny       the answer 502 by "), "{text}");
}

#[test]
fn a_tree_of_processes() {
    golden("lineage.txt", &tree(&both(), Paint::OFF));
}

#[test]
fn a_session_without_lineage_has_a_place_in_the_tree() {
    let mut session = summary(&http_session());
    session.lineage.clear();
    session.lineage_complete = false;
    session.job = None;
    let text = tree(&[session], Paint::OFF);
    assert!(text.starts_with("no job\n└─ process not known\n"), "{text}");
}

#[test]
fn what_waits() {
    let now: Timestamp = at(61_000);
    golden("approvals.txt", &approvals(&[held()], now, Paint::OFF));
    golden("approval.txt", &approval(&held(), now, Paint::OFF));
}

#[test]
fn what_expired_between_two_looks_has_no_time_left() {
    let text = approvals(&[held()], at(700_000), Paint::OFF);
    assert!(text.contains("0 ms"), "{text}");
}

#[test]
fn the_state_of_the_gate() {
    golden("status.txt", &super::status(&status(true), Paint::OFF));
    let shut = super::status(&status(false), Paint::OFF);
    assert!(
        shut.contains("shut: connections of jobs are refused"),
        "{shut}"
    );
}

fn end_of<'a>(sessions: &'a [SessionSummary], refused: &'a [RefusedOperation]) -> JobEnd<'a> {
    JobEnd {
        job: job().id,
        name: "payments-ci",
        status: 1,
        sessions,
        refused,
        more_refused: 0,
        lost: 0,
        gone: false,
        state: None,
    }
}

#[test]
fn what_is_to_be_typed_names_a_state_directory_that_is_not_the_usual_one() {
    let database = postgres_session();
    let (list, refused) = (both(), refused_operations(&summary(&database), &database));
    let end = JobEnd {
        state: Some(std::path::Path::new("/srv/state")),
        ..end_of(&list, &refused)
    };
    for text in [summary_text(&end, Paint::OFF), summary_markdown(&end)] {
        assert!(text.contains("sluice policy explain "), "{text}");
        assert!(text.contains(" --state /srv/state"), "{text}");
    }
}

#[test]
fn the_end_of_a_job() {
    let (database, web) = (postgres_session(), http_session());
    let mut list = both();
    // A second connection of the same kind goes into the same row.
    list.push(summary(&database));
    let mut refused = refused_operations(&summary(&database), &database);
    refused.extend(refused_operations(&summary(&web), &web));
    let end = end_of(&list, &refused);
    golden("summary.txt", &summary_text(&end, Paint::OFF));
    golden("summary.md", &summary_markdown(&end));
}

#[test]
fn the_end_of_a_job_that_connected_to_nothing() {
    let end = JobEnd {
        more_refused: 3,
        lost: 2,
        gone: true,
        ..end_of(&[], &[])
    };
    golden("summary_empty.txt", &summary_text(&end, Paint::OFF));
    golden("summary_empty.md", &summary_markdown(&end));
}

#[test]
fn only_a_default_suggests_a_rule() {
    let refusals = |events: Vec<Event>| refused_operations(&summary(&events), &events);
    let by_default = refusals(postgres_session());
    assert_eq!(by_default.len(), 1);
    let rule = by_default[0].allow.as_deref().unwrap();
    let want = r#""what":{"host":"db.example.com","port":5432,"postgres":{"effect":"ddl","table":["payments.cards"]}}"#;
    assert!(rule.contains(want), "{rule}");
    let by_rule = refusals(http_session());
    assert_eq!((by_rule.len(), &by_rule[0].allow), (1, &None));
    assert!(by_rule[0].expected);
}

#[test]
fn following_is_a_line_an_event() {
    let events = postgres_session();
    let session = summary(&events);
    let lines = events
        .iter()
        .map(|event| followed(event, &session, Paint::OFF));
    golden("follow.txt", &lines.collect::<String>());
}

#[test]
fn colours_change_nothing_but_colours() {
    let events = postgres_session();
    let session = summary(&events);
    let strip = |text: &str| {
        let mut parts = text.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
    };
    let plain = transcript(&session, &events, Paint::OFF);
    let coloured = transcript(&session, &events, Paint::ON);
    assert_ne!(plain, coloured);
    assert_eq!(strip(&coloured), plain);
    assert_eq!(strip(&tree(&both(), Paint::ON)), tree(&both(), Paint::OFF));
    assert_eq!(
        strip(&sessions(&both(), Paint::ON)),
        sessions(&both(), Paint::OFF)
    );
}
