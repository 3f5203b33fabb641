//! TCP arrives at the proxy, which learns where it was headed and who opened it.

use std::net::{TcpListener, TcpStream};

use sluice_flow::kernel::Transport;
use sluice_flow::ports::Origins as _;

use crate::harness::{Bench, answer, command, results};

/// Serves one connection at the proxy; gives the origin and what the member said.
fn through(bench: &Bench, target: &str, v4: bool) -> Vec<String> {
    let member = bench.spawn(&format!("connect {target}"));
    let pid = member.id();
    let (mut stream, peer, origin) = bench.accept(v4);
    let origin = origin.expect("an origin");
    assert_eq!(origin.destination, canonical(target), "{target}");
    assert_eq!(origin.process.tgid, pid);
    assert_eq!(origin.ordinal, 1);
    assert_eq!(origin.job, bench.job);
    assert!(
        bench.capture.take(peer, Transport::Tcp).is_none(),
        "given out once"
    );
    answer(&mut stream, b"from the gate");
    drop(stream);
    results(member)
}

fn canonical(target: &str) -> std::net::SocketAddr {
    let address: std::net::SocketAddr = target.parse().unwrap();
    (address.ip().to_canonical(), address.port()).into()
}

#[test]
fn tcp_of_a_member_is_turned_and_it_sees_the_address_that_it_asked_for() {
    let Some(bench) = Bench::open() else { return };
    for (target, v4) in [
        ("127.9.9.9:8080", true),
        ("127.0.0.1:5432", true),
        ("192.0.2.7:443", true),
        ("[2001:db8::7]:443", false),
        ("[::1]:9999", false),
        ("[::ffff:192.0.2.8]:80", true),
    ] {
        let said = through(&bench, target, v4);
        assert_eq!(
            said,
            [format!("peer {target}"), "answer from the gate".to_owned()]
        );
    }
    assert_eq!(bench.stat("redirected"), 6);
    assert_eq!(bench.stat("refused"), 0);
}

#[test]
fn who_is_no_member_is_left_alone() {
    let Some(bench) = Bench::open() else { return };
    let server = TcpListener::bind("127.9.9.9:0").unwrap();
    let target = server.local_addr().unwrap().to_string();
    let child = command(&format!("connect {target}")).spawn().unwrap();
    let (mut stream, _) = server.accept().unwrap();
    answer(&mut stream, b"direct");
    drop(stream);
    assert_eq!(
        results(child),
        [format!("peer {target}"), "answer direct".to_owned()]
    );
    assert_eq!(bench.stat("redirected"), 0);
}

#[test]
fn without_a_heartbeat_a_member_is_refused_and_it_is_told() {
    let Some(bench) = Bench::closed() else { return };
    for (target, hook) in [
        ("127.9.9.9:8080", "connect4"),
        ("[2001:db8::7]:443", "connect6"),
    ] {
        assert_eq!(bench.member(&format!("connect {target}")), ["EPERM"]);
        let refusals = bench.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(refusals[0].reason, "daemon_down");
        assert_eq!(refusals[0].hook, hook);
        assert_eq!(refusals[0].destination, Some(target.parse().unwrap()));
    }
    assert_eq!(bench.stat("refused_down"), 2);
}

#[test]
fn a_closed_gate_refuses_at_once() {
    let Some(bench) = Bench::open() else { return };
    bench.capture.close_gate().unwrap();
    assert!(!bench.capture.is_open());
    assert_eq!(bench.member("connect 127.9.9.9:8080"), ["EPERM"]);
}

#[test]
fn a_dial_to_the_proxy_itself_is_refused_in_every_form() {
    let Some(bench) = Bench::open() else { return };
    let ports = bench.listeners();
    for target in [
        format!("127.0.0.1:{}", ports.proxy_v4),
        format!("0.0.0.0:{}", ports.proxy_v4),
        format!("127.0.0.1:{}", ports.dns_v4),
        format!("[::1]:{}", ports.proxy_v6),
        format!("[::]:{}", ports.proxy_v6),
        format!("[::ffff:127.0.0.1]:{}", ports.proxy_v4),
        format!("[::ffff:0.0.0.0]:{}", ports.proxy_v4),
    ] {
        assert_eq!(
            bench.member(&format!("connect {target}")),
            ["EPERM"],
            "{target}"
        );
        assert_eq!(bench.refusals()[0].reason, "forged", "{target}");
    }
}

#[test]
fn a_connection_of_a_stranger_to_the_proxy_has_no_origin() {
    let Some(bench) = Bench::open() else { return };
    let forged = TcpStream::connect(bench.proxy4.local_addr().unwrap()).unwrap();
    let (_, _, origin) = bench.accept(true);
    assert_eq!(origin, None);
    drop(forged);
}

#[test]
fn flows_that_nobody_took_are_forgotten() {
    let Some(bench) = Bench::open() else { return };
    assert_eq!(bench.member("connect-only 127.9.9.9:8080"), ["ok"]);
    let hour = std::time::Duration::from_secs(3_600);
    assert_eq!(bench.capture.forget_flows(hour).unwrap(), 0);
    assert_eq!(
        bench
            .capture
            .forget_flows(std::time::Duration::ZERO)
            .unwrap(),
        1
    );
    assert_eq!(bench.accept(true).2, None);
}

#[test]
fn a_link_local_address_with_a_zone_is_turned_too() {
    let Some(bench) = Bench::open() else { return };
    assert_eq!(bench.member("connect-only [fe80::1%1]:8080"), ["ok"]);
    let asked = bench.accept(false).2.unwrap().destination;
    assert_eq!(asked, "[fe80::1]:8080".parse().unwrap());
}
