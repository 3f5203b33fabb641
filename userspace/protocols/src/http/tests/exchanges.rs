//! What passes: keep-alive, pipelining, bodies, interim responses.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_is_judged_forwarded_and_answered_byte_for_byte() {
    let request = "GET /a%41?q=1 HTTP/1.1\r\nhOST:  example.com \r\nX-Odd:\t\r\n\r\n";
    let response = "HTTP/1.1 200 Fine \r\nX: 1\r\ncontent-LENGTH: 2\r\n\r\nhi";
    let mut gate = TestGate::default();
    let client = vec![send(request), wait("hi"), Move::End];
    let played = through(
        &mut gate,
        client,
        vec![vec![wait("\r\n\r\n"), send(response)]],
    )
    .await;
    assert_eq!(played.outcome, Outcome::Closed);
    assert_eq!(played.client, response);
    assert_eq!(played.servers, [request]);
    assert_eq!(gate.paths(), ["/aA"]);
    assert_eq!(gate.answered, [200]);
    assert_eq!(
        (gate.up, gate.down),
        (request.len() as u64, response.len() as u64)
    );
    assert!(gate.refused.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_policy_sees_host_query_and_fields() {
    let request =
        "POST /p?a=b HTTP/1.1\r\nHost: Example.com:8080\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n";
    let mut gate = TestGate::default();
    let client = vec![send(request), wait("hi"), Move::End];
    through(&mut gate, client, vec![vec![wait("\r\n\r\n"), send(OK)]]).await;
    let Operation::Http(asked) = &gate.asked[0] else {
        panic!()
    };
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/p"));
    assert_eq!(asked.query.as_deref(), Some("a=b"));
    assert_eq!(asked.host.as_deref(), Some("Example.com:8080"));
    assert_eq!(asked.headers[1], ("X-A".to_owned(), "1".to_owned()));
    assert_eq!(asked.upgrade, None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again() {
    let mut gate = TestGate::default();
    let client = vec![send(GET), wait("hi"), send(GET), wait("hi"), Move::End];
    let server = vec![wait("\r\n\r\n"), send(OK), wait("\r\n\r\n"), send(OK)];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(played.client, format!("{OK}{OK}"));
    assert_eq!(played.servers, [format!("{GET}{GET}")]);
    assert_eq!(gate.asked.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_go_up_one_at_a_time_and_come_down_in_order() {
    let mut gate = TestGate::default();
    let three = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = |n: u8| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}");
    // A server that would see two requests at once would answer the first await with the second
    // request's bytes left over, and the script would hang.
    let server = vec![
        wait("/1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        send(answer(1)),
        wait("/2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        send(answer(2)),
        wait("/3 HTTP/1.1\r\nHost: h\r\n\r\n"),
        send(answer(3)),
    ];
    let played = through(&mut gate, vec![send(three), Move::End], vec![server]).await;
    assert_eq!(played.client, [answer(1), answer(2), answer(3)].concat());
    assert_eq!(gate.paths(), ["/1", "/2", "/3"]);
}

#[tokio::test(start_paused = true)]
async fn a_transcript_cut_at_every_byte_gives_the_same() {
    let requests = "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n\
                    GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let second = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nend";
    for cut in 0..=requests.len() {
        let (head, tail) = requests.as_bytes().split_at(cut);
        let mut gate = TestGate::default();
        let server = vec![
            wait("X-T: 1\r\n\r\n"),
            send(first),
            wait("\r\n\r\n"),
            send(second),
            Move::Drop,
        ];
        let played = through(&mut gate, vec![send(head), send(tail)], vec![server]).await;
        assert_eq!(played.client, format!("{first}{second}"), "cut at {cut}");
        assert_eq!(played.servers, [requests], "cut at {cut}");
        assert_eq!(gate.answered, [200, 200]);
    }
}

#[tokio::test(start_paused = true)]
async fn pipes_of_any_size_give_the_same() {
    let request = "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n";
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for room in 1..request.len() {
        let mut gate = TestGate::default();
        let server = vec![wait("X-T: 1\r\n\r\n"), send(response)];
        let client = vec![send(request), Move::End];
        let played = through_cut(&mut gate, client, vec![server], room).await;
        assert_eq!(
            (played.client.as_str(), played.servers),
            (response, vec![request.to_owned()]),
            "{room}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_for_100_continue_and_interim_responses_pass() {
    let head = "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let mut gate = TestGate::default();
    let client = vec![
        send(head),
        wait("100 Continue\r\n\r\n"),
        send("body"),
        wait("hi"),
        Move::End,
    ];
    let server = vec![wait("\r\n\r\n"), send(interim), wait("body"), send(OK)];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(played.client, format!("{interim}{OK}"));
    assert_eq!(played.servers, [format!("{head}body")]);
    assert_eq!(gate.answered, [200]);
}

#[tokio::test(start_paused = true)]
async fn after_a_final_answer_instead_of_100_nothing_more_goes_up() {
    let head = "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n";
    let no = "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n";
    let mut gate = TestGate::default();
    let client = vec![
        send(head),
        wait("417 No\r\nContent-Length: 0\r\n\r\n"),
        send(GET),
    ];
    let played = through(&mut gate, client, vec![vec![wait("\r\n\r\n"), send(no)]]).await;
    assert_eq!(played.servers, [head]);
    assert_eq!(played.client, no);
    assert_eq!(gate.asked.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn responses_without_a_body_do_not_wait_for_one() {
    for (request, response) in [
        (
            "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        ),
        (
            GET,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
        ),
        (GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
    ] {
        let mut gate = TestGate::default();
        let client = vec![
            send(request),
            wait("\r\n\r\n"),
            send(GET),
            wait("hi"),
            Move::End,
        ];
        let server = vec![wait("\r\n\r\n"), send(response), wait("\r\n\r\n"), send(OK)];
        let played = through(&mut gate, client, vec![server]).await;
        assert_eq!(played.client, format!("{response}{OK}"), "{response}");
        assert_eq!(played.outcome, Outcome::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_may_last_until_the_server_closes() {
    let response = "HTTP/1.0 200 OK\r\n\r\nall of it";
    let mut gate = TestGate::default();
    let server = vec![wait("\r\n\r\n"), send(response), Move::Drop];
    let played = through(&mut gate, vec![send(GET)], vec![server]).await;
    assert_eq!(
        (played.outcome, played.client.as_str()),
        (Outcome::Closed, response)
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closed_an_idle_connection_is_dialled_again() {
    let mut gate = TestGate::default();
    let client = vec![send(GET), wait("hi"), send(GET), wait("hi"), Move::End];
    let once = vec![wait("\r\n\r\n"), send(OK), Move::Drop];
    let played = through(&mut gate, client, vec![once.clone(), once]).await;
    assert_eq!(played.client, format!("{OK}{OK}"));
    assert_eq!(played.servers, [GET, GET]);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_pass_both_ways_at_the_same_time() {
    let body = "x".repeat(3_000_000);
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut gate = TestGate::default();
    let server = vec![wait("\r\n\r\n"), send(&response)];
    let client = vec![send(&request), Move::End];
    let played = through_cut(&mut gate, client, vec![server], 8 * 1024 * 1024).await;
    assert_eq!(played.client.len(), response.len());
    assert_eq!(gate.down, response.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn http_10_ends_with_its_answer_unless_it_asks_otherwise() {
    let once = "GET /a HTTP/1.0\r\n\r\n";
    let mut gate = TestGate::default();
    let server = vec![
        wait("\r\n\r\n"),
        send("HTTP/1.1 100 Continue\r\n\r\n"),
        send(OK),
    ];
    let played = through(&mut gate, vec![send(once)], vec![server]).await;
    assert_eq!(
        (played.outcome, played.client.as_str()),
        (Outcome::Closed, OK)
    );
    let Operation::Http(asked) = &gate.asked[0] else {
        panic!()
    };
    assert_eq!(asked.host, None);
}

#[tokio::test(start_paused = true)]
async fn one_empty_line_before_a_request_is_skipped() {
    let mut gate = TestGate::default();
    let client = vec![send(format!("\r\n{GET}")), wait("hi"), Move::End];
    let played = through(&mut gate, client, vec![vec![wait("\r\n\r\n"), send(OK)]]).await;
    assert_eq!(played.servers, [GET]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_let_go_without_a_word() {
    let mut gate = TestGate::default();
    let played = through(&mut gate, vec![], vec![]).await;
    assert_eq!(
        (played.outcome, played.client.as_str()),
        (Outcome::Closed, "")
    );
}
