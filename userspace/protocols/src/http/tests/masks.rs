//! Masked routes: the same text comes out whatever the coding, chunking and cuts.

use super::super::response::Coding;
use super::decoding::{CODINGS, encode};
use super::*;

fn plain() -> String {
    format!(
        "before {SECRET} between {SECRET} after, {}",
        "and more text. ".repeat(50)
    )
}

fn coded(coding: Coding) -> &'static str {
    match coding {
        Coding::Identity | Coding::Unknown => "",
        Coding::Gzip => "Content-Encoding: gzip\r\n",
        Coding::Deflate => "Content-Encoding: deflate\r\n",
        Coding::Brotli => "Content-Encoding: br\r\n",
        Coding::Zstd => "Content-Encoding: zstd\r\n",
    }
}

/// The body of a response, chunks joined.
fn body_of(response: &str) -> String {
    let (head, mut rest) = response.split_once("\r\n\r\n").unwrap();
    if !head.contains("Transfer-Encoding: chunked") {
        return rest.to_owned();
    }
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            assert_eq!(after, "\r\n");
            return body;
        }
        let (chunk, after) = after.split_at(size);
        body.push_str(chunk);
        rest = after.strip_prefix("\r\n").unwrap();
    }
}

async fn masked(request: &str, response: &[u8]) -> (Played, TestGate) {
    let mut gate = TestGate::saying([Say::Mask]);
    let server = vec![wait("\r\n\r\n"), send(response), Move::End];
    let played = through(&mut gate, vec![send(request), Move::End], vec![server]).await;
    (played, gate)
}

