//! Heads that pass and heads that two parsers would read differently.

use super::super::error::Fault;
use super::super::fields::Body;
use super::super::limits::{HEAD_BYTES, HEAD_FIELDS, TARGET_BYTES, UPGRADE_BYTES};
use super::super::request::{RequestHead, Upgrade};
use super::super::response::{Coding, ResponseHead};
use super::super::scan::{HeadScan, Scanned};

fn request(head: &str) -> Result<RequestHead, Fault> {
    match HeadScan::default().scan(head.as_bytes())? {
        Scanned::Head(length) => {
            assert_eq!(length, head.len());
            RequestHead::parse(head.as_bytes()).map(|(_, head)| head)
        }
        other => panic!("{other:?}: {head:?}"),
    }
}

fn post(fields: &str) -> Result<RequestHead, Fault> {
    request(&format!(
        "POST /a HTTP/1.1\r\nHost: example.com\r\n{fields}\r\n"
    ))
}

/// Fields of a POST, and why they are refused.
const SMUGGLED: &[(&str, Fault)] = &[
    (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        Fault::LengthAndCoding,
    ),
    (
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        Fault::LengthAndCoding,
    ),
    (
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        Fault::SeveralLengths,
    ),
    (
        "Content-Length: 5\r\ncontent-length: 6\r\n",
        Fault::SeveralLengths,
    ),
    ("Content-Length: 5, 5\r\n", Fault::Length),
    ("Content-Length: +5\r\n", Fault::Length),
    ("Content-Length: -5\r\n", Fault::Length),
    ("Content-Length: 0x5\r\n", Fault::Length),
    ("Content-Length: 5 5\r\n", Fault::Length),
    ("Content-Length:\r\n", Fault::Length),
    ("Content-Length: 18446744073709551616\r\n", Fault::Length),
    ("Transfer-Encoding: gzip, chunked\r\n", Fault::Coding),
    ("Transfer-Encoding: chunked, gzip\r\n", Fault::Coding),
    ("Transfer-Encoding: identity\r\n", Fault::Coding),
    ("Transfer-Encoding: xchunked\r\n", Fault::Coding),
    ("Transfer-Encoding: chunked, chunked\r\n", Fault::Coding),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        Fault::Coding,
    ),
    ("Transfer-Encoding: \"chunked\"\r\n", Fault::Coding),
    ("Transfer-Encoding:\r\n", Fault::Coding),
    ("Transfer-Encoding: chunked;q=1\r\n", Fault::Coding),
    ("Transfer-Encoding: chunked x\r\n", Fault::Coding),
    (
        "Transfer-Encoding:\x0bchunked\r\n",
        Fault::Malformed("a field value"),
    ),
    (
        "Transfer-Encoding: chunked\0\r\n",
        Fault::Malformed("a field value"),
    ),
    (
        "Transfer-Encoding\t: chunked\r\n",
        Fault::Malformed("a field name"),
    ),
    (
        "Transfer-Encoding\0: chunked\r\n",
        Fault::Malformed("a field name"),
    ),
    (
        "Content\u{2010}Length: 5\r\n",
        Fault::Malformed("a field name"),
    ),
    ("Content-Length: 5;\r\n", Fault::Length),
    ("Content-Length: 5.0\r\n", Fault::Length),
    ("Content-Length: \u{665}\r\n", Fault::Length),
    ("Transfer_Encoding: chunked\r\n", Fault::Lookalike),
    ("Content_Length: 5\r\n", Fault::Lookalike),
    (
        "Connection: close, Content-Length\r\nContent-Length: 5\r\n",
        Fault::Connection,
    ),
    ("Connection: transfer-encoding\r\n", Fault::Connection),
    ("Connection: Host\r\n", Fault::Connection),
    ("Content-Length : 5\r\n", Fault::Malformed("a field name")),
    (" Content-Length: 5\r\n", Fault::Malformed("a field name")),
    ("X: 1\r\n folded\r\n", Fault::Malformed("a field name")),
    ("X: 1\r\n\tfolded\r\n", Fault::Malformed("a field name")),
    (": nameless\r\n", Fault::Malformed("a field name")),
    ("X(y): 1\r\n", Fault::Malformed("a field name")),
    ("no colon\r\n", Fault::Malformed("a field name")),
    ("X: a\0b\r\n", Fault::Malformed("a field value")),
    ("X: a\x0bb\r\n", Fault::Malformed("a field value")),
    ("X: a\x7fb\r\n", Fault::Malformed("a field value")),
    ("X: a\nContent-Length: 5\r\n", Fault::BareLf),
    ("X: a\rContent-Length: 5\r\n", Fault::BareCr),
    ("X: a\r\r\n", Fault::BareCr),
    ("Expect: 200-ok\r\n", Fault::Expect),
    ("Expect: 100-continue, x\r\n", Fault::Expect),
    (
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
        Fault::Expect,
    ),
    ("Upgrade: a, b\r\n", Fault::Upgrade),
    ("Upgrade: websocket, h2c\r\n", Fault::Upgrade),
    ("Upgrade:\r\n", Fault::Upgrade),
    (
        "Upgrade: websocket\r\nContent-Length: 5\r\n",
        Fault::Upgrade,
    ),
    (
        "Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        Fault::Upgrade,
    ),
    ("Host: example.org\r\n", Fault::Host("sent more than once")),
    ("hOST: example.com\r\n", Fault::Host("sent more than once")),
];

