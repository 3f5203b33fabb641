use std::io::BufReader;

use serde_json::Value;

use super::*;
use crate::server::Server;

fn number(report: &Value, key: &str) -> f64 {
    report[key].as_f64().unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn bulk_streams_arrive_whole() {
    let server = Server::start().unwrap();
    for bytes in [0, 1, (1 << 20) + 7] {
        let sent = bulk::upload(server.address, bytes).unwrap();
        let got = bulk::download(server.address, bytes).unwrap();
        for report in [sent, got] {
            assert_eq!(number(&report, "work"), bytes as f64 / 1e9);
        }
    }
}

#[test]
fn connections_are_counted() {
    let server = Server::start().unwrap();
    let report = connect::one_by_one(server.address, 20).unwrap();
    assert_eq!(number(&report, "work"), 20.0);
    assert!(number(&report, "p50") <= number(&report, "p99"));
    // 21 are no multiple of 4: each thread has its share, and only those that were made count.
    let report = connect::at_once(server.address, 21, 4).unwrap();
    assert_eq!(number(&report, "work"), 20.0);
    let report = connect::kept_open(server.address, 20).unwrap();
    assert_eq!(number(&report, "work"), 20.0);
}

#[test]
fn nobody_listening_is_an_error_that_names_the_address() {
    let port = sluice_harness::free_port(sluice_harness::REMOTE).unwrap();
    let address = (sluice_harness::REMOTE, port).into();
    let error = bulk::upload(address, 1).unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(connect::at_once(address, 8, 2).is_err());
}

#[test]
fn bodies_are_measured_in_both_framings() {
    for (text, want) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Some(5)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Some(0)),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            Some(13),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", None),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            None,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", None),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", None),
        ("", None),
    ] {
        let mut reader = BufReader::new(text.as_bytes());
        assert_eq!(download::answer(&mut reader).ok(), want, "{text}");
    }
}

#[test]
fn a_head_has_a_limit() {
    let head = |lines: usize| {
        let text = format!(
            "HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n",
            "A: b\r\n".repeat(lines)
        );
        download::answer(&mut BufReader::new(text.as_bytes())).is_ok()
    };
    assert!(head(98));
    assert!(!head(99));
}

#[test]
fn programs_are_run() {
    assert!(number(&spawn::run(3).unwrap(), "each") > 0.0);
}

#[test]
fn an_unknown_client_is_an_error() {
    for arguments in [&["dance"][..], &["upload", "x", "1"], &[]] {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        assert!(run(&arguments).is_err());
    }
}