#[tokio::test(start_paused = true)]
async fn every_coding_and_framing_is_masked_alike() {
    let mut bodies = std::collections::BTreeSet::new();
    for coding in CODINGS {
        let body = encode(coding, plain().as_bytes());
        let mut chunked = Vec::new();
        for piece in body.chunks(7) {
            chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\nX-Trailer: t\r\n\r\n");
        let coding = coded(coding);
        for (framing, body) in [
            (format!("Content-Length: {}\r\n", body.len()), &body),
            ("Transfer-Encoding: chunked\r\n".to_owned(), &chunked),
            (String::new(), &body),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{coding}{framing}\r\n");
            let (played, gate) = masked(GET, &[head.as_bytes(), body].concat()).await;
            assert_eq!(played.outcome, Outcome::Closed, "{head}");
            assert!(
                !played.client.contains("Content-Encoding")
                    && !played.client.contains("Content-Length")
            );
            assert_eq!(gate.hits, 2, "{head}");
            assert_eq!(text(&gate.payload), body_of(&played.client));
            bodies.insert(body_of(&played.client));
        }
    }
    assert_eq!(bodies.len(), 1);
    let body = bodies.pop_first().unwrap();
    assert!(
        !body.contains(SECRET) && body.contains("before ") && body.ends_with("and more text. ")
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_cut_at_every_byte_is_masked_alike() {
    let body = encode(Coding::Gzip, plain().as_bytes());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let response = [head.as_bytes(), &body].concat();
    let mut bodies = std::collections::BTreeSet::new();
    for room in 1..40 {
        let mut gate = TestGate::saying([Say::Mask]);
        let server = vec![wait("\r\n\r\n"), send(&response)];
        let client = vec![send(GET), Move::End];
        bodies.insert(body_of(
            &through_cut(&mut gate, client, vec![server], room)
                .await
                .client,
        ));
    }
    assert_eq!(bodies.len(), 1);
    assert!(!bodies.pop_first().unwrap().contains(SECRET));
}

#[tokio::test(start_paused = true)]
async fn json_keys_are_masked_in_json_only() {
    let body = r#"{"pin": "1234", "other": "1234"}"#;
    for (media, hits) in [
        ("application/json; charset=utf-8", 1),
        ("application/vnd.x+json", 1),
        ("text/plain", 0),
    ] {
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (played, gate) = masked(GET, response.as_bytes()).await;
        assert_eq!(gate.hits, hits, "{media}");
        assert!(body_of(&played.client).contains(r#""other": "1234""#));
    }
}

#[tokio::test(start_paused = true)]
async fn fields_are_masked_and_those_of_the_bytes_left_out() {
    let response = format!(
        "HTTP/1.1 200 OK\r\nX-Token: {SECRET}\r\nETag: \"x\"\r\nDigest: y\r\nContent-MD5: z\r\nAccept-Ranges: bytes\r\n\
         Server: s\r\nContent-Length: 2\r\n\r\nhi"
    );
    let (played, gate) = masked(GET, response.as_bytes()).await;
    assert!(!played.client.contains(SECRET));
    assert_eq!(gate.hits, 1);
    for gone in [
        "ETag",
        "Digest",
        "Content-MD5",
        "Accept-Ranges",
        "Content-Length",
    ] {
        assert!(!played.client.contains(gone), "{gone}: {}", played.client);
    }
    assert!(played.client.contains("\r\nServer: s\r\n"));
    assert_eq!(body_of(&played.client), "hi");
}

#[tokio::test(start_paused = true)]
async fn a_part_is_not_asked_for_and_not_taken() {
    let request = "GET /a HTTP/1.1\r\nHost: h\r\nRange: bytes=0-9\r\nIf-Range: x\r\nAccept-Encoding: br\r\n\r\n";
    let (played, _) = masked(request, OK.as_bytes()).await;
    assert_eq!(
        played.servers,
        ["GET /a HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br\r\n\r\n"]
    );
    for part in [
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 206 Partial\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let (played, gate) = masked(GET, part.as_bytes()).await;
        assert!(
            played.client.starts_with("HTTP/1.1 502 "),
            "{}",
            played.client
        );
        assert_eq!(gate.causes(), [Cause::Undecodable]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_refused() {
    let zeros = encode(Coding::Zstd, &vec![0; 32 * 1024 * 1024]);
    let bomb = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: {}\r\n\r\n",
        zeros.len()
    );
    let bomb = [bomb.as_bytes(), &zeros].concat();
    for response in [
        &b"HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nContent-Length: 2\r\n\r\nhi"[..],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
        &bomb,
    ] {
        let (played, gate) = masked(GET, response).await;
        assert!(
            played.client.starts_with("HTTP/1.1 502 "),
            "{:.60}",
            played.client
        );
        assert_eq!(
            (played.outcome, gate.causes()),
            (Outcome::Refused, vec![Cause::Undecodable])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_turns_out_undecodable_later_is_cut_off() {
    let good = encode(Coding::Gzip, plain().as_bytes());
    let mut gate = TestGate::saying([Say::Mask]);
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5000\r\n\r\n";
    let bytes = [head.as_bytes(), &good[..60], &[0xff; 4940]].concat();
    let server = vec![wait("\r\n\r\n"), send(bytes)];
    // A narrow pipe: the head is on its way before the wrong bytes come.
    let played = through_cut(&mut gate, vec![send(GET), Move::End], vec![server], 64).await;
    assert!(played.client.starts_with("HTTP/1.1 200 ") && !played.client.ends_with("0\r\n\r\n"));
    assert_eq!(
        (played.outcome, gate.causes()),
        (Outcome::Refused, vec![Cause::Undecodable])
    );
}

#[tokio::test(start_paused = true)]
async fn responses_without_a_body_stay_without() {
    for (request, response) in [
        (
            "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\nX: 1\r\n\r\n",
        ),
        (
            GET,
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nX: 1\r\n\r\n",
        ),
        (GET, "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n"),
    ] {
        let (played, _) = masked(request, response.as_bytes()).await;
        let status = response.lines().next().unwrap();
        assert_eq!(played.client, format!("{status}\r\nX: 1\r\n\r\n"));
        assert_eq!(played.outcome, Outcome::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn http_10_gets_its_masked_body_until_the_end() {
    let (played, _) = masked(
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        OK.as_bytes(),
    )
    .await;
    assert_eq!(
        played.client,
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_passes_while_the_stream_goes_on() {
    let mut gate = TestGate::saying([Say::Mask]);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let client = vec![send(GET), wait("data: one\n\n"), wait("data: two\n\n")];
    let server = vec![
        wait("\r\n\r\n"),
        send(format!("{head}data: one\n\n")),
        send("data: two\n\n"),
        Move::Drop,
    ];
    let played = through(&mut gate, client, vec![server]).await;
    assert_eq!(body_of(&played.client), "data: one\n\ndata: two\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_on_after_a_masked_response() {
    let mut gate = TestGate::saying([Say::Mask, Say::Allow]);
    let client = vec![
        send(GET),
        wait("0\r\n\r\n"),
        send(GET),
        wait("hi"),
        Move::End,
    ];
    let server = vec![wait("\r\n\r\n"), send(OK), wait("\r\n\r\n"), send(OK)];
    let played = through(&mut gate, client, vec![server]).await;
    assert!(played.client.ends_with(OK));
    assert_eq!(played.servers, [format!("{GET}{GET}")]);
}
