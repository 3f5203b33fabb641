//! Sockets that were connected outside of the job and come into it. Each is also sent on by a
//! process that is no member, where the word must arrive.

use std::io::{ErrorKind, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sluice_capture::{Capture, HANDED_IN_MAX, JobCgroup, Root, cgroup};
use sluice_flow::kernel::JobTag;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::harness::{Bench, PATIENCE, command, options, possible, results, spawn_in, unique};
use crate::member::{outcome, say};

/// The acts of this file.
pub(crate) fn act(words: &[&str]) {
    match words {
        ["crowd", target] => crate::full::crowd(target),
        ["send-on", fd, flags] => {
            let socket = own(fd.parse().unwrap());
            say(outcome(
                socket.send_with_flags(b"word", flags.parse().unwrap()),
            ));
        }
        ["send-to", fd, target] => {
            let target: SocketAddr = target.parse().unwrap();
            say(outcome(
                own(fd.parse().unwrap()).send_to(b"word", &target.into()),
            ));
        }
        ["send-on-each", fds] => {
            for fd in fds.split(',') {
                own(fd.parse().unwrap()).send(b"word").unwrap();
            }
            say("ok");
        }
        ["elsewhere", cgroup] => elsewhere(Path::new(cgroup)),
        ["agent", fd] => agent(fd.parse().unwrap()),
        ["accept-on", fd] => {
            let (taken, _) = own(fd.parse().unwrap()).accept().unwrap();
            say(outcome(taken.send(b"word")));
        }
        other => panic!("no such act: {other:?}"),
    }
}

fn own(fd: RawFd) -> Socket {
    // SAFETY: the test passed this descriptor to us.
    Socket::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends, waits until sluice is there, starts something, sends again, lets what it starts send.
fn agent(fd: RawFd) {
    let socket = own(fd);
    say(outcome(socket.send(b"word")));
    std::io::stdin().read_exact(&mut [0; 2]).unwrap();
    results(command("socket 2 1 6").spawn().unwrap());
    say(outcome(socket.send(b"word")));
    let mut child = command(&format!("send-on {fd} 0"));
    results(child.spawn().unwrap()).iter().for_each(say);
}

/// A connection in a network namespace of its own, and a member that it is handed in to.
fn elsewhere(cgroup: &Path) {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.unwrap().success());
    let (client, end) = connected(None);
    let act = format!("send-on {} 0", client.as_raw_fd());
    results(spawn_in(cgroup, &act)).iter().for_each(say);
    std::io::stdin().read_exact(&mut [0; 2]).unwrap();
    say(outcome(client.send(b"word")));
    nothing_came(&end);
}

/// A socket that children inherit.
fn outside(domain: Domain, kind: Type, protocol: Option<Protocol>) -> Socket {
    Socket::new_raw(domain, kind, protocol).unwrap()
}

/// A connection that was made outside, and its other end.
fn connected(protocol: Option<Protocol>) -> (Socket, TcpStream) {
    connected_at("127.9.9.9:0", Domain::IPV4, protocol)
}

fn connected_at(server: &str, domain: Domain, protocol: Option<Protocol>) -> (Socket, TcpStream) {
    let server = TcpListener::bind(server).unwrap();
    let mut target = server.local_addr().unwrap();
    if let (SocketAddr::V4(v4), Domain::IPV6) = (target, domain) {
        target = SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()));
    }
    let client = outside(domain, Type::STREAM, protocol);
    client.connect(&target.into()).unwrap();
    let (end, _) = server.accept().unwrap();
    end.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, end)
}

/// TCP sends again what got no answer after 0.2, 0.6 and 1.4 s.
const TCP_TRIES_AGAIN: Duration = Duration::from_secs(2);

