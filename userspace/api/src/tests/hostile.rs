//! What a client sends that is not right: answered in JSON, bounded, and nothing breaks.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::ports::{Fake, Served, uuid};
use crate::Problem;
use crate::limits::{MAX_BODY, MAX_CONNECTIONS, MAX_CONNECTIONS_OF_USER, MAX_HEAD, MAX_REASON};
use crate::server::Seats;

/// Sends a whole request, gives the whole answer.
async fn say(socket: &Path, bytes: Vec<u8>) -> String {
    send(socket, bytes, false).await
}

/// Sends bytes, and says where asked for that these were all; gives the whole answer.
async fn send(socket: &Path, bytes: Vec<u8>, no_more: bool) -> String {
    let socket = socket.to_owned();
    let said = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        // The server may stop reading before all is sent.
        let _ = stream.write_all(&bytes);
        if no_more {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    });
    said.await.unwrap()
}

fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

fn status_and_problem(answer: &str) -> (u16, Problem) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn every_wrong_request_is_answered_with_a_problem() {
    let served = Served::new(Fake::default());
    let approval = format!("/v1/approvals/{}", uuid(5));
    let approval = approval.as_str();
    for (method, path, body, want, says) in [
        ("GET", "/", "", 404, "nothing at /"),
        ("GET", "/v2/status", "", 404, "nothing at /v2/status"),
        ("POST", "/v1/status", "", 405, "POST is not"),
        ("GET", "/v1/sessions/7", "", 400, "UUID"),
        ("GET", "/v1/sessions?verdit=deny", "", 400, "verdit"),
        ("GET", "/v1/sessions?since=yesterday", "", 400, "since"),
        ("GET", "/v1/sessions?limit=-1", "", 400, "limit"),
        ("GET", "/v1/tail?position=x", "", 400, "position"),
        ("POST", approval, "", 400, "the body"),
        ("POST", approval, "{}", 400, "agree"),
        ("POST", approval, r#"{"agree": "yes"}"#, 400, "boolean"),
        ("POST", approval, r#"{"agree": true, "who": 0}"#, 400, "who"),
        ("POST", "/v1/approvals/x", r#"{"agree": true}"#, 400, "UUID"),
        ("POST", "/v1/jobs", r#"{"name": 7}"#, 400, "string"),
        ("POST", "/v1/jobs", r#"{"name": "x", "uid": 0}"#, 400, "uid"),
        ("DELETE", "/v1/jobs/x", "", 400, "UUID"),
    ] {
        let answer = say(&served.socket(), request(method, path, body.as_bytes())).await;
        let (status, problem) = status_and_problem(&answer);
        assert_eq!(status, want, "{method} {path} {body}: {problem:?}");
        assert!(
            problem.error.contains(says),
            "{method} {path} {body}: {problem:?}"
        );
    }
    assert!(served.fake.calls().is_empty());
}

#[tokio::test]
async fn a_body_ends_at_its_limit() {
    let served = Served::new(Fake::default());
    let approval = format!("/v1/approvals/{}", uuid(5));
    let padded = |length: usize| {
        let mut body = br#"{"agree": true}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    let answer = say(
        &served.socket(),
        request("POST", &approval, &padded(MAX_BODY)),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let over = request("POST", &approval, &padded(MAX_BODY + 1));
    let answer = say(&served.socket(), over).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(served.fake.calls().len(), 1);
}

#[tokio::test]
async fn a_reason_ends_at_its_limit() {
    let served = Served::new(Fake::default());
    let client = served.client().await;
    let at_limit = Some("r".repeat(MAX_REASON));
    assert!(client.answer(uuid(5), true, at_limit).await.is_ok());
    let over = Some("r".repeat(MAX_REASON + 1));
    assert!(client.answer(uuid(5), true, over).await.is_err());
}

#[tokio::test]
async fn a_head_ends_at_its_limit() {
    let served = Served::new(Fake::default());
    let head = |length: usize| {
        let start = "GET /v1/approvals HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\nx: ";
        let fill = length - start.len() - 4;
        format!("{start}{}\r\n\r\n", "x".repeat(fill)).into_bytes()
    };
    let answer = say(&served.socket(), head(MAX_HEAD / 2)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = say(&served.socket(), head(MAX_HEAD * 2)).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn nonsense_and_a_request_cut_short_leave_the_server_as_it_was() {
    let served = Served::new(Fake::default());
    let whole = request("GET", "/v1/approvals", b"");
    for cut in 0..whole.len() {
        let part = whole[..cut].to_vec();
        send(&served.socket(), part, true).await;
    }
    for nonsense in [&b"\x16\x03\x01\x02"[..], b"SSH-2.0-x\r\n", &[0; 4096]] {
        send(&served.socket(), nonsense.to_vec(), true).await;
    }
    let answer = say(&served.socket(), whole).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn seats_are_bound_and_given_back() {
    let seats = Seats::default();
    let own: Vec<_> = (0..MAX_CONNECTIONS_OF_USER)
        .map(|_| seats.take(1000).unwrap())
        .collect();
    assert!(seats.take(1000).is_none(), "one over");
    assert!(seats.take(1001).is_some(), "another user is not locked out");
    drop(own);
    assert!(seats.take(1000).is_some());
    let roots: Vec<_> = (0..MAX_CONNECTIONS)
        .map(|_| seats.take(0).unwrap())
        .collect();
    assert!(seats.take(0).is_none() && seats.take(1000).is_none());
    drop(roots);
    assert!(seats.take(0).is_some());
}
