//! Other protocols on the same connection, only after a 101 and only where a rule allows them.

use super::*;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
const YES: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_websocket_becomes_a_tunnel_after_both_verdicts_and_101() {
    let mut gate = TestGate::default();
    let client = vec![
        send(ASK),
        wait("first"),
        send("up"),
        wait("down"),
        Move::End,
    ];
    let server = vec![
        wait("\r\n\r\n"),
        send(format!("{YES}first")),
        wait("up"),
        send("down"),
        Move::End,
    ];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(played.client, format!("{YES}firstdown"));
    assert_eq!(played.servers, [format!("{ASK}up")]);
    assert_eq!(gate.paths(), ["/chat", "websocket"]);
    assert_eq!(
        (played.outcome, gate.answered.as_slice()),
        (Outcome::Closed, &[101][..])
    );
    assert_eq!(gate.up, (ASK.len() + 2) as u64);
    assert_eq!(gate.down, (YES.len() + 9) as u64);
}

#[tokio::test(start_paused = true)]
async fn a_refused_tunnel_refuses_the_request() {
    let mut gate = TestGate::saying([Say::Allow, Say::Deny]);
    let client = vec![send(ASK), wait("#infra\n"), Move::End];
    let played = through(&mut gate, client, vec![]).await;
    assert!(played.client.starts_with("HTTP/1.1 403 "));
    assert!(played.servers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_upgrade_gets_no_raw_bytes() {
    // Kubernetes CVE-2018-1002105, Pingora CVE-2026-2833.
    let mut gate = TestGate::saying([Say::Allow, Say::Allow, Say::Deny]);
    let smuggled = "DELETE /admin HTTP/1.1\r\nHost: h\r\n\r\n";
    let client = vec![
        send(format!("{ASK}{smuggled}")),
        wait("#infra\n"),
        Move::End,
    ];
    let server = vec![
        wait("\r\n\r\n"),
        send("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"),
    ];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(played.servers, [ASK]);
    assert_eq!(gate.paths(), ["/chat", "websocket", "/admin"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_ahead_of_the_101_wait_for_it() {
    let mut gate = TestGate::default();
    let client = vec![send(format!("{ASK}early")), wait("down"), Move::End];
    let server = vec![
        wait("\r\n\r\n"),
        send(YES),
        wait("early"),
        send("down"),
        Move::End,
    ];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(played.servers, [format!("{ASK}early")]);
    assert_eq!(played.client, format!("{YES}down"));
}

#[tokio::test(start_paused = true)]
async fn an_unasked_or_different_101_is_502() {
    let other = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nraw";
    let none = "HTTP/1.1 101 X\r\n\r\nraw";
    for (request, answer) in [(GET, YES), (ASK, other), (ASK, none)] {
        let mut gate = TestGate::default();
        let server = vec![wait("\r\n\r\n"), send(answer)];
        let played = through(&mut gate, vec![send(request)], vec![server]).await;
        assert!(
            played.client.starts_with("HTTP/1.1 502 "),
            "{}",
            played.client
        );
        assert_eq!(gate.causes(), [Cause::UpstreamBroken]);
    }
}

#[tokio::test(start_paused = true)]
async fn http2_in_clear_is_taken_off_the_request() {
    let asked = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nX: 1\r\n\r\n";
    let forwarded = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nX: 1\r\n\r\n";
    let mut gate = TestGate::default();
    let client = vec![send(asked), wait("hi"), Move::End];
    let played = through(&mut gate, client, vec![vec![wait("\r\n\r\n"), send(OK)]]).await;
    assert_eq!(played.servers, [forwarded]);
    assert_eq!(gate.paths(), ["/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_masked_route_has_no_tunnel() {
    for script in [[Say::Mask, Say::Allow], [Say::Allow, Say::Mask]] {
        let mut gate = TestGate::saying(script);
        let played = through(&mut gate, vec![send(ASK)], vec![]).await;
        assert!(
            played.client.starts_with("HTTP/1.1 502 "),
            "{}",
            played.client
        );
        assert_eq!(gate.causes(), [Cause::Undecodable]);
        assert!(played.servers.is_empty());
    }
}
