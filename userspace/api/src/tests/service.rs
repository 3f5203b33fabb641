//! What each request does, by the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice_flow::ports::{AnswerError, JobRequest, SessionFilter};
use sluice_flow::{JobId, SessionId};

use super::ports::{Fake, Served, at, closed, held, ports, uuid};
use crate::{ApiError, ApiOptions, Client, ClientError, Server, socket_path};

fn refused(error: ClientError) -> (u16, String, Option<String>) {
    let hint = error.hint();
    match error {
        ClientError::Refused { status, problem } => (status, problem.error, hint),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn status_and_jobs_and_policies() {
    let served = Served::new(Fake::default());
    let client = served.client().await;
    assert_eq!(client.status().await.unwrap().jobs.len(), 1);
    let request = JobRequest {
        name: "payments-ci".to_owned(),
        labels: [("ref".to_owned(), "main".to_owned())].into(),
        secrets: Vec::new(),
        policies: Vec::new(),
    };
    let ticket = client.start_job(&request).await.unwrap();
    assert_eq!(ticket.id, JobId(uuid(77)));
    let grace = Duration::from_secs(7);
    client.end_job(ticket.id, grace).await.unwrap();
    client
        .end_job(ticket.id, Duration::from_secs(9999))
        .await
        .unwrap();
    let in_force = client.reload().await.unwrap();
    assert_eq!(in_force.first().unwrap().policy, "payments-ci");
    let session = SessionId(uuid(1));
    let why = client.explain(session).await.unwrap();
    assert_eq!(why, format!("{session}: because"));
    let id = JobId(uuid(77));
    assert_eq!(
        served.fake.calls(),
        [
            "start payments-ci for root".to_owned(),
            format!("end {id} 7s"),
            format!("end {id} 60s"),
        ]
    );
}

#[tokio::test]
async fn what_the_daemon_cannot_do_now_is_said() {
    let served = Served::new(Fake::default());
    served.fake.refuses.store(true, Ordering::SeqCst);
    let client = served.client().await;
    let request = JobRequest {
        name: String::new(),
        labels: Default::default(),
        secrets: Vec::new(),
        policies: Vec::new(),
    };
    let not_now = "not now: wait".to_owned();
    let started = refused(client.start_job(&request).await.unwrap_err());
    assert_eq!(started, (409, not_now.clone(), None));
    let reloaded = refused(client.reload().await.unwrap_err());
    let stays = Some("the old policies stay in force".to_owned());
    assert_eq!(reloaded, (422, not_now.clone(), stays));
    let session = SessionId(uuid(1));
    let explained = refused(client.explain(session).await.unwrap_err());
    assert_eq!(explained, (404, not_now, None));
    let torn = refused(client.tail(0, 1, Duration::ZERO).await.unwrap_err());
    assert_eq!(torn.0, 503);
    assert!(torn.1.contains("segment 3 is torn"), "{torn:?}");
}

#[tokio::test]
async fn a_filter_arrives_as_it_was_meant() {
    let served = Served::new(Fake::default());
    let filter = SessionFilter {
        job: Some("a job & more=yes".to_owned()),
        process: Some("**/psql".to_owned()),
        host: Some("*.example.com".to_owned()),
        verdict: Some("deny".to_owned()),
        since: Some(at(0)),
        until: Some(at(9)),
        limit: Some(3),
    };
    let sessions = served.client().await.sessions(&filter).await.unwrap();
    assert_eq!(sessions.len(), 2);
    let want = serde_json::to_string(&filter).unwrap();
    assert_eq!(served.fake.calls(), [format!("list {want}")]);
}

#[tokio::test]
async fn a_session_is_its_events_and_an_unknown_one_is_named() {
    let fake = Fake::default();
    fake.events.lock().unwrap().push(closed(1, 0));
    let served = Served::new(fake);
    let client = served.client().await;
    let events = client.events(SessionId(uuid(1))).await.unwrap();
    assert_eq!(events, [closed(1, 0)]);
    let unknown = SessionId(uuid(2));
    let (status, error, _) = refused(client.events(unknown).await.unwrap_err());
    assert_eq!(
        (status, error),
        (404, format!("there is no session {unknown}"))
    );
}

#[tokio::test]
async fn following_waits_for_what_comes_next() {
    let served = Served::new(Fake::default());
    let client = served.client().await;
    let empty = client
        .tail(u64::MAX >> 1, 10, Duration::ZERO)
        .await
        .unwrap();
    assert!(empty.events.is_empty());
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.tail(0, 10, Duration::from_secs(30)).await })
    };
    tokio::task::yield_now().await;
    served.fake.events.lock().unwrap().push(closed(1, 0));
    let page = waiting.await.unwrap().unwrap();
    assert_eq!((page.events, page.position), (vec![closed(1, 0)], 1));
}