#[test]
fn smuggling_is_refused_on_the_raw_bytes() {
    for (fields, want) in SMUGGLED {
        assert_eq!(post(fields), Err(*want), "{fields:?}");
    }
}

#[test]
fn request_lines_are_read_strictly() {
    for (line, want) in [
        ("GET /a HTTP/1.2", Fault::Version),
        ("GET /a HTTP/2.0", Fault::Version),
        ("GET /a HTTP/0.9", Fault::Version),
        ("GET /a http/1.1", Fault::Version),
        ("GET  /a HTTP/1.1", Fault::Malformed("the method or target")),
        ("G@T /a HTTP/1.1", Fault::Malformed("the method or target")),
        (
            "G\u{e4}T /a HTTP/1.1",
            Fault::Malformed("the method or target"),
        ),
        ("CONNECT example.com:443 HTTP/1.1", Fault::Connect),
    ] {
        assert_eq!(
            request(&format!("{line}\r\nHost: example.com\r\n\r\n")),
            Err(want),
            "{line}"
        );
    }
}

#[test]
fn a_request_line_has_three_words_and_one_space_between_them() {
    for line in [
        "GET /a HTTP/1.1 x",
        "GET /a HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET /a\tHTTP/1.1",
        "GET\t/a HTTP/1.1",
        " GET /a HTTP/1.1",
        "GET /a",
        "GET HTTP/1.1",
        "GET /a HTTP/1.1\0",
        "\0GET /a HTTP/1.1",
    ] {
        let head = format!("{line}\r\nHost: example.com\r\n\r\n");
        assert!(request(&head).is_err(), "{line:?}");
    }
}

#[test]
fn the_host_is_one_and_a_name() {
    for (head, want) in [
        ("GET / HTTP/1.1\r\n\r\n", Fault::Host("missing")),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Fault::Host("empty")),
        (
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            Fault::Host("not a name or an address"),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
            Fault::Host("not a name or an address"),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            Fault::Host("not a name or an address"),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
            Fault::Host("not a name or an address"),
        ),
        (
            "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
            Fault::Host("another one than the target's"),
        ),
    ] {
        assert_eq!(request(head), Err(want), "{head:?}");
    }
    let agreed = "GET http://A/x HTTP/1.1\r\nHost: a\r\n\r\n";
    let (asked, _) = RequestHead::parse(agreed.as_bytes()).unwrap();
    assert_eq!(
        (asked.host.as_deref(), asked.path.as_str()),
        (Some("a"), "/x")
    );
}