/// What came to the other end, without a wait.
fn nothing_came(end: &TcpStream) {
    end.set_nonblocking(true).unwrap();
    let mut buffer = [0; 16];
    let came = (&*end).read(&mut buffer);
    assert_eq!(came.unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Until what was refused has been tried again by the kernel's own timer.
fn dropped(bench: &Bench, packets: u64) {
    while bench.stat("egress_dropped") < packets {
        std::thread::yield_now();
    }
}

fn told(bench: &Bench) {
    let refusals = bench.refusals();
    let (hook, reason) = ("egress", "handed_in");
    assert!(
        refusals
            .iter()
            .any(|r| r.hook == hook && r.reason == reason),
        "{refusals:?}"
    );
}

#[test]
fn a_tcp_connection_from_outside_carries_nothing_and_nothing_later() {
    let Some(bench) = Bench::open() else { return };
    let (client, mut end) = connected(None);
    let act = format!("send-on {} 0", client.as_raw_fd());
    assert_eq!(results(command(&act).spawn().unwrap()), ["ok"]);
    let mut word = [0; 4];
    end.read_exact(&mut word).unwrap();
    assert_eq!(bench.member(&act), ["ok"]);
    dropped(&bench, 2);
    nothing_came(&end);
    told(&bench);
}

#[test]
fn what_is_kept_for_later_on_a_connection_from_outside_does_not_leave_later() {
    let Some(bench) = Bench::open() else { return };
    if !bench
        .capture
        .hooks()
        .iter()
        .any(|h| h.name == "send" && h.known)
    {
        println!("skipped: kept for later: this kernel has no tracepoint sock_send_length");
        return;
    }
    let (client, mut end) = connected(None);
    let act = format!("send-on {} {}", client.as_raw_fd(), libc::MSG_MORE);
    assert_eq!(results(command(&act).spawn().unwrap()), ["ok"]);
    let mut word = [0; 4];
    end.read_exact(&mut word).unwrap();
    assert_eq!(bench.member(&act), ["ok"]);
    dropped(&bench, 2);
    nothing_came(&end);
    told(&bench);
}

#[test]
fn what_waits_in_a_connection_from_outside_does_not_outlive_the_gate() {
    for (server, domain) in [
        ("127.9.9.9:0", Domain::IPV4),
        ("127.9.9.9:0", Domain::IPV6),
        ("[::1]:0", Domain::IPV6),
    ] {
        let Some(bench) = Bench::open() else { return };
        let (client, end) = connected_at(server, domain, None);
        let (gone, other_end) = connected_at(server, domain, None);
        for socket in [&client, &gone] {
            let act = format!("send-on {} 0", socket.as_raw_fd());
            assert_eq!(bench.member(&act), ["ok"], "{server} {domain:?}");
        }
        drop(gone); // it stays in the kernel, with what waits
        assert_eq!(bench.capture.end_handed_in().unwrap(), 0);
        let sent = client.send(b"word").unwrap_err();
        assert_eq!(sent.kind(), ErrorKind::ConnectionAborted);
        drop(bench);
        nothing_comes(&end);
        nothing_came(&other_end);
    }
}

#[test]
fn an_end_of_the_gate_ends_what_was_not_ended_before() {
    let Some(bench) = Bench::open() else { return };
    let end = written_on(bench.cgroup.path());
    drop(bench);
    nothing_comes(&end);
}

/// The other end of a connection from outside on which a member wrote.
pub(crate) fn written_on(cgroup: &Path) -> TcpStream {
    let (client, end) = connected(None);
    let act = format!("send-on {} 0", client.as_raw_fd());
    assert_eq!(results(spawn_in(cgroup, &act)), ["ok"]);
    end
}

/// What waits in the kernel did not come when TCP tried again.
pub(crate) fn nothing_comes(end: &TcpStream) {
    std::thread::sleep(TCP_TRIES_AGAIN);
    nothing_came(end);
}

#[test]
fn a_connection_of_another_network_namespace_is_ended_there() {
    let Some(bench) = Bench::open() else { return };
    let act = format!("elsewhere {}", bench.cgroup.path().display());
    let mut outsider = command(&act).stdin(Stdio::piped()).spawn().unwrap();
    dropped(&bench, 1);
    while bench.capture.has_members(bench.job).unwrap() {
        std::thread::yield_now();
    }
    assert_eq!(bench.capture.end_handed_in().unwrap(), 0);
    outsider.stdin.take().unwrap().write_all(b"go").unwrap();
    assert_eq!(
        results(outsider),
        ["ok", &format!("errno {}", libc::ECONNABORTED)]
    );
}

#[test]
fn more_connections_from_outside_than_can_be_remembered_are_told_of() {
    let fit = u64::try_from(HANDED_IN_MAX).unwrap();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    for (more, withstood) in [(0, 0), (1, 1)] {
        let Some(bench) = Bench::open() else { return };
        let connections: Vec<_> = (0..fit + more).map(|_| connected(None)).collect();
        let fds = connections
            .iter()
            .map(|(client, _)| client.as_raw_fd().to_string());
        let fds: Vec<_> = fds.collect();
        let act = format!("send-on-each {}", fds.join(","));
        assert_eq!(bench.member(&act), ["ok"]);
        assert_eq!(bench.stat("lost_handed_in"), more);
        assert_eq!(bench.capture.end_handed_in().unwrap(), withstood);
        assert_eq!(bench.capture.end_handed_in().unwrap(), 0, "told once");
        for (_, end) in &connections {
            nothing_came(end);
        }
    }
}

#[test]
fn an_mptcp_connection_from_outside_carries_nothing() {
    let Some(bench) = Bench::open() else { return };
    let protocol = Protocol::from(262);
    if Socket::new(Domain::IPV4, Type::STREAM, Some(protocol)).is_err() {
        println!("skipped: mptcp handed in: this kernel makes no MPTCP socket");
        return;
    }
    let (client, end) = connected(Some(protocol));
    assert_eq!(
        bench.member(&format!("send-on {} 0", client.as_raw_fd())),
        ["ok"]
    );
    dropped(&bench, 2);
    nothing_came(&end);
    told(&bench);
}

#[test]
fn an_accepted_connection_of_a_listener_from_outside_carries_nothing() {
    let Some(bench) = Bench::open() else { return };
    let listener = outside(Domain::IPV4, Type::STREAM, None);
    let any: SocketAddr = "127.9.9.9:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(1).unwrap();
    let target = listener.local_addr().unwrap().as_socket().unwrap();
    let caller = TcpStream::connect(target).unwrap();
    let act = format!("accept-on {}", listener.as_raw_fd());
    assert_eq!(bench.member(&act), ["ok"]);
    dropped(&bench, 2);
    nothing_came(&caller);
    told(&bench);
}

#[test]
fn datagrams_of_a_socket_that_was_connected_outside_are_refused() {
    let Some(bench) = Bench::open() else { return };
    let server = UdpSocket::bind("127.9.9.9:0").unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let client = outside(Domain::IPV4, Type::DGRAM, None);
    client
        .connect(&server.local_addr().unwrap().into())
        .unwrap();
    let act = format!("send-on {} 0", client.as_raw_fd());
    assert_eq!(results(command(&act).spawn().unwrap()), ["ok"]);
    server.recv(&mut [0; 16]).unwrap();
    assert_eq!(bench.member(&act), ["EPERM"]);
    told(&bench);
    // It is the member that is refused, not the socket.
    client.send(b"own").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(server.recv(&mut buffer).unwrap(), 3);
}

#[test]
fn packets_of_a_raw_socket_from_outside_are_refused() {
    let Some(bench) = Bench::open() else { return };
    const EXPERIMENT: i32 = 253;
    let raw = |domain| outside(domain, Type::from(3), Some(Protocol::from(EXPERIMENT)));
    for (domain, target) in [(Domain::IPV4, "127.9.9.9:0"), (Domain::IPV6, "[::1]:0")] {
        let sink = raw(domain);
        let at: SocketAddr = target.parse().unwrap();
        sink.bind(&at.into()).unwrap();
        SockRef::from(&sink)
            .set_read_timeout(Some(PATIENCE))
            .unwrap();
        let source = raw(domain);
        let act = format!("send-to {} {target}", source.as_raw_fd());
        assert_eq!(results(command(&act).spawn().unwrap()), ["ok"], "{target}");
        sink.recv(&mut [MaybeUninit::zeroed(); 64]).unwrap();
        assert_eq!(bench.member(&act), ["EPERM"], "{target}");
        told(&bench);
        sink.set_nonblocking(true).unwrap();
        let came = sink.recv(&mut [MaybeUninit::zeroed(); 64]);
        assert_eq!(came.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn who_stays_outside_goes_on_beside_a_member() {
    let Some(bench) = Bench::open() else { return };
    let (mut client, mut end) = connected(None);
    let member = bench.spawn("slow 127.9.9.9:8080");
    let (mut proxied, _, _) = bench.accept(true);
    for _ in 0..100 {
        client.write_all(b"word").unwrap();
        end.read_exact(&mut [0; 4]).unwrap();
    }
    proxied.write_all(b"x").unwrap();
    assert_eq!(results(member), ["ok"]);
    assert_eq!(bench.stat("egress_dropped"), 0);
}

#[test]
fn what_ran_before_goes_on_with_its_own_connection_and_what_it_starts_does_not() {
    if !possible() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let group = JobCgroup::create(&unique()).unwrap();
    let (client, mut end) = connected(None);
    let act = format!("agent {}", client.as_raw_fd());
    let mut agent = command(&act);
    let path = group.path().to_owned();
    // SAFETY: as in the harness.
    unsafe {
        agent.pre_exec(move || cgroup::join(&path).map_err(std::io::Error::other));
    }
    let mut agent = agent.stdin(Stdio::piped()).spawn().unwrap();
    let mut word = [0; 4];
    end.read_exact(&mut word).unwrap();
    let capture = Capture::start(&options(state.path(), false)).unwrap();
    capture
        .add_runner(group.path(), JobTag(9), Root::Never)
        .unwrap();
    agent.stdin.take().unwrap().write_all(b"go").unwrap();
    end.read_exact(&mut word).unwrap();
    assert_eq!(results(agent), ["ok", "ok", "ok"]);
    nothing_came(&end);
}
