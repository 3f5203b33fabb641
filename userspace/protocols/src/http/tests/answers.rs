//! Answers that are judged by their status: of one that is refused no byte passes.

use super::*;

const ERROR: &str =
    "HTTP/1.1 500 Internal Server Error\r\nX-Trace: stack\r\nContent-Length: 5\r\n\r\nstack";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\n";

fn gate(of_answers: impl IntoIterator<Item = (u16, Say)>) -> TestGate {
    TestGate {
        of_answers: of_answers.into_iter().collect(),
        ..TestGate::default()
    }
}

async fn answered(gate: &mut TestGate, request: &str, answer: &[u8]) -> Played {
    let server = vec![wait("\r\n\r\n"), send(answer), Move::End];
    through(gate, vec![send(request)], vec![server]).await
}

#[tokio::test(start_paused = true)]
async fn a_refused_answer_is_replaced_by_a_refusal_and_the_connection_ends() {
    let mut gate = gate([(500, Say::Deny)]);
    let client = vec![send(GET), wait("#infra\n"), send(GET)];
    let server = vec![wait("\r\n\r\n"), send(ERROR), wait("\r\n\r\n"), send(OK)];
    let played = through(&mut gate, client, vec![server]).await;
    assert!(played.client.starts_with(FORBIDDEN), "{}", played.client);
    assert!(
        played
            .client
            .contains("\r\nX-Sluice-Refused: ci/no-writes\r\n")
    );
    assert!(played.client.contains("\r\nConnection: close\r\n"));
    assert!(
        played
            .client
            .ends_with("sluice: refused by ci/no-writes: ask in #infra\n")
    );
    assert!(!played.client.contains("stack"));
    assert_eq!(played.outcome, Outcome::Refused);
    assert_eq!((gate.answered, gate.judged_answers), (vec![500], vec![500]));
    assert_eq!((gate.asked.len(), gate.down), (1, 0));
    assert!(
        gate.refused.is_empty(),
        "the gate has noted its own refusal"
    );
}

#[tokio::test(start_paused = true)]
async fn other_answers_pass_byte_for_byte_and_each_is_judged() {
    let mut gate = gate([(500, Say::Deny)]);
    let client = vec![send(GET), wait("hi"), send(GET), wait("hi"), Move::End];
    let server = vec![
        wait("\r\n\r\n"),
        send(OK),
        wait("\r\n\r\n"),
        send(format!("{HINTS}{OK}")),
    ];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(played.client, format!("{OK}{HINTS}{OK}"));
    assert_eq!(played.outcome, Outcome::Closed);
    assert_eq!(gate.judged_answers, [200, 103, 200]);
    assert_eq!(gate.answered, [200, 200]);
}