#[tokio::test]
async fn a_page_holds_as_many_events_as_asked_for() {
    let fake = Fake::default();
    let many = (0..5).map(|seq| closed(1, seq));
    fake.events.lock().unwrap().extend(many);
    let served = Served::new(fake);
    let page = served.client().await.tail(1, 3, Duration::ZERO).await;
    let page = page.unwrap();
    let numbers: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
    assert_eq!((numbers, page.position), (vec![1, 2, 3], 4));
}

#[tokio::test]
async fn answers_go_to_the_desk_with_who_gave_them() {
    let served = Served::new(Fake {
        held: vec![held(5, "dba")],
        ..Fake::default()
    });
    let client = served.client().await;
    assert_eq!(client.approvals().await.unwrap(), [held(5, "dba")]);
    let because = Some("reviewed".to_owned());
    assert_eq!(client.answer(uuid(5), true, because).await.unwrap(), 1);
    assert_eq!(client.answer(uuid(5), false, None).await.unwrap(), 1);
    let uid = nix::unistd::Uid::effective();
    let id = uuid(5);
    assert_eq!(
        served.fake.calls(),
        [
            format!("answer {id} {uid} true Some(\"reviewed\")"),
            format!("answer {id} {uid} false None"),
        ]
    );
}

#[tokio::test]
async fn answers_that_do_not_count_are_told_apart() {
    let served = Served::new(Fake::default());
    let client = served.client().await;
    for (error, want) in [
        (AnswerError::Unknown, 404),
        (AnswerError::NotAsked(vec!["dba".to_owned()]), 403),
        (AnswerError::OwnJob, 403),
        (AnswerError::Twice(2), 409),
        (AnswerError::NoReason, 422),
    ] {
        *served.fake.answer.lock().unwrap() = Some(Err(error.clone()));
        let told = refused(client.answer(uuid(5), true, None).await.unwrap_err());
        assert_eq!((told.0, told.1), (want, error.to_string()));
    }
}

#[tokio::test]
async fn a_client_without_a_daemon_says_so() {
    let state = tempfile::tempdir().unwrap();
    let error = Client::connect(state.path()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning(_)), "{error:?}");
    assert!(error.hint().unwrap().contains("sluice daemon"));
}

#[tokio::test]
async fn the_socket_goes_with_the_server_and_one_left_behind_is_replaced() {
    let served = Served::new(Fake::default());
    let socket = served.socket();
    let second = {
        let options = ApiOptions {
            socket: socket.clone(),
            admin_group: None,
        };
        let member = Arc::new(AtomicBool::new(false));
        Server::bind(options, ports(&served.fake, &member))
    };
    assert!(matches!(second.err(), Some(ApiError::InUse(_))));
    let state = served.stop().await;
    assert!(!socket.exists());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "left behind by a daemon that was killed");
    let options = ApiOptions {
        socket: socket_path(state.path()),
        admin_group: None,
    };
    let member = Arc::new(AtomicBool::new(false));
    let again = Server::bind(options, ports(&Arc::new(Fake::default()), &member));
    assert!(again.is_ok());
}

#[tokio::test]
async fn a_waiting_follower_does_not_keep_the_server_up() {
    let served = Served::new(Fake::default());
    let client = served.client().await;
    let waiting = tokio::spawn(async move { client.tail(0, 10, Duration::from_secs(30)).await });
    tokio::task::yield_now().await;
    let started = std::time::Instant::now();
    served.stop().await;
    let _ = waiting.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
}