#[test]
fn framing_and_persistence_are_read() {
    for (fields, body, keep_alive) in [
        ("", Body::None, true),
        ("Content-Length: 007\r\n", Body::Length(7), true),
        (
            "Content-Length: 18446744073709551615\r\n",
            Body::Length(u64::MAX),
            true,
        ),
        ("Transfer-Encoding: Chunked\r\n", Body::Chunked, true),
        ("Connection: Close\r\n", Body::None, false),
        (
            "Connection: x\r\nConnection: y, close\r\n",
            Body::None,
            false,
        ),
    ] {
        let head = post(fields).unwrap();
        assert_eq!(
            (head.body, head.keep_alive),
            (body, keep_alive),
            "{fields:?}"
        );
    }
    assert!(!request("GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
    assert!(
        request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .unwrap()
            .keep_alive
    );
    let chunked = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(request(chunked), Err(Fault::Coding));
}

#[test]
fn wishes_for_another_protocol_are_seen_with_and_without_connection() {
    let long = "x".repeat(UPGRADE_BYTES);
    for (fields, want) in [
        (
            "Upgrade: WebSocket\r\nConnection: Upgrade\r\n".to_owned(),
            Upgrade::To("websocket".to_owned()),
        ),
        (
            "Upgrade: SPDY/3.1\r\n".to_owned(),
            Upgrade::To("spdy/3.1".to_owned()),
        ),
        (
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n".to_owned(),
            Upgrade::TakenOff,
        ),
        (format!("Upgrade: {long}\r\n"), Upgrade::To(long.clone())),
    ] {
        assert_eq!(post(&fields).unwrap().upgrade, want, "{fields:?}");
    }
    assert_eq!(post(&format!("Upgrade: {long}x\r\n")), Err(Fault::Upgrade));
}

#[test]
fn heads_have_limits() {
    let padded = |total: usize| {
        let start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(total - start.len() - 4))
    };
    assert!(request(&padded(HEAD_BYTES)).is_ok());
    assert_eq!(request(&padded(HEAD_BYTES + 1)), Err(Fault::HeadTooLong));
    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
            "X: 1\r\n".repeat(count - 1)
        )
    };
    assert!(request(&fields(HEAD_FIELDS)).is_ok());
    assert_eq!(request(&fields(HEAD_FIELDS + 1)), Err(Fault::TooManyFields));
    let target =
        |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(bytes - 1));
    assert!(request(&target(TARGET_BYTES)).is_ok());
    assert_eq!(
        request(&target(TARGET_BYTES + 1)),
        Err(Fault::TargetTooLong)
    );
    let endless = "x".repeat(HEAD_BYTES);
    assert_eq!(
        HeadScan::default().scan(endless.as_bytes()),
        Err(Fault::TargetTooLong)
    );
}

#[test]
fn the_end_of_a_head_is_found_at_every_cut() {
    let head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest\r\n";
    for cut in 0..26 {
        let mut scan = HeadScan::default();
        assert_eq!(scan.scan(&head[..cut]), Ok(Scanned::NeedMore), "{cut}");
        assert_eq!(scan.scan(head), Ok(Scanned::Head(27)), "{cut}");
    }
    assert_eq!(HeadScan::default().scan(b"\r\nGET"), Ok(Scanned::EmptyLine));
}

fn response(head: &str) -> Result<ResponseHead, Fault> {
    match HeadScan::default().scan(head.as_bytes())? {
        Scanned::Head(_) => ResponseHead::parse(head.as_bytes(), false),
        other => panic!("{other:?}: {head:?}"),
    }
}

#[test]
fn a_server_is_read_as_strictly() {
    for (head, want) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            Fault::SeveralLengths,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            Fault::LengthAndCoding,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            Fault::Coding,
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Fault::Coding,
        ),
        ("HTTP/1.1 200 OK\r\nX: 1\n\r\n", Fault::BareLf),
        (
            "HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
            Fault::Malformed("a field name"),
        ),
        ("HTTP/1.1 2000 OK\r\n\r\n", Fault::Malformed("the status")),
        ("HTTP/1.1 099 OK\r\n\r\n", Fault::Malformed("the status")),
        ("HTTP/1.1 600 OK\r\n\r\n", Fault::Malformed("the status")),
        ("HTTP/1.1 abc OK\r\n\r\n", Fault::Malformed("the status")),
        ("HTTP/2 200 OK\r\n\r\n", Fault::Version),
        ("SSH-2.0-x\r\n\r\n", Fault::Version),
    ] {
        assert_eq!(response(head), Err(want), "{head:?}");
    }
}

#[test]
fn a_response_tells_its_body() {
    for (head, body, coding) in [
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            Body::UntilClose,
            Coding::Identity,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: GZIP\r\n\r\n",
            Body::Length(3),
            Coding::Gzip,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: br\r\n\r\n",
            Body::Chunked,
            Coding::Brotli,
        ),
        (
            "HTTP/1.1 204\r\nContent-Length: 3\r\nContent-Encoding: identity\r\n\r\n",
            Body::None,
            Coding::Identity,
        ),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Encoding: zstd\r\n\r\n",
            Body::None,
            Coding::Zstd,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, br\r\n\r\n",
            Body::UntilClose,
            Coding::Unknown,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\n\r\n",
            Body::UntilClose,
            Coding::Unknown,
        ),
    ] {
        let read = response(head).unwrap();
        assert_eq!((read.body, read.coding), (body, coding), "{head:?}");
    }
}
