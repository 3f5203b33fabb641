//! What is appended is read back.

use sluice_flow::ports::{Recorder as _, SessionFilter, Sessions};
use sluice_flow::session::Outcome;
use sluice_flow::{Decision, EventKind, SessionId};
use tempfile::tempdir;

use super::sample::{self, closed, opened, operation, start, store, verdict, whole};
use crate::{Store, StoreError};

fn all(sessions: &dyn Sessions) -> Vec<SessionId> {
    let found = sessions.list(&SessionFilter::default()).unwrap();
    found.into_iter().map(|session| session.id).collect()
}

fn kinds(store: &dyn Sessions, id: SessionId) -> Vec<&'static str> {
    let word = |kind: &EventKind| match kind {
        EventKind::Opened(_) => "opened",
        EventKind::Operation(_) => "operation",
        EventKind::Verdict { .. } => "verdict",
        EventKind::Answered { .. } => "answered",
        EventKind::Closed { .. } => "closed",
        _ => "other",
    };
    store
        .events(id)
        .unwrap()
        .iter()
        .map(|event| word(&event.kind))
        .collect()
}

#[test]
fn a_session_is_read_back_while_it_is_open_and_after_it_is_closed_and_after_a_restart() {
    let dir = tempdir().unwrap();
    let store = sample::store(dir.path());
    let mut log = start(&store);
    let id = log.id();
    assert_eq!(kinds(&store, id), ["opened", "operation", "verdict"]);
    assert_eq!(all(&store), [id]);
    log.append(vec![sample::answered(1), closed()]).unwrap();
    drop(log);
    let expected = ["opened", "operation", "verdict", "closed"];
    assert_eq!(kinds(&store, id), expected);
    let before = store.list(&SessionFilter::default()).unwrap();
    drop(store);
    let reader = Store::open_read(dir.path()).unwrap();
    assert_eq!(reader.list(&SessionFilter::default()).unwrap(), before);
    let store = sample::store(dir.path());
    assert_eq!(store.list(&SessionFilter::default()).unwrap(), before);
    assert_eq!(kinds(&store, id), expected);
    assert_eq!(kinds(&reader, id), expected);
    assert_eq!(before[0].operations, 1);
    assert_eq!(before[0].bytes_down, 2000);
    assert_eq!(before[0].outcome, Some(Outcome::Closed));
}

#[test]
fn an_answer_stands_in_its_operation() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let id = whole(&store);
    let events = store.events(id).unwrap();
    let EventKind::Operation(record) = &events[1].kind else {
        panic!("{events:?}");
    };
    assert_eq!(
        (record.tag.as_deref(), record.rows),
        (Some("SELECT 3"), Some(3))
    );
    assert_eq!(
        events.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [0, 1, 2, 4]
    );
}

#[test]
fn a_log_that_is_dropped_open_is_aborted() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let log = start(&store);
    drop(log);
    let found = store.list(&SessionFilter::default()).unwrap();
    assert_eq!(found[0].outcome, Some(Outcome::Aborted));
}

#[test]
fn a_log_that_was_never_written_leaves_nothing() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    drop(store.session().unwrap());
    assert_eq!(all(&store), []);
    assert_eq!(store.tail(0, 10).unwrap().0, []);
}

#[test]
fn a_closed_session_takes_no_more() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let mut log = start(&store);
    assert!(log.append(vec![closed(), operation("select 1")]).is_err());
    log.append(vec![closed()]).unwrap();
    assert!(log.append(vec![operation("select 1")]).is_err());
}

#[test]
fn an_append_of_nothing_writes_nothing() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let mut log = start(&store);
    let before = store.head();
    assert_eq!(log.append(Vec::new()).unwrap(), 3);
    assert_eq!(store.head(), before);
}

