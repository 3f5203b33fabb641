//! Refused and held requests: nothing of them reaches a server.

use super::*;

const POST: &str = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";

#[tokio::test(start_paused = true)]
async fn a_refusal_names_rule_and_way_and_the_connection_goes_on() {
    let mut gate = TestGate::saying([Say::Deny]);
    let client = vec![
        send(POST),
        wait("#infra\n"),
        send(GET),
        wait("hi"),
        Move::End,
    ];
    let played = through(&mut gate, client, vec![vec![wait("\r\n\r\n"), send(OK)]]).await;
    assert!(played.client.starts_with("HTTP/1.1 403 Forbidden\r\n"));
    assert!(
        played
            .client
            .contains("\r\nX-Sluice-Refused: ci/no-writes\r\n")
    );
    assert!(
        played
            .client
            .contains("\r\n\r\nsluice: refused by ci/no-writes: ask in #infra\n")
    );
    assert!(!played.client.contains("Connection: close"));
    assert!(played.client.ends_with(OK));
    assert_eq!(played.servers, [GET]);
    assert!(
        gate.refused.is_empty(),
        "the gate has noted its own refusal"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_head_has_no_body() {
    let mut gate = TestGate::saying([Say::Deny]);
    let client = vec![
        send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"),
        wait("\r\n\r\n"),
        Move::End,
    ];
    let played = through(&mut gate, client, vec![]).await;
    assert!(played.client.ends_with("\r\n\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_skipped_ends_the_connection() {
    for head in [
        "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
    ] {
        let mut gate = TestGate::saying([Say::Deny]);
        let client = vec![send(head), wait("#infra\n"), send(GET)];
        let played = through(&mut gate, client, vec![]).await;
        assert!(
            played.client.contains("\r\nConnection: close\r\n"),
            "{head}"
        );
        assert_eq!(played.outcome, Outcome::Refused);
        assert_eq!(gate.asked.len(), 1, "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_request_waits_with_its_body_and_goes_on_when_agreed() {
    let (answer, asked) = tokio::sync::oneshot::channel();
    let mut gate = TestGate::saying([Say::Hold(asked)]);
    let client = vec![
        send(POST.strip_suffix("body").unwrap()),
        send("body"),
        wait("hi"),
        Move::End,
    ];
    let server = vec![wait("body"), send(OK)];
    let approver = async {
        tokio::time::sleep(std::time::Duration::from_secs(300)).await;
        answer.send(true).unwrap();
    };
    let (played, ()) = tokio::join!(through(&mut gate, client, vec![server]), approver);
    assert_eq!(
        (played.client.as_str(), played.servers),
        (OK, vec![POST.to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_held_request_that_nobody_agrees_to_is_refused() {
    let (answer, asked) = tokio::sync::oneshot::channel();
    answer.send(false).unwrap();
    let mut gate = TestGate::saying([Say::Hold(asked)]);
    let played = through(
        &mut gate,
        vec![send(GET), wait("#infra\n"), Move::End],
        vec![],
    )
    .await;
    assert!(played.client.starts_with("HTTP/1.1 403 "));
    assert!(played.servers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_withdraws_what_is_held() {
    for go in [Move::Drop, Move::End] {
        let (mut answer, asked) = tokio::sync::oneshot::channel();
        let mut gate = TestGate::saying([Say::Hold(asked)]);
        let played = through(&mut gate, vec![send(GET), go], vec![]).await;
        assert_eq!(played.outcome, Outcome::Failed);
        assert!(
            answer
                .poll_closed(&mut std::task::Context::from_waker(std::task::Waker::noop()))
                .is_ready()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_a_held_request_is_bounded() {
    use super::super::limits::HELD_BYTES;
    let (answer, asked) = tokio::sync::oneshot::channel();
    let mut gate = TestGate::saying([Say::Hold(asked)]);
    let request = format!("{GET}{}", "x".repeat(4 * HELD_BYTES));
    let (near, mut far) = duplex(1024);
    let dial = async || Err::<DuplexStream, _>(io::ErrorKind::ConnectionRefused.into());
    let mut sent = 0;
    let flood = async {
        let bytes = request.as_bytes();
        while sent < bytes.len() {
            let writing = far.write(&bytes[sent..]);
            match tokio::time::timeout(std::time::Duration::from_secs(9), writing).await {
                Ok(written) => sent += written.unwrap(),
                Err(_) => break,
            }
        }
        drop(answer);
        let mut rest = Vec::new();
        let _ = far.read_to_end(&mut rest).await;
    };
    tokio::join!(serve(near, BytesMut::new(), dial, &mut gate), flood);
    assert!(
        (HELD_BYTES..HELD_BYTES + 64 * 1024).contains(&sent),
        "{sent}"
    );
}

#[tokio::test(start_paused = true)]
async fn broken_requests_get_400_and_the_end() {
    for (request, status, cause) in [
        ("GET / HTTP/1.1\nHost: h\n\n", 400, Cause::ClientBroken),
        (
            "GET /../a HTTP/1.1\r\nHost: h\r\n\r\n",
            400,
            Cause::ClientBroken,
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            Cause::ClientBroken,
        ),
        (
            "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
            403,
            Cause::UnknownProtocol,
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, Cause::ClientBroken),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n",
            417,
            Cause::ClientBroken,
        ),
        ("\r\n\r\nGET / HTTP/1.1\r\n", 400, Cause::ClientBroken),
    ] {
        let mut gate = TestGate::default();
        let played = through(&mut gate, vec![send(request), send(GET)], vec![]).await;
        assert!(
            played.client.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {}",
            played.client
        );
        assert!(played.client.contains("sluice: refused ("), "{request:?}");
        assert_eq!(
            (played.outcome, gate.causes()),
            (Outcome::Refused, vec![cause]),
            "{request:?}"
        );
        assert!(gate.asked.is_empty(), "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn over_limits_are_their_own_statuses() {
    let long = "x".repeat(70_000);
    for (request, status) in [
        (format!("GET /{long} HTTP/1.1\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"), 431),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
                "X: 1\r\n".repeat(200)
            ),
            431,
        ),
    ] {
        let mut gate = TestGate::default();
        let played = through(&mut gate, vec![send(&request)], vec![]).await;
        assert!(
            played.client.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}",
            played.client
        );
        assert_eq!(gate.causes(), [Cause::OverLimit]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_timed_out_and_one_that_is_cut_is_refused() {
    let mut gate = TestGate::default();
    let played = through(&mut gate, vec![send("GET / HT")], vec![]).await;
    assert!(played.client.starts_with("HTTP/1.1 408 "));
    let mut gate = TestGate::default();
    let played = through(&mut gate, vec![send("GET / HT"), Move::End], vec![]).await;
    assert!(played.client.starts_with("HTTP/1.1 400 "));
    assert_eq!(gate.causes(), [Cause::ClientBroken]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_chunk_does_not_reach_the_server() {
    let request = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let mut gate = TestGate::default();
    let client = vec![send(request), send("zz\r\n")];
    let played = through(&mut gate, client, vec![vec![]]).await;
    assert!(
        played.client.starts_with("HTTP/1.1 400 "),
        "{}",
        played.client
    );
    assert!(!played.servers.concat().contains("zz"));
    assert_eq!(gate.causes(), [Cause::ClientBroken]);
}
