//! What a job does to get around the gate. Each is also done by a process that is no member,
//! where it must succeed: else the test proves nothing.

use std::io::Write as _;
use std::mem::size_of;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, fork, getppid, setsid};
use sluice_capture::cgroup;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::harness::{Bench, PATIENCE, answer, command, results, spawn_in};
use crate::member::{connect, outcome, say};

/// The acts of this file.
pub(crate) fn act(words: &[&str]) {
    match words {
        ["socket", family, kind, protocol] => {
            let number = |word: &str| word.parse::<i32>().unwrap();
            let kind = Type::from(number(kind));
            let made = Socket::new(number(family).into(), kind, Some(number(protocol).into()));
            say(outcome(made));
        }
        ["mptcp", target] => stream(Protocol::from(262), target),
        ["again", first, second] => again(first, second),
        ["fast-open", target] => fast_open(target),
        ["unspec", target] => unspec(target),
        ["given", fd, target] => given(fd.parse().unwrap(), target),
        ["escape", target] => escape(target),
        ["namespace", target] => {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            connect(target);
        }
        ["slow", target] => slow(target),
        other => crate::handed_in::act(other),
    }
}

fn address(target: &str) -> SockAddr {
    target.parse::<SocketAddr>().unwrap().into()
}

fn stream(protocol: Protocol, target: &str) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(protocol)).unwrap();
    say(outcome(socket.connect(&address(target))));
    say(format_args!(
        "peer {}",
        socket.peer_addr().unwrap().as_socket().unwrap()
    ));
}

/// Connects, disconnects with `AF_UNSPEC`, connects elsewhere.
fn again(first: &str, second: &str) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    say(outcome(socket.connect(&address(first))));
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: a socket of ours and an address of that length.
    let undone = unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, length) };
    assert_eq!(undone, 0);
    say(outcome(socket.connect(&address(second))));
}

/// Connects with the first data (`MSG_FASTOPEN`).
fn fast_open(target: &str) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let sent = socket.send_to_with_flags(b"hello", &address(target), libc::MSG_FASTOPEN);
    say(outcome(sent));
}

/// A datagram whose address says `AF_UNSPEC`; udp(7) takes it for `AF_INET`.
fn unspec(target: &str) {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    let target: SocketAddr = target.parse().unwrap();
    let SocketAddr::V4(v4) = target else {
        panic!("a v4 address")
    };
    let raw = libc::sockaddr_in {
        sin_family: libc::AF_UNSPEC as libc::sa_family_t,
        sin_port: v4.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(v4.ip().octets()),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: a socket of ours, three bytes, and an address of that length.
    let sent = unsafe {
        let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        libc::sendto(
            socket.as_raw_fd(),
            b"out".as_ptr().cast(),
            3,
            0,
            (&raw const raw).cast(),
            length,
        )
    };
    say(outcome(if sent < 0 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(sent)
    }));
}

/// Connects a socket that somebody else made.
fn given(fd: RawFd, target: &str) {
    // SAFETY: the test passed this descriptor to us.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
    say(outcome(socket.connect(&address(target))));
}

/// Leaves its cgroup, forks twice, starts a session, waits until it is nobody's child, connects.
fn escape(target: &str) {
    let root = root_of_cgroups();
    cgroup::join(&root).unwrap();
    let before = std::process::id();
    // SAFETY: the other threads of the test binary wait; the child connects and ends.
    if let ForkResult::Child = unsafe { fork() }.unwrap() {
        let middle = setsid().unwrap();
        // SAFETY: as above.
        if let ForkResult::Child = unsafe { fork() }.unwrap() {
            while getppid() == middle {
                std::thread::yield_now();
            }
            assert_ne!(getppid().as_raw() as u32, before);
            connect(target);
        }
        std::io::stdout().flush().unwrap();
        // SAFETY: ends the child without the exit handlers of its parent's copy.
        unsafe { libc::_exit(0) };
    }
}

fn root_of_cgroups() -> std::path::PathBuf {
    let unified = std::path::Path::new("/sys/fs/cgroup/unified");
    if unified.exists() {
        unified.to_owned()
    } else {
        "/sys/fs/cgroup".into()
    }
}

/// Connects, waits for a byte, writes.
fn slow(target: &str) {
    let mut stream = TcpStream::connect(target).unwrap();
    std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
    say(outcome(stream.write_all(b"hello")));
}

const KINDS: [(&str, &str); 6] = [
    ("2 3 1", "inet/raw/icmp"),
    ("10 3 58", "inet6/raw/icmp6"),
    ("2 3 255", "inet/raw/255"),
    ("2 2 1", "inet/dgram/icmp"),
    ("2 2 136", "inet/dgram/udplite"),
    ("10 2 136", "inet6/dgram/udplite"),
];

#[test]
fn sockets_that_are_not_on_the_list_are_refused_and_told() {
    let Some(bench) = Bench::open() else { return };
    for (kind, named) in KINDS {
        let unprotected = results(command(&format!("socket {kind}")).spawn().unwrap());
        if unprotected != ["ok"] {
            println!("skipped: {named}: {unprotected:?} also without us");
            continue;
        }
        assert_eq!(
            bench.member(&format!("socket {kind}")),
            ["EPERM"],
            "{named}"
        );
        let refusals = bench.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(
            (refusals[0].socket.as_str(), refusals[0].hook.as_str()),
            (named, "sock_create")
        );
        assert_eq!(refusals[0].destination, None);
    }
    for kind in ["2 1 6", "10 1 6", "2 2 17", "10 2 17"] {
        assert_eq!(bench.member(&format!("socket {kind}")), ["ok"], "{kind}");
    }
}