#[tokio::test(start_paused = true)]
async fn where_no_answer_is_to_be_judged_none_is() {
    let mut gate = TestGate::default();
    let played = answered(&mut gate, GET, ERROR.as_bytes()).await;
    assert_eq!(played.client, ERROR);
    assert!(gate.judged_answers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn wherever_a_refused_answer_is_cut_no_byte_of_it_passes() {
    let whole = format!("{HINTS}{ERROR}");
    for cut in 0..=whole.len() {
        let (head, tail) = whole.as_bytes().split_at(cut);
        let mut gate = gate([(500, Say::Deny)]);
        let server = vec![wait("\r\n\r\n"), send(head), Move::Sleep(1), send(tail)];
        let played = through(&mut gate, vec![send(GET)], vec![server]).await;
        let refusal = played.client.strip_prefix(HINTS).unwrap_or_default();
        assert!(
            refusal.starts_with(FORBIDDEN),
            "cut at {cut}: {}",
            played.client
        );
        assert!(
            !played.client.contains("stack") && !played.client.contains(" 500 "),
            "cut at {cut}"
        );
        assert_eq!(gate.down, HINTS.len() as u64, "cut at {cut}");
    }
    for room in 1..whole.len() {
        let mut gate = gate([(500, Say::Deny)]);
        let server = vec![wait("\r\n\r\n"), send(&whole)];
        let played = through_cut(&mut gate, vec![send(GET)], vec![server], room).await;
        let refusal = played.client.strip_prefix(HINTS).unwrap_or_default();
        assert!(refusal.starts_with(FORBIDDEN), "{room}: {}", played.client);
        assert!(!played.client.contains("stack"), "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_without_a_body_are_refused_like_others() {
    let told = "sluice: refused by ci/no-writes: ask in #infra\n";
    for (request, answer, body) in [
        (
            "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n",
            "",
        ),
        (
            GET,
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            told,
        ),
        (GET, "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n", told),
        (
            "GET /a HTTP/1.0\r\n\r\n",
            "HTTP/1.0 500 No\r\n\r\nstack",
            told,
        ),
    ] {
        let mut gate = gate([500, 304, 204].map(|status| (status, Say::Deny)));
        let played = answered(&mut gate, request, answer.as_bytes()).await;
        let refused = played.client.starts_with(FORBIDDEN);
        let ends = played.client.ends_with(&format!("\r\n\r\n{body}"));
        assert!(refused && ends, "{answer}: {}", played.client);
        assert_eq!(
            (played.outcome, gate.down),
            (Outcome::Refused, 0),
            "{answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_interim_answer_is_refused_before_the_final_one() {
    let put = "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    for (refused, judged, passed) in [(100, &[100][..], 0), (500, &[100, 500], go_on.len())] {
        let mut gate = gate([(refused, Say::Deny)]);
        let client = vec![send(put), wait("\r\n\r\n"), send("body")];
        let server = vec![wait("\r\n\r\n"), send(go_on), wait("body"), send(ERROR)];
        let played = through(&mut gate, client, vec![server]).await;
        let rest = played.client.get(passed..).unwrap_or_default();
        assert!(rest.starts_with(FORBIDDEN), "{refused}: {}", played.client);
        assert!(!played.client.contains("stack"), "{refused}");
        assert_eq!(gate.judged_answers, judged, "{refused}");
        assert_eq!(gate.down, passed as u64, "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_101_opens_no_tunnel() {
    let ask = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let yes =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for (said, status, causes) in [
        (Say::Deny, "403", &[][..]),
        (Say::Mask, "502", &[Cause::Undecodable]),
    ] {
        let mut gate = gate([(101, said)]);
        let client = vec![send(ask), wait("\r\n\r\n"), send("up")];
        let server = vec![wait("\r\n\r\n"), send(format!("{yes}first"))];
        let played = through(&mut gate, client, vec![server]).await;
        let refused = played.client.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(
            refused && !played.client.contains("first"),
            "{}",
            played.client
        );
        assert_eq!((played.outcome, gate.down), (Outcome::Refused, 0));
        assert_eq!(gate.causes(), causes);
        assert_eq!(played.servers, [ask]);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_masked_by_what_is_said_to_them() {
    let of = |status: u16| {
        format!(
            "HTTP/1.1 {status} X\r\nX-Token: {SECRET}\r\nContent-Length: {}\r\n\r\n{SECRET}",
            SECRET.len()
        )
    };
    for (status, masked) in [(200, false), (500, true)] {
        let mut gate = gate([(500, Say::Mask)]);
        let client = vec![send(GET), Move::End];
        let server = vec![wait("\r\n\r\n"), send(of(status)), Move::End];
        let played = through(&mut gate, client, vec![server]).await;
        assert_eq!(played.client.contains(SECRET), !masked, "{}", played.client);
        assert_eq!(played.client == of(status), !masked);
        assert_eq!(
            (gate.hits, gate.payload.is_empty()),
            (if masked { 2 } else { 0 }, !masked)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_changed_where_its_answer_may_have_to_be_masked() {
    let ranged = "GET /a HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n";
    for (said, reached) in [
        (Say::Mask, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (Say::Allow, ranged),
    ] {
        let mut gate = TestGate {
            script: [said].into(),
            ..gate([(500, Say::Mask)])
        };
        let played = answered(&mut gate, ranged, OK.as_bytes()).await;
        assert_eq!(played.servers, [reached]);
        assert_eq!(played.client, OK, "what is said to the answer counts");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_answer_to_a_request_that_is_still_sent_ends_both() {
    let request = format!(
        "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        1 << 30
    );
    let mut gate = gate([(500, Say::Deny)]);
    let client = vec![
        send(&request),
        send("some of it"),
        wait("#infra\n"),
        send("more"),
        send(GET),
    ];
    let server = vec![wait("some of it"), send(ERROR)];
    let played = through(&mut gate, client, vec![server]).await;
    assert!(played.client.starts_with(FORBIDDEN), "{}", played.client);
    assert!(!played.client.contains("stack"));
    assert_eq!(gate.asked.len(), 1);
}
