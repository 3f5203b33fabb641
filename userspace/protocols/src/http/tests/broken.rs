//! Servers that are down, early, late, silent or hostile.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_reached_is_502() {
    let mut gate = TestGate::default();
    let played = through(&mut gate, vec![send(GET)], vec![]).await;
    assert!(played.client.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    assert!(played.client.contains("could not be reached"));
    assert_eq!(gate.causes(), [Cause::UpstreamUnreachable]);
    assert_eq!(played.outcome, Outcome::Failed);
}

#[tokio::test(start_paused = true)]
async fn nonsense_instead_of_a_head_is_502() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33);
    for answer in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        endless.as_str(),
    ] {
        let mut gate = TestGate::default();
        let server = vec![wait("\r\n\r\n"), send(answer), Move::End];
        let played = through(&mut gate, vec![send(GET)], vec![server]).await;
        assert!(
            played.client.starts_with("HTTP/1.1 502 "),
            "{answer:.40}: {}",
            played.client
        );
        assert_eq!(gate.causes(), [Cause::UpstreamBroken], "{answer:.40}");
    }
    let mut gate = TestGate::default();
    let played = through(
        &mut gate,
        vec![send(GET)],
        vec![vec![wait("\r\n\r\n"), send(hints)]],
    )
    .await;
    assert_eq!(played.client.matches("103").count(), 32);
    assert_eq!(gate.causes(), [Cause::UpstreamBroken]);
}

#[tokio::test(start_paused = true)]
async fn no_answer_at_all_is_502_on_the_first_request() {
    let mut gate = TestGate::default();
    let server = vec![wait("\r\n\r\n"), Move::Drop];
    let played = through(&mut gate, vec![send(GET)], vec![server]).await;
    assert!(played.client.contains("without an answer"));
    assert_eq!(gate.causes(), [Cause::UpstreamBroken]);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_crosses_a_later_request_is_seen_as_a_close() {
    let mut gate = TestGate::default();
    let client = vec![send(GET), wait("hi"), send(GET)];
    let server = vec![wait("\r\n\r\n"), send(OK), wait("\r\n\r\n"), Move::Drop];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(
        (played.client.as_str(), played.outcome),
        (OK, Outcome::Closed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_short_ends_the_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
    ] {
        let mut gate = TestGate::default();
        let server = vec![wait("\r\n\r\n"), send(answer), Move::Drop];
        let played = through(&mut gate, vec![send(GET)], vec![server]).await;
        assert_eq!(
            (played.client.as_str(), played.outcome),
            (answer, Outcome::Failed)
        );
        assert_eq!(gate.causes(), [Cause::UpstreamBroken]);
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_after_a_response_reach_nobody() {
    let mut gate = TestGate::default();
    let server = vec![
        wait("\r\n\r\n"),
        send(format!("{OK}HTTP/1.1 200 Poison\r\n\r\n")),
    ];
    let played = through(
        &mut gate,
        vec![send(GET), wait("hi"), send(GET)],
        vec![server],
    )
    .await;
    assert_eq!(
        (played.client.as_str(), played.outcome),
        (OK, Outcome::Failed)
    );
    assert_eq!(gate.causes(), [Cause::UpstreamBroken]);
}

#[tokio::test(start_paused = true)]
async fn a_response_before_the_request_reaches_nobody() {
    let mut gate = TestGate::default();
    let client = vec![
        send(GET),
        wait("hi"),
        Move::Sleep(2),
        send(GET),
        wait("hi"),
        Move::End,
    ];
    let poison = vec![
        wait("\r\n\r\n"),
        send(OK),
        Move::Sleep(1),
        send("HTTP/1.1 200 Poison\r\nContent-Length: 0\r\n\r\n"),
    ];
    let good = vec![wait("\r\n\r\n"), send(OK)];
    let played = through(&mut gate, client, vec![poison, good]).await;
    assert_eq!(played.client, format!("{OK}{OK}"));
    assert_eq!(played.servers, [GET, GET]);
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n{}",
        "x".repeat(10_000)
    );
    let answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    let mut gate = TestGate::default();
    let server = vec![wait("\r\n\r\n"), send(answer)];
    let client = vec![send(request), wait("no")];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(
        (played.client.as_str(), played.outcome),
        (answer, Outcome::Closed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_in_the_middle_ends_the_exchange() {
    let mut gate = TestGate::default();
    let client = vec![
        send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"),
        Move::End,
    ];
    let played = through(&mut gate, client, vec![vec![]]).await;
    assert_eq!(played.outcome, Outcome::Refused);
    assert_eq!(gate.causes(), [Cause::ClientBroken]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ended_its_side_still_gets_its_answer() {
    let mut gate = TestGate::default();
    let played = through(
        &mut gate,
        vec![send(GET), Move::End],
        vec![vec![wait("\r\n\r\n"), Move::Sleep(50), send(OK)]],
    )
    .await;
    assert_eq!(
        (played.client.as_str(), played.outcome),
        (OK, Outcome::Closed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_does_not_keep_a_silent_server() {
    for go in [Move::Drop, Move::End] {
        let mut gate = TestGate::default();
        let server = vec![wait("\r\n\r\n"), Move::Sleep(1_000_000)];
        let played = through(&mut gate, vec![send(GET), go], vec![server]).await;
        assert_eq!(played.outcome, Outcome::Failed);
    }
}