#[test]
fn mptcp_is_turned_like_tcp() {
    let Some(bench) = Bench::open() else { return };
    let unprotected = results(command("socket 2 1 262").spawn().unwrap());
    if unprotected != ["ok"] {
        println!("skipped: mptcp: this kernel makes no MPTCP socket: {unprotected:?}");
        return;
    }
    let said = bench.member("mptcp 127.9.9.9:8080");
    assert_eq!(said, ["ok", "peer 127.9.9.9:8080"]);
    let (_, _, origin) = bench.accept(true);
    assert_eq!(
        origin.unwrap().destination,
        "127.9.9.9:8080".parse().unwrap()
    );
}

#[test]
fn a_socket_that_connects_again_has_its_second_origin() {
    let Some(bench) = Bench::open() else { return };
    let member = bench.spawn("again 127.9.9.8:1 127.9.9.9:2");
    assert_eq!(
        bench.accept(true).2.unwrap().destination,
        "127.9.9.8:1".parse().unwrap()
    );
    assert_eq!(
        bench.accept(true).2.unwrap().destination,
        "127.9.9.9:2".parse().unwrap()
    );
    assert_eq!(results(member), ["ok", "ok"]);
}

#[test]
fn fast_open_is_turned() {
    let Some(bench) = Bench::open() else { return };
    assert_eq!(bench.member("fast-open 127.9.9.9:8080"), ["ok"]);
    assert_eq!(
        bench.accept(true).2.unwrap().destination,
        "127.9.9.9:8080".parse().unwrap()
    );
}

#[test]
fn the_family_that_the_caller_claims_does_not_matter() {
    let Some(bench) = Bench::open() else { return };
    assert_eq!(
        results(command("unspec 127.9.9.9:443").spawn().unwrap()),
        ["ok"]
    );
    assert_eq!(bench.member("unspec 127.9.9.9:443"), ["EPERM"]);
}

#[test]
fn a_socket_that_was_made_outside_is_turned_too() {
    let Some(bench) = Bench::open() else { return };
    let made_outside = Socket::new_raw(Domain::IPV4, Type::STREAM, None).unwrap();
    let fd = made_outside.as_raw_fd();
    assert_eq!(bench.member(&format!("given {fd} 127.9.9.9:8080")), ["ok"]);
    assert_eq!(
        bench.accept(true).2.unwrap().destination,
        "127.9.9.9:8080".parse().unwrap()
    );
}

#[test]
fn leaving_the_cgroup_and_the_session_does_not_shake_it_off() {
    let Some(bench) = Bench::open() else { return };
    let server = TcpListener::bind("127.9.9.9:0").unwrap();
    let target = server.local_addr().unwrap();
    let member = bench.spawn(&format!("escape {target}"));
    let root = member.id();
    let (mut stream, _, origin) = bench.accept(true);
    let origin = origin.unwrap();
    assert_eq!(origin.destination, target);
    assert_eq!((origin.job, origin.ordinal), (bench.job, 0));
    assert_ne!(origin.process.tgid, root);
    answer(&mut stream, b"caught");
    drop(stream);
    assert_eq!(
        results(member),
        [format!("peer {target}"), "answer caught".to_owned()]
    );
}

#[test]
fn another_network_namespace_is_refused() {
    let Some(bench) = Bench::open() else { return };
    assert_eq!(bench.member("namespace 127.9.9.9:8080"), ["EPERM"]);
    assert_eq!(bench.refusals()[0].reason, "other_netns");
}

#[test]
fn packets_leave_only_to_the_proxy() {
    let Some(bench) = Bench::open() else { return };
    let member = bench.spawn("slow 127.9.9.9:8080");
    let (mut stream, _, _) = bench.accept(true);
    let elsewhere = sluice_capture::Listeners {
        proxy_v4: 1,
        ..bench.listeners()
    };
    bench.capture.listen(elsewhere).unwrap();
    stream.write_all(b"x").unwrap();
    results(member);
    assert!(bench.stat("egress_dropped") > 0);
    let refusals = bench.refusals();
    assert!(
        refusals
            .iter()
            .all(|r| r.hook == "egress" && r.reason == "stray_packet")
    );
    assert!(!refusals.is_empty());
}

#[test]
fn with_protection_off_all_of_it_gets_out() {
    let Some(bench) = Bench::open() else { return };
    let server = TcpListener::bind("127.9.9.9:0").unwrap();
    SockRef::from(&server)
        .set_read_timeout(Some(PATIENCE))
        .unwrap();
    let target = server.local_addr().unwrap();
    let Bench {
        capture, cgroup, ..
    } = bench;
    drop(capture);
    for act in ["connect-only", "fast-open", "escape"] {
        let child = spawn_in(cgroup.path(), &format!("{act} {target}"));
        drop(server.accept().unwrap());
        let _ = results(child);
    }
    assert_eq!(results(spawn_in(cgroup.path(), "socket 2 3 1")), ["ok"]);
}
