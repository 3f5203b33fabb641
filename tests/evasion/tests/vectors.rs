//! Every way out that we know of: with protection off it reaches the sink, behind the gate it
//! does not, and the record tells of the attempt.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;
use sluice_evasion::{
    CLOSED, Kind, Namespace, Sink, cgroup_root, direct, job, leaf, outcome, python, refusals,
    vector,
};
use sluice_harness::{Daemonised, Sluice, cannot_capture, skipped};

/// How an attempt ends behind the gate.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The kernel refuses it, with EPERM: (hook, reason) of its record.
    Blocked(&'static str, &'static str),
    /// It comes to the proxy, which refuses it by the policy and resets it.
    Proxied,
    /// The gate's own resolver answers, with this.
    Resolved(&'static str),
}

/// A way out.
struct Way<'a> {
    name: &'a str,
    sink: Sink,
    more: Vec<&'a str>,
    end: End,
}

impl<'a> Way<'a> {
    fn new(name: &'a str, kind: Kind, end: End) -> Self {
        Self {
            name,
            sink: Sink::open(kind, 0).unwrap(),
            more: Vec::new(),
            end,
        }
    }

    fn with(mut self, more: &[&'a str]) -> Self {
        self.more.extend(more);
        self
    }

    /// The whole proof.
    fn stays_shut(self) {
        let Self { name, .. } = self;
        if let Some(why) = cannot_capture() {
            return skipped(name, why);
        }
        let open = direct(name, &self.sink, "word-off", &self.more).unwrap();
        if let Some(why) = open.strip_prefix("cannot: ") {
            return skipped(name, why);
        }
        self.sink.must_see("word-off").unwrap();
        self.sink.so_far().unwrap();

        let sluice = Sluice::new().unwrap();
        let job = job(&sluice, CLOSED, name, &self.sink, "word-on", &self.more).unwrap();
        self.sink.must_have_seen_nothing("word-on").unwrap();
        assert_eq!(job.status, 0, "{job:?}");
        let said = outcome(&job.stdout);
        println!("{name}: off {open}, on {said}, {:?}", self.end);
        match self.end {
            End::Blocked(hook, reason) => {
                assert_eq!(said, "EPERM", "{job:?}");
                blocked(&sluice, hook, reason);
            }
            End::Proxied => {
                assert_eq!(said, "ECONNRESET", "{job:?}");
                proxied(&sluice, self.sink.port());
            }
            End::Resolved(answer) => {
                assert_eq!(said, answer, "{job:?}");
                proxied(&sluice, self.sink.port());
            }
        }
    }
}

/// A refusal of the kernel is on record, with who did it.
fn blocked(sluice: &Sluice, hook: &str, reason: &str) {
    let refusals = refusals(sluice).unwrap();
    let found = refusals
        .iter()
        .any(|e| e["kernel"]["hook"] == hook && e["kernel"]["reason"] == reason);
    assert!(found, "{hook} {reason} is not in {refusals:?}");
    sluice.sessions().unwrap().iter().for_each(well_attributed);
}

/// A denied flow to that port is on record, with who did it.
fn proxied(sluice: &Sluice, port: u16) {
    let sessions = sluice.sessions().unwrap();
    let found = sessions
        .iter()
        .any(|s| s["verdict"] == "deny" && s["destination"]["port"] == port);
    assert!(found, "{sessions:?}");
    sessions.iter().for_each(well_attributed);
}

fn well_attributed(session: &Value) {
    assert_eq!(session["job"]["name"], "run", "{session}");
    assert_eq!(session["lineage_complete"], true, "{session}");
    let exe = leaf(session).unwrap()["exe"].as_str().unwrap();
    assert!(exe.starts_with(python()), "{session}");
}

/// Ways that need nothing but a sink: a test each.
// table: a test a row.
macro_rules! ways {
    ($($name:ident: $kind:ident => $end:expr;)*) => {
        $(#[test]
        fn $name() {
            Way::new(stringify!($name), Kind::$kind, $end).stays_shut();
        })*
    };
}

ways! {
    tcp4: Tcp4 => End::Proxied;
    tcp_nonblocking: Tcp4 => End::Proxied;
    tcp_again: Tcp4 => End::Proxied;
    tcp_bound: Tcp4 => End::Proxied;
    tcp6: Tcp6 => End::Proxied;
    tcp6_mapped: Tcp4 => End::Proxied;
    fast_open_message: Tcp4 => End::Proxied;
    fast_open_connect: Tcp4 => End::Proxied;
    mptcp: Tcp4 => End::Proxied;
    udp_sendto: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_sendmsg: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_sendmmsg: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_cork: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_connected: Udp4 => End::Blocked("connect4", "udp");
    udp_connected_elsewhere: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_again: Udp4 => End::Blocked("connect4", "udp");
    udp_unspec: Udp4 => End::Blocked("sendmsg4", "udp");
    udp6: Udp6 => End::Blocked("sendmsg6", "udp");
    udp6_mapped: Udp4 => End::Blocked("sendmsg6", "udp");
    udp6_sockaddr4: Udp4 => End::Blocked("sendmsg6", "udp");
    udplite: UdpLite => End::Blocked("sock_create", "socket_kind");
    raw4: Raw4 => End::Blocked("sock_create", "socket_kind");
    raw4_header: Udp4 => End::Blocked("sock_create", "socket_kind");
    raw6: Raw6 => End::Blocked("sock_create", "socket_kind");
    icmp_raw: Icmp => End::Blocked("sock_create", "socket_kind");
    icmp_datagram: Icmp => End::Blocked("sock_create", "socket_kind");
    spawned: Tcp4 => End::Proxied;
    pid_namespace: Tcp4 => End::Proxied;
    thread: Tcp4 => End::Proxied;
    io_uring: Tcp4 => End::Proxied;
    io_uring_raw: Raw4 => End::Blocked("sock_create", "socket_kind");
}

#[test]
fn io_uring_with_a_kernel_thread() {
    let way = Way::new("io_uring", Kind::Tcp4, End::Proxied);
    way.with(&["sqpoll"]).stays_shut();
}

#[test]
fn leaves_cgroup() {
    let way = Way::new("leaves_cgroup", Kind::Tcp4, End::Proxied);
    way.with(&[cgroup_root()]).stays_shut();
}

#[test]
fn clone_into_cgroup() {
    let way = Way::new("clone_into_cgroup", Kind::Tcp4, End::Proxied);
    way.with(&[cgroup_root()]).stays_shut();
}

#[test]
fn double_fork() {
    let way = Way::new("double_fork", Kind::Tcp4, End::Proxied);
    way.with(&[cgroup_root()]).stays_shut();
}

/// A process outside the job that hands out sockets.
fn giver(sluice: &Sluice, kind: &str) -> (Daemonised, String) {
    let door = sluice.scratch().path().join("door");
    let mut command = Command::new(python());
    command.arg("-B").arg(vector("giver")).arg(&door).arg(kind);
    // Its ready line goes through a file, which is there before the door is.
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer).stdin(Stdio::null());
    let giver = Daemonised::spawn(&mut command, Signal::SIGKILL).unwrap();
    drop(command);
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (giver, door.to_string_lossy().into_owned())
}

