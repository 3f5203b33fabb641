//! UDP: port 53 is the resolver's, everything else is refused.

use std::net::{SocketAddr, UdpSocket};

use sluice_flow::kernel::Transport;
use sluice_flow::ports::Origins as _;

use crate::harness::{Bench, command, results};

/// Answers one question as the resolver; gives what the member said.
fn ask(bench: &Bench, act: &str, target: &str) -> Vec<String> {
    let asked: SocketAddr = target.parse().unwrap();
    let v4 = asked.ip().to_canonical().is_ipv4();
    let resolver = if v4 { &bench.dns4 } else { &bench.dns6 };
    let member = bench.spawn(&format!("{act} {target}"));
    let pid = member.id();
    let mut buffer = [0; 64];
    let (length, peer) = resolver.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"question");
    let origin = bench.capture.take(peer, Transport::Udp).expect("an origin");
    assert_eq!(
        origin.destination,
        (asked.ip().to_canonical(), asked.port()).into()
    );
    assert_eq!(origin.process.tgid, pid);
    assert_eq!(origin.job, bench.job);
    assert!(
        bench.capture.take(peer, Transport::Udp).is_some(),
        "for every question"
    );
    resolver.send_to(b"answer", peer).unwrap();
    results(member)
}

#[test]
fn a_question_goes_to_the_resolver_and_its_answer_comes_from_whom_was_asked() {
    let Some(bench) = Bench::open() else { return };
    for target in [
        "127.0.0.53:53",
        "192.0.2.53:53",
        "[2001:db8::53]:53",
        "[::ffff:192.0.2.53]:53",
    ] {
        let said = ask(&bench, "query", target);
        assert_eq!(said, ["ok".to_owned(), format!("answer from {target}")]);
    }
}

#[test]
fn a_connected_socket_sees_the_peer_that_it_asked_for() {
    let Some(bench) = Bench::open() else { return };
    for target in [
        "127.0.0.53:53",
        "[2001:db8::53]:53",
        "[::ffff:192.0.2.53]:53",
    ] {
        let said = ask(&bench, "query-connected", target);
        let want = [
            "ok".to_owned(),
            format!("answer from {target}"),
            format!("peer {target}"),
        ];
        assert_eq!(said, want);
    }
}

#[test]
fn other_datagrams_are_refused_and_told() {
    let Some(bench) = Bench::open() else { return };
    for (act, target, hook) in [
        ("udp-send", "127.9.9.9:443", "sendmsg4"),
        ("udp-send", "224.0.0.251:5353", "sendmsg4"),
        ("udp-send", "127.255.255.255:67", "sendmsg4"),
        ("udp-send", "[ff02::fb]:5353", "sendmsg6"),
        ("udp-connect", "127.9.9.9:443", "connect4"),
        ("udp-send", "[2001:db8::1]:5353", "sendmsg6"),
        ("udp-connect", "[2001:db8::1]:5353", "connect6"),
    ] {
        assert_eq!(
            bench.member(&format!("{act} {target}")),
            ["EPERM"],
            "{act} {target}"
        );
        let refusals = bench.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(
            (refusals[0].hook.as_str(), refusals[0].reason.as_str()),
            (hook, "udp")
        );
        assert_eq!(refusals[0].destination, Some(target.parse().unwrap()));
    }
    // A v6 socket and a v4-mapped address: the v4 hook sees it.
    assert_eq!(bench.member("udp-send [::ffff:127.9.9.9]:443"), ["EPERM"]);
}

#[test]
fn the_resolver_cannot_be_asked_directly_and_nothing_is_asked_while_down() {
    let Some(bench) = Bench::open() else { return };
    let port = bench.listeners().dns_v4;
    assert_eq!(
        bench.member(&format!("udp-send 127.0.0.1:{port}")),
        ["EPERM"]
    );
    assert_eq!(bench.refusals()[0].reason, "forged");
    bench.capture.close_gate().unwrap();
    assert_eq!(bench.member("udp-send 127.0.0.53:53"), ["EPERM"]);
    assert_eq!(bench.refusals()[0].reason, "daemon_down");
}

#[test]
fn dns_over_tcp_is_a_connection_like_any_other() {
    let Some(bench) = Bench::open() else { return };
    assert_eq!(bench.member("connect-only 127.0.0.53:53"), ["ok"]);
    let (_, _, origin) = bench.accept(true);
    assert_eq!(
        origin.unwrap().destination,
        "127.0.0.53:53".parse().unwrap()
    );
}

#[test]
fn who_is_no_member_sends_where_it_wants() {
    let Some(_bench) = Bench::open() else { return };
    let server = UdpSocket::bind("127.9.9.9:0").unwrap();
    let target = server.local_addr().unwrap();
    let child = command(&format!("udp-send {target}")).spawn().unwrap();
    assert_eq!(server.recv_from(&mut [0; 8]).unwrap().0, 3);
    assert_eq!(results(child), ["ok"]);
}
