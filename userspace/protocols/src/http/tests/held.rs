//! What people are asked about is the whole request: its body is read before they are, and what
//! they agreed to is what is sent.

use super::super::limits::HELD_BODY;
use super::*;

/// A gate that holds the next request, and people who agree, or do not.
fn held(agreed: bool) -> TestGate {
    let (answer, asked) = tokio::sync::oneshot::channel();
    answer.send(agreed).unwrap();
    TestGate::saying([Say::Hold(asked)])
}

/// The body that people were asked about.
fn asked_about(gate: &TestGate) -> HttpBody {
    match gate.asked.as_slice() {
        [Operation::Http(request)] => request.body.clone(),
        other => panic!("{other:?}"),
    }
}

fn put(body: &str) -> String {
    let length = body.len();
    format!("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
}

const CHUNKED: &str = "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn people_are_asked_about_the_body_that_is_sent() {
    let chunks = "4;a=b\r\nbody\r\n0\r\nX-Trailer: 1\r\n\r\n";
    for (request, body) in [
        (put("body"), "body"),
        (format!("{CHUNKED}{chunks}"), chunks),
    ] {
        let mut gate = held(true);
        let (bytes, head) = (request.as_bytes(), request.len() - body.len());
        let client = vec![
            send(&bytes[..head]),
            Move::Sleep(1),
            send(&bytes[head..head + 2]),
            Move::Sleep(1),
            send(&bytes[head + 2..]),
            wait("hi"),
            Move::End,
        ];
        let last = if body == chunks {
            "Trailer: 1\r\n\r\n"
        } else {
            "body"
        };
        let played = through(&mut gate, client, vec![vec![wait(last), send(OK)]]).await;
        assert_eq!(played.client, OK);
        assert_eq!(played.servers, [request]);
        assert_eq!(asked_about(&gate), HttpBody::held(body.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn another_body_is_another_request() {
    let mut digests = Vec::new();
    for body in ["body", "bodY", "body "] {
        let mut gate = held(false);
        let _ = through(
            &mut gate,
            vec![send(put(body)), wait("#infra\n"), Move::End],
            vec![],
        )
        .await;
        digests.push(sluice_flow::session::operation_digest(&gate.asked[0]));
    }
    digests.dedup();
    assert_eq!(digests.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_asked_about_is_not_waited_for() {
    let mut gate = TestGate::default();
    let head = put("body").replace("body", "");
    let client = vec![send(&head), wait("hi"), Move::End];
    let server = vec![wait("\r\n\r\n"), send(OK)];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(played.client, OK);
    assert_eq!(asked_about(&gate), HttpBody::Unread);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_expects_to_be_told_is_told() {
    let mut gate = held(true);
    let head = put("body")
        .replace("body", "")
        .replace("Host", "Expect: 100-continue\r\nHost");
    let client = vec![
        send(&head),
        wait("100 Continue\r\n\r\n"),
        send("body"),
        wait("hi"),
        Move::End,
    ];
    let server = vec![
        wait("body"),
        send("HTTP/1.1 100 Continue\r\n\r\n"),
        send(OK),
    ];
    let played = through(&mut gate, client, vec![server]).await;
    let told = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(played.client, format!("{told}{told}{OK}"));
    assert_eq!(asked_about(&gate), HttpBody::held(b"body"));
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_limit_is_held_and_one_over_is_too_large() {
    let chunked = |bytes: usize| {
        let (framing, end) = ("00100000\r\n".len() + 2, "0\r\n\r\n");
        let data = bytes - framing - end.len();
        format!("{CHUNKED}{data:08x}\r\n{}\r\n{end}", "x".repeat(data))
    };
    let too_large = HttpBody::TooLarge {
        limit: HELD_BODY as u64,
    };
    for (request, large) in [
        (put(&"x".repeat(HELD_BODY)), false),
        (put(&"x".repeat(HELD_BODY + 1)), true),
        (chunked(HELD_BODY), false),
        (chunked(HELD_BODY + 1), true),
    ] {
        let mut gate = held(false);
        let client = vec![send(&request), wait("#infra\n"), Move::End];
        let played = through(&mut gate, client, vec![]).await;
        assert!(played.servers.is_empty());
        assert_eq!(asked_about(&gate) == too_large, large);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_or_breaks_its_rules_asks_nobody() {
    for (client, status) in [
        (
            vec![send(put("body").replace("body", "bo")), Move::End],
            "400",
        ),
        (
            vec![send(put("body").replace("body", "bo")), Move::Sleep(61)],
            "408",
        ),
        (
            vec![send(format!("{CHUNKED}4\r\nbodyX\r\n")), wait("\r\n\r\n")],
            "400",
        ),
    ] {
        let mut gate = held(true);
        let played = through(&mut gate, client, vec![]).await;
        assert!(
            played.client.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}",
            played.client
        );
        assert!(gate.asked.is_empty() && played.servers.is_empty());
        assert_eq!(gate.causes(), [Cause::ClientBroken]);
    }
}