#[test]
fn scm_rights_tcp() {
    let place = Sluice::new().unwrap();
    let (_giver, door) = giver(&place, "tcp");
    let way = Way::new("scm_rights", Kind::Tcp4, End::Proxied);
    way.with(&[&door]).stays_shut();
}

#[test]
fn scm_rights_udp() {
    let place = Sluice::new().unwrap();
    let (_giver, door) = giver(&place, "udp");
    let end = End::Blocked("connect4", "udp");
    Way::new("scm_rights", Kind::Udp4, end)
        .with(&[&door])
        .stays_shut();
}

/// Port 53 belongs to the gate's own resolver, whoever was asked.
fn on_port_53(name: &'static str, kind: Kind, host: u8, end: End) {
    // An address each: a sink listens for as long as the tests run.
    match Sink::open_at(kind, [127, 9, 9, host].into(), 53) {
        Ok(sink) => {
            let more = Vec::new();
            Way {
                name,
                sink,
                more,
                end,
            }
            .stays_shut();
        }
        Err(error) => skipped(name, &format!("{error:#}")),
    }
}

#[test]
fn cve_2026_32946_dns_over_tcp() {
    on_port_53("dns_tcp", Kind::Tcp4, 1, End::Resolved("rcode 5"));
}

#[test]
fn dns_over_udp() {
    on_port_53("dns_udp", Kind::Udp4, 2, End::Resolved("rcode 5"));
}

#[test]
fn no_dns_at_all_on_port_53() {
    on_port_53("dns_garbage", Kind::Tcp4, 3, End::Resolved("answer b''"));
}

#[test]
fn net_namespace() {
    if let Some(why) = cannot_capture() {
        return skipped("net_namespace", why);
    }
    let namespace = Namespace::new().unwrap();
    let path = namespace.path().to_string_lossy().into_owned();
    let way = Way {
        name: "net_namespace",
        sink: Sink::open_in(&namespace, Kind::Tcp4).unwrap(),
        more: vec![&path],
        end: End::Blocked("connect4", "other_netns"),
    };
    way.stays_shut();
}

#[test]
fn net_namespace_early() {
    if let Some(why) = cannot_capture() {
        return skipped("net_namespace_early", why);
    }
    let namespace = Namespace::new().unwrap();
    let path = namespace.path().to_string_lossy().into_owned();
    let way = Way::new("net_namespace_early", Kind::Tcp4, End::Proxied);
    way.with(&[&path]).stays_shut();
}