#[test]
fn only_one_process_writes() {
    let dir = tempdir().unwrap();
    let first = store(dir.path());
    let second = Store::open(dir.path(), crate::Options::default()).unwrap_err();
    assert!(
        matches!(second, StoreError::InUse { pid: Some(pid), .. } if pid == std::process::id())
    );
    assert!(second.to_string().contains("stop that one"), "{second}");
    drop(first);
    let _again = store(dir.path());
}

#[test]
fn a_log_outlives_the_store_for_as_long_as_a_session_holds_it() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let mut log = start(&store);
    drop(store);
    log.append(vec![closed()]).unwrap();
    drop(log);
    assert_eq!(all(&sample::store(dir.path())).len(), 1);
}

#[test]
fn the_list_is_filtered() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let session = |job: &str, host: Option<&str>, exe: &str, decision: Decision| {
        let mut log = store.session().unwrap();
        let execs = [sample::exec(1, "/bin/bash"), sample::exec(2, exe)];
        let events = vec![
            opened(job, &execs, host),
            operation("x"),
            verdict(1, decision),
            closed(),
        ];
        log.append(events).unwrap();
        log.id()
    };
    let a = session(
        "shop",
        Some("db.example.com"),
        "/usr/bin/psql",
        Decision::Allow,
    );
    let b = session(
        "billing",
        Some("api.example.org"),
        "/usr/bin/curl",
        Decision::Deny,
    );
    let c = session("billing", None, "/opt/tool/curl", Decision::Allow);
    let ask = |change: &dyn Fn(&mut SessionFilter)| {
        let mut filter = SessionFilter::default();
        change(&mut filter);
        let found = store.list(&filter).unwrap();
        found
            .into_iter()
            .map(|session| session.id)
            .collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(ask(&|_| {}), [a, b, c]);
    assert_eq!(ask(&|f| f.job = text("shop")), [a]);
    assert_eq!(
        ask(&|f| f.job = text(&sample::job("billing").id.to_string())),
        [b, c]
    );
    assert_eq!(ask(&|f| f.process = text("curl")), [b, c]);
    assert_eq!(ask(&|f| f.process = text("/usr/bin/*")), [a, b]);
    assert_eq!(ask(&|f| f.process = text("/opt/**")), [c]);
    assert_eq!(ask(&|f| f.process = text("bash")), [a, b, c]);
    assert_eq!(ask(&|f| f.host = text("*.EXAMPLE.com")), [a]);
    assert_eq!(ask(&|f| f.host = text("192.0.2.*")), [a, b, c]);
    assert_eq!(ask(&|f| f.verdict = text("deny")), [b]);
    assert_eq!(ask(&|f| f.limit = Some(2)), [b, c]);
    assert_eq!(ask(&|f| f.limit = Some(0)), []);
    let opened = store.list(&SessionFilter::default()).unwrap()[1].opened;
    assert_eq!(ask(&|f| f.since = Some(opened)), [b, c]);
    assert_eq!(ask(&|f| f.until = Some(opened)), [a]);
    let wrong = SessionFilter {
        process: text("[a"),
        ..SessionFilter::default()
    };
    assert!(store.list(&wrong).unwrap_err().to_string().contains("[a"));
}

#[test]
fn the_tail_goes_on_where_it_stopped_over_segments() {
    let dir = tempdir().unwrap();
    let store = sample::small(dir.path());
    let ids: Vec<_> = (0..20).map(|_| whole(&store)).collect();
    let mut position = 0;
    let mut seen = Vec::new();
    loop {
        let (events, behind) = store.tail(position, 3).unwrap();
        if events.is_empty() {
            assert_eq!(behind, position);
            break;
        }
        position = behind;
        seen.extend(events.into_iter().map(|event| (event.session, event.seq)));
    }
    let expected: Vec<_> = ids
        .iter()
        .flat_map(|id| (0..5).map(move |seq| (*id, seq)))
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(store.tail(u64::MAX, 10).unwrap(), (Vec::new(), position));
    assert!(
        store.tail(100, 1).is_err(),
        "100 is in the middle of a record"
    );
    assert!(store.usage().unwrap().segments > 5);
}
