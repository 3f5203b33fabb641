//! Sockets that come into a job from outside, connected already: with protection off they carry
//! the word, behind the gate they carry nothing, and the record tells of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use sluice_evasion::{
    CLOSED, Giver, Kind, Patient, Sink, direct_to, outcome, refusals, vector_line,
};
use sluice_harness::{Sluice, cannot_capture, skipped};
use socket2::{Domain, Protocol, Socket, Type};

/// TCP sends again what got no answer after 0.2, 0.6 and 1.4 s: by then the gate is gone.
const TCP_TRIES_AGAIN: Duration = Duration::from_secs(2);

fn told(sluice: &Sluice) {
    let refusals = refusals(sluice).unwrap();
    let told = |e: &serde_json::Value| {
        e["kernel"]["hook"] == "egress" && e["kernel"]["reason"] == "handed_in"
    };
    assert!(refusals.iter().any(told), "{refusals:?}");
    for session in sluice.sessions().unwrap() {
        assert_eq!(session["lineage_complete"], true, "{session}");
    }
}

/// A TCP connection that `vector` gets from a giver.
fn connection(vector: &str, more: impl Fn(&Giver) -> Vec<String>) {
    if let Some(why) = cannot_capture() {
        return skipped(vector, why);
    }
    let (server, sluice) = (Patient::open().unwrap(), Sluice::new().unwrap());
    let giver = Giver::start(sluice.scratch(), "tcp", Some(server.address())).unwrap();
    let more = more(&giver);
    let said = direct_to(vector, server.address(), "word-off", &more).unwrap();
    assert_eq!(
        (said.as_str(), server.heard()),
        ("out", vec!["word-off".to_owned()])
    );

    let line = vector_line(vector, server.address(), "word-on", &more);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let job = sluice.run_with(CLOSED, &[], &line).unwrap();
    assert_eq!(outcome(&job.stdout), "ECONNABORTED", "{job:?}");
    told(&sluice);
    std::thread::sleep(TCP_TRIES_AGAIN);
    assert_eq!(server.heard(), Vec::<String>::new());
}

#[test]
fn tcp_over_scm_rights() {
    connection("handed_in", |giver| vec![giver.door.clone()]);
}

#[test]
fn tcp_by_pidfd_getfd() {
    connection("pidfd_getfd", |giver| {
        vec![giver.pid.clone(), giver.descriptor.clone()]
    });
}

/// A datagram socket that `handed_in.py` gets from a giver.
fn datagrams(kind: &str, sink: Kind) {
    if let Some(why) = cannot_capture() {
        return skipped(kind, why);
    }
    let (sink, sluice) = (Sink::open(sink, 0).unwrap(), Sluice::new().unwrap());
    let to = SocketAddr::from((sink.address(), sink.port()));
    let giver = Giver::start(sluice.scratch(), kind, (kind == "udp").then_some(to)).unwrap();
    let more = [giver.door];
    assert_eq!(
        direct_to("handed_in", to, "word-off", &more).unwrap(),
        "out"
    );
    sink.must_see("word-off").unwrap();
    sink.so_far().unwrap();

    let line = vector_line("handed_in", to, "word-on", &more);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let job = sluice.run_with(CLOSED, &[], &line).unwrap();
    assert_eq!(outcome(&job.stdout), "EPERM", "{job:?}");
    sink.must_have_seen_nothing("word-on").unwrap();
    told(&sluice);
}

#[test]
fn connected_datagrams_over_scm_rights() {
    datagrams("udp", Kind::Udp4);
}

#[test]
fn a_raw_socket_over_scm_rights() {
    datagrams("raw", Kind::Raw4);
}

#[test]
fn a_connection_that_is_standard_output() {
    if let Some(why) = cannot_capture() {
        return skipped("a_connection_that_is_standard_output", why);
    }
    let (server, sluice) = (Patient::open().unwrap(), Sluice::new().unwrap());
    let connected = || {
        let stream = std::net::TcpStream::connect(server.address()).unwrap();
        Stdio::from(OwnedFd::from(stream))
    };
    let mut direct = std::process::Command::new("/bin/echo");
    let status = direct.arg("word-off").stdout(connected()).status().unwrap();
    assert!(status.success());
    while server.heard().is_empty() {
        std::thread::yield_now();
    }
    let line = ["/bin/echo", "word-on"];
    let mut run = sluice.run_command(CLOSED, &["--quiet"], &line).unwrap();
    run.stdout(connected()).status().unwrap();
    told(&sluice);
    std::thread::sleep(TCP_TRIES_AGAIN);
    assert_eq!(server.heard(), Vec::<String>::new());
}

/// Nobody can end MPTCP from outside: then the record says what may still leave.
#[test]
fn a_connection_that_cannot_be_ended_is_told_of() {
    const NAME: &str = "a_connection_that_cannot_be_ended_is_told_of";
    if let Some(why) = cannot_capture() {
        return skipped(NAME, why);
    }
    let Ok(mptcp) = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)) else {
        return skipped(NAME, "this kernel makes no MPTCP socket");
    };
    let (server, sluice) = (Patient::open().unwrap(), Sluice::new().unwrap());
    mptcp.connect(&server.address().into()).unwrap();
    let line = ["/bin/echo", "word-on"];
    let mut run = sluice.run_command(CLOSED, &["--quiet"], &line).unwrap();
    run.stdout(OwnedFd::from(mptcp)).status().unwrap();
    told(&sluice);
    let notes = sluice.ask(&["store", "notes"]).unwrap();
    assert!(notes.contains("could not be ended"), "{notes}");
}
